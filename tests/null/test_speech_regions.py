"""Where somebody speaks: the network, its sections, and the pure functions that make regions and windows."""

from __future__ import annotations

import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from susurrus.audio import SAMPLE_RATE, Recording, load
from susurrus.errors import Cancelled, OptionError
from susurrus.options import SpeechOptions
from susurrus.speech import (
    Activity,
    Region,
    SpeechWindow,
    cut_long,
    find_regions,
    pack,
    pauses,
    quietest,
    silero,
    speech_activity,
    speech_regions,
)
from susurrus.speech import activity as sections

ROOT = Path(__file__).parents[2]
CHUNK = silero.CHUNK_SAMPLES
BARE = SpeechOptions(vad_speech_pad_ms=0, vad_min_speech_duration_ms=0, vad_min_silence_duration_ms=0)


@pytest.fixture(scope="module")
def jfk():
    return load(ROOT / "examples" / "jfk.mp3")


@pytest.fixture(scope="module")
def address(jfk):
    """The clip five times with 5 s of faint noise between: several sections."""
    noise = np.random.default_rng(1).normal(scale=1e-4, size=5 * SAMPLE_RATE).astype(np.float32)
    return np.concatenate([part for _ in range(5) for part in (noise, jfk)])


def heard(waveform, *span):
    with Recording.open(waveform) as recording:
        return speech_activity(recording, *span)


def chunks_of(samples, first, n_chunks):
    """f32[1, n_chunks, 576]: the chunks from `first` on, each with the 64 samples before it."""
    padded = np.zeros(64 + (first + n_chunks) * CHUNK, np.float32)
    padded[64 : 64 + len(samples)] = samples[: len(padded) - 64]
    return np.stack([padded[i * CHUNK : i * CHUNK + 576] for i in range(first, first + n_chunks)])[None]


# The network


def test_probabilities_are_the_original_ones(jfk):
    stored = np.load(ROOT / "tests" / "golden" / "jfk_speech.npy")
    probs = heard(jfk).probs
    assert probs.shape == stored.shape
    assert np.abs(probs - stored).max() < 0.01  # the weights are kept in float16


def test_network_is_the_plain_one():
    """The same network, a chunk at a time, as its layers read: transform, four convolutions, cell, output."""
    with np.load(Path(silero.__file__).with_name("silero.npz")) as file:
        w = {name: file[name].astype(np.float64) for name in file.files}
    chunks = np.random.default_rng(0).normal(scale=0.1, size=(2, 5, 576)).astype(np.float32)
    fast, state = silero.probs_of(chunks[:, :3], silero.silent_state(2))
    fast = np.concatenate([fast, silero.probs_of(chunks[:, 3:], state)[0]], axis=1)

    def convolve(x, name, stride):
        padded = np.pad(x, ((1, 1), (0, 0)))
        columns = [padded[at : at + 3].reshape(-1) for at in range(0, len(x), stride)]
        return np.maximum(np.stack(columns) @ w[name].T + w[name + "_bias"], 0)

    sigmoid = lambda x: 1 / (1 + np.exp(-x))
    hann = np.hanning(257)[:256]
    for row in range(2):
        hidden, cell = np.zeros(128), np.zeros(128)
        for step in range(5):
            samples = np.pad(chunks[row, step].astype(np.float64), (0, 64), mode="reflect")
            x = np.abs(np.fft.rfft(np.stack([samples[at : at + 256] * hann for at in (0, 128, 256, 384)])))
            for name, stride in (("conv1", 1), ("conv2", 2), ("conv3", 2), ("conv4", 1)):
                x = convolve(x, name, stride)
            gates = w["cell_in"] @ x[0] + w["cell_state"] @ hidden + w["cell_bias"]
            into, forget, out, new = np.split(gates, 4)
            cell = sigmoid(forget) * cell + sigmoid(into) * np.tanh(new)
            hidden = sigmoid(out) * np.tanh(cell)
            prob = sigmoid(w["out"] @ np.maximum(hidden, 0) + w["out_bias"][0])
            assert abs(prob - fast[row, step]) < 1e-5


