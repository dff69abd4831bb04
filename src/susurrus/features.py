"""Sound to log-mel: what a Whisper model listens to.

It takes a waveform or a `Recording` and gives f32[n_mels, n_frames], a frame every 10 ms. It knows of no model,
no tokens and no file formats.

Whisper cuts everything 8 decades below the loudest mel of the *file*. So the floor needs the whole file:

- `floor="file"` reads the file once from end to end to find that maximum; every frame is then what openai-whisper gives.
- `floor="running"` uses the loudest mel of the frames asked for so far, for sound that is still arriving. Until the
  loudest moment has been heard its floor is lower than the file's: pauses keep more of their noise. From there on both
  are equal; frames given before are not corrected.

The Fourier transform is made of small matrix products, faster here than an FFT of 400 in NumPy. A Hann-windowed
frame x[0..399] has x[0] = 0, and cos and sin of 2 pi k n / 400 are symmetric in n about 200, and up to the sign (-1)^k
about 100. Adding and subtracting the four samples n, 200 - n, 200 + n and 400 - n therefore leaves four sequences
(cos and sin, even and odd k) of 101 instead of one of 400. In k they are symmetric about 100 up to the sign (-1)^n:
even n and odd n are summed apart, and their sum gives frequency k, their difference 200 - k. That is 8 products of
50 x 50 where the plain transform has 2 of 200 x 200. Frames lie in columns, so that folding is adding whole rows.

Source: openai/whisper, audio.py, log_mel_spectrogram and pad_or_trim.
"""

from __future__ import annotations

import functools
import itertools
from typing import Any, Literal

import numpy as np

from .audio import SAMPLE_RATE, Cancel, Recording, raise_if_cancelled
from .types import Array

N_FFT = 400
HOP_LENGTH = 160
FRAMES_PER_SECOND = SAMPLE_RATE // HOP_LENGTH
N_SAMPLES = 30 * SAMPLE_RATE
N_FRAMES = N_SAMPLES // HOP_LENGTH
"""Frames of a 30 s window."""

# Frames a block: its arrays (1.5 MB) stay near the processor's cache, nine blocks make a window, and it is a multiple
# of BLAS's tile sizes, so a frame's numbers do not depend on where in a block it stands.
_BLOCK = 336
_BLOCK_SAMPLES = HOP_LENGTH * (_BLOCK + 2)

# The centre of a frame stands at its time, so the last frames that hear any sound begin up to half a frame after it.
_TAIL_FRAMES = 1 + N_FFT // 2 // HOP_LENGTH + 1

# Filters multiplied at a time; 16 neighbours share most of the few frequencies they hear.
_GROUP = 16


