"""Any sound to 16 kHz mono: files of any container and codec, bytes, streams, arrays.

It gives a `Recording` (random access, in flat memory) or the whole waveform. It knows of no mel and no model.

Files are decoded, mixed and resampled to 16-bit samples by FFmpeg's libraries (through PyAV), which is what
`ffmpeg -ac 1 -ar 16000 -f s16le` does and openai-whisper reads; samples are those integers / 32768.
Source: openai/whisper, audio.py, load_audio.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import struct
import tempfile
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import IO, Any, Protocol

import av
import numpy as np

from .errors import AudioError, Cancelled, OptionError
from .samples import SAMPLE_RATE, from_array
from .spool import Spool, no_space
from .types import Array, Progress

logger = logging.getLogger(__name__)

# Samples resampled at a time: a codec's frames are 2 to 50 times smaller, and each call costs 12 us.
_PIECE = 1 << 16

_NOT_AUDIO = "give an audio or video file; if it is one, it may be cut off or damaged"


class Cancel(Protocol):
    """Anything that can be asked whether to stop; `threading.Event` is one."""

    def is_set(self) -> bool: ...


def raise_if_cancelled(cancel: Cancel | None, name: str) -> None:
    """Raises: Cancelled, when the caller asked to stop."""
    if cancel is not None and cancel.is_set():
        raise Cancelled(f"{name}: cancelled")


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
        on_progress: Callable[[Progress], object] | None = None,
        cancel: Cancel | None = None,
    ) -> Recording:
        """Decode `source` and give it as a recording.

        `source` is a path, bytes, a binary file (read from its start, or as it comes from a pipe; it is not closed),
        or an array of samples at `sample_rate` (16000 when absent; files know their own): [n_samples] or two axes of
        which the smaller is the channels; floats in [-1, 1], int16, int32 or uint8.
        Raises: AudioError when nothing can be read; what can be read of a damaged file is kept, with a warning.
        OptionError for a wrong `sample_rate`. Cancelled.
        """
        name = _name(source)
        if hasattr(source, "__array__"):
            return cls(name, from_array(source, sample_rate, name))
        if sample_rate is not None:
            raise OptionError(
                f"sample_rate={sample_rate!r}: expected None for {name}", hint="it is for arrays of samples"
            )

        warnings: list[str] = []
        spool = Spool(name)
        try:
            for block in blocks(source, warn=warnings.append, cancel=cancel):
                spool.write(block)
                if on_progress is not None:
                    on_progress(Progress(len(spool) / SAMPLE_RATE, None))
        except BaseException:
            spool.close()
            raise
        return cls(name, spool, tuple(warnings))

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


def blocks(
    source: Any, *, warn: Callable[[str], object] | None = None, cancel: Cancel | None = None
) -> Iterator[Array]:
    """Decode a path, bytes or a binary file, and yield i16[n] blocks, 16 kHz mono, as they are made.

    What cannot be read of a damaged file is logged, and said to `warn` in a sentence.
    Raises: AudioError when nothing can be read. Cancelled.
    """
    name = _name(source)

    def tell(message: str) -> None:
        logger.warning("%s", message)
        if warn is not None:
            warn(message)

    with contextlib.ExitStack() as stack:
        file = stack.enter_context(_open_binary(source, name, cancel))
        missing = _missing_bytes(file)  # before the demuxer has its place in the file
        container = stack.enter_context(_open_container(file, name))
        stream = _choose_stream(container)
        if stream is None:
            kinds = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
            raise AudioError(f"{name}: no sound in it, only {kinds}", hint="give a file with an audio track")
        if stream.codec_context is None:
            raise AudioError(f"{name}: its audio codec is not known here", hint="convert it, for example to flac")
        yield from _decode(container, stream, name, tell, cancel, missing)


class _Resampler:
    """Frames of any format in, i16[n] blocks of 16 kHz mono out. A format that changes on the way is followed."""

    def __init__(self) -> None:
        self._format: tuple[str, str, int] | None = None
        self._open()

    def _open(self) -> None:
        self._fifo = av.AudioFifo()
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)

    def push(self, frame: Any) -> Iterator[Array]:
        """Take a decoded frame; give what is ready."""
        found = (frame.format.name, frame.layout.name, frame.sample_rate)
        if found != self._format:
            yield from self.finish()
            self._format = found
        # Samples follow one another whatever their time stamps say, as in ffmpeg; the queue would refuse a gap.
        frame.pts = None
        self._fifo.write(frame)
        if self._fifo.samples >= _PIECE:
            yield from self._resample(self._fifo.read())

    def finish(self) -> Iterator[Array]:
        """Give what the queue and the resampler still hold, and begin anew."""
        if self._format is not None:
            if self._fifo.samples:
                yield from self._resample(self._fifo.read())
            yield from self._resample(None)
            self._format = None
            self._open()

    def _resample(self, frame: Any) -> Iterator[Array]:
        for piece in self._resampler.resample(frame):
            yield piece.to_ndarray()[0]


def _decode(
    container: Any, stream: Any, name: str, tell: Callable[[str], None], cancel: Cancel | None, missing: int
) -> Iterator[Array]:
    """Yield the blocks of one audio stream; go on behind damaged packets, as ffmpeg does."""
    stream.thread_type = "AUTO"
    resampler = _Resampler()
    seconds = 0.0
    damaged_at: float | None = None
    packets = container.demux(stream)
    while True:
        raise_if_cancelled(cancel, name)
        try:
            packet = next(packets, None)
        except (av.FFmpegError, OSError):
            # The container itself cannot be followed any further.
            damaged_at = seconds if damaged_at is None else damaged_at
            break
        if packet is None:
            break
        try:
            frames = packet.decode()
        except av.FFmpegError:
            damaged_at = seconds if damaged_at is None else damaged_at
            continue
        for frame in frames:
            seconds += frame.samples / frame.sample_rate
            yield from resampler.push(frame)
    yield from resampler.finish()
    _report(stream, name, tell, seconds, damaged_at, missing)


def _report(
    stream: Any, name: str, tell: Callable[[str], None], seconds: float, damaged_at: float | None, missing: int
) -> None:
    """Say what was missing of a stream that has been read to its end. Raises: AudioError when all of it was."""
    if seconds == 0 and (damaged_at is not None or missing):
        raise AudioError(f"{name}: not one sample could be decoded ({stream.codec_context.name})", hint=_NOT_AUDIO)
    if seconds == 0:
        tell(f"{name}: it is audio ({stream.codec_context.name}) but holds no samples")
        return
    # Of the headers only flac's counts samples reliably; mp3's and others' durations are estimates.
    promised = float(stream.duration * stream.time_base) if stream.duration and stream.codec.name == "flac" else 0.0
    if damaged_at is not None:
        tell(f"{name}: damaged from about {damaged_at:.1f} s on; in all {seconds:.1f} s of sound could be read")
    elif missing:
        tell(f"{name}: cut off at {seconds:.1f} s; its header promises more")
    elif promised > seconds + 0.1:
        tell(f"{name}: cut off or damaged; of the {promised:.1f} s its header promises {seconds:.1f} s could be read")


def _choose_stream(container: Any) -> Any:
    """Choose the sound that the `ffmpeg` program takes of several: the default one, of most channels, the first.

    libavformat's own choice, the one of the highest bit rate, is another. Source: FFmpeg, ffmpeg_mux_init.c.
    """

    def rank(stream: Any) -> tuple[bool, int]:
        is_default = bool(stream.disposition & av.stream.Disposition.default)
        return is_default, 0 if stream.codec_context is None else stream.codec_context.channels

    return max(container.streams.audio, key=rank, default=None)


def _open_container(file: IO[bytes], name: str) -> Any:
    try:
        # "none": a playlist in disguise must not make the demuxer open other files or addresses.
        return av.open(file, metadata_errors="ignore", options={"protocol_whitelist": "none"})
    except (av.FFmpegError, OSError, ValueError) as error:
        raise AudioError(f"{name}: not audio that can be read", hint=_NOT_AUDIO) from error


@contextlib.contextmanager
def _open_binary(source: Any, name: str, cancel: Cancel | None) -> Iterator[IO[bytes]]:
    """Give `source` as a binary file that can seek, at its start, with at least one byte in it."""
    with contextlib.ExitStack() as stack:
        file: Any = source
        try:
            if isinstance(source, (str, os.PathLike)):
                file = stack.enter_context(open(source, "rb"))
            elif isinstance(source, (bytes, bytearray, memoryview)):
                file = io.BytesIO(source)
            if not _can_seek(file):
                # The index of an mp4 file may stand at its end, so a pipe is read to its end first.
                copy = stack.enter_context(tempfile.TemporaryFile())
                _copy(file, copy, name, cancel)
                file = copy
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
        except OSError as error:
            raise AudioError(f"{name}: {_reason(error)}", hint=_reason_hint(error)) from error
        except ValueError as error:
            # A closed file, or a path with a NUL in it.
            raise AudioError(f"{name}: cannot be opened ({error})") from error
        if size == 0:
            raise AudioError(f"{name}: is empty (0 bytes)", hint="was it downloaded or recorded to its end?")
        yield file


def _can_seek(file: Any) -> bool:
    seekable = getattr(file, "seekable", None)
    return bool(seekable()) if seekable is not None else hasattr(file, "seek")


def _copy(pipe: Any, copy: IO[bytes], name: str, cancel: Cancel | None) -> None:
    while data := pipe.read(1 << 20):
        raise_if_cancelled(cancel, name)
        with no_space(name):
            copy.write(data)


def _reason(error: OSError) -> str:
    reasons = {
        FileNotFoundError: "no such file",
        IsADirectoryError: "is a folder",
        PermissionError: "permission denied",
    }
    return reasons.get(type(error)) or str(error.strerror or error)


def _reason_hint(error: OSError) -> str | None:
    hints = {
        FileNotFoundError: f"look for it from {os.getcwd()}, or give the whole path",
        IsADirectoryError: "give the files in it",
        PermissionError: "ask for the right to read it",
    }
    return hints.get(type(error))


def _missing_bytes(file: IO[bytes]) -> int:
    """Give how many bytes of a RIFF wave file's data are promised but not there; 0 for every other file.

    FFmpeg trims the promise to the file's size without a word. Sizes near 2 or 4 GiB are what recorders write that do
    not know the end yet. Source: Microsoft, Multimedia Programming Interface and Data Specifications 1.0, RIFF.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(12)
    missing = 0
    if head[:4] == b"RIFF" and head[8:] == b"WAVE":
        while len(header := file.read(8)) == 8:
            kind, n_bytes = struct.unpack("<4sI", header)
            if kind == b"data":
                missing = max(file.tell() + n_bytes - size, 0) if n_bytes < 0x7FFF0000 else 0
                break
            file.seek(n_bytes + n_bytes % 2, os.SEEK_CUR)
    file.seek(0)
    return missing


def _name(source: Any) -> str:
    """Give what messages call a source. Raises: AudioError when it is nothing that can be sound."""
    if isinstance(source, (str, os.PathLike)):
        return os.fsdecode(source)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return f"<{len(source)} bytes>"
    if hasattr(source, "__array__"):
        return "<array>"
    if not hasattr(source, "read"):
        raise AudioError(
            f"{type(source).__name__}: expected a path, bytes, a binary file or an array", hint="see audio.load"
        )
    if isinstance(source, io.TextIOBase):
        raise AudioError("a file opened as text: expected a binary file", hint="open it with mode 'rb'")
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "<stream>"
