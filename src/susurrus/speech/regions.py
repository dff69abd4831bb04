"""Stretches of speech, and the windows a model listens to: pure functions over an `Activity`.

Regions are ordered and disjoint; they begin and end on a mel frame, so that their times are exact in the features.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..audio import SAMPLE_RATE
from ..features import FRAMES_PER_SECOND, HOP_LENGTH
from ..options import SpeechOptions
from ..types import Array
from .activity import Activity
from .silero import CHUNK_SAMPLES

LONGEST = 30.0
"""Seconds a model hears at once."""

_CHUNKS_PER_SECOND = SAMPLE_RATE / CHUNK_SAMPLES
_FRAMES_PER_CHUNK = CHUNK_SAMPLES / HOP_LENGTH

# Chunks on both sides that count in how quiet a moment is (0.1 s), and in how loud speech usually is there (15 s).
_NEAR = 3
_FAR = 500


@dataclass(frozen=True)
class Region:
    """Speech from `start` to `end`, in seconds from the file's start."""

    start: float
    end: float

    @property
    def duration(self) -> float:
        """Seconds from start to end."""
        return self.end - self.start


@dataclass(frozen=True)
class SpeechWindow:
    """Neighbouring regions that are heard in one model call: from `start` to `end`, or joined without their pauses."""

    regions: tuple[Region, ...]

    @property
    def start(self) -> float:
        """Where the first region begins."""
        return self.regions[0].start

    @property
    def end(self) -> float:
        """Where the last region ends."""
        return self.regions[-1].end

    @property
    def speech_duration(self) -> float:
        """Seconds of the regions joined."""
        return sum(region.duration for region in self.regions)

    def file_time(self, seconds: float, *, is_end: bool = False) -> float:
        """Give the file's time of a moment in the joined regions. A joint is two: `is_end` says the earlier one.

        >>> window = SpeechWindow((Region(1.0, 3.0), Region(10.0, 12.0)))
        >>> window.file_time(0.5), window.file_time(2.0), window.file_time(2.0, is_end=True), window.file_time(3.0)
        (1.5, 10.0, 3.0, 11.0)
        """
        for region in self.regions[:-1]:
            # Joined durations are sums of hundredths; their rounding must not carry a joint to the wrong side.
            beyond = seconds - region.duration
            if beyond < -1e-6 or (is_end and beyond <= 1e-6):
                return min(region.start + seconds, region.end)
            seconds = max(beyond, 0.0)
        return min(self.regions[-1].start + seconds, self.end)


def find_regions(activity: Activity, options: SpeechOptions | None = None) -> tuple[Region, ...]:
    """Give the regions of speech, ordered, disjoint, padded.

    Speech is where the probability stays at or above `vad_neg_threshold` and somewhere reaches `vad_threshold`.
    Silences shorter than `vad_min_silence_duration_ms` do not part it, and then what is shorter than
    `vad_min_speech_duration_ms` is dropped. Padding reaches at most to the middle of a pause.
    """
    options = options or SpeechOptions()
    probs = activity.probs
    runs = [(b, e) for b, e in _runs(probs >= options.low_threshold) if probs[b:e].max() >= options.vad_threshold]
    spans: list[tuple[int, int]] = []
    for begin, end in runs:
        if spans and _ms(begin - spans[-1][1]) < options.vad_min_silence_duration_ms:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((begin, end))
    spans = [(b, e) for b, e in spans if _ms(e - b) >= options.vad_min_speech_duration_ms]
    regions = _pad(spans, activity, options.vad_speech_pad_ms)
    if options.vad_max_speech_duration_s is None:
        return regions
    return cut_long(regions, activity, options.vad_max_speech_duration_s)


def cut_long(regions: Sequence[Region], activity: Activity, longest: float = LONGEST) -> tuple[Region, ...]:
    """Cut each region longer than `longest` seconds at its quietest points, in the later half of what fits."""
    pieces = []
    for region in regions:
        start = region.start
        while region.end - start > longest:
            # What is left over must not be a scrap that nobody can understand.
            cut = quietest(activity, start + longest / 2, min(start + longest, region.end - longest / 10))
            pieces.append(Region(start, cut))
            start = cut
        pieces.append(Region(start, region.end))
    return tuple(pieces)


