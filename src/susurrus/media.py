"""Files of any container and codec to 16 kHz samples, through FFmpeg's libraries (PyAV).

Takes a path, bytes or a binary file; gives blocks of 16-bit samples, and a sentence on what could not be read.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import IO, Any

import av

from .cancel import Cancel, raise_if_cancelled
from .cut_off import missing_bytes
from .errors import AudioError
from .resampling import Channels, Resampler
from .sources import open_binary, source_name
from .types import Array

logger = logging.getLogger(__name__)

# Tags that are not UTF-8: PyAV before 19 fails at them unless told otherwise, later versions know no such argument.
_TAGS: dict[str, Any] = {"metadata_errors": "ignore"} if int(av.__version__.partition(".")[0]) < 19 else {}

_NOT_AUDIO = "give an audio or video file; if it is one, it may be cut off or damaged"


def blocks(
    source: Any,
    *,
    channels: Channels = "mix",
    name: str | None = None,
    warn: Callable[[str], object] | None = None,
    cancel: Cancel | None = None,
) -> Iterator[Array]:
    """Decode a path, bytes or a binary file, and yield 16 kHz blocks as they are made, i16[n_rows, n].

    There is one row, or for `channels="each"` one a channel; all blocks have the same number of rows.

    What cannot be read of a damaged file is logged, and said to `warn` in a sentence.
    Raises: AudioError when nothing can be read. Cancelled.
    """
    name = source_name(source) if name is None else name

    def tell(message: str) -> None:
        logger.warning("%s", message)
        if warn is not None:
            warn(message)

    with contextlib.ExitStack() as stack:
        file = stack.enter_context(open_binary(source, name, cancel))
        missing = missing_bytes(file)  # before the demuxer has its place in the file
        container = stack.enter_context(_open_container(file, name))
        stream = _choose_stream(container)
        if stream is None:
            kinds = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
            raise AudioError(f"{name}: no sound in it, only {kinds}", hint="give a file with an audio track")
        if stream.codec_context is None:
            raise AudioError(f"{name}: its audio codec is not known here", hint="convert it, for example to flac")
        yield from _decode(container, stream, name, tell, cancel, missing, channels)


def _decode(
    container: Any,
    stream: Any,
    name: str,
    tell: Callable[[str], None],
    cancel: Cancel | None,
    missing: int,
    channels: Channels,
) -> Iterator[Array]:
    """Yield the blocks of one audio stream, i16[n_rows, n]; go on behind damaged packets, as ffmpeg does."""
    stream.thread_type = "AUTO"
    resampler = Resampler(name, channels)
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
    if resampler.changes:
        tell(f"{name}: the number of its channels changes on the way; where one is absent it is silent")
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
        return av.open(file, options={"protocol_whitelist": "none"}, **_TAGS)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise AudioError(f"{name}: not audio that can be read", hint=_NOT_AUDIO) from error
