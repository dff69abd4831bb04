"""Any sound to 16 kHz mono: containers, codecs, arrays, and what is said of broken files."""

import errno
import io
import json
import logging
import os
import threading
from pathlib import Path

import av
import numpy as np
import pytest
from waves import tone, wav_bytes

from susurrus import spool
from susurrus.audio import SAMPLE_RATE, Recording, blocks, load
from susurrus.errors import AudioError, Cancelled, OptionError
from susurrus.resampling import Resampler

SHARED = Path(__file__).parents[2].parent / "shared" / "audio"


def encode(path, codec, samples, rate, *, with_video=False):
    """Write i16[n] with PyAV: the container by the path's suffix."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=10) if with_video else None
        sound = container.add_stream(codec, rate=rate, layout="mono") if codec else None
        if video is not None:
            video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
            for _ in range(10):
                container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
            container.mux(video.encode(None))
        if sound is not None:
            frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
            frame.sample_rate = rate
            # The encoder's own frame size is known only once it is open, so the encoder cuts.
            for piece in av.AudioResampler(format=sound.codec_context.format, layout="mono", rate=rate).resample(frame):
                container.mux(sound.encode(piece))
            container.mux(sound.encode(None))
    return path


TWO_SOUNDS = ((8000, 440.0), (48000, 1000.0))
"""Rate and pitch."""


def power_at(waveform, hz):
    """The share of a waveform's power that lies within 20 Hz of `hz`."""
    spectrum = np.abs(np.fft.rfft(waveform)) ** 2
    near = np.abs(np.fft.rfftfreq(len(waveform), 1 / SAMPLE_RATE) - hz) < 20
    return spectrum[near].sum() / spectrum.sum()


class Pipe(io.RawIOBase):
    """Bytes that can only be read forwards."""

    def __init__(self, data):
        self._file = io.BytesIO(data)

    def readable(self):
        return True

    def readinto(self, buffer):
        return self._file.readinto(buffer)


# --- files ---


def test_a_16_khz_wave_is_its_integers(tmp_path):
    path = tmp_path / "a.wav"
    samples = np.random.default_rng(0).integers(-32768, 32768, 40000).astype(np.int16)
    path.write_bytes(wav_bytes(samples))
    expected = samples.astype(np.float32) / 32768
    for source in (path, str(path), path.read_bytes(), bytearray(path.read_bytes()), memoryview(path.read_bytes())):
        waveform = load(source)
        assert waveform.dtype == np.float32
        np.testing.assert_array_equal(waveform, expected)


def test_file_objects_and_pipes():
    samples = tone()
    data = wav_bytes(samples)
    file = io.BytesIO(data)
    file.seek(7)  # wherever it stands: a recording is read from its start
    for source in (file, Pipe(data)):
        np.testing.assert_array_equal(load(source), samples.astype(np.float32) / 32768)
        assert not source.closed


def test_a_file_known_by_its_number(tmp_path):
    (tmp_path / "a.wav").write_bytes(wav_bytes(tone()))
    with open(os.open(tmp_path / "a.wav", os.O_RDONLY), "rb") as file:  # as sys.stdin.buffer is after `< a.wav`
        assert len(load(file)) == SAMPLE_RATE


def test_a_real_pipe():
    data = wav_bytes(tone())
    read_end, write_end = os.pipe()

    def write():
        with open(write_end, "wb") as out:
            out.write(data)

    writer = threading.Thread(target=write)
    writer.start()
    with open(read_end, "rb") as file:
        assert len(load(file)) == SAMPLE_RATE
    writer.join()


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_wave_of_any_rate(rate):
    waveform = load(wav_bytes(tone(1.0, rate), rate))
    assert len(waveform) == pytest.approx(SAMPLE_RATE, abs=2)
    assert power_at(waveform, 440) > 0.99
    assert np.abs(waveform[2000:-2000]).max() == pytest.approx(0.5, abs=0.01)


