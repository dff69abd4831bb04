"""When each word was said: follow the decoder's cross-attention through the window with dynamic time warping.

Takes the alignment heads' scores that `Backend.attend` gives; gives words with times, and places them in segments.
No framework: the numbers are small once the attention is there (some 110 tokens by 1500 frames).
Source: openai/whisper, timing.py; Giorgino 2009 for the warping.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from .backends import Backend
from .segments import FRAMES_PER_SECOND, FRAMES_PER_TIMESTAMP, SegmentDraft, WordDraft, text_tokens
from .tokenizer import Tokenizer

MEDIAN_WIDTH = 7
TIMESTAMPS_PER_SECOND = 50
SENTENCE_END_MARKS = ".。!！?？"
LONGEST_MEDIAN = 0.7
"""Seconds. A median word longer than this is taken for a sign of bad times, not of slow speech."""


@dataclass
class WordTiming:
    """A word and its tokens; seconds from the window's start."""

    word: str
    tokens: list[int]
    start: float
    end: float
    probability: float


@dataclass
class _Durations:
    """How long words of a window are, in seconds."""

    median: float = 0.0
    longest: float = field(init=False)
    is_known: bool = False

    def __post_init__(self) -> None:
        self.longest = self.median * 2


@dataclass(frozen=True)
class Alignment:
    """A text followed through a window's sound; its times are read from here.

    `matrix` f32[n_tokens + 1, n_positions]: where the decoder listens at each token and at the end of the text, in
    positions of 20 ms. `path_tokens` and `path_positions` are the rows and columns of the cheapest path through it.
    `probs` f32[n_tokens]: each token's probability after those before it.
    """

    matrix: np.ndarray
    path_tokens: np.ndarray
    path_positions: np.ndarray
    probs: np.ndarray

    @property
    def starts(self) -> np.ndarray:
        """Where each token begins, and where the text ends: f64[n_tokens + 1], seconds from the window's start."""
        is_new = np.concatenate([[True], np.diff(self.path_tokens) > 0])
        return self.path_positions[is_new] / TIMESTAMPS_PER_SECOND


def follow(
    backend: Backend, tokenizer: Tokenizer, audio_features: Any, tokens: Sequence[int], n_frames: int
) -> Alignment | None:
    """Follow one window's text (tokens without specials) through n_frames of sound; None where either is empty."""
    n_positions = n_frames // FRAMES_PER_TIMESTAMP
    if not tokens or n_positions == 0:
        return None
    start = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
    whole = np.array([[*start, *tokens, tokenizer.eot]], dtype=np.int32)
    next_probs, scores = backend.attend(audio_features, whole, tokenizer.eot)
    first = len(start) - 1  # after no_timestamps comes the first token of the text
    matrix = attention_matrix(scores[0], n_positions)[first:-1]
    return Alignment(matrix, *dtw(-matrix), next_probs[0, first : first + len(tokens)])


def align(
    backend: Backend, tokenizer: Tokenizer, audio_features: Any, tokens: Sequence[int], n_frames: int
) -> list[WordTiming]:
    """Time the words of one window's text: tokens (no specials) in n_frames of sound -> words in order."""
    alignment = follow(backend, tokenizer, audio_features, tokens, n_frames)
    return [] if alignment is None else word_timings(alignment, tokenizer, tokens)


def word_timings(alignment: Alignment, tokenizer: Tokenizer, tokens: Sequence[int]) -> list[WordTiming]:
    """Give the words that tokens make, each from its first token's start to the next word's."""
    words, word_tokens = tokenizer.split_to_word_tokens([*tokens, tokenizer.eot])
    if len(words) <= 1:
        return []
    times, probs = alignment.starts, alignment.probs
    ends = np.cumsum([len(t) for t in word_tokens[:-1]])
    begins = [0, *ends[:-1]]
    return [
        WordTiming(word, list(ids), float(times[b]), float(times[e]), float(np.mean(probs[b:e])))
        for word, ids, b, e in zip(words, word_tokens, begins, ends, strict=False)
    ]


