"""Read a safetensors file: a length, a JSON header, the tensors' bytes.

Takes a path; gives StoredTensors by name. Knows nothing of Whisper.
Source: https://github.com/huggingface/safetensors#format.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from .source import parse_json
from .stored import DTYPES, RELOAD, Blob, StoredTensor

_MAX_HEADER_BYTES = 100_000_000
"""The limit the format itself sets."""

_DTYPES = {
    "F64": "f64",
    "F32": "f32",
    "F16": "f16",
    "BF16": "bf16",
    "I64": "i64",
    "I32": "i32",
    "I16": "i16",
    "I8": "i8",
    "U8": "u8",
    "BOOL": "bool",
}


def is_safetensors(path: Path) -> bool:
    """Tell whether the file starts as safetensors do: a plausible length, then a JSON object."""
    with path.open("rb") as file:
        head = file.read(9)
    return len(head) == 9 and head[8:] == b"{" and struct.unpack("<Q", head[:8])[0] <= _MAX_HEADER_BYTES


def read_safetensors(path: Path) -> dict[str, StoredTensor]:
    """Give the tensors by name. Raises CheckpointError where the file is cut short or contradicts itself."""
    blob = Blob([path])
    n_header = int(blob.read(0, 8).view("<u8")[0])
    if n_header > _MAX_HEADER_BYTES:
        raise CheckpointError(f"{path}: a header of {n_header} bytes is not a safetensors file's", hint=RELOAD)
    header = parse_json(blob.read(8, n_header).tobytes(), f"{path}: its header")
    header.pop("__metadata__", None)
    return {name: _tensor(blob, name, entry, 8 + n_header) for name, entry in header.items()}


def _tensor(blob: Blob, name: str, entry: Any, data_start: int) -> StoredTensor:
    match entry:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [int(begin), int(end)]} if (
            dtype in _DTYPES and all(type(n) is int and n >= 0 for n in shape) and begin >= 0
        ):
            tensor = StoredTensor(blob, _DTYPES[dtype], tuple(shape), data_start + begin)
            if math.prod(shape) * DTYPES[_DTYPES[dtype]].itemsize != end - begin:
                raise CheckpointError(
                    f"{blob.label}: {name} {shape} {dtype} does not take {end - begin} bytes", hint=RELOAD
                )
            return tensor.check(name)
    raise CheckpointError(f"{blob.label}: {name} is described by {entry!r:.120}, which is not read", hint=RELOAD)
