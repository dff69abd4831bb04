"""Sound to log-mel: what a Whisper model listens to.

It takes a waveform or a `Recording` and gives f32[n_mels, n_frames], a frame every 10 ms. It knows of no model,
no tokens and no file formats.

Whisper cuts everything 8 decades below the loudest mel of the *file*. So the floor needs the whole file:

- `floor="file"` reads the file once from end to end to find that maximum; every frame is then openai-whisper's.
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

# Frames a block: few enough that its arrays stay near the processor's cache, enough to make each NumPy call worth it.
_BLOCK = 336
_BLOCK_SAMPLES = HOP_LENGTH * (_BLOCK + 2)

# The centre of a frame stands at its time, so the last frames that hear any sound begin up to half a frame after it.
_TAIL_FRAMES = 1 + N_FFT // 2 // HOP_LENGTH + 1

# Filters multiplied at a time; 20 neighbours share most of the few frequencies they hear.
_GROUP = 20


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
        power = np.empty((n_mels, n_frames + _TAIL_FRAMES), np.float32)
        _fill_power(power, recording, 0)
    return _log(power, power.max())[:, :n_frames]


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
        self._peak = np.float32(0) if self._is_running else self._find_peak(cancel)

    @property
    def n_frames(self) -> int:
        """Frames of content: whole hops of the recording."""
        return self._recording.n_samples // HOP_LENGTH

    def mel(self, seek: int, n_frames: int) -> Array:
        """Give the frames [seek, seek + n_frames), f32[n_mels, n_frames]; after the content they are those of zeros."""
        mel = np.empty((self.n_mels, n_frames), np.float32)
        self._fill(mel, seek)
        return mel

    def window(self, seek: int, n_frames: int) -> Array:
        """Give one model call's f32[n_mels, 3000]: `n_frames` of content, and 0.0 (not silence's value) after them.

        Source: openai/whisper, audio.py, pad_or_trim.
        """
        window = np.zeros((self.n_mels, N_FRAMES), np.float32)
        self._fill(window[:, :n_frames], seek)
        return window

    def _fill(self, mel: Array, seek: int) -> None:
        _fill_power(mel, self._recording, seek)
        if self._is_running and mel.size:
            self._peak = max(self._peak, mel.max())
        _log(mel, self._peak)

    def _find_peak(self, cancel: Cancel | None) -> Any:
        """Give the largest mel power of the whole recording."""
        transform = _BlockTransform(self.n_mels)
        peak = np.float32(0)
        for seek in range(0, self.n_frames + _TAIL_FRAMES, _BLOCK):
            raise_if_cancelled(cancel, self._recording.name)
            peak = max(peak, transform(_block_samples(self._recording, seek)).max())
        return peak


def _log(power: Array, peak: Any) -> Array:
    """Turn mel power into what the model hears, in place: (max(log10(power), -10, log10(peak) - 8) + 4) / 4."""
    np.maximum(power, max(np.float32(1e-10), peak * np.float32(1e-8)), out=power)
    # NumPy has np.log in vector instructions, np.log10 not.
    np.log(power, out=power)
    power *= np.float32(0.25 / np.log(10))
    power += np.float32(1)
    return power


def _fill_power(power: Array, recording: Recording, seek: int) -> None:
    """Write the mel power of the frames from `seek` on into f32[n_mels, n_frames]."""
    transform = _BlockTransform(len(power))
    stop = seek + power.shape[1]
    # Blocks begin where the window does, so that none is made for a few frames. BLAS sums a matrix's first and last
    # columns in another order, so a frame's last bits (2e-5 at most) depend on where in a window it stands.
    for block in range(seek, stop, _BLOCK):
        last = min(stop, block + _BLOCK)
        samples = _block_samples(recording, block)
        power[:, block - seek : last - seek] = transform(samples)[:, : last - block]


def _block_samples(recording: Recording, seek: int) -> Array:
    """Give the samples that the frames [seek, seek + _BLOCK) hear: f32[_BLOCK_SAMPLES].

    Before the start stand the first samples mirrored, after the end zeros. Source: torch.stft, center=True.
    """
    start = seek * HOP_LENGTH - N_FFT // 2
    samples = recording.read(start, start + _BLOCK_SAMPLES)
    if start < 0:
        samples[:-start] = recording.read(1, 1 - start)[::-1]
    return samples


# The 198 rows of `_fold`: samples n = 1..99 of a frame, then 200 - n, and beside each its mirror image 400 - n or
# 200 + n, cut where a hop ends: (rows, rows of the hop, which hop, the image's rows of the hop, which hop).
_MIRRORED = (
    (slice(0, 80), slice(1, 81), 0, slice(79, None, -1), 2),
    (slice(80, 99), slice(81, 100), 0, slice(159, 140, -1), 1),
    (slice(99, 139), slice(39, None, -1), 1, slice(41, 81), 1),
    (slice(139, 198), slice(159, 100, -1), 0, slice(81, 140), 1),
)


class _BlockTransform:
    """Turns the samples of _BLOCK frames into mel power; owns the arrays in between, so that they are made once."""

    def __init__(self, n_mels: int) -> None:
        self._hops = np.empty((HOP_LENGTH, _BLOCK + 2), np.float32)
        self._pairs = np.empty((2, 198, _BLOCK), np.float32)
        # Rows 0 and 100 of the sequences that have no such term stay zero.
        self._folded = np.zeros((4, 101, _BLOCK), np.float32)
        self._halves = np.empty((3, 4, 50, _BLOCK), np.float32)
        # Bins 0 and 200 stay zero: every filter is zero there.
        self._power = np.zeros((N_FFT // 2 + 1, _BLOCK), np.float32)
        self._mel = np.empty((n_mels, _BLOCK), np.float32)

    def __call__(self, samples: Array) -> Array:
        """Give the mel power of f32[_BLOCK_SAMPLES], f32[n_mels, _BLOCK]; the next call writes over it."""
        self._fold(samples)
        self._find_power()
        for filters, bins, weights in _filter_groups(len(self._mel)):
            np.matmul(weights, self._power[bins], out=self._mel[filters])
        return self._mel

    def _fold(self, samples: Array) -> None:
        """Window the frames, and fold them into [cos even k, cos odd k, sin even k, sin odd k], [4, 101, _BLOCK].

        Sample n of frame t is row n % 160, column t + n // 160 of the hops. The window is symmetric about 200 too, so
        it comes after the first fold.
        """
        hops, folded, (even, odd) = self._hops, self._folded, self._pairs
        hops[:] = samples.reshape(_BLOCK + 2, HOP_LENGTH).T
        for rows, own_rows, own_hop, image_rows, image_hop in _MIRRORED:
            own = hops[own_rows, own_hop : own_hop + _BLOCK]
            image = hops[image_rows, image_hop : image_hop + _BLOCK]
            np.add(own, image, out=even[rows])
            np.subtract(own, image, out=odd[rows])
        window = _window_rows()
        np.multiply(even, window, out=even)
        np.multiply(odd, window, out=odd)

        np.add(even[:99], even[99:], out=folded[0, 1:100])
        np.subtract(even[:99], even[99:], out=folded[1, 1:100])
        np.subtract(odd[:99], odd[99:], out=folded[2, 1:100])
        np.add(odd[:99], odd[99:], out=folded[3, 1:100])
        # What is its own mirror image, or has the window's zero for one. The window is 1 at 200, and 1/2 at 100.
        at_100, at_200, at_300 = hops[100, :_BLOCK], hops[40, 1 : _BLOCK + 1], hops[140, 1 : _BLOCK + 1]
        folded[0, 0] = at_200
        np.negative(at_200, out=folded[1, 0])
        folded[0, 100] = (at_100 + at_300) * np.float32(0.5)
        folded[3, 100] = (at_100 - at_300) * np.float32(0.5)

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


@functools.cache
def _window_rows() -> Array:
    """Give the periodic Hann window of the 198 rows, f32[198, _BLOCK]: whole, since NumPy is slower with one column."""
    n = np.array([*range(1, 100), *range(199, 100, -1)])[:, None]
    return np.repeat((0.5 - 0.5 * np.cos(2 * np.pi * n / N_FFT)).astype(np.float32), _BLOCK, axis=1)


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
