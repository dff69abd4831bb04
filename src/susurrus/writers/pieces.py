"""Timed segments -> pieces: text that is not cut, when it is said, and what it costs to cut after it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from ..types import Segment, Word
from .breaks import Quality, clusters, is_unspaced, needs_space, quality, spans, width
from .leaning import LEANING

# What a cut costs at the end of a cue, and of a line, by its quality.
_END_COST = {
    Quality.SENTENCE: 0.0,
    Quality.CLAUSE: 1.0,
    Quality.BEFORE_LEANING: 2.5,
    Quality.WORD: 4.0,
    Quality.INSIDE: 5.0,
    Quality.AFTER_LEANING: 8.0,
    Quality.IN_WORD: 9.0,
    Quality.FORCED: 12.0,
}

BAD_END = _END_COST[Quality.INSIDE]
"""What costs as much is a cut in the middle of a word, or nearly so."""

_UNSPACED_PIECE = 4  # characters: in Thai and its like no cluster is a better place than the next, and there are many
_SHORT_PAUSE = 0.25  # seconds that one hears as a pause
_LONG_PAUSE = 2.0  # seconds that no cue goes on over


@dataclass(frozen=True)
class Piece:
    """Text that is not cut, when it is said, and what a cut after it costs."""

    text: str
    start: float
    end: float
    has_space: bool = False
    """Before it."""
    cost: float = 0.0
    is_sentence_end: bool = False


def pieces(segments: Sequence[Segment], language: str = "", *, not_before: float = 0.0) -> list[Piece]:
    """Cut one speaker's segments into pieces, in order, their times never going backwards."""
    found: list[Piece] = []
    now = not_before
    for segment in segments:
        leaning = LEANING.get(segment.language or language, frozenset())
        for i, piece in enumerate(_timed_pieces(segment)):
            if found and i > 0 and _belongs(found[-1], piece):
                now = max(now, piece.end)
                found[-1] = replace(found[-1], text=found[-1].text + piece.text, end=now)
                continue
            if found:
                found[-1], piece = _judged(found[-1], piece, leaning, is_segment_end=i == 0)
            start = max(piece.start, now)
            now = max(start, piece.end)
            found.append(replace(piece, start=start, end=now))
    return found


def _belongs(last: Piece, piece: Piece) -> bool:
    if piece.has_space or len(last.text) >= _UNSPACED_PIECE or piece.start - last.end > _SHORT_PAUSE:
        return False
    return is_unspaced(last.text[-1]) and is_unspaced(piece.text)


def _judged(last: Piece, piece: Piece, leaning: frozenset[str], *, is_segment_end: bool) -> tuple[Piece, Piece]:
    """Say what a cut between two pieces costs; between two segments, whether a space stands there."""
    pause = piece.start - last.end
    if not is_segment_end:
        kind = quality(last.text, piece.text, piece.has_space, leaning)
        return replace(last, cost=_cost(kind, pause), is_sentence_end=kind == Quality.SENTENCE), piece
    has_space = needs_space(last.text, piece.text)
    kind = quality(last.text, piece.text, has_space, leaning)
    # A segment's end stands for a comma in scripts without spaces: a space then shows it, as in their subtitles.
    has_space = has_space or kind > Quality.CLAUSE
    kind = Quality.CLAUSE if kind in (Quality.INSIDE, Quality.IN_WORD) else kind
    last = replace(last, cost=0.4 * _cost(kind, pause), is_sentence_end=kind == Quality.SENTENCE)
    return last, replace(piece, has_space=has_space)


def _cost(kind: Quality, pause: float) -> float:
    """Give what a cut costs; a pause is a place to cut by itself."""
    return _END_COST[kind] * (1.0 if pause < _SHORT_PAUSE else 0.6 if pause < 0.6 else 0.25)


def _timed_pieces(segment: Segment) -> Iterator[Piece]:
    """Cut a segment's text wherever it may be cut.

    Inside a word (or a segment without words) time passes evenly over the characters.
    """
    words = [word for word in segment.words or () if word.word.strip()]
    if not words:
        words = [Word(segment.text, segment.start, segment.end, 0.0)]
    text = "".join(word.word for word in words)
    offsets = [0, *accumulate(len(word.word) for word in words)]

    def time(offset: int, *, is_end: bool) -> float:
        i = bisect_right(offsets, offset - 1 if is_end else offset) - 1
        word = words[i]
        lead = len(word.word) - len(word.word.lstrip())
        share = (offset - offsets[i] - lead) / len(word.word.strip())
        return word.start + min(max(share, 0.0), 1.0) * max(word.end - word.start, 0.0)

    for start, end in spans(text):
        plain = " ".join(text[start:end].split())
        yield Piece(plain, time(start, is_end=False), time(end, is_end=True), start > 0 and text[start - 1].isspace())


def fit(found: Sequence[Piece], limit: int) -> Iterator[Piece]:
    """Cut pieces that are wider than a line between grapheme clusters."""
    for piece in found:
        if width(piece.text) <= limit:
            yield piece
            continue
        parts = [""]
        for cluster in clusters(piece.text):
            if parts[-1] and width(parts[-1] + cluster) > limit:
                parts.append("")
            parts[-1] += cluster
        times = [piece.start + (piece.end - piece.start) * n / len(piece.text) for n in accumulate(map(len, parts))]
        starts = [piece.start, *times]
        for i, part in enumerate(parts):
            is_last = i == len(parts) - 1
            cost = piece.cost if is_last else _END_COST[Quality.FORCED]
            has_space = piece.has_space and i == 0
            yield Piece(part.strip(), starts[i], times[i], has_space, cost, piece.is_sentence_end and is_last)


def runs(found: Iterator[Piece]) -> Iterator[list[Piece]]:
    """Part pieces at long pauses."""
    run: list[Piece] = []
    for piece in found:
        if run and piece.start - run[-1].end > _LONG_PAUSE:
            yield run
            run = []
        run.append(piece)
    if run:
        yield run
