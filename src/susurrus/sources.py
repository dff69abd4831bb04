"""What a caller gives as a sound, made a file that can be read anywhere: a path, bytes, a file, a pipe.

It knows nothing of containers and codecs.
"""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections.abc import Iterator
from typing import IO, Any

from .cancel import Cancel, raise_if_cancelled
from .errors import AudioError
from .spool import no_space


def source_name(source: Any) -> str:
    """Give what messages call a source. Raises: AudioError when it is nothing that can be sound."""
    if isinstance(source, (str, os.PathLike)):
        return os.fsdecode(source)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return f"<{len(source)} bytes>"
    if hasattr(source, "__array__"):
        return "<array>"
    if not hasattr(source, "read"):
        raise AudioError(
            f"{type(source).__name__}: expected a path, bytes, a binary file or an array", hint="see audio.load"
        )
    if isinstance(source, io.TextIOBase):
        raise AudioError("a file opened as text: expected a binary file", hint="open it with mode 'rb'")
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "<stream>"


@contextlib.contextmanager
def open_binary(source: Any, name: str, cancel: Cancel | None) -> Iterator[IO[bytes]]:
    """Give `source` as a binary file that can seek, at its start, with at least one byte in it."""
    with contextlib.ExitStack() as stack:
        file: Any = source
        try:
            if isinstance(source, (str, os.PathLike)):
                file = stack.enter_context(open(source, "rb"))
            elif isinstance(source, (bytes, bytearray, memoryview)):
                file = io.BytesIO(source)
            if not _can_seek(file):
                # The index of an mp4 file may stand at its end, so a pipe is read to its end first.
                copy = stack.enter_context(tempfile.TemporaryFile())
                _copy(file, copy, name, cancel)
                file = copy
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
        except OSError as error:
            raise AudioError(f"{name}: {_reason(error)}", hint=_reason_hint(error)) from error
        except ValueError as error:
            # A closed file, or a path with a NUL in it.
            raise AudioError(f"{name}: cannot be opened ({error})") from error
        if size == 0:
            raise AudioError(f"{name}: is empty (0 bytes)", hint="was it downloaded or recorded to its end?")
        yield file


def _can_seek(file: Any) -> bool:
    seekable = getattr(file, "seekable", None)
    return bool(seekable()) if seekable is not None else hasattr(file, "seek")


def _copy(pipe: Any, copy: IO[bytes], name: str, cancel: Cancel | None) -> None:
    while data := pipe.read(1 << 20):
        raise_if_cancelled(cancel, name)
        with no_space(name):
            copy.write(data)


def _reason(error: OSError) -> str:
    reasons = {
        FileNotFoundError: "no such file",
        IsADirectoryError: "is a folder",
        PermissionError: "permission denied",
    }
    return reasons.get(type(error)) or str(error.strerror or error)


def _reason_hint(error: OSError) -> str | None:
    hints = {
        FileNotFoundError: f"look for it from {os.getcwd()}, or give the whole path",
        IsADirectoryError: "give the files in it",
        PermissionError: "ask for the right to read it",
    }
    return hints.get(type(error))
