"""The journal of one input: what has been transcribed of it, kept beside its outputs so that nothing is done twice.

A file of JSON lines, one appended after each window. A line counts when it is whole: what a kill or a full disk cut off
is cut off the file too. It knows nothing of models, sound or command lines.

The first line is the key: what the transcription depends on (the input, the model, the options). A journal with another
key is begun anew. Then, for each part of the input (a channel, or the whole), its language, its marks, and its end; at
last which outputs have been written.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from .errors import OutputError
from .types import Mark, Saved, Segment, Skipped, Transcript

FOLDER = ".susurrus"
"""The folder for journals, in the folder of the outputs."""

_VERSION = 1
# A byte far behind any journal's end: Windows keeps others from reading a byte that is locked.
_LOCK_AT = 1 << 40


@dataclass
class Part:
    """What a journal holds of one part of its input."""

    language: str
    language_probability: float | None
    marks: list[Mark] = field(default_factory=list)
    end: Mapping[str, Any] | None = None


class Journal:
    """An open journal; `path` None keeps nothing. Close it: while it is open, no other process can open it.

    `was_kept` says whether a journal with this key was found, `changed` names the parts of the key that differ from the
    one found, `is_delivered` whether all outputs asked for had been written.
    """

    def __init__(self, path: Path | None, key: Mapping[str, Any]) -> None:
        self.path = path
        self.key = json.loads(json.dumps(key))  # as it will be read again: tuples are lists
        self.parts: dict[int, Part] = {}
        self.n_parts: int | None = None
        self.written: dict[str, Any] = {}
        self.is_delivered = False
        self.was_kept = False
        self.changed: tuple[str, ...] = ()
        self._file: int | None = None
        self._size = 0
        if path is not None:
            with _explained(path):
                self._file = _open(path)
            try:
                _lock(self._file, path)
                self._read()
            except BaseException:
                os.close(self._file)
                raise

    def begin(self, part: int, n_parts: int, language: str, language_probability: float | None) -> None:
        """Note what the beginning of a part found out."""
        self._append(
            {"part": part, "n_parts": n_parts, "language": language, "language_probability": language_probability}
        )

    def mark(self, part: int, mark: Mark) -> None:
        """Note what a window gave."""
        segments = [segment.to_dict() for segment in mark.segments]
        self._append({"part": part, "stretch": mark.stretch, "segments": segments, "walk": mark.walk})

    def end(self, part: int, transcript: Transcript) -> None:
        """Note that a part is transcribed to its end; its segments are those of its marks."""
        d = asdict(transcript)
        del d["segments"]
        self._append({"part": part, "end": d, "n_marks": len(self.parts[part].marks)})

    def wrote(self, format: str, how: Any) -> None:
        """Note that an output is complete, and what it was made with besides the key."""
        self._append({"wrote": format, "how": how})

    def deliver(self) -> None:
        """Note that every output asked for has been written."""
        self._append({"delivered": True})

    def saved(self, part: int) -> Saved | None:
        """Give what a part can be taken up from."""
        found = self.parts.get(part)
        return Saved(found.language, found.language_probability, tuple(found.marks)) if found else None

    def transcript(self, part: int) -> Transcript | None:
        """Give the transcript of a part that has been transcribed to its end."""
        found = self.parts.get(part)
        if found is None or found.end is None:
            return None
        return _transcript(found)

    def transcripts(self) -> list[Transcript] | None:
        """Give the transcripts of all parts, None while one is missing."""
        if self.n_parts is None:
            return None
        found = [self.transcript(part) for part in range(self.n_parts)]
        return [t for t in found if t is not None] if None not in found else None

    def has_written(self, format: str, how: Any) -> bool:
        """Say whether an output is complete, made so."""
        return format in self.written and self.written[format] == json.loads(json.dumps(how))

    def is_on_disk(self) -> bool:
        """Say whether what was noted is still there: its folder may have been deleted."""
        return self._file is not None and self.path is not None and self.path.exists()

    def restart(self) -> None:
        """Forget all. What is on the disk stays until something is noted: a run may fail before it has anything."""
        self.parts, self.n_parts, self.written, self.is_delivered = {}, None, {}, False
        self.was_kept = False
        self._size = 0

    def close(self) -> None:
        """Let other processes at it. A journal in which nothing was noted leaves no file."""
        if self._file is None:
            return
        is_empty = os.fstat(self._file).st_size == 0
        os.close(self._file)
        self._file = None
        if is_empty and self.path is not None:
            with contextlib.suppress(OSError):
                self.path.unlink()
                self.path.parent.rmdir()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _append(self, record: Mapping[str, Any]) -> None:
        self._apply(record)
        if self._file is None or self.path is None:
            return
        records = [record] if self._size else [{"susurrus": _VERSION, "key": self.key}, record]
        data = b"".join(json.dumps(r, ensure_ascii=False).encode("utf-8") + b"\n" for r in records)
        try:
            if not self._size:
                os.ftruncate(self._file, 0)
            _write(self._file, data, self._size)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise _unwritable(error, self.path) from error
        self._size += len(data)

    def _read(self) -> None:
        """Take in what is there, up to the first line that is not whole."""
        assert self._file is not None
        with open(os.dup(self._file), "rb") as file:
            lines = file.read().splitlines(keepends=True)
        for i, line in enumerate(lines):
            try:
                if not line.endswith(b"\n"):
                    break
                record = json.loads(line)
                if i == 0 and not self._is_mine(record):
                    self.restart()
                    return
                if i > 0:
                    self._apply(record)
            except (ValueError, TypeError, KeyError, AttributeError):
                break
            self._size += len(line)
        os.ftruncate(self._file, self._size)
        self.was_kept = bool(self.parts)

    def _is_mine(self, header: Any) -> bool:
        if not isinstance(header, dict) or header.get("susurrus") != _VERSION:
            return False
        found = header["key"]
        self.changed = tuple(_differences(found, self.key))
        return not self.changed

    def _apply(self, record: Mapping[str, Any]) -> None:
        if "n_parts" in record:
            self.n_parts = record["n_parts"]
            self.parts[record["part"]] = Part(record["language"], record["language_probability"])
        elif "walk" in record:
            mark = Mark(tuple(map(Segment.from_dict, record["segments"])), record["walk"], record["stretch"])
            self.parts[record["part"]].marks.append(mark)
        elif "end" in record:
            part = self.parts[record["part"]]
            if record["n_marks"] != len(part.marks):
                raise ValueError("marks are missing")
            _transcript(replace(part, end=record["end"]))  # what is no transcript is cut off here
            part.end = record["end"]
        elif "wrote" in record:
            self.written[record["wrote"]] = record["how"]
        else:
            self.is_delivered = record["delivered"]


def _transcript(part: Part) -> Transcript:
    """Put together what a part that has ended holds."""
    assert part.end is not None
    in_order = sorted(part.marks, key=lambda mark: mark.stretch)
    made = (segment for mark in in_order for segment in mark.segments)
    segments = tuple(replace(segment, id=i) for i, segment in enumerate(made))
    skipped = tuple(Skipped(**skipped) for skipped in part.end["skipped"])
    warnings = tuple(part.end["warnings"])
    return Transcript(**{**part.end, "segments": segments, "warnings": warnings, "skipped": skipped})


def _differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    """Name what differs between two keys, by the innermost names.

    >>> list(_differences({"model": "tiny", "options": {"beam_size": 5}}, {"model": "tiny", "options": {}}))
    ['beam_size']
    """
    for name in sorted({*found, *wanted}):
        a, b = found.get(name), wanted.get(name)
        if isinstance(a, dict) and isinstance(b, dict):
            yield from _differences(a, b)
        elif a != b:
            yield name


def _open(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
    for _ in range(100):
        # Another journal that is closed empty takes the folder with it, perhaps just now.
        with contextlib.suppress(FileExistsError, FileNotFoundError):
            path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(path, flags, 0o666)
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, flags, 0o666)


def _write(file: int, data: bytes, at: int) -> None:
    os.lseek(file, at, os.SEEK_SET)
    while data:
        data = data[os.write(file, data) :]


def _unwritable(error: OSError, path: Path) -> OutputError:
    return OutputError(
        f"{path}: {error.strerror}",
        hint="what is in it is kept: when that is mended, run the same command again to go on from there",
    )


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{path}: {error.strerror}", hint="write to another folder, or keep no journal: --resume False"
        ) from error


def _lock(file: int, path: Path) -> None:
    """Keep other processes out until the file is closed, by whatever ends this one. Raises: OutputError."""
    try:
        try:
            import fcntl
        except ImportError:  # Windows
            import msvcrt

            os.lseek(file, _LOCK_AT, os.SEEK_SET)
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
            raise OutputError(
                f"{path}: another process is writing these outputs", hint="wait for it, or write to another folder"
            ) from error
        # A file system without locks, some network ones: the user must see to it.
