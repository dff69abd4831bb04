"""Transcript -> txt, vtt, srt, tsv or json, with the bytes openai-whisper writes.

Takes a `Transcript` and `SubtitleOptions`, gives text. It knows nothing of models, sound or names of input files.
Source: openai/whisper, utils.py, ResultWriter and below.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TextIO

from .errors import OptionError
from .options import SubtitleOptions
from .types import Segment, Transcript, Word

# OpenAI's stand-in for no limit: a segment of more words or a line of more characters is cut even so.
_NO_LIMIT = 1000

LONG_PAUSE = 3.0
"""Seconds between the starts of two words that begin a new subtitle, where lines are counted."""

Cue = tuple[str, str, str]
"""What the viewer sees: start and end as text, and the text, its lines separated by newlines."""

_PLAIN = SubtitleOptions()


def render(transcript: Transcript, format: str, options: SubtitleOptions = _PLAIN) -> str:
    r"""Give the whole file as text, with `\n` at the end of lines.

    Raises: OptionError for a format that is not in `FORMATS`.

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
    """Write a file in UTF-8, with the platform's newlines, as OpenAI does; it appears whole or not at all.

    The text goes to a new file in the same folder that then takes the name; where anything fails the new file is
    removed and one that had the name before stays as it was. A symbolic link stays a link; what is no regular file
    (`/dev/stdout`, a pipe) is written in place.

    Raises: OptionError for a format that is not in `FORMATS`; OSError, naming `path`, for a full disk, a folder that
    cannot be written to or is gone.
    """
    text = render(transcript, format, options)
    target = os.path.realpath(path)
    try:
        if os.path.exists(target) and not os.path.isfile(target):
            with open(target, "w", encoding="utf-8") as file:
                file.write(text)
        else:
            _replace_file(target, text)
    except OSError as error:
        # the caller knows nothing of the temporary name; the subclass follows from errno
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def _replace_file(target: str, text: str) -> None:
    # not tempfile: its files are the owner's alone, these follow the umask; a short name fits where the target's does
    temporary = os.path.join(os.path.dirname(target), f".susurrus-{secrets.token_hex(8)}")
    try:
        with open(temporary, "x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # some file systems say only here that the disk is full
        os.replace(temporary, target)
    except BaseException:
        if os.path.lexists(temporary):
            os.remove(temporary)
        raise


def format_timestamp(seconds: float, *, with_hours: bool = False, decimal_marker: str = ".") -> str:
    """Give a time, zero or more seconds, to the millisecond; without hours while there are none, unless asked.

    >>> format_timestamp(61.0), format_timestamp(3661.5), format_timestamp(0.0, with_hours=True, decimal_marker=",")
    ('01:01.000', '01:01:01.500', '00:00:00,000')
    """
    minutes, milliseconds = divmod(round(seconds * 1000.0), 60_000)
    hours, minutes = divmod(minutes, 60)
    hours_part = f"{hours:02d}:" if with_hours or hours > 0 else ""
    return f"{hours_part}{minutes:02d}:{milliseconds // 1000:02d}{decimal_marker}{milliseconds % 1000:03d}"


def _txt(transcript: Transcript, options: SubtitleOptions) -> Iterator[str]:
    for segment in transcript.segments:
        yield f"{segment.text.strip()}\n"


def _vtt(transcript: Transcript, options: SubtitleOptions) -> Iterator[str]:
    yield "WEBVTT\n\n"
    for start, end, text in _cues(transcript, options, format_timestamp):
        yield f"{start} --> {end}\n{text}\n\n"


def _srt(transcript: Transcript, options: SubtitleOptions) -> Iterator[str]:
    def time(seconds: float) -> str:
        return format_timestamp(seconds, with_hours=True, decimal_marker=",")

    for number, (start, end, text) in enumerate(_cues(transcript, options, time), start=1):
        yield f"{number}\n{start} --> {end}\n{text}\n\n"


def _tsv(transcript: Transcript, options: SubtitleOptions) -> Iterator[str]:
    # integer milliseconds, as no locale can read them differently
    yield "start\tend\ttext\n"
    for segment in transcript.segments:
        text = segment.text.strip().replace("\t", " ")
        yield f"{round(1000 * segment.start)}\t{round(1000 * segment.end)}\t{text}\n"


def _json(transcript: Transcript, options: SubtitleOptions) -> Iterator[str]:
    yield json.dumps(transcript.to_dict())


_Writer = Callable[[Transcript, SubtitleOptions], Iterator[str]]
_WRITERS = MappingProxyType({"txt": _txt, "vtt": _vtt, "srt": _srt, "tsv": _tsv, "json": _json})

FORMATS = tuple(_WRITERS)
"""The formats, named by their file name extension."""


def _writer(format: str) -> _Writer:
    if format not in _WRITERS:
        raise OptionError(
            f"format={format!r}: expected one of {', '.join(FORMATS)}", hint="the file name extension, without a dot"
        )
    return _WRITERS[format]


def _cues(transcript: Transcript, options: SubtitleOptions, time: Callable[[float], str]) -> Iterator[Cue]:
    """Cut a transcript into subtitles. Without words a segment is one, and no option applies."""
    segments = transcript.segments
    if all(segment.words is None for segment in segments):
        for segment in segments:
            yield time(segment.start), time(segment.end), _without_arrows(segment.text.strip())
        return
    for subtitle in subtitles(segments, options):
        cues = _highlighted(subtitle, time) if options.highlight_words else _whole(subtitle, time)
        for start, end, text in cues:
            yield start, end, _without_arrows(text)


def _without_arrows(text: str) -> str:
    """Replace what would read as a line of times. OpenAI's code does so only where there are no words."""
    return text.replace("-->", "->")


def _whole(subtitle: Sequence[Word], time: Callable[[float], str]) -> Iterator[Cue]:
    yield time(subtitle[0].start), time(subtitle[-1].end), "".join(word.word for word in subtitle)


def _highlighted(subtitle: Sequence[Word], time: Callable[[float], str]) -> Iterator[Cue]:
    """Give one cue for each word, the word underlined, and one for each gap between words that shows in the times."""
    texts = [word.word for word in subtitle]
    last = time(subtitle[0].start)
    for i, word in enumerate(subtitle):
        start, end = time(word.start), time(word.end)
        if last != start:
            yield last, start, "".join(texts)
        underlined = re.sub(r"^(\s*)(.*)$", r"\1<u>\2</u>", texts[i])
        yield start, end, "".join([*texts[:i], underlined, *texts[i + 1 :]])
        last = end


def subtitles(segments: Sequence[Segment], options: SubtitleOptions) -> Iterator[list[Word]]:
    """Cut segments with words into subtitles; a word that begins a line stands without space, after a newline.

    Without `max_line_count` a subtitle never crosses a segment, and lines break at `max_line_width` alone. With it
    segments count for nothing: a subtitle ends when it has its lines, or before a pause longer than `LONG_PAUSE`.
    `max_words_per_line` cuts each segment into parts of so many words.
    """
    width = options.max_line_width or _NO_LIMIT
    keeps_segments = options.max_line_count is None or options.max_line_width is None
    subtitle: list[Word] = []
    line_len, line_count = 0, 1
    last = _first_start(segments)
    for part in _parts(segments, options.max_words_per_line or _NO_LIMIT):
        for i, word in enumerate(part):
            is_after_pause = not keeps_segments and word.start - last > LONG_PAUSE
            is_new_part = keeps_segments and i == 0 and len(subtitle) > 0
            last = word.start
            if 0 < line_len <= width - len(word.word) and not is_after_pause and not is_new_part:
                line_len += len(word.word)
                subtitle.append(word)
                continue
            text = word.word.strip()
            is_full = options.max_line_count is not None and line_count >= options.max_line_count
            if subtitle and (is_after_pause or is_full or is_new_part):
                yield subtitle
                subtitle, line_count = [], 1
            elif line_len > 0:
                line_count += 1
                text = f"\n{text}"
            line_len = len(text.strip())
            subtitle.append(replace(word, word=text))
    if subtitle:
        yield subtitle


def _parts(segments: Sequence[Segment], n_words: int) -> Iterator[Sequence[Word]]:
    for segment in segments:
        words = _words(segment)
        for i in range(0, len(words), n_words):
            yield words[i : i + n_words]


def _words(segment: Segment) -> tuple[Word, ...]:
    # Text that no word could be timed in goes in one piece. OpenAI's code fails there, or leaves the text out.
    whole = (Word(segment.text, segment.start, segment.end, 0.0),) if segment.text.strip() else ()
    return segment.words or whole


def _first_start(segments: Sequence[Segment]) -> float:
    return next((word.start for segment in segments for word in _words(segment)), 0.0)
