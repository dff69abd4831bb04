"""Compare speech detectors on labelled recordings, and say what ours costs.

    python bench/vad.py quality     # ours, one by energy, and WebRTC's where `webrtcvad-wheels` is installed
    python bench/vad.py options     # ours with other thresholds and durations
    python bench/vad.py cost        # seconds of one core for an hour of sound (set OPENBLAS_NUM_THREADS=1)

Run it beside ../shared/audio (manifest.jsonl) and ../shared/golden. What is measured:

- words lost: openai-whisper's words (S.base.jsonl; where it has no word times, a point every second of its segments)
  that lie in no region, of those that stand in sound: at most 40 dB below the clip's loudest moment.
- mixed: read clips, 3 s apart, in noise. The truth is known: where the clean clips are at most 40 dB below their
  loudest moment. Frame by frame: the share of the speech that is found, with the padding, and without it the share of
  what was found that is speech.
- taken for speech: the share of sounds without speech that is found, without padding.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from susurrus.audio import Recording, load
from susurrus.options import SpeechOptions
from susurrus.speech import Activity, cut_long, find_regions, pack, silero, speech_activity

SHARED = Path(__file__).parents[2] / "shared"
RATE, CHUNK = 16000, 512
BARE = SpeechOptions(vad_speech_pad_ms=0)
Detector = Callable[[np.ndarray], Activity]


@dataclass
class Clip:
    """A recording with the moments at which words are said, and what it is counted under."""

    group: str
    waveform: np.ndarray
    moments: list[float]


def ours(waveform: np.ndarray) -> Activity:
    with Recording.open(waveform) as recording:
        return speech_activity(recording)


def in_order(waveform: np.ndarray) -> Activity:
    """The same network, its memory carried from the first chunk to the last."""
    n_chunks = -(-len(waveform) // CHUNK)
    samples = np.zeros((1, 64 + n_chunks * CHUNK), np.float32)
    samples[0, 64 : 64 + len(waveform)] = waveform
    chunks = np.lib.stride_tricks.sliding_window_view(samples, 64 + CHUNK, axis=1)[:, ::CHUNK]
    state, probs = silero.silent_state(1), np.empty(n_chunks, np.float32)
    for at in range(0, n_chunks, 256):
        probs[at : at + 256], state = silero.probs_of(chunks[:, at : at + 256], state)
    return Activity(probs, np.ones(n_chunks, np.float32), len(waveform))


def by_energy(waveform: np.ndarray) -> Activity:
    """Louder by 9 dB than the quietest tenth of the 15 s around it, between 200 and 4000 Hz."""
    chunks = np.zeros((-(-len(waveform) // CHUNK), CHUNK), np.float32)
    chunks.reshape(-1)[: len(waveform)] = waveform
    power = np.abs(np.fft.rfft(chunks * np.hanning(CHUNK).astype(np.float32))) ** 2
    db = 10 * np.log10(power[:, 6:128].mean(axis=1) / CHUNK + 1e-9)
    smooth = np.convolve(np.pad(db, 1, mode="edge"), np.ones(3) / 3, "valid")
    around = np.lib.stride_tricks.sliding_window_view(np.pad(smooth, 234, mode="edge"), 469)
    floor = np.maximum(np.percentile(around[::8], 10, axis=1), -75)
    above = smooth - np.repeat(floor, 8)[: len(smooth)]
    levels = np.sqrt((chunks**2).mean(axis=1))
    return Activity((1 / (1 + np.exp((9 - above) / 2))).astype(np.float32), levels, len(waveform))


def by_webrtc(mode: int) -> Detector:
    import webrtcvad

    def detect(waveform: np.ndarray) -> Activity:
        detector = webrtcvad.Vad(mode)
        samples = np.clip(waveform * 32768, -32768, 32767).astype("<i2")
        frames = [samples[i : i + 480] for i in range(0, len(samples) - 479, 480)]
        found = np.array([detector.is_speech(frame.tobytes(), RATE) for frame in frames] or [False])
        n_chunks = -(-len(waveform) // CHUNK)
        at = np.minimum(np.arange(n_chunks) * CHUNK // 480, len(found) - 1)
        return Activity(found[at].astype(np.float32), np.ones(n_chunks, np.float32), len(waveform))

    return detect


def detectors() -> dict[str, Detector]:
    found: dict[str, Detector] = {"ours": ours, "in order": in_order, "energy": by_energy}
    try:
        found |= {f"webrtc {mode}": by_webrtc(mode) for mode in (1, 3)}
    except ImportError:
        print("webrtcvad is not installed: left out", file=sys.stderr)
    return found


def rows(path: Path) -> Iterator[dict[str, Any]]:
    return map(json.loads, path.read_text().splitlines())


def clips() -> list[Clip]:
    """Give the recordings that hold speech, with openai-whisper's words as far as they stand in sound."""
    kinds = {row["id"]: row.get("category") or row["kind"] for row in rows(SHARED / "audio" / "manifest.jsonl")}
    found = []
    for row in rows(SHARED / "golden" / "S.base.jsonl"):
        group = kinds[row["id"]]
        if group in ("silence", "music", "song"):
            continue
        waveform = load(SHARED / "audio" / row["path"])
        moments = [(w["start"] + w["end"]) / 2 for s in row["segments"] for w in s.get("words", ())]
        if not moments:
            moments = [t for s in row["segments"] for t in np.arange(s["start"] + 0.5, s["end"] - 0.3)]
        power = np.convolve(waveform**2, np.ones(1600) / 1600, "same")
        heard = [t for t in moments if t * RATE < len(power) and power[int(t * RATE)] > power.max() * 1e-4]
        if group not in ("read", "longform", "multilingual", "telephone"):
            group = "hard"
        found.append(Clip(group, waveform, heard))
    return found


