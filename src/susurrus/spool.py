"""Decoded samples kept outside of memory, read anywhere.

Takes blocks of 16-bit samples in order, gives any stretch of them. It knows nothing of where they come from.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Iterator

import numpy as np

from .errors import AudioError
from .types import Array

# This much stays in memory (4.4 minutes of sound), the rest goes to a temporary file.
_SPOOL_BYTES = 8 << 20


class Spool:
    """16-bit samples, written in order, read anywhere; in memory while they are few, then in a nameless file."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._file = tempfile.SpooledTemporaryFile(_SPOOL_BYTES)  # noqa: SIM115 - `close` closes it
        self._n_samples = 0
        # Reading moves the file's one position, and windows may be read from several threads.
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._n_samples

    def write(self, block: Array) -> None:
        """Put i16[n] at the end. Raises: AudioError when the disk is full."""
        with self._lock, no_space(self._name):
            self._file.write(block.tobytes())
            self._file.flush()
        self._n_samples += len(block)

    def read(self, start: int, stop: int) -> Array:
        """Give i16[stop - start]; both lie inside."""
        with self._lock:
            self._file.seek(2 * start)
            return np.frombuffer(self._file.read(2 * (stop - start)), np.int16)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()


@contextlib.contextmanager
def no_space(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise AudioError(
            f"{name}: the decoded sound could not be kept in {tempfile.gettempdir()} ({error.strerror or error})",
            hint="an hour needs 115 MB there; free some, or set TMPDIR to a folder with more room",
        ) from error
