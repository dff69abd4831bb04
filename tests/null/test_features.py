"""Log-mel: against a naive twin in float64, and block by block against the whole."""

import threading

import numpy as np
import pytest

from susurrus.audio import Recording
from susurrus.errors import Cancelled
from susurrus.features import FRAMES_PER_SECOND, N_FRAMES, N_SAMPLES, LogMel, log_mel, mel_filters


def naive_log_mel(waveform, n_mels):
    """The definition in float64: every frame by a direct transform, 30 s of zeros after the end, nothing clever."""
    n_frames = len(waveform) // 160
    padded = np.concatenate([waveform.astype(np.float64), np.zeros(480000)])
    padded = np.concatenate([padded[200:0:-1], padded])
    n_heard = n_frames + 5  # later frames are all zeros
    frames = np.stack([padded[160 * t : 160 * t + 400] for t in range(n_heard)])
    n = np.arange(400)
    window = 0.5 * (1 - np.cos(2 * np.pi * n / 400))
    transform = np.exp(-2j * np.pi * np.outer(n, np.arange(201)) / 400)
    power = np.abs((frames * window) @ transform) ** 2
    log = np.log10(np.maximum(mel_filters(n_mels).astype(np.float64) @ power.T, 1e-10))
    return ((np.maximum(log, log.max() - 8) + 4) / 4)[:, :n_frames]


def speech_like(n_samples, seed=0):
    """Chirps, bursts of noise and pauses of 16-bit noise: loud and near-silent frames, sharp and flat spectra."""
    rng = np.random.default_rng(seed)
    t = np.arange(n_samples) / 16000
    sound = 0.5 * np.sin(2 * np.pi * (200 * t + 400 * t**2)) + 0.1 * rng.standard_normal(n_samples)
    sound *= np.sin(2 * np.pi * 0.7 * t) > 0
    return (np.round(np.clip(sound + 1e-4 * rng.standard_normal(n_samples), -1, 1) * 32767) / 32768).astype(np.float32)


@pytest.fixture
def waveform():
    return speech_like(16000 * 9 + 77)


def test_constants():
    assert (FRAMES_PER_SECOND, N_FRAMES, N_SAMPLES) == (100, 3000, 480000)


@pytest.mark.parametrize("n_mels", [80, 128])
def test_filters_are_librosas(n_mels):
    filters = mel_filters(n_mels)
    assert filters.shape == (n_mels, 201)
    assert filters.dtype == np.float32
    assert not filters.flags.writeable
    assert mel_filters(n_mels) is filters
    # Entries of openai-whisper's mel_filters.npz, which librosa made.
    stored = {
        80: {(0, 1): 0.024862595, (1, 1): 0.001990822, (40, 50): 0.0, (79, 195): 0.0022437952, (79, 199): 0.000448759},
        128: {(0, 1): 0.012373987, (1, 1): 0.030392565, (2, 2): 0.024747973, (127, 199): 0.0011142802},
    }[n_mels]
    for place, value in stored.items():
        assert filters[place] == pytest.approx(value, abs=1e-8), place


def test_filters_are_triangles_of_area_one():
    filters = mel_filters(80)
    assert not filters[:, 0].any()
    assert not filters[:, 200].any()
    # Wide triangles are well sampled by bins of 40 Hz: their area in Hz is near 1.
    np.testing.assert_allclose(filters[60:].sum(axis=1) * 40, 1, atol=0.02)
    assert (np.diff(filters.argmax(axis=1)) >= 0).all()


