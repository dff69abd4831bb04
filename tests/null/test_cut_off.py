"""Files that end before their sound does are said to; whole ones are not."""

import io
import struct

import av
import numpy as np
import pytest

from susurrus.audio import Recording
from susurrus.cut_off import missing_bytes

RATE = 48000


def encoded(suffix, codec, **options):
    """Give 4 s of noise as a file."""
    out = io.BytesIO()
    noise = (0.1 * np.random.default_rng(0).standard_normal(4 * RATE)).astype(np.float32)
    with av.open(out, "w", format=suffix, options=options) as container:
        stream = container.add_stream(codec, rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(noise[None], format="flt", layout="mono")
        frame.sample_rate = RATE
        for piece in av.AudioResampler(format=stream.codec_context.format, layout="mono", rate=RATE).resample(frame):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return out.getvalue()


FORMS = [
    ("wav", "pcm_s16le", {}),
    ("aiff", "pcm_s16be", {}),
    ("ogg", "libopus", {}),
    ("webm", "libopus", {}),
    ("webm", "libopus", {"live": "1"}),
    ("matroska", "aac", {}),
    ("mp3", "libmp3lame", {}),
    ("mp3", "libmp3lame", {"id3v2_version": "3"}),
]


@pytest.mark.parametrize(("suffix", "codec", "options"), FORMS)
def test_cut_off_anywhere(suffix, codec, options):
    data = encoded(suffix, codec, **options)
    assert missing_bytes(io.BytesIO(data)) == 0
    for n in np.linspace(len(data) // 3, len(data) - 5000, 5, dtype=int):
        assert missing_bytes(io.BytesIO(data[:n])) > 0
    with Recording.open(data, name="x") as recording:
        assert recording.warnings == ()
    with Recording.open(data[: len(data) // 2], name="x") as recording:
        assert 0.9 < recording.duration < 3
        (warning,) = recording.warnings
        assert warning.startswith(f"x: cut off at {recording.duration:.1f} s")


def test_what_follows_the_sound_is_no_loss():
    tag = b"TAG" + bytes(125)
    for suffix, codec, options in FORMS:
        assert missing_bytes(io.BytesIO(encoded(suffix, codec, **options) + tag)) == 0


def test_without_a_promise_nothing_is_missing():
    mp3 = encoded("mp3", "libmp3lame", write_xing="0")
    assert missing_bytes(io.BytesIO(mp3[:9000])) == 0
    for data in (b"", b"RIFF", b"OggS", b"ID3", b"\xff\xfb", b"\x1aE\xdf\xa3" + bytes(40), b"ID3" + b"\xff" * 60):
        file = io.BytesIO(data)
        assert missing_bytes(file) in (0, 1)
        assert file.tell() == 0


def test_sizes_that_recorders_leave_open():
    header = b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16)
    for size in (0xFFFFFFFF, 0x7FFFFFFF, 0):
        assert missing_bytes(io.BytesIO(header + b"data" + struct.pack("<I", size) + bytes(100))) == 0
    assert missing_bytes(io.BytesIO(header + b"data" + struct.pack("<I", 150) + bytes(100))) == 50