def test_stereo_is_the_mean():
    left = tone()
    both = np.stack([left, np.zeros_like(left)], axis=1)
    np.testing.assert_allclose(load(wav_bytes(both)), left / 65536, atol=1 / 32768)
    assert np.abs(load(wav_bytes(np.stack([left, -left], axis=1)))).max() <= 1 / 32768


def test_six_channels_without_a_layout():
    waveform = load(wav_bytes(np.stack([tone()] * 6, axis=1)))
    assert len(waveform) == SAMPLE_RATE
    assert power_at(waveform, 440) > 0.99


@pytest.mark.parametrize(
    ("suffix", "codec", "rate"),
    [
        ("mp3", "mp3", 44100),
        ("ogg", "libopus", 48000),
        ("mp4", "aac", 44100),
        ("flac", "flac", 16000),
        ("webm", "libopus", 48000),
    ],
)
def test_codecs(tmp_path, suffix, codec, rate):
    path = encode(tmp_path / f"a.{suffix}", codec, tone(2.0, rate), rate, with_video=suffix == "mp4")
    for source in (path, path.read_bytes(), Pipe(path.read_bytes())):
        with Recording.open(source) as recording:
            assert recording.duration == pytest.approx(2.0, abs=0.1)
            assert recording.warnings == ()
            assert power_at(recording.read(0, recording.n_samples), 440) > 0.98


def test_of_several_sounds_the_first_is_taken_as_ffmpeg_does(tmp_path):
    """Not the one of the highest bit rate, which is libavformat's own choice and often a commentary."""
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        sounds = [(container.add_stream("pcm_s16le", rate=rate, layout="mono"), rate, hz) for rate, hz in TWO_SOUNDS]
        for stream, rate, hz in sounds:
            frame = av.AudioFrame.from_ndarray(tone(1.0, rate, hz)[None], format="s16", layout="mono")
            frame.sample_rate = rate
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    assert power_at(load(path), TWO_SOUNDS[0][1]) > 0.9


def test_odd_file_names(tmp_path):
    for name in ("12:30 a.wav", "concat:x.wav", "ünï ☃.wav", "-i.wav", "%03d.wav"):
        path = tmp_path / name
        path.write_bytes(wav_bytes(tone(0.1)))
        assert len(load(path)) == 1600


def test_format_that_changes_on_the_way():
    """As in a radio stream, or ogg files in a row."""
    resampler = Resampler("radio")
    made = []
    for rate, layout, fmt in ((16000, "mono", "s16"), (48000, "stereo", "fltp"), (8000, "mono", "s16")):
        samples = tone(1.0, rate) if fmt == "s16" else (tone(1.0, rate) / 32768).astype(np.float32)
        rows = samples[None] if layout == "mono" else np.stack([samples, samples])
        frame = av.AudioFrame.from_ndarray(rows, format=fmt, layout=layout)
        frame.sample_rate = rate
        made += resampler.push(frame)
    waveform = np.concatenate([*made, *resampler.finish()], axis=1)[0]
    assert len(waveform) == pytest.approx(3 * SAMPLE_RATE, abs=5)
    assert power_at(waveform, 440) > 0.99


# --- random access ---


def test_read_anywhere(tmp_path):
    samples = tone(0.5)
    with Recording.open(wav_bytes(samples)) as recording:
        assert recording.n_samples == 8000
        assert recording.duration == 0.5
        expected = np.concatenate([np.zeros(100), samples / 32768, np.zeros(100)]).astype(np.float32)
        np.testing.assert_array_equal(recording.read(-100, 8100), expected)
        for start, stop in ((0, 0), (5, 17), (-3, 2), (7990, 8010), (9000, 9010), (-20, -10)):
            np.testing.assert_array_equal(recording.read(start, stop), expected_part(expected, start + 100, stop + 100))