def sounds(n: int) -> dict[str, np.ndarray]:
    """Give sounds without speech, f32[n] of root mean square 0.05."""
    rng = np.random.default_rng(0)
    t = np.arange(n) / RATE
    spectrum = np.fft.rfft(rng.normal(size=n))
    bins = np.arange(len(spectrum))
    music, silence = (load(SHARED / "audio" / "hard" / p) for p in ("music/brahms.ogg", "silence/leopard_empty.wav"))
    made = {
        "white noise": rng.normal(size=n),
        "pink noise": np.fft.irfft(spectrum / np.sqrt(np.maximum(bins, 1)), n),
        "brown noise": np.fft.irfft(spectrum / np.maximum(bins, 20), n),
        "engine": sum(np.sin(2 * np.pi * 50 * k * t) / k for k in range(1, 20)),
        "ringing": (np.sin(2 * np.pi * 440 * t) + np.sin(2 * np.pi * 480 * t)) * (t % 6 < 2),
        "keys": (np.sin(2 * np.pi * 770 * t) + np.sin(2 * np.pi * 1336 * t)) * (t % 0.5 < 0.2),
        "clicks": rng.normal(size=n) * (rng.random(n) < 0.0005),
        "chirps": np.sin(2 * np.pi * (2500 * t + 300 * np.sin(2 * np.pi * 7 * t))) * (t % 1.3 < 0.5),
        "music": np.resize(music, n),
        "silent room": np.resize(silence, n),
    }
    return {name: (0.05 * s / np.sqrt(np.mean(s**2))).astype(np.float32) for name, s in made.items()}


