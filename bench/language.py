"""Measure language detection on labelled clips: how often it is right, and what further windows are worth.

    python bench/language.py listen --audio ../shared/audio --model base --out windows.jsonl
    python bench/language.py table windows.jsonl --golden ../shared/golden/S.base.jsonl
    python bench/language.py switches --audio ../shared/audio --model base

`listen` stores the languages' probabilities in each window of 30 s, an encoder call each; `table` tries policies on
what is stored. The audio folder's manifest.jsonl has id, path, kind, language and duration_s. `switches` joins clips in
several languages and says how many seconds of speech got the right one.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

from susurrus.language import _spread, combine, detect_in_file
from susurrus.options import LANGUAGE_DETECTION_SEGMENTS, LANGUAGE_DETECTION_THRESHOLD

KINDS = ("multilingual", "read", "longform")
N_DRAWS = 200

Probs = dict[str, float]
Policy = Callable[[list[Probs]], tuple[str, int]]


def rows_of(audio: Path) -> list[dict[str, Any]]:
    """Read the manifest's clips that have a language."""
    rows = map(json.loads, (audio / "manifest.jsonl").read_text().splitlines())
    return [row for row in rows if row["kind"] in KINDS and row["language"]]


def listen(args: argparse.Namespace) -> None:
    """Store the probabilities in every window of every clip; of clips over 1000 s in every sixth."""
    import susurrus
    from susurrus.audio import Recording
    from susurrus.features import N_FRAMES, LogMel
    from susurrus.language import detect_language

    model = susurrus.load(args.model)
    tokenizer = model.tokenizer()
    with args.out.open("w") as out:
        for row in rows_of(args.audio):
            with Recording.open(args.audio / row["path"]) as recording:
                mel = LogMel(recording, model.dims.n_mels)
                step = N_FRAMES * (6 if row["duration_s"] > 1000 else 1)
                for seek in [0, *range(step, mel.n_frames - 500, step)]:
                    features = model.backend.encode(mel.mel(seek, N_FRAMES)[None])
                    probs = detect_language(model.backend, tokenizer, features)
                    stored = {key: row[key] for key in ("id", "language", "kind", "duration_s")}
                    print(json.dumps({**stored, "seek": seek, "probs": probs}), file=out, flush=True)


def adaptive(n_windows: int, threshold: float | None) -> Policy:
    """Listen on until it is sure enough, as `Model.detect_language` does."""

    def decide(windows: list[Probs]) -> tuple[str, int]:
        heard: list[int] = []
        probs = detect_in_file(
            lambda i: heard.append(i) or windows[i], range(len(windows)), n_windows=n_windows, threshold=threshold
        )
        return top(probs), len(heard)

    return decide


def all_of(n_windows: int, join: Callable[[list[Probs]], str]) -> Policy:
    """Listen to `n_windows` and join them."""
    return lambda windows: (join(windows[:n_windows]), len(windows[:n_windows]))


def top(probs: Probs) -> str:
    """Give the likeliest language."""
    return max(probs, key=lambda code: probs[code])


def by_mean(windows: list[Probs]) -> str:
    """Join windows by the mean of their probabilities."""
    return top({code: mean(probs[code] for probs in windows) for code in windows[0]})


def by_vote(windows: list[Probs]) -> str:
    """Join windows by vote."""
    return Counter(top(probs) for probs in windows).most_common(1)[0][0]


POLICIES: dict[str, Policy] = {
    "first window (openai-whisper)": adaptive(1, None),
    "2 windows, vote": all_of(2, by_vote),
    "2 windows, mean": all_of(2, by_mean),
    "2 windows, geometric mean": adaptive(2, None),
    "4 windows, vote": all_of(4, by_vote),
    "4 windows, mean": all_of(4, by_mean),
    "4 windows, geometric mean": adaptive(4, None),
    "up to 4 until over 0.5": adaptive(4, 0.5),
    "up to 4 until over 0.7": adaptive(4, 0.7),
    "up to 4 until over 0.9": adaptive(4, 0.9),
    "the default": adaptive(LANGUAGE_DETECTION_SEGMENTS, LANGUAGE_DETECTION_THRESHOLD),
}


