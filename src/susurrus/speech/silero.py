"""The speech detector's network: chunks of 32 ms in, the probability that each holds speech out.

Takes samples and a recurrent state; gives probabilities and the next state. It knows of no recordings and no regions.

A chunk of 512 samples is heard with the 64 before it: four spectra of 256 samples, every 128 (the last one's end is
mirrored), four convolutions that fold the four into one vector of 128, an LSTM cell, one output. Chunks lie in columns,
many at a time, so that everything is matrix products; rows of the recurrence are independent stretches of sound.

The Fourier transform: a periodic Hann window w has w[0] = 0 and w[n] = w[256 - n], and cos and sin of 2 pi k n / 256
are symmetric in n about 128, and up to the sign (-1)^k about 64. Adding and subtracting whole rows therefore leaves
four products of 64 x 64 where the plain transform has two of 129 x 256.

Source: Silero VAD 6.2.3 (MIT, see NOTICE), the 16 kHz model; `bench/make_silero.py` takes the weights from its ONNX
file.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..types import Array

CHUNK_SAMPLES = 512
CONTEXT_SAMPLES = 64
"""Samples heard before each chunk."""

N_STATE = 128
_N_FFT = 256
_HOP = 128
_N_FRAMES = 4
_N_BINS = 129
_HEARD = CONTEXT_SAMPLES + CHUNK_SAMPLES

State = tuple[Array, Array]
"""What the recurrence remembers, and its cells: f32[128, n_rows] each."""


@dataclass(frozen=True)
class _Weights:
    """`cos_*` and `sin_*`: [bins, folded samples]; `conv*`: three taps side by side, [n_out, 3 * n_in]."""

    window: Array
    cos_even: Array
    cos_odd: Array
    sin_even: Array
    sin_odd: Array
    conv1: Array
    conv2: Array
    conv3: Array
    conv4: Array
    cell_in: Array
    cell_state: Array
    out: Array
    biases: tuple[Array, ...]


def silent_state(n_rows: int) -> State:
    """Give the state before anything was heard."""
    return np.zeros((N_STATE, n_rows), np.float32), np.zeros((N_STATE, n_rows), np.float32)


def probs_of(chunks: Array, state: State) -> tuple[Array, State]:
    """Give f32[n_rows, n_steps] for f32[n_rows, n_steps, 576], consecutive chunks with the 64 samples before each."""
    n_rows, n_steps, _ = chunks.shape
    weights = _load()
    gates = _encode(chunks, weights).reshape(4 * N_STATE, n_steps, n_rows)
    hidden, cell = state
    logits = np.empty((n_steps, n_rows), np.float32)
    for step in range(n_steps):
        into = weights.cell_state @ hidden
        into += gates[:, step]
        opened = _sigmoid(into[: 3 * N_STATE])  # in, forget, out
        cell = opened[N_STATE : 2 * N_STATE] * cell
        cell += opened[:N_STATE] * np.tanh(into[3 * N_STATE :])
        hidden = opened[2 * N_STATE :] * np.tanh(cell)
        np.matmul(weights.out, np.maximum(hidden, 0), out=logits[step])
    return _sigmoid(logits + weights.biases[-1]).T, (hidden, cell)


def _encode(chunks: Array, weights: _Weights) -> Array:
    """Give what the chunks bring to the cell's gates, f32[512, n_steps * n_rows]."""
    conv1_bias, conv2_bias, conv3_bias, conv4_bias, gates_bias, _ = weights.biases
    mags = _magnitudes(chunks, weights)
    n = mags.shape[2]

    first = np.empty((_N_FRAMES, 128, n), np.float32)
    for frame in range(_N_FRAMES):
        _convolve(weights.conv1, mags, frame, first[frame], conv1_bias)
    second = np.empty((2, 64, n), np.float32)
    for frame in range(2):
        _convolve(weights.conv2, first, 2 * frame, second[frame], conv2_bias)
    third = np.empty((64, n), np.float32)
    _convolve(weights.conv3, second, 0, third, conv3_bias)
    fourth = np.empty((N_STATE, n), np.float32)
    _convolve(weights.conv4, third[None], 0, fourth, conv4_bias)
    gates = weights.cell_in @ fourth
    gates += gates_bias
    return gates


