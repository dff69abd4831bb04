"""The command as a user types it, on real speech."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

JFK_TEXT = "And so my fellow Americans ask not what your country can do for you ask what you can do for your country"


def run(*argv, **given):
    return subprocess.run(
        [sys.executable, "-m", "susurrus", *map(str, argv)], capture_output=True, text=True, timeout=300, **given
    )


def names(folder):
    """Name what lies in a folder, the journals' folder aside."""
    return sorted(p.name for p in folder.iterdir() if p.name != ".susurrus")


def transcribe(*argv, **given):
    return run("transcribe", *argv, "--model", "tiny.en", "--offline", "True", "--beam_size", "None", **given)


@pytest.fixture(autouse=True)
def _weights(any_tiny_en):
    """Skip where there are no weights."""


def test_all_formats_are_written_and_the_text_is_shown(jfk, tmp_path):
    done = transcribe(jfk, "-o", tmp_path, "--word-timestamps", "True")
    assert done.returncode == 0, done.stderr
    assert names(tmp_path) == [f"jfk.{f}" for f in ("json", "srt", "tsv", "txt", "vtt")]
    assert (tmp_path / "jfk.txt").read_text().replace("\n", " ").strip() == JFK_TEXT
    assert "-->" in done.stdout
    assert "country" in done.stdout
    result = json.loads((tmp_path / "jfk.json").read_text())
    assert list(result)[:3] == ["text", "segments", "language"]
    assert result["segments"][0]["words"][0]["word"] == " And"


def test_verbose_false_shows_no_text_and_none_shows_nothing(jfk, tmp_path):
    assert transcribe(jfk, "-o", tmp_path, "-f", "txt", "--verbose", "False").stdout == ""
    silent = transcribe(jfk, "-o", tmp_path, "-f", "txt", "--verbose", "None")
    assert (silent.stdout, silent.stderr) == ("", "")


def test_a_bad_file_does_not_stop_the_rest(jfk, tmp_path):
    fake = tmp_path / "fake.mp3"
    fake.write_text("This is not sound. " * 100)
    out = tmp_path / "out"
    done = transcribe(fake, tmp_path / "missing.wav", jfk, "-o", out, "-f", "txt")
    assert done.returncode == 1
    assert names(out) == ["jfk.txt"]
    assert "fake.mp3" in done.stderr
    assert "missing.wav" in done.stderr
    assert "Traceback" not in done.stderr


def test_inputs_of_one_name_do_not_overwrite_each_other(jfk, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(jfk, tmp_path / folder / "x.mp3")
    done = transcribe("a/x.mp3", "b/x.mp3", "-f", "txt", "-o", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.glob("out/**/*.txt")) == [
        "out/a/x.txt",
        "out/b/x.txt",
    ]


@pytest.mark.skipif(os.geteuid() == 0 if hasattr(os, "geteuid") else True, reason="root may write anywhere")
def test_a_read_only_folder_is_refused_before_the_work(jfk, tmp_path):
    tmp_path.chmod(0o500)
    assert transcribe(jfk, "-o", tmp_path).returncode == 2


def test_a_full_disk_is_an_error():
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full on this system")
    import susurrus.writers as writers
    from susurrus.types import Transcript

    with pytest.raises(OSError, match="No space"):
        writers.save(Transcript("x" * 100000, "en", ()), "json", "/dev/full")


def test_an_unknown_model_names_the_known_ones(jfk, tmp_path):
    done = run("transcribe", jfk, "--model", "tinny", "--offline", "True", "-o", tmp_path)
    assert done.returncode == 1
    assert "tiny" in done.stderr
    assert "Traceback" not in done.stderr
