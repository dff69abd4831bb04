"""One channel, or each for itself: the samples are the channel's own, not a mix."""

import shutil
import subprocess

import av
import numpy as np
import pytest
from waves import wav_bytes

from susurrus import audio
from susurrus.audio import Recording, load
from susurrus.errors import AudioError, Cancelled, OptionError
from susurrus.resampling import Resampler

NOISE = np.random.default_rng(0)


def noise(n_channels, seconds=1.0, rate=16000):
    """i16[n, n_channels], every channel another."""
    return NOISE.integers(-20000, 20000, (int(seconds * rate), n_channels)).astype(np.int16)


def split(source, **options):
    """f32[n_channels, n]."""
    recordings = Recording.split(source, **options)
    made = np.stack([recording.read(0, recording.n_samples) for recording in recordings])
    for recording in recordings:
        recording.close()
    return made


def one(source, channel, **options):
    """f32[n]."""
    with Recording.open(source, channel=channel, **options) as recording:
        return recording.read(0, recording.n_samples)


def as_integers(waveform):
    return np.round(waveform * 32768).astype(np.int16)


@pytest.mark.parametrize("n_channels", [1, 2, 3, 6, 9])
def test_each_channel_is_its_own_samples(n_channels):
    samples = noise(n_channels, seconds=5.0)
    data = wav_bytes(samples)
    np.testing.assert_array_equal(as_integers(split(data)), samples.T)
    for number in range(1, n_channels + 1):
        np.testing.assert_array_equal(as_integers(one(data, number)), samples[:, number - 1])


def test_none_is_the_mix():
    samples = noise(2)
    np.testing.assert_allclose(as_integers(one(wav_bytes(samples), None)), samples.mean(axis=1), atol=1)


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_a_channel_is_resampled_as_a_mono_file_would_be(rate):
    samples = noise(2, seconds=6.0, rate=rate)
    for number, made in enumerate(split(wav_bytes(samples, rate))):
        np.testing.assert_array_equal(made, load(wav_bytes(samples[:, number : number + 1], rate)))


def test_eight_bits():
    samples = NOISE.integers(0, 256, (16000, 2)).astype(np.uint8)
    made = as_integers(split(wav_bytes(samples)))
    np.testing.assert_array_equal(made, (samples.T.astype(np.int16) - 128) * 256)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the ffmpeg program is not here")
@pytest.mark.parametrize("codec", ["flac", "aac", "libmp3lame"])
def test_channels_are_those_of_ffmpegs_pan(tmp_path, codec):
    """At 16 kHz: the program's resampler may be of another version than PyAV's."""
    path = tmp_path / "a.mka"
    (tmp_path / "a.wav").write_bytes(wav_bytes(noise(2)))
    ffmpeg = ["ffmpeg", "-nostdin", "-v", "error", "-i"]
    subprocess.run([*ffmpeg, tmp_path / "a.wav", "-c:a", codec, path], check=True)
    for number, made in enumerate(split(path)):
        pan = [*ffmpeg, path, "-af", f"pan=mono|c0=c{number}", "-ar", "16000", "-f", "s16le", "-"]
        expected = np.frombuffer(subprocess.run(pan, check=True, capture_output=True).stdout, np.int16)
        # Codecs that compute in floats round otherwise in another version.
        np.testing.assert_allclose(as_integers(made), expected, atol=0 if codec == "flac" else 2)


@pytest.mark.parametrize("source", [wav_bytes(noise(2)), noise(2)])
def test_absent_channel(source):
    with pytest.raises(AudioError, match="no channel 3, only 2"):
        Recording.open(source, channel=3)
    assert len(one(source, 2)) == 16000


@pytest.mark.parametrize("channel", [0, -1, "1", 1.0, True])
def test_wrong_channels(channel):
    with pytest.raises(OptionError, match="channel="):
        Recording.open(noise(2), channel=channel)


@pytest.mark.parametrize("rate", [16000, 44100])
def test_arrays(rate):
    samples = noise(3, rate=rate)
    for array in (samples, samples.T):
        made = split(array, sample_rate=rate)
        assert len(made) == 3
        for number, row in enumerate(made):
            np.testing.assert_array_equal(row, load(samples[:, number], sample_rate=rate))
            np.testing.assert_array_equal(row, one(array, number + 1, sample_rate=rate))
    assert split(samples[:, 0], sample_rate=rate).shape == (1, 16000)
    assert split(np.zeros((0, 2))).shape == (1, 0)


def test_a_file_without_samples_has_one_channel():
    assert split(wav_bytes(np.zeros((0, 2), np.int16))).shape == (1, 0)


def frame(n_channels, n=16000):
    layout = {1: "mono", 2: "stereo"}[n_channels]
    made = av.AudioFrame.from_ndarray(np.ones((1, n_channels * n), np.int16), format="s16", layout=layout)
    made.sample_rate = 16000
    return made


@pytest.mark.parametrize(
    ("channels", "order", "expected", "changes"),
    [
        ("each", (2, 1), [[1, 1], [1, 0]], True),
        ("each", (1, 2), [[1, 1]], True),
        (2, (2, 1), [[1, 0]], True),
        (1, (2, 1), [[1, 1]], False),
        ("mix", (2, 1), [[1, 1]], False),
    ],
)
def test_channels_that_come_and_go(channels, order, expected, changes):
    resampler = Resampler("radio", channels)
    made = [block for n in order for block in resampler.push(frame(n))]
    made = np.concatenate([*made, *resampler.finish()], axis=1)
    np.testing.assert_array_equal(made[:, 8000::16000], expected)
    assert resampler.changes is changes


def test_split_closes_what_it_opened(monkeypatch):
    opened = []

    real = audio.Spool

    def open_spool(name):
        opened.append(real(name))
        return opened[-1]

    class Late:
        """Is set once the first block has been kept."""

        def is_set(self):
            return len(opened) > 1

    monkeypatch.setattr(audio, "Spool", open_spool)
    with pytest.raises(Cancelled):
        Recording.split(wav_bytes(noise(2, seconds=30.0)), cancel=Late())
    assert len(opened) == 2
    assert all(spool._file.closed for spool in opened)
