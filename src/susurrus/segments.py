"""Cut a window's tokens into segments at its timestamps.

Takes the tokens of one window; gives drafts of segments and how far the window was used up. No sound, no model.
Source: openai/whisper, transcribe.py, the middle of `transcribe`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .types import Window

SECONDS_PER_TIMESTAMP = 0.02
FRAMES_PER_TIMESTAMP = 2
FRAMES_PER_SECOND = 100
N_FRAMES = 3000
"""Frames of a whole window, 30 s."""


@dataclass
class WordDraft:
    """A word whose times are still being mended; seconds from the file's start."""

    word: str
    start: float
    end: float
    probability: float


@dataclass
class SegmentDraft:
    """A segment in the making; seconds from the file's start."""

    start: float
    end: float
    tokens: list[int]
    words: list[WordDraft] = field(default_factory=list)


@dataclass(frozen=True)
class Cut:
    """What a window's tokens say: its segments, how many frames they use up, and whether nothing is left open.

    `is_finished`: the tokens end with a single timestamp, so nothing was said after it in this window.
    """

    segments: list[SegmentDraft]
    n_frames: int
    is_finished: bool


def text_tokens(tokens: Sequence[int], eot: int) -> list[int]:
    """Leave out timestamps and every other special token.

    >>> text_tokens([50363, 679, 10719, 50413], eot=50256)
    [679, 10719]
    """
    return [token for token in tokens if token < eot]


def cut(tokens: Sequence[int], window: Window, timestamp_begin: int) -> Cut:
    """Cut at each pair of timestamps; without a pair the window is one segment.

    What stands after the last pair is unfinished: it is left to the next window, which begins at that timestamp.

    >>> made = cut([100, 7, 150, 150, 8], Window(seek=1000, n_frames=3000), timestamp_begin=100)
    >>> [(s.start, s.end, s.tokens) for s in made.segments], made.n_frames
    ([(10.0, 11.0, [100, 7, 150])], 100)
    """
    offset = window.seek / FRAMES_PER_SECOND
    is_timestamp = [token >= timestamp_begin for token in tokens]
    is_finished = is_timestamp[-2:] == [False, True]
    ends = [i for i in range(1, len(tokens)) if is_timestamp[i - 1] and is_timestamp[i]]
    if not ends:
        return Cut([_whole(tokens, window, timestamp_begin)], window.n_frames, is_finished)

    if is_finished:
        ends.append(len(tokens))
    segments = []
    for begin, end in zip([0, *ends[:-1]], ends, strict=True):
        piece = list(tokens[begin:end])
        times = [offset + (token - timestamp_begin) * SECONDS_PER_TIMESTAMP for token in (piece[0], piece[-1])]
        segments.append(SegmentDraft(times[0], times[1], piece))
    n_frames = window.n_frames if is_finished else (tokens[ends[-1] - 1] - timestamp_begin) * FRAMES_PER_TIMESTAMP
    return Cut(segments, n_frames, is_finished)


def _whole(tokens: Sequence[int], window: Window, timestamp_begin: int) -> SegmentDraft:
    """Make one segment of a window, up to its last timestamp where there is one."""
    offset = window.seek / FRAMES_PER_SECOND
    duration = window.n_frames / FRAMES_PER_SECOND
    timestamps = [token for token in tokens if token >= timestamp_begin]
    if timestamps and timestamps[-1] != timestamp_begin:
        duration = (timestamps[-1] - timestamp_begin) * SECONDS_PER_TIMESTAMP
    return SegmentDraft(offset, offset + duration, list(tokens))
