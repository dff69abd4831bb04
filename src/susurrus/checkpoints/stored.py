"""Tensors that still lie in their file: where, in which number format, in which order.

Takes paths and byte ranges; gives NumPy arrays, one at a time. Knows nothing of Whisper or of any file format.

Files are opened for each read, not mapped: a map of a file that shrinks kills the process, a handle that stays open
blocks the file on Windows, and the one copy out of the page cache is needed anyway, since CTranslate2 stores tensors
at odd addresses.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CheckpointError
from ..types import Array

DTYPES: dict[str, np.dtype[Any]] = {
    "f64": np.dtype("<f8"),
    "f32": np.dtype("<f4"),
    "f16": np.dtype("<f2"),
    "bf16": np.dtype("<u2"),  # NumPy has no bfloat16: the bits, widened on reading
    "i64": np.dtype("<i8"),
    "i32": np.dtype("<i4"),
    "i16": np.dtype("<i2"),
    "i8": np.dtype("i1"),
    "u8": np.dtype("u1"),
    "bool": np.dtype("u1"),
}
FLOATS = ("f64", "f32", "f16", "bf16")

_CHUNK_BYTES = 1 << 22

RELOAD = "the file is damaged or not completely downloaded; fetch it again"


class Blob:
    """The bytes of one file, or of several that follow each other, read by ranges."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)
        self.label = " + ".join([str(self.paths[0]), *(path.name for path in self.paths[1:])])
        try:
            self._sizes = [path.stat().st_size for path in self.paths]
        except OSError as error:
            raise CheckpointError(f"{self.label} cannot be read: {error.strerror or error}") from error
        self.size = sum(self._sizes)

    def read(self, offset: int, n_bytes: int) -> Array:
        """Give u8[n_bytes] from `offset`, as an array of its own. Raises CheckpointError past the end."""
        if offset < 0 or n_bytes < 0 or offset + n_bytes > self.size:
            raise CheckpointError(
                f"{self.label} ends at byte {self.size}; {n_bytes} bytes were expected from byte {offset}", hint=RELOAD
            )
        data = np.empty(n_bytes, dtype=np.uint8)
        done = start = 0
        for path, size in zip(self.paths, self._sizes, strict=True):
            first = offset + done - start
            if done < n_bytes and first < size:
                n = min(n_bytes - done, size - first)
                self._read_into(path, first, data[done : done + n])
                done += n
            start += size
        return data

    def sha256(self) -> str:
        """Give the SHA-256 of all bytes, in hex."""
        digest = hashlib.sha256()
        for offset in range(0, self.size, _CHUNK_BYTES):
            digest.update(self.read(offset, min(_CHUNK_BYTES, self.size - offset)))
        return digest.hexdigest()

    def _read_into(self, path: Path, offset: int, out: Array) -> None:
        view = memoryview(out)
        try:
            with path.open("rb", buffering=0) as file:
                file.seek(offset)
                while view:
                    n = file.readinto(view)
                    if not n:
                        raise CheckpointError(f"{path} became shorter while it was read", hint=RELOAD)
                    view = view[n:]
        except OSError as error:
            raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from error


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in a blob: `offset` in bytes, `strides` in elements (None: rows follow each other)."""

    blob: Blob
    dtype: str
    shape: tuple[int, ...]
    offset: int
    strides: tuple[int, ...] | None = None

    @property
    def n_bytes(self) -> int:
        """How many bytes it spans in the blob."""
        if self.strides is None or 0 in self.shape:
            return math.prod(self.shape) * DTYPES[self.dtype].itemsize
        span = 1 + sum((n - 1) * stride for n, stride in zip(self.shape, self.strides, strict=True))
        return span * DTYPES[self.dtype].itemsize

    def check(self, name: str) -> StoredTensor:
        """Give itself where it lies wholly in the blob; CheckpointError where it does not."""
        end = self.offset + self.n_bytes
        if self.offset < 0 or end > self.blob.size:
            raise CheckpointError(
                f"{self.blob.label} ends at byte {self.blob.size}; {name} {list(self.shape)} reaches to byte {end}",
                hint=RELOAD,
            )
        # A view that repeats elements would let a few bytes stand for any number of gigabytes.
        if math.prod(self.shape) * DTYPES[self.dtype].itemsize > self.n_bytes:
            raise CheckpointError(f"{self.blob.label}: {name} repeats its elements {list(self.shape)}")
        return self

    def rows(self, start: int, stop: int) -> StoredTensor:
        """Give rows start to stop of the first axis; only for tensors whose rows follow each other."""
        row_bytes = math.prod(self.shape[1:]) * DTYPES[self.dtype].itemsize
        return replace(self, shape=(stop - start, *self.shape[1:]), offset=self.offset + start * row_bytes)

    def read(self) -> Array:
        """Give the array of `shape`: f16 and f32 as they are, bf16 and f64 as f32, integers as they are."""
        flat = self.blob.read(self.offset, self.n_bytes).view(DTYPES[self.dtype])
        if self.strides is None or 0 in self.shape:
            array = flat.reshape(self.shape)
        else:
            byte_strides = tuple(stride * flat.itemsize for stride in self.strides)
            array = np.ascontiguousarray(np.lib.stride_tricks.as_strided(flat, self.shape, byte_strides))
        if self.dtype == "bf16":
            return (array.astype(np.uint32) << 16).view(np.float32)
        if self.dtype == "f64":
            with np.errstate(over="ignore"):  # a number too large for f32 becomes infinite, as PyTorch has it
                return array.astype(np.float32)
        return array


@dataclass(frozen=True)
class Entry:
    """A weight to be read later. `place` is equal for two names of one and the same tensor."""

    shape: tuple[int, ...]
    load: Callable[[], Array]
    place: tuple[object, ...] = ()


def float_entry(name: str, tensor: StoredTensor) -> Entry:
    """Make the entry of a tensor of floats. Raises CheckpointError for any other number format."""
    if tensor.dtype not in FLOATS:
        raise CheckpointError(f"{tensor.blob.label}: {name} is stored as {tensor.dtype}; weights are floats")
    place = (tensor.blob.label, tensor.offset, tensor.shape, tensor.strides)
    return Entry(tensor.shape, tensor.read, place)
