"""Any sound to 16 kHz mono: files of any container and codec, bytes, streams, arrays.

It gives a `Recording` (random access, in flat memory) or the whole waveform. It knows of no mel and no model.

Files are decoded, mixed and resampled to 16-bit samples by FFmpeg's libraries (through PyAV), which is what
`ffmpeg -ac 1 -ar 16000 -f s16le` does and openai-whisper reads; samples are those integers / 32768.
Source: openai/whisper, audio.py, load_audio.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

import numpy as np

from .cancel import Cancel, raise_if_cancelled
from .errors import OptionError
from .media import blocks
from .resampling import Channels
from .samples import SAMPLE_RATE, from_array
from .sources import source_name
from .spool import Spool
from .types import Array, Progress

__all__ = ["SAMPLE_RATE", "Cancel", "Recording", "blocks", "load", "raise_if_cancelled"]


def load(source: Any, *, sample_rate: int | None = None) -> Array:
    """Give the whole waveform, f32[n_samples], 16 kHz mono, [-1, 1]; `source` is what `Recording.open` takes.

    Raises: AudioError; OptionError for a wrong `sample_rate`.

    >>> load(np.array([0, 16384, -32768], np.int16))
    array([ 0. ,  0.5, -1. ], dtype=float32)
    """
    with Recording.open(source, sample_rate=sample_rate) as recording:
        return recording.read(0, recording.n_samples)


class Recording:
    """A decoded sound, read anywhere, that does not grow in memory with its length. It owns its spool: close it.

    `name` is what messages call it. `warnings` say, a sentence each, what of the source could not be read.
    """

    def __init__(self, name: str, samples: Array | Spool, warnings: tuple[str, ...] = ()) -> None:
        self.name = name
        self.n_samples = len(samples)
        self.warnings = warnings
        self._samples = samples

    @classmethod
    def open(
        cls,
        source: Any,
        *,
        sample_rate: int | None = None,
        channel: int | None = None,
        name: str | None = None,
        on_progress: Callable[[Progress], object] | None = None,
        cancel: Cancel | None = None,
    ) -> Recording:
        """Decode `source` and give it as a recording.

        `source` is a path, bytes, a binary file (read from its start, or as it comes from a pipe; it is not closed),
        or an array of samples at `sample_rate` (16000 when absent; files know their own): [n_samples] or two axes of
        which the smaller is the channels; floats in [-1, 1], int16, int32 or uint8.
        `channel`, counted from 1, takes this one instead of the mix of all. `name` is for messages.
        Raises: AudioError when nothing can be read; what can be read of a damaged file is kept, with a warning.
        OptionError for a wrong `sample_rate` or `channel`. Cancelled.
        """
        if channel is not None and (isinstance(channel, bool) or not isinstance(channel, int) or channel < 1):
            raise OptionError(f"channel={channel!r}: expected a whole number from 1 on, or None for the mix of all")
        channels: Channels = "mix" if channel is None else channel
        return _open(source, channels, sample_rate, name, on_progress, cancel)[0]

    @classmethod
    def split(
        cls,
        source: Any,
        *,
        sample_rate: int | None = None,
        name: str | None = None,
        on_progress: Callable[[Progress], object] | None = None,
        cancel: Cancel | None = None,
    ) -> list[Recording]:
        """Decode `source` once, and give a recording of each of its channels; the rest is as in `open`."""
        return _open(source, "each", sample_rate, name, on_progress, cancel)

    @property
    def duration(self) -> float:
        """Seconds of sound."""
        return self.n_samples / SAMPLE_RATE

    def read(self, start: int, stop: int) -> Array:
        """Give the samples [start, stop), f32[stop - start], the caller's own; outside of the sound they are zeros."""
        samples = np.zeros(max(stop - start, 0), np.float32)
        first, last = max(start, 0), min(stop, self.n_samples)
        if first < last:
            inside = samples[first - start : last - start]
            if isinstance(self._samples, Spool):
                np.multiply(self._samples.read(first, last), np.float32(1 / 32768), out=inside)
            else:
                inside[:] = self._samples[first:last]
        return samples

    def close(self) -> None:
        """Give back the memory or the temporary file; nothing can be read after it."""
        if isinstance(self._samples, Spool):
            self._samples.close()

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _open(
    source: Any,
    channels: Channels,
    sample_rate: int | None,
    name: str | None,
    on_progress: Callable[[Progress], object] | None,
    cancel: Cancel | None,
) -> list[Recording]:
    """Give the recordings that `channels` asks for: one, or one a channel."""
    name = source_name(source) if name is None else name
    if hasattr(source, "__array__"):
        return [Recording(name, row) for row in from_array(source, sample_rate, name, channels)]
    if sample_rate is not None:
        raise OptionError(f"sample_rate={sample_rate!r}: expected None for {name}", hint="it is for arrays of samples")

    warnings: list[str] = []
    spools = [Spool(name)]
    try:
        for block in blocks(source, channels=channels, name=name, warn=warnings.append, cancel=cancel):
            spools += [Spool(name) for _ in range(len(spools), len(block))]
            for spool, row in zip(spools, block, strict=True):
                spool.write(row)
            if on_progress is not None:
                on_progress(Progress(len(spools[0]) / SAMPLE_RATE, None))
    except BaseException:
        for spool in spools:
            spool.close()
        raise
    return [Recording(name, spool, tuple(warnings)) for spool in spools]
