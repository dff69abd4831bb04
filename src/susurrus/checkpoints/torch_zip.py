"""Read what `torch.save` writes (a zip since PyTorch 1.6) without PyTorch, and without running anything in it.

Takes a file; gives its object with every tensor as a StoredTensor. Knows nothing of Whisper.
The pickle in it may name a dozen things, all listed here, and each stands for plain data; anything else is refused.
Source: torch/serialization.py (_save, persistent_id) and torch/_utils.py (_rebuild_tensor_v2).
"""

from __future__ import annotations

import io
import pickle
import pickletools
import reprlib
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from .stored import DTYPES, RELOAD, Blob, StoredTensor

ZIP_MAGIC = b"PK\x03\x04"
_MAX_PICKLE_BYTES = 64 << 20
"""large-v3's pickle is 130 kB; the tensors lie outside it."""

_STORAGES = {
    "DoubleStorage": "f64",
    "FloatStorage": "f32",
    "HalfStorage": "f16",
    "BFloat16Storage": "bf16",
    "LongStorage": "i64",
    "IntStorage": "i32",
    "ShortStorage": "i16",
    "CharStorage": "i8",
    "ByteStorage": "u8",
    "BoolStorage": "bool",
}
_UNSAFE_HINT = "a checkpoint is data, this file holds code; save only the weights: torch.save(model.state_dict(), path)"
_LEGACY_HINT = "load it with PyTorch and save it again: torch.save(torch.load(path, weights_only=True), new_path)"

# What a broken pickle makes the unpickler raise: the documentation of `pickle` says that the list has no end.
_PICKLE_ERRORS = (
    pickle.UnpicklingError,
    ArithmeticError,
    AttributeError,
    DeprecationWarning,  # of a strange escape in a name, where warnings are errors
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
)


def is_legacy(head: bytes) -> bool:
    """Tell whether a file's first bytes are those of PyTorch before 1.6: a bare pickle."""
    return len(head) >= 2 and head[0] == 0x80 and head[1] in (2, 3, 4, 5)


def refuse_legacy(path: Path) -> CheckpointError:
    """Make the error for a file from before PyTorch 1.6."""
    return CheckpointError(f"{path} is in the format PyTorch used before 1.6, which is not read", hint=_LEGACY_HINT)


