"""CTranslate2's format (what faster-whisper reads): a folder with model.bin and config.json.

model.bin may be split into model.bin.part1, .part2, ... that follow each other, also in several folders.
Integers are scaled: weight = stored / scale, one scale a row (int8) or one for all (int16).
Source: CTranslate2, python/ctranslate2/specs/model_spec.py (`_serialize`, `_quantize`), src/models/model.cc (`load`).
"""

from __future__ import annotations

import math
import re
import struct
from pathlib import Path

import numpy as np

from ..errors import CheckpointError
from ..types import Array
from .source import Contents, Source, heads_or_none, ids_or_none, read_json
from .stored import DTYPES, FLOATS, RELOAD, Blob, Entry, StoredTensor
from .weight_names import Place, from_ctranslate2

_VERSIONS = range(4, 7)
"""Binary versions that say each variable's number format; Whisper came with version 6."""

_TYPE_IDS = ("f32", "i8", "i16", "i32", "f16", "bf16")  # the order of DataType in include/ctranslate2/types.h
_SPEC = "WhisperSpec"
_MAX_VARIABLES = 1 << 17
_MAX_RANK = 8


def matches(source: Source) -> bool:
    """Tell whether the path is such a folder, or a model.bin or a part of one."""
    paths = _files(source)
    # In a folder a file called model.bin is claimed whatever it holds: the reader can say what is wrong with it.
    return bool(paths) and (paths[0] != source.path or _is_ctranslate2(paths[0]))


def read(source: Source) -> Contents:
    """Read variables and config. Raises CheckpointError where the file is not a Whisper's, or broken."""
    paths = _files(source)
    _check_parts(paths)
    blob = Blob(paths)
    variables = _read_variables(blob)
    entries: dict[str, Entry] = {}
    for variable, tensor in variables.items():
        scale = variables.get(f"{variable}_scale")
        if not tensor.shape or variable.endswith("_scale"):
            continue  # settings (num_heads, activation), and the scales of other variables
        pieces = from_ctranslate2(variable)
        if not pieces:
            entries[variable] = Entry(tensor.shape, tensor.read)
        for name, place in pieces:
            # Keys have no bias in Whisper: CTranslate2 fills their third of the joint bias with zeros.
            if not name.endswith("attn.key.bias"):
                entries[name] = _entry(name, tensor, scale, place)
    folder = paths[0].parent
    config = read_json(folder / "config.json") if (folder / "config.json").is_file() else {}
    where = str(folder / "config.json")
    sizes = {
        size: int(variables[name].read())
        for name, size in (("encoder/num_heads", "n_audio_head"), ("decoder/num_heads", "n_text_head"))
        if name in variables and variables[name].shape == ()
    }
    return Contents(
        blob.label,
        entries,
        sizes,
        heads_or_none(config.get("alignment_heads"), where),
        ids_or_none(config.get("suppress_ids"), where),
    )


def _entry(name: str, tensor: StoredTensor, scale: StoredTensor | None, place: Place) -> Entry:
    n_rows = tensor.shape[0] // place.n_parts
    if n_rows * place.n_parts != tensor.shape[0]:
        raise CheckpointError(
            f"{tensor.blob.label}: {place.variable} {list(tensor.shape)} does not hold {place.n_parts} equal matrices"
        )
    start, stop = place.part * n_rows, (place.part + 1) * n_rows
    part = tensor.rows(start, stop)
    identity = (part.offset, part.shape)
    if tensor.dtype in FLOATS:
        return Entry(part.shape, part.read, identity)
    if scale is None or scale.dtype not in FLOATS or scale.shape not in ((), (1,), (tensor.shape[0],)):
        found = "no scale" if scale is None else f"a scale {list(scale.shape)} of {scale.dtype}"
        raise CheckpointError(f"{tensor.blob.label}: {name} is stored as {tensor.dtype} with {found}", hint=RELOAD)
    part_scale = scale.rows(start, stop) if scale.shape == (tensor.shape[0],) else scale

    def load() -> Array:
        factors = part_scale.read().astype(np.float32).reshape(-1, *(1,) * (len(part.shape) - 1))
        if not (factors > 0).all():
            raise CheckpointError(f"{tensor.blob.label}: {place.variable} has scales that are not above 0", hint=RELOAD)
        return part.read().astype(np.float32) / factors

    return Entry(part.shape, load, identity)


def _files(source: Source) -> list[Path]:
    """Give model.bin, or its parts in order; empty where there is neither."""
    path = source.path
    if path.is_file():
        if not re.fullmatch(r"model\.bin\.part\d+", path.name):
            return [path]
        path = path.parent
    if (path / "model.bin").is_file():
        return [path / "model.bin"]
    parts: dict[int, Path] = {}
    for folder in (path, *source.more):
        for file in folder.glob("model.bin.part*"):
            number = file.name.removeprefix("model.bin.part")
            if number.isdecimal():
                parts.setdefault(int(number), file)
    return [parts[number] for number in sorted(parts)]


