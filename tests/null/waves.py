"""Sounds and wave files to test with."""

from __future__ import annotations

import io
import wave

import numpy as np

from susurrus.audio import SAMPLE_RATE


def tone(seconds=1.0, rate=SAMPLE_RATE, hz=440.0):
    """i16[n] of a sine at half of full scale."""
    return np.round(16384 * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate)) / rate)).astype(np.int16)


def wav_bytes(samples, rate=SAMPLE_RATE):
    """A wave file of [n] or [n, n_channels], i16 or u8."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(samples.itemsize)
        file.setframerate(rate)
        file.writeframes(samples.astype(samples.dtype.newbyteorder("<")).tobytes())
    return out.getvalue()