def read_torch_zip(path: Path) -> Any:
    """Give the saved object, its tensors as StoredTensor. Raises CheckpointError for anything broken or unsafe."""
    blob = Blob([path])
    try:
        with zipfile.ZipFile(path) as archive:
            infos = {info.filename: info for info in archive.infolist()}
    except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error, OSError) as error:
        raise CheckpointError(f"{path} is a broken PyTorch file: {error}", hint=RELOAD) from error
    pickles = [name for name in infos if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(pickles) != 1:
        raise CheckpointError(f"{path} is a zip file, but not one that PyTorch saved: it has no data.pkl")
    root = pickles[0].removesuffix("data.pkl")
    byteorder = infos.get(f"{root}byteorder")
    if byteorder is not None and _read_entry(blob, byteorder, 16) != b"little":
        raise CheckpointError(f"{path} was saved on a big-endian machine, which is not read")

    def storage(key: str) -> tuple[int, int]:
        info = infos.get(f"{root}data/{key}")
        if info is None:
            raise CheckpointError(f"{path} has no storage {key!r} for one of its tensors", hint=RELOAD)
        return _data_offset(blob, info), info.file_size

    data = _read_entry(blob, infos[pickles[0]], _MAX_PICKLE_BYTES)
    try:
        _check_memo(data)
        return _Unpickler(data, blob, storage).load()
    except _PICKLE_ERRORS as error:
        raise CheckpointError(f"{path}: its data.pkl is broken: {error!r}", hint=RELOAD) from error


def _check_memo(data: bytes) -> None:
    """Refuse a pickle whose memo has numbers beyond its length: Python makes room for all the numbers before one."""
    for opcode, argument, _ in pickletools.genops(data):
        is_put = opcode.name in ("PUT", "BINPUT", "LONG_BINPUT")
        if is_put and isinstance(argument, int) and not 0 <= argument <= len(data):
            raise pickle.UnpicklingError(f"{opcode.name} {argument} in {len(data)} bytes")


def _data_offset(blob: Blob, info: zipfile.ZipInfo) -> int:
    """Give the byte where a stored entry's data starts: behind its local header, which may differ from the central."""
    if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
        raise CheckpointError(f"{blob.label}: {info.filename} is compressed or encrypted; PyTorch stores it plain")
    header = blob.read(info.header_offset, 30).tobytes()
    if header[:4] != ZIP_MAGIC:
        raise CheckpointError(f"{blob.label}: {info.filename} has no header at byte {info.header_offset}", hint=RELOAD)
    name_bytes, extra_bytes = struct.unpack_from("<HH", header, 26)
    return info.header_offset + 30 + int(name_bytes) + int(extra_bytes)


def _read_entry(blob: Blob, info: zipfile.ZipInfo, limit: int) -> bytes:
    # Not through ZipFile.read: PyTorch can be told to leave the checksums out, and then they do not match.
    if info.file_size > limit:
        raise CheckpointError(f"{blob.label}: {info.filename} is {info.file_size} bytes long, expected at most {limit}")
    data: bytes = blob.read(_data_offset(blob, info), info.file_size).tobytes()
    return data


class _Unpickler(pickle.Unpickler):
    """Builds dicts, lists, numbers, strings and StoredTensors; every other name in the pickle is an error."""

    def __init__(self, data: bytes, blob: Blob, storage: Callable[[str], tuple[int, int]]) -> None:
        super().__init__(io.BytesIO(data))
        self._blob = blob
        self._storage = storage

    def find_class(self, module: str, name: str) -> Any:
        """Give what stands for a name of the pickle. Raises CheckpointError for names that are not on the list."""
        if module in ("torch", "torch.storage") and name in _STORAGES:
            return _STORAGES[name]
        allowed: dict[tuple[str, str], Any] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor"): self._rebuild_tensor,
            ("torch._utils", "_rebuild_tensor_v2"): self._rebuild_tensor,
            ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
            ("torch", "Size"): tuple,
        }
        if (module, name) not in allowed:
            raise CheckpointError(
                f"{self._blob.label} asks for {module}.{name}, which has no place in a checkpoint", hint=_UNSAFE_HINT
            )
        return allowed[module, name]

    def persistent_load(self, pid: Any) -> StoredTensor:
        """Give the storage that a tensor names, as a tensor of one axis."""
        match pid:
            case ("storage", str(dtype), str(key), _, int(numel)) if dtype in DTYPES and numel >= 0:
                offset, n_bytes = self._storage(key)
                whole = StoredTensor(self._blob, dtype, (numel,), offset)
                if whole.n_bytes > n_bytes:
                    raise CheckpointError(
                        f"{self._blob.label}: storage {key} holds {n_bytes} bytes, expected {whole.n_bytes}",
                        hint=RELOAD,
                    )
                return whole.check(f"storage {key}")
        raise CheckpointError(f"{self._blob.label}: a tensor has the unknown storage {reprlib.repr(pid)}", hint=RELOAD)

    def _rebuild_tensor(self, storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> StoredTensor:
        numbers = [offset, *shape, *strides]
        if (
            not isinstance(storage, StoredTensor)
            or len(shape) != len(strides)
            or not all(type(number) is int and number >= 0 for number in numbers)
        ):
            raise CheckpointError(f"{self._blob.label}: a tensor is described by {reprlib.repr(numbers)}", hint=RELOAD)
        start = storage.offset + offset * DTYPES[storage.dtype].itemsize
        tensor = StoredTensor(self._blob, storage.dtype, tuple(shape), start, tuple(strides))
        if start + tensor.n_bytes > storage.offset + storage.n_bytes:
            raise CheckpointError(f"{self._blob.label}: a tensor {list(shape)} reaches past its storage", hint=RELOAD)
        return tensor.check("a tensor")


def _rebuild_parameter(data: Any, *_: Any) -> Any:
    return data