def attention_matrix(scores: np.ndarray, n_positions: int) -> np.ndarray:
    """Reduce f32[n_heads, T, n_audio_ctx] scores to f32[T, n_positions]: normalised, smoothed, averaged over heads."""
    matrix = np.zeros((scores.shape[1], min(n_positions, scores.shape[2])), dtype=np.float32)
    for head in scores:  # one head at a time stays in the processor's cache
        x = head[:, :n_positions]
        x = np.exp(x - x.max(axis=-1, keepdims=True))
        x /= x.sum(axis=-1, keepdims=True)
        spread = x.std(axis=0, keepdims=True)
        x = (x - x.mean(axis=0, keepdims=True)) / np.where(spread == 0, np.float32(1), spread)
        matrix += median_filter(x, MEDIAN_WIDTH)
    return matrix / np.float32(len(scores))


def median_filter(x: np.ndarray, width: int) -> np.ndarray:
    """Take the running median of odd `width` along the last axis, with reflected edges: [..., n] -> [..., n].

    Neighbours are kept sorted by exchanges of whole arrays, which is many times faster than sorting each window.

    >>> median_filter(np.array([1.0, 9.0, 2.0, 3.0, 4.0]), 3)
    array([9., 2., 3., 3., 3.])
    """
    half = width // 2
    if x.shape[-1] <= half:
        return x
    n = x.shape[-1]
    padded = np.concatenate([x[..., half:0:-1], x, x[..., -2 : -half - 2 : -1]], axis=-1)
    columns = [padded[..., i : i + n] for i in range(width)]
    # Selection by exchanges: after pass i the i-th smallest stands at place i, so half + 1 passes give the median.
    for i in range(half + 1):
        for j in range(width - 1, i, -1):
            low, high = np.minimum(columns[j - 1], columns[j]), np.maximum(columns[j - 1], columns[j])
            columns[j - 1], columns[j] = low, high
    return columns[half]