def _convolve(taps: Array, frames: Array, centre: int, out: Array, bias: Array) -> None:
    """Put max(0, taps of three * the frames around `centre` + bias) into `out`; outside the frames lie zeros."""
    n_frames, n_in, n = frames.shape
    first, last = max(centre - 1, 0), min(centre + 2, n_frames)
    skipped = (first - (centre - 1)) * n_in
    part = taps[:, skipped : skipped + (last - first) * n_in]
    np.matmul(part, frames[first:last].reshape(-1, n), out=out)
    out += bias
    np.maximum(out, 0, out=out)


def _magnitudes(chunks: Array, weights: _Weights) -> Array:
    """Give the spectra's magnitudes, f32[4, 129, n_steps * n_rows], frames first."""
    n_rows, n_steps, _ = chunks.shape
    n = n_rows * n_steps
    samples = np.empty((_HEARD + _HOP // 2, n), np.float32)
    samples[:_HEARD].reshape(_HEARD, n_steps, n_rows)[:] = chunks.transpose(2, 1, 0)
    samples[_HEARD:] = samples[_HEARD - 2 : _HEARD - 2 - _HOP // 2 : -1]
    frames = np.lib.stride_tricks.as_strided(
        samples, (_N_FFT, _N_FRAMES, n), (samples.strides[0], _HOP * samples.strides[0], 4), writeable=False
    )
    # [1..127] and their mirror images [255..129]; the middle, 128, has no partner, and 0 no weight.
    added = frames[1:128] + frames[255:128:-1]
    added *= weights.window
    taken = frames[1:128] - frames[255:128:-1]
    taken *= weights.window

    def folded(rows: Array, sign: int, *alone: Array) -> Array:
        """Fold [1..127] about 64; what has no partner follows."""
        both = np.empty((63 + len(alone), _N_FRAMES, n), np.float32)
        (np.add if sign > 0 else np.subtract)(rows[:63], rows[:63:-1], out=both[:63])
        for i, row in enumerate(alone, start=63):
            both[i] = row
        return both.reshape(len(both), _N_FRAMES * n)

    power = np.empty((_N_BINS, _N_FRAMES, n), np.float32)
    flat = power.reshape(_N_BINS, _N_FRAMES * n)
    for first, cos, sin in (
        (0, weights.cos_even @ folded(added, 1, added[63], frames[128]), weights.sin_even @ folded(taken, -1)),
        (1, weights.cos_odd @ folded(added, -1, frames[128]), weights.sin_odd @ folded(taken, 1, taken[63])),
    ):
        np.multiply(cos, cos, out=cos)
        np.multiply(sin, sin, out=sin)
        cos += sin
        flat[first::2] = cos
    mags = np.empty((_N_FRAMES, _N_BINS, n), np.float32)
    np.sqrt(power, out=mags.transpose(1, 0, 2))
    return mags


def _sigmoid(x: Array) -> Array:
    # Through tanh, which cannot overflow.
    y = np.tanh(np.float32(0.5) * x)
    y *= np.float32(0.5)
    y += np.float32(0.5)
    return y


@functools.cache
def _load() -> _Weights:
    with np.load(Path(__file__).with_name("silero.npz")) as file:
        stored = {name: np.ascontiguousarray(file[name], np.float32) for name in file.files}
    even, odd = np.arange(0, _N_BINS, 2)[:, None], np.arange(1, _N_BINS, 2)[:, None]

    def weights(function: np.ufunc, k: Array, n: list[int]) -> Array:
        return function(2 * np.pi / _N_FFT * k * np.array(n)).astype(np.float32)

    to_63 = [*range(1, 64)]
    return _Weights(
        window=(0.5 - 0.5 * np.cos(2 * np.pi / _N_FFT * np.arange(1, 128))).astype(np.float32)[:, None, None],
        cos_even=weights(np.cos, even, [*to_63, 64, 128]),
        cos_odd=weights(np.cos, odd, [*to_63, 128]),
        sin_even=weights(np.sin, even, to_63),
        sin_odd=weights(np.sin, odd, [*to_63, 64]),
        biases=tuple(
            stored.pop(f"{name}_bias")[:, None] for name in ("conv1", "conv2", "conv3", "conv4", "cell", "out")
        ),
        **stored,
    )