def mixed() -> tuple[np.ndarray, np.ndarray]:
    """Give 60 read clips 3 s apart at one loudness, and bool[n] of the frames that are speech."""
    wanted = [r for r in rows(SHARED / "audio" / "manifest.jsonl") if r["kind"] == "read" and r["duration_s"] > 3]
    pieces, truths = [], []
    for row in wanted[:60]:
        clip = load(SHARED / "audio" / row["path"])[: 10 * RATE]
        clip = clip[: len(clip) // 160 * 160]
        power = (clip.reshape(-1, 160) ** 2).mean(axis=1)
        speech = np.convolve(power > power.max() * 1e-4, np.ones(21), "same") > 0  # pauses of 0.2 s belong to it
        pieces += [np.zeros(3 * RATE, np.float32), clip * (0.05 / np.sqrt(power[speech].mean()))]
        truths += [np.zeros(300, bool), speech]
    return np.concatenate(pieces).astype(np.float32), np.concatenate(truths)


def frames_of(activity: Activity, options: SpeechOptions) -> np.ndarray:
    """Give bool[n] of the 10 ms frames in the regions."""
    inside = np.zeros(activity.n_samples // 160, bool)
    for region in find_regions(activity, options):
        inside[round(region.start * 100) : round(region.end * 100)] = True
    return inside


def words_lost(heard: list[tuple[Clip, Activity]], options: SpeechOptions) -> dict[str, tuple[int, int]]:
    """Give for each group the words in no region, and the words."""
    counts: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for clip, activity in heard:
        regions = find_regions(activity, options)
        lost = sum(not any(r.start <= t <= r.end for r in regions) for t in clip.moments)
        before = counts[clip.group]
        counts[clip.group] = before[0] + lost, before[1] + len(clip.moments)
    return counts


def in_noise(speech: np.ndarray, noise: np.ndarray, snr_db: float) -> np.ndarray:
    return speech + np.resize(noise, len(speech)) * np.float32(10 ** (-snr_db / 20))


def scores(activity: Activity, truth: np.ndarray, options: SpeechOptions) -> str:
    """Give the share of the truth that is found, and the share of what is found without padding that is true."""
    found, bare = frames_of(activity, options), frames_of(activity, replace(options, vad_speech_pad_ms=0))
    return f"{100 * found[truth].mean():.1f}, {100 * truth[bare].mean() if bare.any() else 100:.1f}"


def quality() -> None:
    """Print a table with a column for each detector."""
    labelled, (speech, truth), quiet = clips(), mixed(), sounds(60 * RATE)
    table: dict[str, list[str]] = defaultdict(list)
    names = detectors()
    for detect in names.values():
        heard = [(clip, detect(clip.waveform)) for clip in labelled]
        for group, (lost, n) in sorted(words_lost(heard, SpeechOptions()).items()):
            table[f"words lost, {group} ({n})"].append(str(lost))
        table["mixed: found, right, %; clean"].append(scores(detect(speech), truth, SpeechOptions()))
        for noise in ("white noise", "pink noise", "music"):
            for snr_db in (20, 10, 5, 0):
                activity = detect(in_noise(speech, quiet[noise], snr_db))
                table[f"mixed: {noise}, {snr_db} dB"].append(scores(activity, truth, SpeechOptions()))
        for sound, waveform in quiet.items():
            shares = [frames_of(detect(waveform * np.float32(gain)), BARE).mean() for gain in (1, 0.05)]
            table[f"taken for speech, loud and quiet, %: {sound}"].append(", ".join(f"{100 * s:.0f}" for s in shares))
        long = max((clip.waveform for clip in labelled), key=len)
        times = []
        for _ in range(3):
            begin = time.perf_counter()
            detect(long)
            times.append(time.perf_counter() - begin)
        table["seconds an hour, on 10 minutes"].append(f"{min(times) / len(long) * RATE * 3600:.1f}")
    print(f"| | {' | '.join(names)} |\n|{'---|' * (len(names) + 1)}")
    for row, cells in table.items():
        print(f"| {row} | {' | '.join(cells)} |")


def options() -> None:
    """Print what each change of an option does."""
    heard = [(clip, ours(clip.waveform)) for clip in clips()]
    (speech, truth), music = mixed(), sounds(60 * RATE)["music"]
    noisy = ours(in_noise(speech, music, 5))
    seconds = sum(activity.end for _, activity in heard)
    print("| option | words lost | kept, % | windows | mixed, music at 5 dB |\n|---|---|---|---|---|")
    changes: list[dict[str, Any]] = [
        {},
        *({"vad_threshold": t} for t in (0.2, 0.3, 0.4, 0.6)),
        *({"vad_neg_threshold": t} for t in (0.1, 0.2)),
        *({"vad_min_speech_duration_ms": ms} for ms in (0, 250, 400)),
        *({"vad_min_silence_duration_ms": ms} for ms in (100, 300, 500, 2000)),
        *({"vad_speech_pad_ms": ms} for ms in (0, 100, 200, 300, 500)),
    ]
    for change in changes:
        given = SpeechOptions(**change)
        lost = sum(n for n, _ in words_lost(heard, given).values())
        regions = [(find_regions(activity, given), activity) for _, activity in heard]
        kept = sum(region.duration for found, _ in regions for region in found) / seconds
        n_windows = sum(len(pack(cut_long(found, activity), activity)) for found, activity in regions)
        name = ", ".join(f"{option} {value}" for option, value in change.items()) or "defaults"
        print(f"| {name} | {lost} | {100 * kept:.1f} | {n_windows} | {scores(noisy, truth, given)} |")


def cost() -> None:
    """Print what an hour and less cost, and the windows made of it."""
    waveform = np.resize(load(Path(__file__).parents[1] / "examples" / "jfk.mp3"), 3600 * RATE)
    for minutes in (0.5, 5, 60):
        with Recording.open(waveform[: int(minutes * 60 * RATE)]) as recording:
            times = []
            for _ in range(7):
                begin = time.perf_counter()
                activity = speech_activity(recording)
                times.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        regions = find_regions(activity)
        windows = pack(cut_long(regions, activity), activity)
        packing = time.perf_counter() - begin
        an_hour = min(times) * 60 / minutes
        print(f"{minutes} minutes: {min(times):.3f} s ({an_hour:.2f} s an hour);", end=" ")
        print(f"{len(regions)} regions and {len(windows)} windows in {packing:.3f} s")


if __name__ == "__main__":
    wanted = sys.argv[1] if len(sys.argv) == 2 else ""
    measures = {"quality": quality, "options": options, "cost": cost}
    sys.exit(measures[wanted]() if wanted in measures else __doc__)