@pytest.mark.parametrize("n_mels", [80, 128])
@pytest.mark.parametrize("n_samples", [0, 1, 159, 160, 161, 320, 400, 5000, 16000 * 9 + 77])
def test_equal_to_the_naive_twin(n_mels, n_samples):
    waveform = speech_like(n_samples)
    mel = log_mel(waveform, n_mels)
    assert mel.shape == (n_mels, n_samples // 160)
    assert mel.dtype == np.float32
    np.testing.assert_allclose(mel, naive_log_mel(waveform, n_mels), atol=1e-4)


@pytest.mark.parametrize("frequency", [40, 1000, 3985, 4000, 7960])
def test_pure_tones_down_to_the_floor(frequency):
    """A tone leaves everything else at the floor, 80 dB down: the transform's own rounding must stay below it."""
    waveform = np.sin(2 * np.pi * frequency * np.arange(8000) / 16000).astype(np.float32)
    np.testing.assert_allclose(log_mel(waveform), naive_log_mel(waveform, 80), atol=1e-4)


def test_the_comparison_notices_errors(waveform):
    """A helper that compares must be shown to fail: a shifted frame, a periodic window made symmetric."""
    expected = naive_log_mel(waveform, 80)
    assert np.abs(np.roll(expected, 1, axis=1) - expected).max() > 0.1
    assert np.abs(log_mel(waveform * np.float32(1.01)) - expected).max() > 1e-3


def test_any_frames_equal_those_of_the_whole(waveform):
    whole = log_mel(waveform)
    with Recording.open(waveform) as recording:
        log_mels = LogMel(recording, 80)
        assert log_mels.n_frames == whole.shape[1]
        for seek, n_frames in ((0, whole.shape[1]), (0, 1), (1, 7), (335, 2), (336, 336), (500, whole.shape[1] - 500)):
            part = whole[:, seek : seek + n_frames]
            np.testing.assert_allclose(log_mels.mel(seek, n_frames), part, rtol=0, atol=2e-5)


def test_frames_after_the_content_are_those_of_zeros(waveform):
    with Recording.open(waveform) as recording:
        log_mels = LogMel(recording, 80)
        mel = log_mels.mel(0, N_FRAMES)
        assert mel.shape == (80, N_FRAMES)
        floor = log_mel(waveform).max() - 2
        # The last samples are still heard a little after the content's last whole hop.
        np.testing.assert_allclose(mel[:, log_mels.n_frames + 3 :], max(floor, -1.5), atol=1e-6)


def test_sound_behind_the_last_whole_hop_sets_the_floor():
    waveform = np.zeros(16000 + 150, np.float32)
    waveform[-1] = 1
    np.testing.assert_allclose(log_mel(waveform), naive_log_mel(waveform, 80), atol=1e-6)
    with Recording.open(waveform) as recording:
        np.testing.assert_array_equal(LogMel(recording, 80).mel(0, 100), log_mel(waveform))


def test_window_is_padded_with_zeros(waveform):
    with Recording.open(waveform) as recording:
        log_mels = LogMel(recording, 80)
        window = log_mels.window(100, 250)
        assert window.shape == (80, N_FRAMES)
        np.testing.assert_array_equal(window[:, :250], log_mels.mel(100, 250))
        assert not window[:, 250:].any()


def test_running_floor_rises_to_the_files():
    waveform = speech_like(16000 * 8)
    waveform[: 16000 * 4] *= np.float32(1e-3)
    with Recording.open(waveform) as recording:
        file, running = LogMel(recording, 80), LogMel(recording, 80, floor="running")
        quiet = running.mel(0, 390)
        assert quiet.min() < file.mel(0, 390).min() - 0.5
        np.testing.assert_array_equal(running.mel(390, 410), file.mel(390, 410))
        np.testing.assert_array_equal(running.mel(0, 390), file.mel(0, 390))


def test_silence_and_nothing():
    with Recording.open(np.zeros(32000, np.float32)) as recording:
        assert (LogMel(recording, 80).mel(0, 300) == -1.5).all()
    with Recording.open(np.zeros(0, np.float32)) as recording:
        log_mels = LogMel(recording, 80)
        assert log_mels.n_frames == 0
        assert log_mels.mel(0, 0).shape == (80, 0)
        assert not log_mels.window(0, 0).any()


def test_first_pass_can_be_cancelled(waveform):
    cancel = threading.Event()
    cancel.set()
    with Recording.open(waveform) as recording:
        with pytest.raises(Cancelled):
            LogMel(recording, 80, cancel=cancel)
        LogMel(recording, 80, floor="running", cancel=cancel)
