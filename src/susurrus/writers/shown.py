"""Cues -> vtt and srt, with the bytes openai-whisper writes, and lrc.

A transcript with speakers is not one openai-whisper has: vtt then says `<v name>`, srt `[name]: `, lrc `name: `.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from ..options import SubtitleOptions
from ..types import Transcript, Word
from .breaks import needs_space, on_one_line
from .cues import LONG_PAUSE, Cue, cues
from .labels import label_in_direction, one_line_name


def format_timestamp(seconds: float, *, with_hours: bool = False, decimal_marker: str = ".") -> str:
    """Give a time, zero or more seconds, to the millisecond; without hours while there are none, unless asked.

    >>> format_timestamp(61.0), format_timestamp(3661.5), format_timestamp(0.0, with_hours=True, decimal_marker=",")
    ('01:01.000', '01:01:01.500', '00:00:00,000')
    """
    minutes, milliseconds = divmod(round(seconds * 1000.0), 60_000)
    hours, minutes = divmod(minutes, 60)
    hours_part = f"{hours:02d}:" if with_hours or hours > 0 else ""
    return f"{hours_part}{minutes:02d}:{milliseconds // 1000:02d}{decimal_marker}{milliseconds % 1000:03d}"


def vtt(transcript: Transcript, options: SubtitleOptions) -> Iterator[str]:
    """Write WebVTT. `<` is escaped, as players drop what follows it; `&` stands as OpenAI leaves it."""
    yield "WEBVTT\n\n"
    for cue in cues(transcript, options):
        voice = "" if cue.speaker is None else f"<v {_annotation(cue.speaker)}>"
        for start, end, text in _frames(cue, options, format_timestamp, lambda text: text.replace("<", "&lt;")):
            yield f"{start} --> {end}\n{voice}{text}\n\n"


def srt(transcript: Transcript, options: SubtitleOptions) -> Iterator[str]:
    """Write SubRip."""

    def time(seconds: float) -> str:
        return format_timestamp(seconds, with_hours=True, decimal_marker=",")

    number = 0
    for cue in cues(transcript, options, _srt_label):
        name = "" if cue.speaker is None else label_in_direction(_srt_label(cue.speaker), cue.text)
        for start, end, text in _frames(cue, options, time, lambda text: text):
            number += 1
            yield f"{number}\n{start} --> {end}\n{name}{text}\n\n"


def lrc(transcript: Transcript, options: SubtitleOptions) -> Iterator[str]:
    """Write lyrics: a line for each cue, its words with times of their own where there are any.

    A line is shown until the next one; before a long pause an empty one takes it away.
    Source: the LRC format of Kuo (Djohan) Shiang-shiang, with the word times of the A2 extension.
    """
    end = None
    for cue in cues(transcript, options):
        if end is not None and cue.start - end > LONG_PAUSE:
            yield f"[{_lrc_time(end)}]\n"
        name = "" if cue.speaker is None else label_in_direction(f"{one_line_name(cue.speaker)}: ", cue.text)
        yield f"[{_lrc_time(cue.start)}]{name}{_lrc_words(cue)}\n"
        end = cue.end
    if end is not None:
        yield f"[{_lrc_time(end)}]\n"


def _lrc_words(cue: Cue) -> str:
    if cue.words is None:
        return on_one_line(cue.text)
    text = ""
    for word in cue.words:
        plain = word.word.lstrip()
        space = " " if text and word.word != plain and needs_space(text, plain) else ""
        text += f"{space}<{_lrc_time(word.start)}>{plain}"
    return f"{text}<{_lrc_time(cue.words[-1].end)}>"


def _lrc_time(seconds: float) -> str:
    minutes, hundredths = divmod(round(100 * seconds), 6000)
    return f"{minutes:02d}:{hundredths // 100:02d}.{hundredths % 100:02d}"


def _srt_label(speaker: str) -> str:
    return f"[{one_line_name(speaker)}]: "


def _annotation(speaker: str) -> str:
    """Give a name as WebVTT wants it in a tag."""
    return one_line_name(speaker).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _frames(
    cue: Cue, options: SubtitleOptions, time: Callable[[float], str], escape: Callable[[str], str]
) -> Iterator[tuple[str, str, str]]:
    """Give start, end and text: once, or for each word."""
    frames: Iterator[tuple[str, str, str]]
    if not options.highlight_words or cue.words is None:
        frames = iter([(time(cue.start), time(cue.end), escape(cue.text))])
    else:
        frames = _highlighted(cue.words, [escape(word.word) for word in cue.words], time)
    for start, end, text in frames:
        # what would read as a line of times; OpenAI's code replaces it only where there are no words
        yield start, end, text.replace("-->", "->")


def _highlighted(
    words: tuple[Word, ...], texts: list[str], time: Callable[[float], str]
) -> Iterator[tuple[str, str, str]]:
    """Give one frame for each word, the word underlined, and one for each gap between words that shows in the times."""
    last = time(words[0].start)
    for i, word in enumerate(words):
        start, end = time(word.start), time(word.end)
        if last != start:
            yield last, start, "".join(texts)
        underlined = re.sub(r"^(\s*)(.*)$", r"\1<u>\2</u>", texts[i])
        yield start, end, "".join([*texts[:i], underlined, *texts[i + 1 :]])
        last = end
