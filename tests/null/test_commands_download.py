"""`susurrus download` against a hub on this machine: whole, checked, resumed, and clear about what fails."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from checkpoint_writers import small_weights, write_openai, write_safetensors_folder
from hub_server import HubServer
from huggingface_hub import constants

from susurrus.checkpoints import blobs, inventory, packages
from susurrus.cli import main


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub with one model, and a home where nothing is cached."""
    home = tmp_path / "home"
    home.mkdir()
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(home))
    for name in ("XDG_CACHE_HOME", "HF_HUB_OFFLINE", "SUSURRUS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(packages, "PACKAGES", {})
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
    monkeypatch.setattr(blobs, "_PAUSES", (0.0, 0.0, 0.0))
    server = HubServer()
    ask_at(server.endpoint, monkeypatch)
    server.repositories["me/mine"] = write_safetensors_folder(tmp_path / "mine", small_weights())
    yield server
    server.close()


def ask_at(endpoint, monkeypatch):
    """What HF_ENDPOINT does when huggingface_hub is imported."""
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}")


def cached(name="model.safetensors"):
    return list(Path(constants.HF_HUB_CACHE).rglob(name))


def fetches(hub):
    """The large file's requests: from which byte on."""
    return [int(re.search(r"bytes=(\d+)-", one)[1]) for one in hub.asked if "bytes=" in one]


def test_a_model_is_fetched_whole_and_found_again_without_the_network(hub, capsys):
    assert main(["download", "me/mine"]) == 0
    out, err = capsys.readouterr()
    assert "me/mine: fetched, agrees with the hub's sums" in out
    assert err == "me/mine: fetching 0 MB\n"  # no bar where stderr is no terminal
    assert [path.read_bytes() for path in cached()] == [
        (hub.repositories["me/mine"] / "model.safetensors").read_bytes()
    ]
    hub.asked.clear()
    assert main(["download", "me/mine", "--offline", "True"]) == 0
    assert "already here, agrees with the hub's sums" in capsys.readouterr().out
    assert hub.asked == []


def test_what_is_fetched_can_be_loaded(hub):
    from susurrus.checkpoints import load_checkpoint

    seen = []
    checkpoint = load_checkpoint("me/mine", on_progress=lambda done, total: seen.append((done, total)))
    size = (hub.repositories["me/mine"] / "model.safetensors").stat().st_size
    assert seen[-1] == (size, size)
    assert set(checkpoint.weights) == set(small_weights())


