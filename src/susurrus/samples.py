"""Arrays of samples, of any kind and rate, to 16 kHz mono floats.

Takes what an `audio` user gives as an array; gives a waveform. It reads no files.
"""

from __future__ import annotations

from typing import Any

import av
import numpy as np

from .errors import AudioError, OptionError
from .types import Array

SAMPLE_RATE = 16000

# Samples resampled at a time.
_PIECE = 1 << 16

# How far each kind of integer reaches, and where its silence lies.
_INTEGERS = {"int16": (32768.0, 0.0), "int32": (2147483648.0, 0.0), "uint8": (128.0, 128.0)}


def from_array(source: Any, sample_rate: int | None, name: str, channels: int | str = "mix") -> list[Array]:
    """Give f32[n_samples] at 16 kHz: the mix, the channel of that number, or for "each" one a channel.

    Raises: AudioError; OptionError.
    """
    rate = SAMPLE_RATE if sample_rate is None else sample_rate
    if isinstance(rate, bool) or not isinstance(rate, (int, np.integer)) or rate < 1:
        raise OptionError(f"sample_rate={sample_rate!r}: expected a whole number of hertz", hint="for example 44100")
    try:
        samples = np.asarray(source)
    except (TypeError, ValueError, RuntimeError) as error:
        # A tensor of another device, of a type NumPy has not, or one that keeps gradients.
        hint = "for a tensor: tensor.detach().cpu().float()"
        raise AudioError(f"{name}: cannot be read as a NumPy array ({error})", hint=hint) from error
    kind = samples.dtype.name
    if samples.dtype.kind != "f" and kind not in _INTEGERS:
        raise AudioError(
            f"{name}: samples of type {kind}: expected floats in [-1, 1], int16, int32 or uint8",
            hint="convert it with astype, or scale it to floats",
        )
    if samples.ndim not in (1, 2):
        raise AudioError(
            f"{name}: shape {samples.shape}: expected [n_samples] or [n_samples, n_channels]",
            hint="one sound at a time",
        )
    waveforms = []
    for row in _rows(samples, channels, name):
        if kind in _INTEGERS:
            reach, silence = _INTEGERS[kind]
            row = (row - silence) / reach
        with np.errstate(over="ignore"):  # what does not fit becomes infinity, and is refused as that
            waveform = np.ascontiguousarray(row, np.float32)
        if not np.isfinite(waveform).all():
            raise AudioError(f"{name}: holds NaN or infinity", hint="replace them, for example with np.nan_to_num")
        waveforms.append(waveform if rate == SAMPLE_RATE else _resample(waveform, int(rate)))
    return waveforms


def _rows(samples: Array, channels: int | str, name: str) -> list[Array]:
    """Give the channels that are asked for, or their mean, which is what ffmpeg makes of stereo.

    Of two axes the smaller is the channels.
    """
    if samples.ndim == 1:
        samples = samples[None]
    elif samples.shape[0] >= samples.shape[1]:
        samples = samples.T
    if channels == "each":
        return list(samples) or [np.zeros(0, np.float32)]
    if isinstance(channels, int):
        if channels > len(samples):
            raise AudioError(f"{name}: has no channel {channels}, only {len(samples)}", hint="they count from 1")
        return [samples[channels - 1]]
    if len(samples) == 1:
        return [samples[0]]
    # float64: the sum of float16 or of large integers must not overflow.
    return [samples.mean(axis=0, dtype=np.float64) if len(samples) else np.zeros(0, np.float32)]


def _resample(waveform: Array, rate: int) -> Array:
    """Resample f32[n_samples] from `rate` to 16 kHz, in floats, by FFmpeg's resampler."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
    pieces = []
    for start in range(0, len(waveform), _PIECE):
        frame = av.AudioFrame.from_ndarray(waveform[None, start : start + _PIECE], format="flt", layout="mono")
        frame.sample_rate = rate
        pieces += [piece.to_ndarray()[0] for piece in resampler.resample(frame)]
    if pieces:
        pieces += [piece.to_ndarray()[0] for piece in resampler.resample(None)]
    return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