@functools.cache
def mel_filters(n_mels: int) -> Array:
    """Give the Slaney-style mel filterbank, f32[n_mels, 201], read-only.

    Triangles between points that are equally spaced on Slaney's mel scale (linear to 1000 Hz, then logarithmic) from
    0 to 8000 Hz, each of area 1 in Hz. Source: librosa, filters.mel(sr=16000, n_fft=400, n_mels=n_mels).

    >>> mel_filters(80).shape
    (80, 201)
    """
    hz_per_mel, break_hz = 200 / 3, 1000.0
    break_mel, log_step = break_hz / hz_per_mel, np.log(6.4) / 27
    top_mel = break_mel + np.log(SAMPLE_RATE / 2 / break_hz) / log_step
    mels = np.linspace(0, top_mel, n_mels + 2)
    points = np.where(mels < break_mel, mels * hz_per_mel, break_hz * np.exp(log_step * (mels - break_mel)))

    bins = np.linspace(0, SAMPLE_RATE / 2, N_FFT // 2 + 1)
    left, centre, right = points[:-2, None], points[1:-1, None], points[2:, None]
    triangles = np.minimum((bins - left) / (centre - left), (right - bins) / (right - centre))
    filters = (np.maximum(triangles, 0) * (2 / (right - left))).astype(np.float32)
    filters.flags.writeable = False
    return filters


def log_mel(waveform: Array, n_mels: int = 80) -> Array:
    """Give the log-mel of a whole waveform f32[n_samples]: f32[n_mels, n_samples // 160].

    Equal to openai-whisper's log_mel_spectrogram(waveform, n_mels, padding=480000) without the frames of the padding.

    >>> float(log_mel(np.zeros(16000, np.float32)).max())
    -1.5
    """
    with Recording.open(waveform) as recording:
        n_frames = recording.n_samples // HOP_LENGTH
        mel = np.empty((n_mels, n_frames + _TAIL_FRAMES), np.float32)
        _fill(mel, recording, 0)
    peak = mel.max()
    return np.maximum(mel[:, :n_frames], peak - _RANGE)


class LogMel:
    """The log-mel of a recording, any frames of it at a time, so that a long file's is never whole in memory.

    `cancel` is asked while the first pass of `floor="file"` runs; see the module's docstring for the two floors.
    Raises: Cancelled.
    """

    def __init__(
        self,
        recording: Recording,
        n_mels: int,
        *,
        floor: Literal["file", "running"] = "file",
        cancel: Cancel | None = None,
    ) -> None:
        self.n_mels = n_mels
        self._recording = recording
        self._is_running = floor == "running"
        self._peak = _log(np.zeros(1, np.float32))[0]
        if not self._is_running:
            self._peak = self._find_peak(cancel)

    @property
    def n_frames(self) -> int:
        """Frames of content: whole hops of the recording."""
        return self._recording.n_samples // HOP_LENGTH

    def mel(self, seek: int, n_frames: int) -> Array:
        """Give the frames [seek, seek + n_frames), f32[n_mels, n_frames]; after the content they are those of zeros."""
        mel = np.empty((self.n_mels, n_frames), np.float32)
        self._fill_floored(mel, seek)
        return mel

    def window(self, seek: int, n_frames: int) -> Array:
        """Give one model call's f32[n_mels, 3000]: `n_frames` of content, and 0.0 (not silence's value) after them.

        Source: openai/whisper, audio.py, pad_or_trim.
        """
        window = np.zeros((self.n_mels, N_FRAMES), np.float32)
        self._fill_floored(window[:, :n_frames], seek)
        return window

    def _fill_floored(self, mel: Array, seek: int) -> None:
        _fill(mel, self._recording, seek)
        if self._is_running and mel.size:
            self._peak = max(self._peak, mel.max())
        np.maximum(mel, self._peak - _RANGE, out=mel)

    def _find_peak(self, cancel: Cancel | None) -> Any:
        transform = _BlockTransform(self.n_mels)
        peak = np.zeros(1, np.float32)
        for seek in range(0, self.n_frames + _TAIL_FRAMES, _BLOCK):
            raise_if_cancelled(cancel, self._recording.name)
            # The logarithm keeps the order, so one of the largest power is enough.
            peak[0] = max(peak[0], transform(_block_samples(self._recording, seek)).max())
        return _log(peak)[0]


# The mel's unit is a quarter of a decade of power, and 8 decades are heard below the peak.
_RANGE = np.float32(8 / 4)


def _log(power: Array) -> Array:
    """Give (log10(max(power, 1e-10)) + 4) / 4, in place. np.log is vectorised in NumPy, np.log10 is not (20x slower)."""
    np.maximum(power, np.float32(1e-10), out=power)
    np.log(power, out=power)
    power *= np.float32(0.25 / np.log(10))
    power += np.float32(1)
    return power


def _fill(mel: Array, recording: Recording, seek: int) -> None:
    """Write the frames from `seek` on into `mel` f32[n_mels, n_frames], in the mel's unit, without a floor."""
    transform = _BlockTransform(len(mel))
    for start in range(0, mel.shape[1], _BLOCK):
        part = mel[:, start : start + _BLOCK]
        part[:] = _log(transform(_block_samples(recording, seek + start)))[:, : part.shape[1]]


def _block_samples(recording: Recording, seek: int) -> Array:
    """Give the samples that the frames [seek, seek + _BLOCK) hear: f32[_BLOCK_SAMPLES].

    Before the start stand the first samples mirrored, after the end zeros. Source: torch.stft, center=True.
    """
    start = seek * HOP_LENGTH - N_FFT // 2
    samples = recording.read(start, start + _BLOCK_SAMPLES)
    if start < 0:
        samples[:-start] = recording.read(1, 1 - start)[::-1]
    return samples


class _BlockTransform:
    """Turns the samples of _BLOCK frames into mel power; owns the arrays in between, so that they are made once."""

    def __init__(self, n_mels: int) -> None:
        self._hops = np.empty((HOP_LENGTH, _BLOCK + 2), np.float32)
        self._windowed = np.empty((N_FFT - 1, _BLOCK), np.float32)
        self._pairs = np.empty((2, 198, _BLOCK), np.float32)
        # Rows 0 and 100 of the sequences that have no such term stay zero.
        self._folded = np.zeros((4, 101, _BLOCK), np.float32)
        self._halves = np.empty((3, 4, 50, _BLOCK), np.float32)
        # Bins 0 and 200 stay zero: every filter is zero there.
        self._power = np.zeros((N_FFT // 2 + 1, _BLOCK), np.float32)
        self._mel = np.empty((n_mels, _BLOCK), np.float32)

    def __call__(self, samples: Array) -> Array:
        """Give the mel power of f32[_BLOCK_SAMPLES], f32[n_mels, _BLOCK]; the next call writes over it."""
        self._fold(self._apply_window(samples))
        self._find_power()
        for filters, bins, weights in _filter_groups(len(self._mel)):
            np.matmul(weights, self._power[bins], out=self._mel[filters])
        return self._mel

    def _apply_window(self, samples: Array) -> Array:
        """Give the windowed samples of every frame, [399, _BLOCK], in the order of _SAMPLE_ORDER."""
        hops, windowed = self._hops, self._windowed
        hops[:] = samples.reshape(_BLOCK + 2, HOP_LENGTH).T
        window = _window_rows()
        for rows, hop_rows, hop in _pieces():
            np.multiply(hops[hop_rows, hop : hop + _BLOCK], window[rows], out=windowed[rows])
        return windowed

    def _fold(self, windowed: Array) -> None:
        """Add and subtract the mirrored samples: [cos even k, cos odd k, sin even k, sin odd k], [4, 101, _BLOCK]."""
        folded, (even, odd) = self._folded, self._pairs
        # Rows n and 200 - n, each with its mirror image about 200: even parts go with cos, odd ones with sin.
        np.add(windowed[:198], windowed[198:396], out=even)
        np.subtract(windowed[:198], windowed[198:396], out=odd)
        np.add(even[:99], even[99:], out=folded[0, 1:100])
        np.subtract(even[:99], even[99:], out=folded[1, 1:100])
        np.subtract(odd[:99], odd[99:], out=folded[2, 1:100])
        np.add(odd[:99], odd[99:], out=folded[3, 1:100])
        # The samples that are their own mirror image, or whose image is the window's zero.
        at_100, at_200, at_300 = windowed[396:]
        folded[0, 0] = at_200
        np.negative(at_200, out=folded[1, 0])
        np.add(at_100, at_300, out=folded[0, 100])
        np.subtract(at_100, at_300, out=folded[3, 100])

    def _find_power(self) -> None:
        """Transform the folded samples, and put |X[k]|^2 of every bin in its row."""
        low, high, even = self._halves
        weights_even, weights_odd = _dft_weights()
        np.matmul(weights_even, self._folded[:, 0::2], out=even)
        np.matmul(weights_odd, self._folded[:, 1::2], out=high)
        np.add(even, high, out=low)  # [4, 50, _BLOCK]: k = 2, 4 .. 100 and 1, 3 .. 99, cos then sin
        np.subtract(even, high, out=high)  # the same at 200 - k, up to the sign
        np.multiply(low, low, out=low)
        np.multiply(high, high, out=high)
        np.add(low[0], low[2], out=self._power[2:101:2])
        np.add(low[1], low[3], out=self._power[1:100:2])
        np.add(high[0], high[2], out=self._power[198:99:-2])
        np.add(high[1], high[3], out=self._power[199:100:-2])


# Which of a frame's samples stands in which row: n and 200 - n, then their mirror images about 200, then the three
# that have none; n = 0 is left out, the window is zero there.
_SAMPLE_ORDER = (*range(1, 100), *range(199, 100, -1), *range(399, 300, -1), *range(201, 300), 100, 200, 300)


@functools.cache
def _window_rows() -> Array:
    """Give the periodic Hann window in the order of _SAMPLE_ORDER, f32[399, 1]."""
    n = np.array(_SAMPLE_ORDER)[:, None]
    return (0.5 - 0.5 * np.cos(2 * np.pi * n / N_FFT)).astype(np.float32)


@functools.cache
def _pieces() -> tuple[tuple[slice, slice, int], ...]:
    """Cut _SAMPLE_ORDER into runs that are a slice of one hop: (rows, rows of the hop, which hop)."""
    pieces = []
    row = 0
    steps = [b - a for a, b in itertools.pairwise(_SAMPLE_ORDER)]
    while row < len(_SAMPLE_ORDER):
        hop, first = divmod(_SAMPLE_ORDER[row], HOP_LENGTH)
        step = steps[row] if row < len(steps) and abs(steps[row]) == 1 else 1
        n = 1
        while row + n < len(_SAMPLE_ORDER) and _SAMPLE_ORDER[row + n] == hop * HOP_LENGTH + first + n * step:
            if not 0 <= first + n * step < HOP_LENGTH:
                break
            n += 1
        last = first + n * step
        pieces.append((slice(row, row + n), slice(first, last if last >= 0 else None, step), hop))
        row += n
    return tuple(pieces)


@functools.cache
def _dft_weights() -> tuple[Array, Array]:
    """Give the cos and sin weights for even n, f32[4, 50, 51], and for odd n, f32[4, 50, 50], ordered as `_fold`'s."""
    k = np.stack([np.arange(2, 101, 2), np.arange(1, 100, 2)])[:, :, None]

    def weights(n: Array) -> Array:
        angles = 2 * np.pi * k * n / N_FFT
        return np.concatenate([np.cos(angles), np.sin(angles)]).astype(np.float32)

    return weights(np.arange(0, 101, 2)), weights(np.arange(1, 101, 2))


@functools.cache
def _filter_groups(n_mels: int) -> tuple[tuple[slice, slice, Array], ...]:
    """Cut the filterbank into groups of filters without most of its zeros: (filters, bins, weights)."""
    groups = []
    for first in range(0, n_mels, _GROUP):
        filters = slice(first, first + _GROUP)
        heard = np.flatnonzero(mel_filters(n_mels)[filters].any(axis=0))
        bins = slice(int(heard[0]), int(heard[-1]) + 1)
        groups.append((filters, bins, np.ascontiguousarray(mel_filters(n_mels)[filters, bins])))
    return tuple(groups)