def _check_parts(paths: list[Path]) -> None:
    numbers = [int(path.suffix[5:]) for path in paths if path.suffix.startswith(".part")]
    missing = [number for number in range(1, max(numbers, default=0) + 1) if number not in numbers]
    if missing:
        names = ", ".join(f"model.bin.part{number}" for number in missing)
        raise CheckpointError(f"{paths[-1].parent} lacks {names}", hint=RELOAD)


def _is_ctranslate2(path: Path) -> bool:
    """Tell whether a file starts with a version and the name of a specification."""
    with path.open("rb") as file:
        head = file.read(70)
    if len(head) < 6:
        return False
    version, n_name = struct.unpack_from("<IH", head)
    name = head[6 : 6 + n_name]
    return version < 100 and n_name <= 64 and name.endswith(b"Spec\0")


def _read_variables(blob: Blob) -> dict[str, StoredTensor]:
    """Walk the file's headers: every variable by name, aliases too."""
    cursor = _Cursor(blob)
    version = cursor.number("I", "the binary version")
    if version not in _VERSIONS:
        raise CheckpointError(
            f"{blob.label} has binary version {version}, expected {_VERSIONS[0]} to {_VERSIONS[-1]}",
            hint="convert the model again with a current CTranslate2",
        )
    spec = cursor.string("the specification")
    if spec != _SPEC:
        raise CheckpointError(f"{blob.label} holds a {spec}, expected a {_SPEC}")
    cursor.number("I", "the revision")  # 1 to 3 name Whisper's weights alike
    n_variables = cursor.number("I", "the number of variables")
    if n_variables > _MAX_VARIABLES:
        raise CheckpointError(f"{blob.label} claims {n_variables} variables, a Whisper has some hundred", hint=RELOAD)
    variables: dict[str, StoredTensor] = {}
    for i in range(n_variables):
        name, tensor = _read_variable(cursor, f"variable {i + 1} of {n_variables}")
        variables[name] = tensor
    for i in range(cursor.number("I", "the number of aliases")):
        alias, name = (cursor.string(f"alias {i + 1}") for _ in range(2))
        if name not in variables:
            raise CheckpointError(f"{blob.label}: {alias} stands for {name}, which is not there", hint=RELOAD)
        variables[alias] = variables[name]
        if f"{name}_scale" in variables:
            variables[f"{alias}_scale"] = variables[f"{name}_scale"]
    return variables


def _read_variable(cursor: _Cursor, what: str) -> tuple[str, StoredTensor]:
    name = cursor.string(what)
    what = f"{what}, {name}"
    rank = cursor.number("B", what)
    if rank > _MAX_RANK:
        raise CheckpointError(f"{cursor.blob.label}: {what} has {rank} axes", hint=RELOAD)
    shape = tuple(cursor.number("I", what) for _ in range(rank))
    type_id, n_bytes = cursor.number("B", what), cursor.number("I", what)
    if type_id >= len(_TYPE_IDS):
        raise CheckpointError(f"{cursor.blob.label}: {what} has the unknown number format {type_id}", hint=RELOAD)
    dtype = _TYPE_IDS[type_id]
    if math.prod(shape) * DTYPES[dtype].itemsize != n_bytes:
        raise CheckpointError(
            f"{cursor.blob.label}: {what} {list(shape)} {dtype} does not take {n_bytes} bytes", hint=RELOAD
        )
    tensor = StoredTensor(cursor.blob, dtype, shape, cursor.at).check(what)
    cursor.at += n_bytes
    return name, tensor


class _Cursor:
    """A place in a blob that moves on as headers are read; `at` is the next byte."""

    _PAGE_BYTES = 4096

    def __init__(self, blob: Blob) -> None:
        self.blob = blob
        self.at = 0
        self._page = b""
        self._page_at = 0

    def take(self, n_bytes: int, what: str) -> bytes:
        """Give the next bytes; CheckpointError that says what was being read where the file ends."""
        if self.at + n_bytes > self.blob.size:
            raise CheckpointError(f"{self.blob.label} ends at byte {self.blob.size}, within {what}", hint=RELOAD)
        start = self.at - self._page_at
        if start < 0 or start + n_bytes > len(self._page):
            n_page = min(max(n_bytes, self._PAGE_BYTES), self.blob.size - self.at)
            self._page, self._page_at, start = self.blob.read(self.at, n_page).tobytes(), self.at, 0
        self.at += n_bytes
        return self._page[start : start + n_bytes]

    def number(self, code: str, what: str) -> int:
        """Give a little-endian unsigned number: B, H or I as in `struct`."""
        return int(struct.unpack(f"<{code}", self.take(struct.calcsize(f"<{code}"), what))[0])

    def string(self, what: str) -> str:
        """Give a string: its length with the zero that ends it, its bytes, the zero."""
        text = self.take(self.number("H", what), what)
        if not text.endswith(b"\0") or not text[:-1].isascii():
            raise CheckpointError(f"{self.blob.label}: {what} has no readable name: {text[:40]!r}", hint=RELOAD)
        return text[:-1].decode("ascii")