def expected_part(expected, start, stop):
    """A slice, with zeros where there is nothing."""
    return np.array([expected[i] if 0 <= i < len(expected) else 0 for i in range(start, stop)], np.float32)


def test_what_was_read_is_the_callers_own():
    samples = np.zeros(100, np.float32)
    with Recording.open(samples) as recording:
        recording.read(0, 100)[:] = 1
        assert not samples.any()


def test_long_sound_goes_to_a_file(monkeypatch):
    monkeypatch.setattr(spool, "_SPOOL_BYTES", 10_000)
    samples = tone(3.0)
    with Recording.open(wav_bytes(samples)) as recording:
        np.testing.assert_array_equal(recording.read(20_000, 30_000), samples[20_000:30_000].astype(np.float32) / 32768)


def test_blocks_are_16_bit():
    made = list(blocks(wav_bytes(tone(10.0))))
    assert len(made) > 1
    np.testing.assert_array_equal(np.concatenate(made, axis=1)[0], tone(10.0))
    assert {block.dtype for block in made} == {np.dtype(np.int16)}


def test_progress_is_seconds():
    seen = []
    with Recording.open(wav_bytes(tone(10.0)), on_progress=seen.append) as recording:
        assert [p.done for p in seen] == sorted(p.done for p in seen)
        assert seen[-1].done == recording.duration == 10.0