def pack(
    regions: Sequence[Region], activity: Activity, longest: float = LONGEST, *, joined: bool = False
) -> tuple[SpeechWindow, ...]:
    """Pack regions into windows of up to `longest` seconds: as few as there can be, cut at the quietest pauses.

    A window's length is that from its first region's start to its last one's end; with `joined` its regions' alone.
    A region that is longer still has a window of its own: see `cut_long`.
    """
    # For the first n regions: how many windows, how loud their cuts are, where the last window begins.
    best = [(0, 0.0, 0)]
    cuts = [0.0]
    for left, right in itertools.pairwise(regions):
        chunk = _chunk(activity, (left.end + right.start) / 2)
        cuts.append(float(_loudness(activity, chunk, chunk + 1)[0]))
    for n in range(1, len(regions) + 1):
        choices: list[tuple[int, float, int]] = []
        speech = 0.0
        for first in reversed(range(n)):
            speech += regions[first].duration
            length = speech if joined else regions[n - 1].end - regions[first].start
            if choices and length > longest + 1e-6:
                break
            n_windows, loudness, _ = best[first]
            choices.append((n_windows + 1, loudness + cuts[first], first))
        best.append(min(choices))

    windows = []
    n = len(regions)
    while n > 0:
        first = best[n][2]
        windows.append(SpeechWindow(tuple(regions[first:n])))
        n = first
    return tuple(reversed(windows))


def pauses(regions: Sequence[Region], duration: float) -> tuple[Region, ...]:
    """Give what lies between the regions, before the first and after the last: what a walk over them skips.

    >>> pauses([Region(1.0, 3.0), Region(3.0, 4.0)], duration=9.0)
    (Region(start=0.0, end=1.0), Region(start=4.0, end=9.0))
    """
    edges = [0.0, *(time for region in regions for time in (region.start, region.end)), duration]
    return tuple(Region(end, start) for end, start in zip(edges[::2], edges[1::2], strict=True) if end < start)


def quietest(activity: Activity, start: float, end: float) -> float:
    """Give the quietest moment from `start` to `end`, on a mel frame: the least sound, the least likely speech."""
    first = _chunk(activity, start)
    loudness = _loudness(activity, first, max(_chunk(activity, end), first + 1))
    # Of equally quiet chunks, as in silence, one from the middle.
    quiet = np.flatnonzero(loudness <= loudness.min() + 1e-6)
    middle = (activity.first + first + int(quiet[len(quiet) // 2]) + 0.5) * _FRAMES_PER_CHUNK
    frame = min(max(round(middle), math.ceil(start * FRAMES_PER_SECOND)), math.floor(end * FRAMES_PER_SECOND))
    return frame / FRAMES_PER_SECOND


def _loudness(activity: Activity, first: int, last: int) -> Array:
    """Give how loud it is around the chunks [first, last): from 0 for silence to 2 for certain speech, full level."""
    far = slice(max(first - _FAR, 0), last + _FAR)
    usual = max(float(np.median(activity.levels[far])), 1e-6)
    near = np.arange(first, last)[:, None] + np.arange(-_NEAR, _NEAR + 1)
    near = np.clip(near, 0, len(activity.probs) - 1)
    return (activity.probs[near] + np.minimum(activity.levels[near] / usual, 1)).mean(axis=1)


def _chunk(activity: Activity, time: float) -> int:
    """Give the place in the activity of the chunk that sounds at `time`, or of the nearest."""
    chunk = math.floor(time * _CHUNKS_PER_SECOND) - activity.first
    return min(max(chunk, 0), len(activity.probs) - 1)


def _ms(n_chunks: int) -> float:
    return n_chunks / _CHUNKS_PER_SECOND * 1000


def _runs(is_on: Array) -> list[tuple[int, int]]:
    """Give the runs of True as (begin, end).

    >>> _runs(np.array([True, False, True, True]))
    [(0, 1), (2, 4)]
    """
    edges = np.flatnonzero(np.diff(is_on, prepend=False, append=False))
    return [(int(begin), int(end)) for begin, end in edges.reshape(-1, 2)]


def _pad(spans: Sequence[tuple[int, int]], activity: Activity, pad_ms: float) -> tuple[Region, ...]:
    """Give spans of chunks as regions that reach further on both sides, at most to the middle of the pause."""
    pad_frames = pad_ms / 1000 * FRAMES_PER_SECOND
    begins = [(activity.first + begin) * _FRAMES_PER_CHUNK for begin, _ in spans]
    ends = [(activity.first + end) * _FRAMES_PER_CHUNK for _, end in spans]
    middles = [round((end + begin) / 2) for end, begin in zip(ends, begins[1:], strict=False)]
    lows = [0, *middles]
    highs = [*middles, activity.n_samples // HOP_LENGTH]
    regions = []
    for begin, end, low, high in zip(begins, ends, lows, highs, strict=False):
        first, last = max(math.floor(begin - pad_frames), low), min(math.ceil(end + pad_frames), high)
        if first < last:
            regions.append(Region(first / FRAMES_PER_SECOND, last / FRAMES_PER_SECOND))
    return tuple(regions)