def test_sections_are_the_run_they_stand_for(address):
    """A section is what one run from two seconds before it would hear."""
    probs = heard(address).probs
    assert len(probs) > 4 * sections.SECTION_CHUNKS
    for section in (1, 3):
        first = section * 512
        alone, _ = silero.probs_of(chunks_of(address, first - 64, 264), silero.silent_state(1))
        assert np.abs(alone[0, 64:] - probs[first : first + 200]).max() < 1e-4


def test_sections_hear_what_one_long_run_hears(address):
    probs = heard(address).probs
    in_order, _ = silero.probs_of(chunks_of(address, 0, len(probs)), silero.silent_state(1))
    differ = np.abs(in_order[0] - probs)
    assert differ[: sections.SECTION_CHUNKS].max() < 1e-4
    assert np.mean(differ > 0.1) < 0.02
    assert np.mean((in_order[0] > 0.5) != (probs > 0.5)) < 0.005


@pytest.mark.parametrize("most_rows", [1, 2])
def test_groups_of_sections_do_not_matter(address, monkeypatch, most_rows):
    whole = heard(address)
    monkeypatch.setattr(sections, "_MOST_ROWS", most_rows)
    again = heard(address)
    assert np.abs(whole.probs - again.probs).max() < 1e-4
    assert np.array_equal(whole.levels, again.levels)


@pytest.mark.parametrize("span", [(0.0, 3.0), (20.0, 50.0), (16.0, 16.1), (70.0, 1e9), (-5.0, 1.0)])
def test_span_is_heard_as_in_the_whole(address, span):
    whole, part = heard(address), heard(address, *span)
    begin, end = max(span[0], 0.0), min(span[1], len(address) / SAMPLE_RATE)
    assert part.start <= begin < part.start + 0.032
    assert part.end - 0.032 < end <= part.end
    assert np.abs(part.probs - whole.probs[part.first :][: len(part.probs)]).max() < 1e-4
    assert np.array_equal(part.levels, whole.levels[part.first :][: len(part.probs)])


@pytest.mark.parametrize("span", [(5.0, 5.0), (9.0, 2.0), (500.0, 600.0)])
def test_span_of_nothing(jfk, span):
    with Recording.open(jfk) as recording:
        assert len(speech_activity(recording, *span).probs) == 0
        assert speech_regions(recording, None, *span) == ()


def test_only_the_span_is_read(address):
    class Counted(Recording):
        n_read = 0

        def read(self, start, stop):
            Counted.n_read += stop - start
            return super().read(start, stop)

    speech_activity(Counted("long", np.concatenate([address] * 20)), 700.0, 705.0)
    assert Counted.n_read < 40 * SAMPLE_RATE


def test_levels():
    levels = heard(np.full(3 * CHUNK, 0.25, np.float32)).levels
    assert levels == pytest.approx([0.25] * 3)


def test_cancel(jfk):
    cancel = threading.Event()
    cancel.set()
    with Recording.open(jfk) as recording, pytest.raises(Cancelled):
        speech_activity(recording, cancel=cancel)


# What is speech and what is not


def test_speech_is_found_where_it_is(jfk):
    silence = np.zeros(4 * SAMPLE_RATE, np.float32)
    with Recording.open(np.concatenate([silence, jfk, silence])) as recording:
        regions = speech_regions(recording)
        assert speech_regions(recording, start=0.0, end=3.0) == ()
    assert 3.5 < regions[0].start < 4.5
    assert 14.0 < regions[-1].end < 15.5
    assert 9.5 < sum(region.duration for region in regions) < 11.0
    for word in (4.5, 5.5, 8.0, 10.5, 13.5):
        assert any(region.start < word < region.end for region in regions)


