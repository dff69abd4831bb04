"""Where a recording sounds like speech: a probability and a loudness for every 32 ms.

Takes an open `Recording`, or a span of it; gives an `Activity`. It knows of no regions and no model of words.

The detector's network is recurrent: chunk after chunk, an hour would be 112,500 tiny steps. It forgets, so the sound is
cut on a fixed grid into sections of 16 s that are heard side by side, each after the two seconds before it. What is
heard of a moment is thus the same whatever span was asked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..audio import SAMPLE_RATE, Cancel, Recording, raise_if_cancelled
from ..types import Array
from . import silero
from .silero import CHUNK_SAMPLES, CONTEXT_SAMPLES

SECTION_CHUNKS = 512
"""Chunks of a section, 16.4 s."""

WARM_UP_CHUNKS = 64
"""Chunks heard before a section, 2 s, whose probabilities are thrown away."""

# Sections heard side by side (matrix products want many), chunks of each read at a time (the warm-up is the first), and
# columns of a product, few enough to stay in the processor's cache.
_MOST_ROWS = 128
_READ_CHUNKS = WARM_UP_CHUNKS
_COLUMNS = 512


@dataclass(frozen=True, eq=False)
class Activity:
    """What was heard of a recording from chunk `first` on, one value every 512 samples.

    `probs` f32[n_chunks]: the probability of speech. `levels` f32[n_chunks]: the loudness, root mean square.
    `n_samples` is the length of the whole recording.
    """

    probs: Array
    levels: Array
    n_samples: int
    first: int = 0

    @property
    def start(self) -> float:
        """Seconds from the file's start to the first chunk."""
        return self.first * CHUNK_SAMPLES / SAMPLE_RATE

    @property
    def end(self) -> float:
        """Seconds from the file's start to the end of the last chunk, or of the sound."""
        return min((self.first + len(self.probs)) * CHUNK_SAMPLES, self.n_samples) / SAMPLE_RATE


def speech_activity(
    recording: Recording,
    start: float = 0.0,
    end: float = math.inf,
    *,
    cancel: Cancel | None = None,
) -> Activity:
    """Give what is heard in [start, end) seconds: of whole chunks, and the same as in the whole recording.

    Only the sections that the span touches are read. Raises: Cancelled.
    """
    n_chunks = -(-recording.n_samples // CHUNK_SAMPLES)
    start, end = max(start, 0.0), min(end, recording.duration)
    first = last = 0
    if start < end:
        first = math.floor(start * SAMPLE_RATE / CHUNK_SAMPLES)
        last = min(math.ceil(end * SAMPLE_RATE / CHUNK_SAMPLES), n_chunks)
    sections = range(first // SECTION_CHUNKS, -(-last // SECTION_CHUNKS))
    origin = sections.start * SECTION_CHUNKS
    probs = np.empty((len(sections), SECTION_CHUNKS), np.float32)
    levels = np.empty_like(probs)
    n_groups = -(-len(sections) // _MOST_ROWS)
    for group in np.array_split(np.arange(len(sections)), n_groups) if n_groups else ():
        rows = slice(int(group[0]), int(group[-1]) + 1)
        n_wanted = min(SECTION_CHUNKS, last - origin - rows.start * SECTION_CHUNKS)
        _listen(recording, sections[rows], probs[rows, :n_wanted], levels[rows, :n_wanted], cancel)
    asked = slice(first - origin, last - origin)
    return Activity(probs.reshape(-1)[asked], levels.reshape(-1)[asked], recording.n_samples, first)


def _listen(recording: Recording, sections: range, probs: Array, levels: Array, cancel: Cancel | None) -> None:
    """Fill `probs` and `levels`, f32[n_sections, n_chunks], with the first n_chunks of each section."""
    n_rows, n_chunks = probs.shape
    state = silero.silent_state(n_rows)
    steps = max(_COLUMNS // n_rows, 1)
    for at in range(0 if sections.stop == 1 else -WARM_UP_CHUNKS, n_chunks, _READ_CHUNKS):
        raise_if_cancelled(cancel, recording.name)
        n_read = min(_READ_CHUNKS, n_chunks - at)
        chunks = _read(recording, sections, at, n_read)
        if at >= 0:
            sound = chunks[:, :, CONTEXT_SAMPLES:]
            levels[:, at : at + n_read] = np.sqrt(np.einsum("rcs,rcs->rc", sound, sound) / CHUNK_SAMPLES)
        for step in range(0, n_read, steps):
            part = chunks[:, step : step + steps]
            heard, state = silero.probs_of(part, state)
            if at >= 0:
                probs[:, at + step : at + step + part.shape[1]] = heard
        if at < 0 and sections.start == 0:
            # Nothing comes before the file: its first section begins with an empty memory, as the original does.
            for remembered in state:
                remembered[:, 0] = 0


def _read(recording: Recording, sections: range, at: int, n_chunks: int) -> Array:
    """Give f32[n_sections, n_chunks, 576], a view: the chunks from the `at`-th of each section, and what is before."""
    samples = np.empty((len(sections), CONTEXT_SAMPLES + n_chunks * CHUNK_SAMPLES), np.float32)
    for row, section in zip(samples, sections, strict=True):
        start = (section * SECTION_CHUNKS + at) * CHUNK_SAMPLES
        row[:] = recording.read(start - CONTEXT_SAMPLES, start + n_chunks * CHUNK_SAMPLES)
    windows = np.lib.stride_tricks.sliding_window_view(samples, CONTEXT_SAMPLES + CHUNK_SAMPLES, axis=1)
    return windows[:, ::CHUNK_SAMPLES]
