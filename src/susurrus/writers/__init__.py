"""Transcript -> txt, vtt, srt, tsv, json with the bytes openai-whisper writes; csv, lrc and ass beside them.

Takes a `Transcript` and `SubtitleOptions`, gives text. It knows nothing of models, sound or names of input files.

    tables.py     txt, tsv, csv, json      shown.py  vtt, srt, lrc      ass.py
    cues.py       what stands on the screen, by openai-whisper's rules or, with a preset, by broadcast.py
    breaks.py     where a text of any script may be cut

Source: openai/whisper, utils.py, ResultWriter and below.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import TextIO

from ..errors import OptionError
from ..options import SubtitleOptions
from ..types import Transcript
from . import shown, tables
from .ass import ass
from .choice import FORMATS, WHISPER_FORMATS, check_subtitles, needs_words, parse_formats, wants_words
from .cues import LONG_PAUSE, subtitles
from .files import save_text
from .shown import format_timestamp

__all__ = [
    "FORMATS",
    "LONG_PAUSE",
    "WHISPER_FORMATS",
    "check_subtitles",
    "format_timestamp",
    "needs_words",
    "parse_formats",
    "render",
    "save",
    "save_text",
    "subtitles",
    "wants_words",
    "write",
]

_PLAIN = SubtitleOptions()


def render(transcript: Transcript, format: str, options: SubtitleOptions = _PLAIN) -> str:
    r"""Give the whole file as text, with `\n` at the end of lines.

    Raises: OptionError for a format that is not in `FORMATS`.

    >>> from ..types import Segment
    >>> hello = Segment(0, 0, 0.0, 1.5, " Hello.", (), 0.0, -0.1, 1.0, 0.0)
    >>> print(render(Transcript(" Hello.", "en", (hello,)), "srt"), end="")
    1
    00:00:00,000 --> 00:00:01,500
    Hello.
    <BLANKLINE>
    """
    return "".join(_writer(format)(transcript, options))


def write(transcript: Transcript, format: str, file: TextIO, options: SubtitleOptions = _PLAIN) -> None:
    """Write to an open text file, which stays open.

    Raises: OptionError for a format that is not in `FORMATS`; OSError of the file.
    """
    for piece in _writer(format)(transcript, options):
        file.write(piece)


def save(transcript: Transcript, format: str, path: str | os.PathLike[str], options: SubtitleOptions = _PLAIN) -> None:
    """Write a file in UTF-8; it appears whole or not at all, as `save_text` says.

    Raises: OptionError for a format that is not in `FORMATS`; OSError, naming `path`.
    """
    save_text(render(transcript, format, options), path)


_Writer = Callable[[Transcript, SubtitleOptions], Iterator[str]]
_WRITERS: MappingProxyType[str, _Writer] = MappingProxyType(
    {
        "txt": tables.txt,
        "vtt": shown.vtt,
        "srt": shown.srt,
        "tsv": tables.tsv,
        "json": tables.json,
        "csv": tables.csv,
        "lrc": shown.lrc,
        "ass": ass,
    }
)


def _writer(format: str) -> _Writer:
    if format not in _WRITERS:
        raise OptionError(
            f"format={format!r}: expected one of {', '.join(FORMATS)}", hint="the file name extension, without a dot"
        )
    return _WRITERS[format]