def table(args: argparse.Namespace) -> None:
    """Print how often each policy is right: on the clips, and on files made of clips in one language."""
    windows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in map(json.loads, args.windows.read_text().splitlines()):
        if row["kind"] in KINDS and row["language"]:
            windows[row["id"]].append(row)
    clips = []
    drawn: dict[str, list[Probs]] = defaultdict(list)
    for rows in windows.values():
        first = rows[0]
        clips.append((first["id"], first["language"], [rows[i]["probs"] for i in _spread(len(rows))]))
        if len(rows) == 1 and first["kind"] != "longform":
            drawn[first["language"]].append(first["probs"])

    rng = random.Random(0)
    files = [
        (language, rng.sample(probs, 4)) for language, probs in drawn.items() if len(probs) >= 4 for _ in range(N_DRAWS)
    ]
    long = [clip for clip in clips if len(clip[2]) > 1]
    print(f"{len(clips)} clips, {len(long)} of them over 30 s; {len(files)} files made of 4 clips in one language")
    print("| policy | clips | over 30 s | made files | windows heard (made) |\n|---|---|---|---|---|")
    for name, policy in POLICIES.items():
        right = [policy(probs)[0] == language for _, language, probs in clips]
        of_long = [policy(probs)[0] == language for _, language, probs in long]
        made = [(policy(probs), language) for language, probs in files]
        share = mean(found == language for (found, _), language in made)
        n_heard = mean(n for (_, n), _ in made)
        print(f"| {name} | {sum(right)} | {sum(of_long)} | {100 * share:.1f} % | {n_heard:.1f} |")

    print("\nfirst window alone, by how sure it is: " + calibration([clip[2][:1] for clip in clips], clips))
    if args.golden:
        golden = {row["id"]: row["language"] for row in map(json.loads, args.golden.read_text().splitlines())}
        default = POLICIES["the default"]
        found = [(clip, default(probs)[0], golden[clip]) for clip, _, probs in clips if clip in golden]
        changed = [f"{clip}: {theirs} -> {ours}" for clip, ours, theirs in found if ours != theirs]
        print(f"of {len(found)} clips other than openai-whisper's stored language: {', '.join(changed) or 'none'}")


def calibration(heard: list[list[Probs]], clips: list[tuple[str, str, list[Probs]]]) -> str:
    """Say how often a language is right that was found this probable."""
    bins: dict[str, list[bool]] = defaultdict(list)
    for windows, (_, language, _) in zip(heard, clips, strict=True):
        probs = combine(windows)
        prob = probs[top(probs)]
        label = next((f"<= {edge}" for edge in (0.5, 0.7, 0.9) if prob <= edge), "> 0.9")
        bins[label].append(top(probs) == language)
    return ", ".join(f"{label}: {100 * mean(bins[label]):.0f} % of {len(bins[label])}" for label in sorted(bins))


def switches(args: argparse.Namespace) -> None:
    """Join clips in turn and count the seconds whose segment says the language that is spoken there."""
    import numpy as np

    import susurrus
    from susurrus import audio

    rows = [row for row in rows_of(args.audio) if row["language"] in args.languages and 4 <= row["duration_s"] <= 40]
    rng = random.Random(args.seed)
    spoken, parts, time, language = [], [], 0.0, None
    while time < args.seconds:
        language = rng.choice([code for code in args.languages if code != language])
        end = time + rng.choice((10, 20, 40))
        while time < end:
            waveform = audio.load(args.audio / rng.choice([row for row in rows if row["language"] == language])["path"])
            parts += [waveform, np.zeros(8000, np.float32)]
            spoken.append((time, time + len(waveform) / 16000, language))
            time += len(waveform) / 16000 + 0.5

    model = susurrus.load(args.model)
    n_encoded: list[int] = []
    encode = model.backend.encode
    model.backend.encode = lambda mel: n_encoded.append(1) or encode(mel)
    for name, options in (("one language", {}), ("multilingual", {"multilingual": True})):
        n_encoded.clear()
        transcript = model.transcribe(np.concatenate(parts), **options)
        seconds = sum(end - start for start, end, _ in spoken)
        right = 0.0
        for start, end, code in spoken:
            for s in transcript.segments:
                if (s.language or transcript.language) == code:
                    right += max(0.0, min(end, s.end) - max(start, s.start))
        print(f"{name}: {100 * right / seconds:.1f} % of {seconds:.0f} s, {len(n_encoded)} encoder calls")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for run in (listen, table, switches):
        command = commands.add_parser(run.__name__, help=run.__doc__)
        command.set_defaults(run=run)
        if run is table:
            command.add_argument("windows", type=Path)
            command.add_argument("--golden", type=Path)
            continue
        command.add_argument("--audio", type=Path, required=True)
        command.add_argument("--model", default="base")
        if run is listen:
            command.add_argument("--out", type=Path, required=True)
        else:
            command.add_argument("--languages", type=lambda text: text.split(","), default=["en", "de", "fr", "es"])
            command.add_argument("--seconds", type=float, default=180)
            command.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.run(args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