def dtw(cost: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the cheapest monotonic path through cost f[N, M]: row and column indices from (0, 0) to (N-1, M-1).

    Works along the anti-diagonals, whose entries do not depend on each other.

    >>> rows, columns = dtw(np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]]))
    >>> rows.tolist(), columns.tolist()
    ([0, 1, 1], [0, 1, 2])
    """
    n, m = cost.shape
    # skewed[d, i] = cost[i, d - i], so that an anti-diagonal is a row.
    skewed = np.full((n + m - 1, n), np.inf)
    for i in range(n):
        skewed[i : i + m, i] = cost[i]
    # Column 0 of these stands for the border above the first row.
    before_last = np.full(n + 1, np.inf)
    last = np.full(n + 1, np.inf)
    before_last[0] = 0.0
    trace = np.empty((n + m - 1, n), dtype=np.int8)
    for d in range(n + m - 1):
        diagonal, up, left = before_last[:-1], last[:-1], last[1:]
        is_diagonal = (diagonal < up) & (diagonal < left)
        is_up = (up < diagonal) & (up < left)
        trace[d] = np.where(is_diagonal, 0, np.where(is_up, 1, 2))
        now = np.full(n + 1, np.inf)
        now[1:] = skewed[d] + np.where(is_diagonal, diagonal, np.where(is_up, up, left))
        before_last, last = last, now
    return _walk_back(trace, m)


def _walk_back(trace: np.ndarray, m: int) -> tuple[np.ndarray, np.ndarray]:
    """Follow the trace from the last corner to the first; it leads along the borders, whose outside costs infinity."""
    i, j = trace.shape[1] - 1, m - 1
    path = [(i, j)]
    while i > 0 or j > 0:
        move = trace[i + j, i]
        i, j = i - int(move != 2), j - int(move != 1)
        path.append((i, j))
    both = np.array(path[::-1])
    return both[:, 0], both[:, 1]


def place_words(
    segments: list[SegmentDraft],
    timings: list[WordTiming],
    *,
    offset: float,
    eot: int,
    last_speech_end: float,
    prepend_punctuations: str,
    append_punctuations: str,
) -> None:
    """Give each segment its words, mend times that cannot be, and let the words move the segment's start and end.

    `offset` is the window's start and `last_speech_end` the end of the last word before it, in seconds of the file.
    """
    durations = _word_durations(timings)
    _shorten_at_sentence_ends(timings, durations)
    merge_punctuations(timings, prepend_punctuations, append_punctuations)
    remaining = iter(timings)
    for segment in segments:
        n_tokens, n_placed = len(text_tokens(segment.tokens, eot)), 0
        while n_placed < n_tokens and (timing := next(remaining, None)) is not None:
            n_placed += len(timing.tokens)
            if timing.word:
                times = round(offset + timing.start, 2), round(offset + timing.end, 2)
                segment.words.append(WordDraft(timing.word, *times, timing.probability))
        if segment.words:
            _mend_start(segment.words, durations, last_speech_end)
            _fit_segment(segment, durations.median)
            last_speech_end = segment.end


def merge_punctuations(timings: list[WordTiming], prepended: str, appended: str) -> None:
    """Give opening marks to the word after them and closing marks to the word before; merged ones become empty.

    An empty one keeps its place, and its tokens are counted with the word that took them.
    """
    following = len(timings) - 1
    for i in range(len(timings) - 2, -1, -1):
        mark, word = timings[i], timings[following]
        if mark.word.startswith(" ") and mark.word.strip() in prepended:
            word.word, word.tokens = mark.word + word.word, mark.tokens + word.tokens
            mark.word, mark.tokens = "", []
        else:
            following = i
    previous = 0
    for i in range(1, len(timings)):
        word, mark = timings[previous], timings[i]
        if not word.word.endswith(" ") and mark.word in appended:
            word.word, word.tokens = word.word + mark.word, word.tokens + mark.tokens
            mark.word, mark.tokens = "", []
        else:
            previous = i


def _word_durations(timings: list[WordTiming]) -> _Durations:
    durations = np.array([t.end - t.start for t in timings])
    durations = durations[durations.nonzero()]
    if len(durations) == 0:
        return _Durations()
    return _Durations(min(LONGEST_MEDIAN, float(np.median(durations))), is_known=True)


def _shorten_at_sentence_ends(timings: list[WordTiming], durations: _Durations) -> None:
    """A word beside the end of a sentence takes the pause in; leave it twice the median."""
    if not durations.is_known:
        return
    for before, word in pairwise(timings):
        if word.end - word.start > durations.longest:
            if word.word in SENTENCE_END_MARKS:
                word.end = word.start + durations.longest
            elif before.word in SENTENCE_END_MARKS:
                word.start = word.end - durations.longest


def _mend_start(words: list[WordDraft], durations: _Durations, last_speech_end: float) -> None:
    """The first words after a pause reach back into it; leave them twice the median."""
    first, second = words[0], words[1] if len(words) > 1 else None
    is_after_pause = first.end - last_speech_end > durations.median * 4
    is_too_long = first.end - first.start > durations.longest or (
        second is not None and second.end - first.start > durations.longest * 2
    )
    if is_after_pause and is_too_long:
        if second is not None and second.end - second.start > durations.longest:
            boundary = max(second.end / 2, second.end - durations.longest)
            first.end = second.start = boundary
        first.start = max(0, first.end - durations.longest)


def _fit_segment(segment: SegmentDraft, median: float) -> None:
    """Let words and segment agree: the words' times count unless the outer word is too long for the segment's."""
    first, last = segment.words[0], segment.words[-1]
    if segment.start < first.end and segment.start - 0.5 > first.start:
        first.start = max(0, min(first.end - median, segment.start))
    else:
        segment.start = first.start
    if segment.end > last.start and segment.end + 0.5 < last.end:
        last.end = max(last.start + median, segment.end)
    else:
        segment.end = last.end


def frames(seconds: float) -> int:
    """Give the mel frame nearest to a time.

    >>> frames(1.236)
    124
    """
    return round(seconds * FRAMES_PER_SECOND)