T = np.arange(8 * SAMPLE_RATE) / SAMPLE_RATE
SOUNDS = {
    "silence": np.zeros_like(T),
    "noise": 0.1 * np.random.default_rng(0).normal(size=len(T)),
    "faint noise": 1e-4 * np.random.default_rng(0).normal(size=len(T)),
    "tone": 0.5 * np.sin(2 * np.pi * 440 * T),
    "hum": 0.05 * sum(np.sin(2 * np.pi * 50 * k * T) / k for k in range(1, 20)),
    "dialling": 0.1 * (np.sin(2 * np.pi * 770 * T) + np.sin(2 * np.pi * 1336 * T)) * (T % 0.5 < 0.2),
    "offset": np.full_like(T, 0.3),
}


@pytest.mark.parametrize("sound", SOUNDS)
def test_other_sounds_are_not_speech(sound):
    with Recording.open(SOUNDS[sound].astype(np.float32)) as recording:
        assert speech_regions(recording) == ()


@pytest.mark.parametrize("n_samples", [0, 1, 159, 160, 511, 512, 513])
def test_very_short(n_samples):
    activity = heard(np.full(n_samples, 0.1, np.float32))
    assert len(activity.probs) == len(activity.levels) == -(-n_samples // CHUNK)
    assert find_regions(activity) == ()
    assert pack((), activity) == ()


def test_short_speech_is_kept(jfk):
    with Recording.open(jfk[: SAMPLE_RATE // 2 * 2]) as recording:
        (region,) = speech_regions(recording)
    assert region.end == 1.0


# Regions


def activity_of(probs, *, first=0, levels=None, n_samples=None):
    probs = np.array(probs, np.float32)
    levels = np.full(len(probs), 0.1, np.float32) if levels is None else np.array(levels, np.float32)
    return Activity(probs, levels, (first + len(probs)) * CHUNK if n_samples is None else n_samples, first)


def spoken(*seconds):
    """Probabilities of 25 chunks (0.8 s) to each digit: 1 for speech."""
    return activity_of(np.repeat([float(digit) for digit in "".join(seconds)], 25))


def times(regions):
    return [(region.start, region.end) for region in regions]


def test_regions_are_runs_of_speech():
    assert times(find_regions(spoken("011010"), BARE)) == [(0.8, 2.4), (3.2, 4.0)]
    assert times(find_regions(spoken("111"), BARE)) == [(0.0, 2.4)]
    assert find_regions(spoken("000"), BARE) == ()


def test_regions_of_a_span_tell_the_files_time():
    activity = activity_of(np.ones(25), first=50, n_samples=100 * CHUNK)
    assert times(find_regions(activity, BARE)) == [(1.6, 2.4)]


def test_speech_begins_high_and_lasts_low():
    options = SpeechOptions(
        vad_speech_pad_ms=0, vad_min_silence_duration_ms=0, vad_min_speech_duration_ms=0, vad_neg_threshold=0.2
    )
    probs = np.repeat([0.1, 0.3, 0.6, 0.3, 0.1, 0.3, 0.1], 25)
    assert times(find_regions(activity_of(probs), options)) == [(0.8, 3.2)]
    assert SpeechOptions(vad_threshold=0.6).low_threshold == pytest.approx(0.45)
    assert SpeechOptions(vad_threshold=0.1).low_threshold == 0.01


def test_short_silence_does_not_part_and_short_speech_is_dropped():
    probs = np.zeros(100)
    probs[10:20] = probs[23:30] = probs[60:63] = 1  # silence of 96 ms, speech of 96 ms
    options = SpeechOptions(vad_speech_pad_ms=0, vad_min_silence_duration_ms=97, vad_min_speech_duration_ms=97)
    assert times(find_regions(activity_of(probs), options)) == [(0.32, 0.96)]
    options = SpeechOptions(vad_speech_pad_ms=0, vad_min_silence_duration_ms=96, vad_min_speech_duration_ms=96)
    assert times(find_regions(activity_of(probs), options)) == [(0.32, 0.64), (0.73, 0.96), (1.92, 2.02)]


def test_padding_stays_in_the_file_and_meets_in_the_middle():
    options = SpeechOptions(vad_speech_pad_ms=500, vad_min_silence_duration_ms=0)
    assert times(find_regions(spoken("1010001"), options)) == [(0.0, 1.2), (1.2, 2.9), (4.3, 5.6)]


def test_regions_end_with_the_sound():
    options = SpeechOptions(vad_speech_pad_ms=500)
    activity = activity_of(np.ones(50), n_samples=50 * CHUNK - 200)
    assert times(find_regions(activity, options)) == [(0.0, 1.58)]


def test_regions_are_whole_frames_ordered_and_disjoint():
    rng = np.random.default_rng(0)
    probs = np.convolve(rng.random(20000), np.ones(9) / 9, "same")
    regions = find_regions(activity_of(probs))
    assert len(regions) > 100
    for region in regions:
        assert region.start < region.end
        assert region.start == round(region.start * 100) / 100
        assert region.end == round(region.end * 100) / 100
    assert all(left.end <= right.start for left, right in pairwise(regions))


def test_max_speech_duration():
    options = SpeechOptions(vad_speech_pad_ms=0, vad_max_speech_duration_s=10)
    regions = find_regions(activity_of(np.ones(1000)), options)
    assert regions[0].start == 0
    assert regions[-1].end == 32
    assert all(region.duration <= 10 for region in regions)


@pytest.mark.parametrize(
    "wrong",
    [
        {"vad_threshold": 1.5},
        {"vad_threshold": None},
        {"vad_neg_threshold": 0.7},
        {"vad_min_speech_duration_ms": -1},
        {"vad_min_silence_duration_ms": 0.5},
        {"vad_speech_pad_ms": "400"},
        {"vad_max_speech_duration_s": 0},
    ],
)
def test_wrong_options_are_refused(wrong):
    with pytest.raises(OptionError, match=next(iter(wrong))):
        SpeechOptions(**wrong)


def test_pauses():
    assert times(pauses([], 5.0)) == [(0.0, 5.0)]
    assert times(pauses([Region(0.0, 2.0), Region(3.0, 5.0)], 5.0)) == [(2.0, 3.0)]


# Windows


def test_long_speech_is_cut_at_its_quietest_point():
    probs, levels = np.ones(2000), np.full(2000, 0.1)  # 64 s
    probs[745:756] = 0.6  # at 24 s
    levels[1295:1306] = 0.01  # at 41.6 s
    levels[300:311] = 0.0  # at 9.8 s: quieter, but it would leave a short window
    pieces = cut_long([Region(0.0, 64.0)], activity_of(probs, levels=levels))
    assert [piece.end for piece in pieces] == pytest.approx([24.0, 41.6, 64.0], abs=0.05)
    assert [left.end == right.start for left, right in pairwise(pieces)] == [True, True]
    assert all(piece.duration <= 30 for piece in pieces)
    assert cut_long([Region(1.0, 31.0)], activity_of(probs)) == (Region(1.0, 31.0),)


@pytest.mark.parametrize("seconds", [30.1, 31.0, 45.0, 59.99, 64.0])
def test_cut_pieces_fit_and_are_no_scraps(seconds):
    end = round(seconds * 31.25)
    levels = np.linspace(1, 0.1, 2000)
    levels[end - 20 : end] = 0.01  # quiet, but what would be left is nothing to understand
    pieces = cut_long([Region(0.0, seconds)], activity_of(np.ones(2000), levels=levels))
    assert pieces[-1].end == seconds
    assert all(2.9 < piece.duration <= 30 for piece in pieces)


def test_quietest_stays_in_the_span():
    levels = np.full(200, 0.1)
    levels[:30] = levels[-30:] = 0.0
    levels[115:126] = 0.05
    activity = activity_of(np.ones(200), first=100, levels=levels)  # from 3.2 s to 9.6 s
    assert quietest(activity, 5.0, 8.0) == pytest.approx(3.2 + 120.5 * 0.032, abs=0.05)
    assert quietest(activity, 6.0, 6.0) == 6.0


def regions_of(*spans):
    return [Region(float(start), float(end)) for start, end in spans]


def packed(regions, *, probs=None, **given):
    activity = activity_of(np.zeros(4000) if probs is None else probs)
    return [times(window.regions) for window in pack(regions, activity, **given)]


def test_windows_are_as_few_as_there_can_be():
    regions = regions_of((0, 10), (11, 20), (21, 29), (30, 41), (42, 59))
    assert packed(regions) == [[(0, 10), (11, 20), (21, 29)], [(30, 41), (42, 59)]]
    assert packed([]) == []
    assert packed(regions_of((5, 35.0))) == [[(5, 35)]]


@pytest.mark.parametrize(("loud", "expected"), [(29.5, 2), (20.5, 3), (10.5, 3)])
def test_windows_are_cut_at_the_quietest_of_the_pauses_that_serve(loud, expected):
    probs = np.zeros(4000)
    probs[round(loud * 31.25) - 5 : round(loud * 31.25) + 5] = 0.5  # this pause is not quite silent
    probs[round(40.5 * 31.25)] = 0.1
    if loud == 10.5:
        probs[round(20.5 * 31.25)] = 0.1
    regions = regions_of((0, 10), (11, 20), (21, 29), (30, 40), (41, 49))
    assert [len(window) for window in packed(regions, probs=probs)] == [expected, 5 - expected]


def test_a_long_pause_counts_unless_windows_are_joined():
    regions = regions_of((0, 5), (40, 45), (80, 100), (101, 104))
    assert packed(regions) == [[(0, 5)], [(40, 45)], [(80, 100), (101, 104)]]
    (first, *others) = packed(regions, joined=True)
    assert len(others) == 1
    assert first[0] == (0, 5)


def test_windows_of_many_regions():
    rng = np.random.default_rng(3)
    edges = np.cumsum(rng.integers(10, 600, size=2000)) / 100
    regions = [Region(float(start), float(end)) for start, end in edges.reshape(-1, 2)]
    activity = activity_of(rng.random(int(edges[-1] * 31.25) + 1))
    windows = pack(regions, activity)
    assert tuple(region for window in windows for region in window.regions) == tuple(regions)
    assert all(window.end - window.start <= 30 + 1e-6 for window in windows)
    greedy, begin = 1, regions[0].start
    for region in regions:
        if region.end - begin > 30 + 1e-6:
            greedy, begin = greedy + 1, region.start
    assert len(windows) == greedy
    joined = pack(regions, activity, joined=True)
    assert len(joined) < len(windows)
    assert all(window.speech_duration <= 30 + 1e-6 for window in joined)


def test_times_of_joined_regions_map_back():
    window = SpeechWindow((Region(10.1, 12.3), Region(20.0, 20.4), Region(30.0, 31.0)))
    assert (window.start, window.end) == (10.1, 31.0)
    assert window.speech_duration == pytest.approx(3.6)
    at = 0.0
    for region in window.regions:
        assert window.file_time(at) == pytest.approx(region.start)
        assert window.file_time(at + 0.2) == pytest.approx(region.start + 0.2)
        at += region.duration
        assert window.file_time(at, is_end=True) == pytest.approx(region.end)
    assert window.file_time(99.0) == 31.0


def test_a_real_clip_becomes_one_window(jfk):
    activity = heard(jfk)
    regions = find_regions(activity)
    (window,) = pack(cut_long(regions, activity), activity)
    assert window.regions == regions
    assert len(regions) > 3
