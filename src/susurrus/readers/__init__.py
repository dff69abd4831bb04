"""A saved transcript, whoever wrote it -> `Transcript`.

    fields.py      what JSON may hold, checked as it is taken
    segments.py    `segments`: ours, openai-whisper's, faster-whisper's, whisperX's, the HTTP API's
    whisper_cpp.py `transcription`: whisper.cpp's -oj and -ojf
    chunks.py      `chunks`: transformers' and whisper-jax's
    fill.py        times that are missing

What a program does not say gets a neutral value; what is no transcript is refused.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import IO, Any

from ..errors import TranscriptError
from ..types import Transcript
from . import chunks, segments, whisper_cpp
from .fields import Fields

__all__ = ["read_transcript"]

_HINT = (
    "the JSON of Susurrus, openai-whisper, faster-whisper, whisperX, whisper.cpp (-oj, -ojf), transformers and"
    " whisper-jax is read, if it was saved with times"
)


def read_transcript(source: str | os.PathLike[str] | IO[bytes] | Mapping[str, Any] | list[Any]) -> Transcript:
    """Read a file (a path, or open for reading bytes), or take what JSON holds.

    Raises: TranscriptError, naming the file and the place in it.

    >>> read_transcript({"segments": [{"start": 0, "end": 1.5, "text": " Hello."}]}).text
    ' Hello.'
    """
    if isinstance(source, (Mapping, list)):
        name, given = "transcript", source
    else:
        name = os.fspath(source) if isinstance(source, (str, os.PathLike)) else str(getattr(source, "name", "-"))
        given = _parsed(_content(source, name), name)
    if isinstance(given, list):  # faster-whisper's segments
        given = {"segments": given}
    if not isinstance(given, Mapping):
        raise TranscriptError(f"{name}: not a transcript, but {type(given).__name__}", hint=_HINT)
    fields = Fields(given, name)
    for key, read in (
        ("segments", segments.read),
        ("transcription", whisper_cpp.read),
        ("chunks", chunks.read),
    ):
        if isinstance(given.get(key), list):
            return read(fields)
    what = f"an object with the keys {', '.join(list(map(str, given))[:6])}" if given else "an empty object"
    raise TranscriptError(f"{name}: no segments in it, but {what}", hint=_HINT)


def _content(source: str | os.PathLike[str] | IO[bytes], name: str) -> bytes:
    try:
        if isinstance(source, (str, os.PathLike)):
            with open(source, "rb") as file:
                return file.read()
        return source.read()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise TranscriptError(f"{name}: {reason}") from None


def _parsed(content: bytes, name: str) -> Any:
    # whisper.cpp writes control characters as they are, and parts of letters where a token ends inside one
    text = content.decode(json.detect_encoding(content), "replace")
    try:
        return json.loads(text.lstrip("\ufeff"), strict=False)
    except RecursionError:
        raise TranscriptError(f"{name}: not a transcript: brackets in brackets without end", hint=_HINT) from None
    except ValueError as error:
        raise TranscriptError(f"{name}: not JSON: {error}", hint=_HINT) from None