def test_full_disk(monkeypatch):
    class FullDisk(io.BytesIO):
        def __init__(self, max_size):
            super().__init__()

        def write(self, data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(spool.tempfile, "SpooledTemporaryFile", FullDisk)
    with pytest.raises(AudioError, match="No space left") as info:
        load(wav_bytes(tone()))
    assert "TMPDIR" in info.value.hint


def test_cancel():
    cancel = threading.Event()
    cancel.set()
    for source in (wav_bytes(tone()), Pipe(wav_bytes(tone()))):
        with pytest.raises(Cancelled):
            Recording.open(source, cancel=cancel)


# --- what is wrong with it ---


def test_no_such_file(tmp_path):
    with pytest.raises(AudioError, match=r"nothing\.wav: no such file"):
        load(tmp_path / "nothing.wav")
    with pytest.raises(AudioError, match="is a folder"):
        load(tmp_path)
    with pytest.raises(AudioError, match="cannot be opened"):
        load("a\0b.wav")


def test_permission_denied(monkeypatch, tmp_path):
    def refuse(*args):
        raise PermissionError(errno.EACCES, "Permission denied")

    # Root may read everything, so the refusal is played.
    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(AudioError, match=r"a\.wav: permission denied"):
        load(tmp_path / "a.wav")


def test_empty_file(tmp_path):
    (tmp_path / "a.mp3").touch()
    for source in (tmp_path / "a.mp3", b"", Pipe(b"")):
        with pytest.raises(AudioError, match=r"is empty \(0 bytes\)"):
            load(source)


@pytest.mark.parametrize("suffix", ["mp3", "wav", "txt", "m4a"])
def test_text_is_not_audio(tmp_path, suffix):
    path = tmp_path / f"notes.{suffix}"
    path.write_text("Dear diary, this is certainly not sound.\n" * 300)
    with pytest.raises(AudioError, match=r"notes\.\w+: (not audio|no sound)") as info:
        load(path)
    assert info.value.hint


def test_video_without_sound(tmp_path):
    path = encode(tmp_path / "silent.mp4", None, None, 0, with_video=True)
    with pytest.raises(AudioError, match=r"silent\.mp4: no sound in it, only video"):
        load(path)


def test_a_playlist_opens_no_other_file(tmp_path):
    (tmp_path / "secret.wav").write_bytes(wav_bytes(tone()))
    target = tmp_path / "secret.wav"
    playlists = (
        f"ffconcat version 1.0\nfile '{target}'\n",
        f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{target}\n#EXT-X-ENDLIST\n",
    )
    for playlist in playlists:
        with pytest.raises(AudioError):
            load(playlist.encode())


def test_wave_cut_off(caplog):
    data = wav_bytes(tone(3.0))
    with caplog.at_level(logging.WARNING), Recording.open(data[: 44 + 2 * SAMPLE_RATE]) as recording:
        assert recording.n_samples == SAMPLE_RATE
        assert recording.warnings == ("<32044 bytes>: cut off at 1.0 s; its header promises more",)
    assert recording.warnings[0] in caplog.text


def test_wave_of_unknown_length_is_whole():
    """Recorders that stream write 0xFFFFFFFF or 0 where the length belongs."""
    data = wav_bytes(tone())
    for length in (b"\xff\xff\xff\xff", b"\0\0\0\0"):
        with Recording.open(data[:40] + length + data[44:]) as recording:
            assert recording.n_samples == SAMPLE_RATE
            assert recording.warnings == ()


@pytest.mark.parametrize(("suffix", "codec"), [("flac", "flac"), ("mp3", "mp3")])
def test_damaged_middle_is_stepped_over(tmp_path, suffix, codec):
    rate = 44100
    # Another tone in the second half shows that the end was read.
    samples = np.concatenate([tone(5.0, rate), tone(5.0, rate, hz=3000)])
    data = bytearray(encode(tmp_path / f"a.{suffix}", codec, samples, rate).read_bytes())
    middle = len(data) // 2
    data[middle : middle + 9000] = np.random.default_rng(1).bytes(9000)
    with Recording.open(bytes(data)) as recording:
        assert 7 < recording.duration < 10.5
        assert len(recording.warnings) == 1
        assert "damaged" in recording.warnings[0]
        assert power_at(recording.read(recording.n_samples - SAMPLE_RATE, recording.n_samples), 3000) > 0.9


def test_flac_cut_off(tmp_path):
    data = encode(tmp_path / "a.flac", "flac", tone(10.0), SAMPLE_RATE).read_bytes()
    with Recording.open(data[: len(data) // 2]) as recording:
        assert 3 < recording.duration < 7
        assert len(recording.warnings) == 1


def test_no_samples():
    with Recording.open(wav_bytes(np.zeros(0, np.int16))) as recording:
        assert recording.n_samples == 0
        assert len(recording.warnings) == 1
        assert "holds no samples" in recording.warnings[0]
    # Cut off before its first sample: nothing could be read of what was promised.
    with pytest.raises(AudioError, match="not one sample"):
        load(wav_bytes(tone())[:44])


def test_ffmpeg_says_nothing_on_stderr(tmp_path, capfd):
    data = bytearray(encode(tmp_path / "a.mp3", "mp3", tone(3.0, 44100), 44100).read_bytes())
    data[9000:15000] = bytes(6000)
    load(bytes(data))
    with pytest.raises(AudioError):
        load(b"RIFF" + bytes(1000))
    assert capfd.readouterr().err == ""


def test_not_a_source():
    with pytest.raises(AudioError, match="list: expected a path"):
        load([0.0, 0.1])
    with pytest.raises(AudioError, match="opened as text"):
        load(io.StringIO("text"))
    closed = io.BytesIO(b"x")
    closed.close()
    with pytest.raises(AudioError, match="cannot be opened"):
        load(closed)


# --- arrays ---


def test_float_arrays_are_used_as_they_are():
    samples = np.linspace(-1, 1, 1001)
    for dtype in (np.float16, np.float32, np.float64, ">f4"):
        np.testing.assert_array_equal(load(samples.astype(dtype)), samples.astype(dtype).astype(np.float32))


@pytest.mark.parametrize(
    ("dtype", "low", "silent", "high"),
    [("int16", -(2**15), 0, 2**14), ("int32", -(2**31), 0, 2**30), ("uint8", 0, 128, 192)],
)
def test_integer_arrays_are_scaled(dtype, low, silent, high):
    np.testing.assert_array_equal(load(np.array([low, silent, high], dtype)), np.array([-1, 0, 0.5], np.float32))


def test_channels_are_the_smaller_axis():
    left, right = np.full(50, 0.5, np.float32), np.full(50, -0.25, np.float32)
    expected = np.full(50, 0.125, np.float32)
    np.testing.assert_array_equal(load(np.stack([left, right])), expected)
    np.testing.assert_array_equal(load(np.stack([left, right], axis=1)), expected)
    np.testing.assert_array_equal(load(np.stack([left])), left)
    assert len(load(np.zeros((0, 2), np.int16))) == 0


def test_arrays_are_resampled_in_floats():
    samples = (1e-6 * np.sin(2 * np.pi * 440 * np.arange(44100 * 2) / 44100)).astype(np.float32)
    waveform = load(samples, sample_rate=44100)
    assert len(waveform) == pytest.approx(2 * SAMPLE_RATE, abs=2)
    assert power_at(waveform, 440) > 0.99  # a sound far below 16 bits
    assert len(load(tone(1.0, 8000), sample_rate=8000)) == pytest.approx(SAMPLE_RATE, abs=2)
    assert len(load(np.zeros(0), sample_rate=8000)) == 0


def test_array_resampling_equals_the_files():
    samples = tone(3.0, 44100)
    from_array = load(samples, sample_rate=44100)
    from_file = load(wav_bytes(samples, 44100))
    assert len(from_array) == len(from_file)
    np.testing.assert_allclose(from_array, from_file, atol=2 / 32768)


def test_array_like_objects():
    class Tensor:
        def __init__(self, fails=False):
            self.fails = fails

        def __array__(self, dtype=None, copy=None):
            if self.fails:
                raise TypeError("can't convert cuda:0 device type tensor to numpy")
            return np.full(10, 0.5, np.float32)

    np.testing.assert_array_equal(load(Tensor()), np.full(10, 0.5, np.float32))
    with pytest.raises(AudioError, match="cuda:0") as info:
        load(Tensor(fails=True))
    assert "cpu()" in info.value.hint


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (np.array([0, np.nan], np.float32), "NaN or infinity"),
        (np.array([np.inf], np.float64), "NaN or infinity"),
        (np.array([1e300], np.float64), "NaN or infinity"),
        (np.zeros(3, complex), "type complex128"),
        (np.zeros(3, object), "type object"),
        (np.zeros(3, bool), "type bool"),
        (np.zeros(3, np.int64), "type int64"),
        (np.zeros((2, 2, 2), np.float32), r"shape \(2, 2, 2\)"),
        (np.float32(1), r"shape \(\)"),
    ],
)
def test_arrays_that_are_no_sound(samples, expected):
    with pytest.raises(AudioError, match=expected) as info:
        load(samples)
    assert info.value.hint


@pytest.mark.parametrize("rate", [0, -1, 44100.0, "16000", True, float("nan")])
def test_wrong_sample_rates(rate):
    with pytest.raises(OptionError, match="sample_rate="):
        load(np.zeros(10), sample_rate=rate)


def test_a_file_knows_its_rate():
    with pytest.raises(OptionError, match="expected None"):
        load(wav_bytes(tone()), sample_rate=16000)


# --- real files ---


def hard_clips():
    manifest = SHARED / "manifest.jsonl"
    if not manifest.exists():
        return []
    clips = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    return [clip for clip in clips if clip["path"].startswith("hard/") and clip.get("opens", True)]


def test_hard_files_have_the_length_of_the_manifest():
    clips = hard_clips()
    if not clips:
        pytest.skip(f"{SHARED} is not here")
    for clip in clips:
        with Recording.open(SHARED / clip["path"]) as recording:
            assert recording.duration == pytest.approx(clip["duration_s"], abs=0.03), clip["path"]
            assert recording.warnings == (), clip["path"]