def test_one_that_fails_does_not_stop_the_rest(hub, capsys):
    assert main(["download", "me/gone", "no such name", "me/mine"]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("me/mine: fetched")
    assert "has no model me/gone" in err
    assert "'no such name' is neither" in err
    assert "1 of 3 are here; not: me/gone, no such name" in err


def test_a_broken_connection_is_taken_up_where_it_broke(hub):
    hub.cut_after = 40_000
    assert main(["download", "me/mine"]) == 0
    assert fetches(hub) == [0, 40_000, 80_000]
    assert len(cached()) == 1


def test_a_server_that_knows_no_ranges_begins_again(hub):
    hub.cut_after = 40_000
    hub.knows_ranges = False
    assert main(["download", "me/mine"]) == 1
    hub.cut_after = None
    assert main(["download", "me/mine"]) == 0


def test_a_connection_that_brings_nothing_is_given_up(hub, capsys):
    hub.cut_after = 0
    assert main(["download", "me/mine"]) == 1
    err = capsys.readouterr().err
    assert "0 of 99376 bytes came" in err
    assert "it goes on where it stopped" in err
    assert fetches(hub) == [0, 0, 0]


def test_what_came_damaged_is_fetched_once_more(hub, capsys):
    hub.damage = 1
    assert main(["download", "me/mine"]) == 0
    assert fetches(hub) == [0, 0]
    hub.damage = 2
    for path in cached():
        path.resolve().unlink()
        path.unlink()
    assert main(["download", "me/mine"]) == 1
    assert "came damaged" in capsys.readouterr().err
    assert not cached()
    assert not cached("*.incomplete")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_file_that_was_damaged_on_this_machine_is_fetched_again(name, hub, capsys):
    main(["download", "me/mine"])
    whole = (hub.repositories["me/mine"] / name).read_bytes()
    cached(name)[0].resolve().write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    capsys.readouterr()
    assert main(["download", "me/mine"]) == 0
    assert "me/mine: fetched" in capsys.readouterr().out
    assert cached(name)[0].read_bytes() == whole


def test_offline_says_what_to_run_later(hub, capsys):
    assert main(["download", "me/mine", "--offline", "True"]) == 1
    err = capsys.readouterr().err
    assert "the weights of me/mine are not on this machine" in err
    assert "hint:" in err
    assert hub.asked == []


def test_a_hub_that_is_not_there(hub, capsys, monkeypatch):
    ask_at("http://127.0.0.1:9", monkeypatch)
    assert main(["download", "me/mine"]) == 1
    err = capsys.readouterr().err
    assert "could not be fetched" in err
    assert "check the network" in err
    assert "Traceback" not in err


def test_a_full_disk_keeps_what_came(hub, capsys, monkeypatch):
    def fill(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(blobs, "_copy", fill)
    assert main(["download", "me/mine"]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert len(cached("*.incomplete")) == 1


def test_the_token_is_for_the_hub_and_not_for_where_it_sends_one_to(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.store = HubServer()
    hub.store.repositories = hub.repositories
    assert main(["download", "me/mine"]) == 0
    assert "Bearer hf_secret" in hub.tokens
    assert set(hub.store.tokens) == {None}
    assert fetches(hub.store) == [0]
    hub.store.close()


def test_a_hub_that_sends_files_itself_gets_the_token(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert main(["download", "me/mine"]) == 0
    asked = [token for one, token in zip(hub.asked, hub.tokens, strict=True) if "bytes=" in one]
    assert asked == ["Bearer hf_secret"]


def test_model_dir_is_where_it_goes_and_where_it_is_found(hub, tmp_path, capsys):
    assert main(["download", "me/mine", "--model_dir", str(tmp_path / "own")]) == 0
    assert not cached()
    assert main(["download", "me/mine", "--model_dir", str(tmp_path / "own")]) == 0
    assert "already here" in capsys.readouterr().out


def test_openais_files_are_compared_with_openais_sums(hub, tmp_path, capsys, monkeypatch):
    file = tmp_path / "own" / "tiny.pt"
    file.parent.mkdir()
    write_openai(file, small_weights())
    assert main(["download", "tiny", "--model_dir", str(file.parent)]) == 1
    assert "is not tiny as OpenAI published it" in capsys.readouterr().err
    assert file.exists()  # it may be a model of one's own
    monkeypatch.setitem(inventory.OPENAI_SHA256, "tiny", blobs.Blob([file]).sha256())
    assert main(["download", "tiny", "--model_dir", str(file.parent)]) == 0
    assert "agrees with OpenAI's SHA-256" in capsys.readouterr().out


def start(hub, tmp_path):
    """Begin a download in a process, and give it once a part has come and the server is silent."""
    hub.cut_after = 40_000
    hub.stall.set()
    env = {**os.environ, "HF_ENDPOINT": hub.endpoint, "HF_HUB_CACHE": constants.HF_HUB_CACHE}
    process = subprocess.Popen(
        [sys.executable, "-m", "susurrus", "download", "me/mine"], env=env, stderr=subprocess.PIPE
    )
    end = time.monotonic() + 60
    while sum(path.stat().st_size for path in cached("*.incomplete")) < 40_000:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end
        time.sleep(0.05)
    return process


@pytest.mark.skipif(os.name == "nt", reason="signals as on POSIX")
@pytest.mark.parametrize("sign", ["SIGKILL", "SIGINT"])
def test_a_download_that_was_stopped_goes_on(sign, hub, tmp_path):
    process = start(hub, tmp_path)
    begun = time.monotonic()
    process.send_signal(getattr(signal, sign))
    _, err = process.communicate(timeout=20)
    assert time.monotonic() - begun < 5, "Ctrl-C does not wait for the server"
    if sign == "SIGINT":
        assert process.returncode == 130
        assert b"the same command goes on from here" in err
    hub.asked.clear()
    hub.cut_after = None
    assert main(["download", "me/mine"]) == 0
    assert fetches(hub) == [40_000]
    assert cached()[0].read_bytes() == (hub.repositories["me/mine"] / "model.safetensors").read_bytes()


def test_models_says_what_is_here(hub, tmp_path, capsys):
    own = tmp_path / "own"
    write_safetensors_folder(own / "small.en", small_weights())
    hub.repositories["openai/whisper-base"] = hub.repositories["me/mine"]
    main(["download", "base"])
    hub.asked.clear()
    capsys.readouterr()
    assert main(["models", "--json", "True", "--model_dir", str(own)]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert len(rows) == 17
    assert [place["kind"] for place in rows["base"]["places"]] == ["hub cache"]
    assert [place["kind"] for place in rows["small.en"]["places"]] == ["model_dir"]
    assert rows["tiny"]["places"] == []
    assert (rows["large-v3"]["aliases"], rows["large-v3-turbo"]["aliases"]) == (["large"], ["turbo"])
    languages = {name: row["languages"] for name, row in rows.items()}
    assert [languages[name] for name in ("tiny", "tiny.en", "large-v3", "distil-large-v3")] == [99, 1, 100, 1]
    # The model cards' figures: 39 M and 1550 M with the positions of the sound, which are not learned.
    assert rows["base"]["parameters"] == 71_825_920
    assert rows["base"]["download_bytes"] == pytest.approx(290_403_936, rel=1e-3)
    assert hub.asked == []


def test_models_as_a_table(hub, capsys, monkeypatch):
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "parameters", "download", "languages", "here"]
    turbo = next(line for line in lines if line.startswith("large-v3-turbo"))
    assert turbo.split() == ["large-v3-turbo,", "turbo", "807", "M", "1.6", "GB", "100", "-"]


def test_a_damaged_package_is_told_and_not_raised(hub, tmp_path, capsys, monkeypatch):
    site = tmp_path / "site"
    (site / "fake_weights" / "data").mkdir(parents=True)
    (site / "fake_weights" / "data" / "model.bin").write_bytes(b"x")
    monkeypatch.syspath_prepend(site)
    entry = packages.WeightPackages("base", (("fake_weights", "data"),), "0" * 64)
    monkeypatch.setattr(packages, "PACKAGES", {"base": entry})
    assert main(["models"]) == 0
    out = capsys.readouterr().out
    assert next(line for line in out.splitlines() if line.startswith("base ")).endswith("damaged")
    assert "its SHA-256 differs" in out
