"""Drafts, whose times may be missing -> segments, all of whose times are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ..types import Segment, Word

_CHARS_PER_SECOND = 15.0  # of speech, where nothing says how long a text lasts

Span = tuple[float | None, float | None]


@dataclass
class DraftWord:
    """A word as a file has it."""

    text: str
    span: Span
    probability: float = 0.0


@dataclass
class Draft:
    """A segment as a file has it; `segment` holds what is known beside times and words."""

    span: Span
    segment: Segment
    words: list[DraftWord] | None = field(default=None)


def segment_of(text: str, *, id: int = 0, language: str | None = None, speaker: str | None = None) -> Segment:
    """Make a segment of which only the text is known; the rest is neutral."""
    return Segment(id, 0, 0.0, 0.0, text, (), 0.0, 0.0, 1.0, 0.0, None, language, speaker)


def finished(drafts: Sequence[Draft], duration: float | None = None) -> tuple[Segment, ...]:
    """Give the segments, missing times filled in."""
    spans = filled([_told(draft) for draft in drafts], [len(draft.segment.text) for draft in drafts], 0.0, duration)
    segments = []
    for draft, (start, end) in zip(drafts, spans, strict=True):
        words = None
        if draft.words is not None:
            texts = spaced([word.text for word in draft.words], draft.segment.text)
            times = filled([word.span for word in draft.words], [len(text) for text in texts], start, end)
            words = tuple(
                Word(text, *time, word.probability) for text, time, word in zip(texts, times, draft.words, strict=True)
            )
        segments.append(replace(draft.segment, start=start, end=end, words=words))
    return tuple(segments)


def _told(draft: Draft) -> Span:
    """Give a segment's times, by its words where it does not say its own."""
    start, end = draft.span
    for word in draft.words or ():
        start = word.span[0] if start is None else start
    for word in reversed(draft.words or ()):
        end = word.span[1] if end is None else end
    return start, end


def filled(spans: Sequence[Span], sizes: Sequence[int], start: float, end: float | None) -> list[tuple[float, float]]:
    """Fill in times that are missing: between those that are known time passes evenly over the text.

    `start` and `end` bound what stands before the first and after the last known time; without an end the last texts
    last as long as such texts do. No span ends before it starts.

    >>> filled([(None, None), (1.0, None), (None, 4.0)], [2, 1, 2], 0.0, 5.0)
    [(0.0, 1.0), (1.0, 2.0), (2.0, 4.0)]
    """
    times = [time for span in spans for time in span]
    places = [0]
    for size in sizes:
        places += [places[-1], places[-1] + size]
    places = places[1:]
    known = [(place, time) for place, time in zip(places, times, strict=True) if time is not None]
    last_place, last_time = known[-1] if known else (0, start)
    total = places[-1] if places else 0
    if end is None:
        end = last_time + (total - last_place) / _CHARS_PER_SECOND
    nexts = [*known, (total, max(end, last_time))]
    before, n_known = (0, start), 0
    whole = []
    for place, time in zip(places, times, strict=True):
        if time is None:
            after = nexts[n_known]
            share = (place - before[0]) / max(after[0] - before[0], 1)
            time = round(before[1] + share * max(after[1] - before[1], 0.0), 3)
        else:
            before, n_known = (place, time), n_known + 1
        whole.append(time)
    return [(a, max(a, b)) for a, b in zip(whole[::2], whole[1::2], strict=True)]


def spaced(words: Sequence[str], text: str) -> list[str]:
    """Give words the space before them that they have in the text; whisperX leaves it out.

    >>> spaced(["Hello,", "world."], " Hello, world."), spaced(["你", "好"], "你好")
    ([' Hello,', ' world.'], ['你', '好'])
    """
    if "".join(words) == text or any(word[:1].isspace() for word in words):
        return list(words)
    found, here = [], 0
    for word in words:
        at = text.find(word, here)
        if at < 0 or not word:
            return [f" {word}" for word in words]
        found.append(text[here : at + len(word)])
        here = at + len(word)
    if found:
        found[-1] += text[here:].rstrip()
    return found
