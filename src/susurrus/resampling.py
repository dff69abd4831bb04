"""Decoded frames of any format to 16 kHz: the mix of their channels, one of them, or each.

Takes frames of PyAV; gives 16-bit samples as FFmpeg's resampler makes them. It opens nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import av
import numpy as np

from .errors import AudioError
from .samples import SAMPLE_RATE
from .types import Array

Channels = int | Literal["mix", "each"]
"""The mix of all, the one of this number (counted from 1), or each for itself."""

# Samples resampled at a time: a codec's frames are 2 to 50 times smaller, and each call costs 12 us.
_PIECE = 1 << 16


class Resampler:
    """Frames in, i16[n_rows, n] out; more than one row only for "each". A format that changes on the way is followed.

    `changes` becomes True when a channel that is wanted is not there all the time: it is silent where it is absent.
    """

    def __init__(self, name: str, channels: Channels = "mix") -> None:
        self.changes = False
        self._name, self._channels = name, channels
        self._rows: list[int] | None = None
        self._format: tuple[str, str, int] | None = None
        self._fifo = av.AudioFifo()
        self._resamplers: list[Any] = []

    def push(self, frame: Any) -> Iterator[Array]:
        """Take a decoded frame; give what is ready. Raises: AudioError when the channel is not there."""
        found = (frame.format.name, frame.layout.name, frame.sample_rate)
        if found != self._format:
            yield from self.finish()
            self._begin(frame)
            self._format = found
        # Samples follow one another whatever their time stamps say, as in ffmpeg; the queue would refuse a gap.
        frame.pts = None
        self._fifo.write(frame)
        if self._fifo.samples >= _PIECE:
            yield from self._resample(self._fifo.read())

    def finish(self) -> Iterator[Array]:
        """Give what the queue and the resamplers still hold, and begin anew."""
        if self._format is not None:
            if self._fifo.samples:
                yield from self._resample(self._fifo.read())
            yield from self._resample(None)
            self._format = None

    def _begin(self, frame: Any) -> None:
        """Make ready for frames like this one; the first of all says which channels there are."""
        n_channels = frame.layout.nb_channels
        if self._rows is None:
            if self._channels == "mix":
                self._rows = [0]
            elif self._channels == "each":
                self._rows = list(range(n_channels))
            elif self._channels > n_channels:
                raise AudioError(
                    f"{self._name}: has no channel {self._channels}, only {n_channels}", hint="they count from 1"
                )
            else:
                self._rows = [self._channels - 1]
        elif self._channels == "each":
            self.changes = self.changes or len(self._rows) != n_channels
        elif self._channels != "mix":
            self.changes = self.changes or self._channels > n_channels
        self._fifo = av.AudioFifo()
        self._resamplers = [av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE) for _ in self._rows]

    def _resample(self, frame: Any) -> Iterator[Array]:
        frames = [None] * len(self._resamplers) if frame is None else self._rows_of(frame)
        pieces = [resampler.resample(row) for resampler, row in zip(self._resamplers, frames, strict=True)]
        for rows in zip(*pieces, strict=True):
            yield np.concatenate([row.to_ndarray() for row in rows])

    def _rows_of(self, frame: Any) -> list[Any]:
        """Give a frame for each row, of one channel each; the mix is left to the resampler."""
        assert self._rows is not None
        n_channels = frame.layout.nb_channels
        if self._channels == "mix" or (n_channels == 1 and self._rows == [0]):
            return [frame]
        try:
            samples = frame.to_ndarray()
        except ValueError as error:
            raise AudioError(
                f"{self._name}: its channels cannot be told apart ({frame.format.name})", hint="convert it to flac"
            ) from error
        channels = samples if frame.format.is_planar else samples.reshape(-1, n_channels).T
        silence = np.full_like(channels[:1], 128 if channels.dtype == np.uint8 else 0)
        made = []
        for row in self._rows:
            samples = np.ascontiguousarray(channels[row : row + 1]) if row < n_channels else silence
            mono = av.AudioFrame.from_ndarray(samples, format=frame.format.name, layout="mono")
            mono.sample_rate = frame.sample_rate
            made.append(mono)
        return made
