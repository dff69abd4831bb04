"""Transcript -> cues: what stands on the screen, from when to when, whoever says it.

Takes a transcript and the options; the formats in `shown.py` and `ass.py` write what it gives. With a preset
`broadcast.py` cuts; without, a segment is a cue, or its words are cut by openai-whisper's rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, groupby, pairwise
from typing import Any

from ..options import SubtitleOptions
from ..presets import PRESETS
from ..types import Segment, Transcript, Word
from .breaks import NARROW, spans, width
from .broadcast import cut

# OpenAI's stand-in for no limit: a segment of more words or a line of more characters is cut even so.
_NO_LIMIT = 1000

LONG_PAUSE = 3.0
"""Seconds between the starts of two words that begin a new subtitle, where lines are counted."""


@dataclass(frozen=True)
class Cue:
    """A subtitle. `words`, where they are timed, join to the text; one that begins a line holds the newline."""

    start: float
    end: float
    text: str
    words: tuple[Word, ...] | None = None
    speaker: str | None = None


Label = Callable[[str], str]
"""The text that a format puts before a speaker's words, where that is seen on the screen."""


def cues(transcript: Transcript, options: SubtitleOptions, label: Label = lambda speaker: "") -> Iterator[Cue]:
    """Give the cues, ordered by their start where there are speakers. Two speakers never share one."""
    if options.subtitle_preset is not None:
        yield from _by_preset(transcript, options, label)
        return
    found = _by_speaker(transcript.segments, options, label)
    if any(segment.speaker is not None for segment in transcript.segments):
        found = iter(sorted(found, key=lambda cue: cue.start))
    yield from found


def _by_preset(transcript: Transcript, options: SubtitleOptions, label: Label) -> Iterator[Cue]:
    assert options.subtitle_preset is not None
    preset = PRESETS[options.subtitle_preset]
    given: dict[str, Any] = {"line_width": options.max_line_width, "line_count": options.max_line_count}
    preset = replace(preset, **{name: value for name, value in given.items() if value is not None})

    def shown_name(speaker: str) -> str:
        """Cut a name whose label would take more than half of a line."""
        while width(label(speaker)) > preset.line_width * NARROW // 2 and len(speaker) > 1:
            speaker = speaker[:-1]
        return speaker

    def label_width(speaker: str | None) -> int:
        return 0 if speaker is None else width(label(shown_name(speaker)))

    for one in cut(transcript.segments, preset, language=transcript.language, label_width=label_width):
        name = None if one.speaker is None else shown_name(one.speaker)
        yield Cue(one.start_cs / 100, one.end_cs / 100, one.text, None, name)


def _by_speaker(segments: Sequence[Segment], options: SubtitleOptions, label: Label) -> Iterator[Cue]:
    has_words = any(segment.words is not None for segment in segments)
    for speaker, group in groupby(segments, key=lambda segment: segment.speaker):
        own = list(group)
        if not has_words:
            for segment in own:
                yield Cue(segment.start, segment.end, segment.text.strip(), None, speaker)
            continue
        limits = options
        if options.max_line_width is not None and speaker is not None:
            limits = replace(options, max_line_width=max(1, options.max_line_width - len(label(speaker))))
        for words in subtitles(own, limits):
            text = "".join(word.word for word in words)
            yield Cue(words[0].start, words[-1].end, text, tuple(words), speaker)


def subtitles(segments: Sequence[Segment], options: SubtitleOptions) -> Iterator[list[Word]]:
    """Cut segments with words into subtitles; a word that begins a line stands without space, after a newline.

    Without `max_line_count` a subtitle never crosses a segment, and lines break at `max_line_width` alone. With it
    segments count for nothing: a subtitle ends when it has its lines, or before a pause longer than `LONG_PAUSE`.
    `max_words_per_line` cuts each segment into parts of so many words. A word that is longer than a line is cut where
    its script allows; a long word of a script with spaces stays whole, as OpenAI's code leaves it.
    Source: openai/whisper, utils.py, SubtitlesWriter.
    """
    line_width = options.max_line_width or _NO_LIMIT
    keeps_segments = options.max_line_count is None or options.max_line_width is None
    subtitle: list[Word] = []
    line_len, line_count = 0, 1
    last = _first_start(segments)
    for part in _parts(segments, options.max_words_per_line or _NO_LIMIT, line_width):
        for i, word in enumerate(part):
            is_after_pause = not keeps_segments and word.start - last > LONG_PAUSE
            is_new_part = keeps_segments and i == 0 and len(subtitle) > 0
            last = word.start
            if 0 < line_len <= line_width - len(word.word) and not is_after_pause and not is_new_part:
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


def _parts(segments: Sequence[Segment], n_words: int, line_width: int) -> Iterator[Sequence[Word]]:
    for segment in segments:
        words = [part for word in _words(segment) for part in _cut_long(word, line_width)]
        for i in range(0, len(words), n_words):
            yield words[i : i + n_words]


def _words(segment: Segment) -> tuple[Word, ...]:
    # Text that no word could be timed in goes in one piece. OpenAI's code fails there, or leaves the text out.
    whole = (Word(segment.text, segment.start, segment.end, 0.0),) if segment.text.strip() else ()
    return segment.words or whole


def _cut_long(word: Word, line_width: int) -> list[Word]:
    """Cut a word that is longer than a line where its script allows, its time by the number of characters."""
    if len(word.word.strip()) <= line_width:
        return [word]
    text = word.word
    edges = [0, *[end for _, end in spans(text)][:-1], len(text)]
    parts = [""]
    for start, end in pairwise(edges):
        if parts[-1] and len((parts[-1] + text[start:end]).strip()) > line_width:
            parts.append("")
        parts[-1] += text[start:end]
    share = (word.end - word.start) / len(text)
    times = [word.start, *(word.start + share * n for n in accumulate(map(len, parts)))]
    times[-1] = word.end
    return [replace(word, word=part, start=times[i], end=times[i + 1]) for i, part in enumerate(parts)]


def _first_start(segments: Sequence[Segment]) -> float:
    return next((word.start for segment in segments for word in _words(segment)), 0.0)
