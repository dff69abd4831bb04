"""PyTorch's files by hand: code in a pickle does not run, tensors that lie are refused, torch itself agrees."""

from __future__ import annotations

import io
import os
import pickle
import zipfile

import numpy as np
import pytest
from checkpoint_writers import DIMS, write_configs

from susurrus import CheckpointError
from susurrus.checkpoints import load_checkpoint


def torch_zip(path, data, storages=(), *, root="archive", compress=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compress) as archive:
        archive.writestr(f"{root}/data.pkl", data)
        for key, content in dict(storages).items():
            archive.writestr(f"{root}/data/{key}", content)
    return path


class Runs:
    """Pickles to a call of os.system, as a malicious checkpoint would."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("key", ["dims", "model_state_dict", "other"])
def test_code_in_a_pickle_does_not_run(key, protocol, tmp_path):
    victim = tmp_path / "ran"
    saved = {"dims": {}, "model_state_dict": {}, key: Runs(f"touch {victim}")}
    path = torch_zip(tmp_path / "evil.pt", pickle.dumps(saved, protocol))
    with pytest.raises(CheckpointError, match=r"(posix|nt)\.system, which has no place") as caught:
        load_checkpoint(path)
    assert "torch.save" in caught.value.hint
    assert not victim.exists()


@pytest.mark.parametrize(
    "name",
    [
        "builtins eval",
        "builtins getattr",
        "builtins __import__",
        "functools partial",
        "torch.hub load",
        "torch load",
        "torch._utils _rebuild_tensor_v2.__globals__",
        "collections OrderedDict.__init__",
        "torch.serialization _load",
        "numpy.core.multiarray scalar",
        "os.path join",
    ],
)
def test_names_that_are_not_on_the_list(name, tmp_path):
    module, attribute = name.split(" ")
    data = b"\x80\x04" + b"".join(b"\x8c" + bytes([len(t)]) + t.encode() for t in (module, attribute)) + b"\x93."
    with pytest.raises(CheckpointError, match="has no place"):
        load_checkpoint(torch_zip(tmp_path / "evil.pt", data))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b".",
        b"\x80\x04.",
        b"garbage",
        b"\x80\x02]q\xff",
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x00.",  # BINBYTES8 of 2^56 bytes
        b"\x80\x02N}b.",  # state for None
        b"\x80\x02]](K\x01K\x02u.",  # items set on a list
        b"\x80\x02ctorch\nFloatStorage\n)R.",  # a storage type, called
        b"(" * 100_000 + b".",
        b"\x80\x02]r\xff\xff\xff\xff.",  # memo number 2^32 - 1: 64 GB of room for it
        b"\x80\x02]p4294967295\n.",
    ],
)
def test_broken_pickles(data, tmp_path):
    with pytest.raises(CheckpointError):
        load_checkpoint(torch_zip(tmp_path / "a.pt", data))


FLOATS = ("storage", "FloatStorage", "0", "cpu", 6)


@pytest.mark.parametrize(
    ("storage", "offset", "shape", "strides", "message"),
    [
        (FLOATS, 0, (2, 3), (3,), "described by"),
        (FLOATS, -1, (2, 3), (3, 1), "described by"),
        (FLOATS, 0, (2, -3), (3, 1), "described by"),
        (FLOATS, 0, (2, 3), (-3, 1), "described by"),
        (FLOATS, 0, (2.0, 3), (3, 1), "described by"),
        (FLOATS, 1, (2, 3), (3, 1), "past its storage"),
        (FLOATS, 0, (2, 3), (4, 1), "past its storage"),
        (FLOATS, 0, (1 << 40, 1 << 40), (0, 0), "repeats its elements"),
        (FLOATS, 10**30, (2, 3), (3, 1), "past its storage"),
        (("storage", "FloatStorage", "0", "cpu", 7), 0, (2, 3), (3, 1), "holds 24 bytes, expected 28"),
        (("storage", "FloatStorage", "0", "cpu", 10**20), 0, (2, 3), (3, 1), "holds 24 bytes"),
        (("storage", "FloatStorage", "9", "cpu", 6), 0, (2, 3), (3, 1), "no storage '9'"),
        (("storage", "FloatStorage", "../data.pkl", "cpu", 6), 0, (2, 3), (3, 1), "no storage"),
        (("module", "FloatStorage", "0", "cpu", 6), 0, (2, 3), (3, 1), "unknown storage"),
        (("storage", "LongStorage", "0", "cpu", 3), 0, (3,), (1,), "stored as i64"),
        (None, 0, (2, 3), (3, 1), "described by"),
        (FLOATS, 0, None, (3, 1), "broken"),
    ],
)
def test_tensors_that_lie(storage, offset, shape, strides, message, tmp_path):
    data = pickled_tensor(storage, offset, shape, strides)
    path = torch_zip(tmp_path / "a.pt", data, {"0": np.arange(6, dtype=np.float32).tobytes()})
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(path)


def pickled_tensor(storage, offset, shape, strides):
    """Write the pickle by opcodes: the names in it need not exist here."""

    def dumps(value):
        return pickle.dumps(value, 2)[2:-1]  # without PROTO and STOP

    if storage is not None:
        kind, dtype, key, device, numel = storage
        pid = b"(" + dumps(kind) + f"ctorch\n{dtype}\n".encode() + dumps(key) + dumps(device) + dumps(numel) + b"tQ"
    else:
        pid = b"N"
    args = b"(" + pid + dumps(offset) + dumps(shape) + dumps(strides) + b"\x89}t"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n" + args + b"R"
    return (
        b"\x80\x02}("
        + dumps("dims")
        + dumps(vars(DIMS))
        + dumps("model_state_dict")
        + b"}"
        + dumps("x")
        + tensor
        + b"su."
    )


def test_zips_that_are_not_torchs(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr("hello.txt", "hello")
    with pytest.raises(CheckpointError, match=r"no data\.pkl"):
        load_checkpoint(tmp_path / "a.pt")
    torch_zip(tmp_path / "b.pt", pickle.dumps({}), compress=zipfile.ZIP_DEFLATED)
    with pytest.raises(CheckpointError, match="compressed"):
        load_checkpoint(tmp_path / "b.pt")
    torch_zip(tmp_path / "c.pt", pickle.dumps([1, 2]))
    with pytest.raises(CheckpointError, match="holds a list, expected `dims`"):
        load_checkpoint(tmp_path / "c.pt")
    torch_zip(tmp_path / "d.pt", pickle.dumps({"dims": vars(DIMS), "model_state_dict": {"a": 1}}, 2))
    with pytest.raises(CheckpointError, match="not a tensor: a"):
        load_checkpoint(tmp_path / "d.pt")
    torch_zip(tmp_path / "e.pt", pickle.dumps({"dims": {"n_mels": "80"}, "model_state_dict": {}}, 2))
    with pytest.raises(CheckpointError, match="n_mels is '80', expected an integer"):
        load_checkpoint(tmp_path / "e.pt")


def test_torch_files_from_before_1_6(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch writes its old format")
    torch.save({"dims": {}}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    folder = write_configs(tmp_path / "hf")
    torch.save({}, folder / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    for path in (tmp_path / "old.pt", folder):
        with pytest.raises(CheckpointError, match=r"before 1\.6.*\nhint: load it with PyTorch and save it again"):
            load_checkpoint(path)


def test_torchs_own_reader_agrees_on_what_a_tensor_is(tmp_path):
    """The pickles written by opcodes above are real: PyTorch loads the honest one."""
    torch = pytest.importorskip("torch", reason="PyTorch reads what the test wrote")
    data = pickled_tensor(FLOATS, 0, (2, 3), (3, 1))
    path = torch_zip(tmp_path / "a.pt", data, {"0": np.arange(6, dtype=np.float32).tobytes()})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("archive/version", b"3\n")
    loaded = torch.load(io.BytesIO(path.read_bytes()), weights_only=True)
    assert loaded["model_state_dict"]["x"].tolist() == [[0, 1, 2], [3, 4, 5]]
