"""Compare Susurrus with stored results of openai-whisper, clip by clip: text, segment times, word times, WER per group.

    python bench/parity.py --golden ../shared/golden/S.tiny.en.jsonl --model tiny.en --backend torch --dtype float32

Golden rows: id, path, language, text, segments. The audio folder's manifest.jsonl holds the references. The golden
results were made at temperature 0 without fallback, with word times for the kinds `read` and `longform`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WORD_KINDS = ("read", "longform")
WORD_TOLERANCE_S = 0.02
LETTER_LANGUAGES = ("zh", "ja", "ko", "th", "yue")


@dataclass
class Tally:
    """What has been compared so far."""

    n_clips: int = 0
    n_same_text: int = 0
    n_same_times: int = 0
    n_words: int = 0
    n_same_words: int = 0
    differences: list[dict[str, Any]] = field(default_factory=list)

    def add(self, clip: str, ours: dict[str, Any], golden: dict[str, Any]) -> None:
        """Count one clip."""
        self.n_clips += 1
        same_text = ours["text"] == golden["text"]
        same_times = segment_times(ours) == segment_times(golden)
        self.n_same_text += same_text
        self.n_same_times += same_times
        n, same = compare_words(ours, golden)
        self.n_words += n
        self.n_same_words += same
        if not (same_text and same_times and n == same):
            row = {"id": clip, "text": same_text, "times": same_times, "words": [same, n]}
            if not same_text:
                row |= {"ours": ours["text"], "golden": golden["text"]}
            self.differences.append(row)

    def lines(self) -> list[str]:
        """Say it in lines."""
        share = lambda same, n: f"{same} of {n} ({100 * same / max(n, 1):.2f} %)"
        return [
            f"identical text           {share(self.n_same_text, self.n_clips)}",
            f"identical segment times  {share(self.n_same_times, self.n_clips)}",
            f"words within {WORD_TOLERANCE_S} s      {share(self.n_same_words, self.n_words)}",
        ]


def segment_times(result: dict[str, Any]) -> list[tuple[float, float]]:
    """Give the segments' times to the hundredth of a second, the precision of a subtitle's timestamp."""
    return [(round(s["start"], 2), round(s["end"], 2)) for s in result["segments"]]


def compare_words(ours: dict[str, Any], golden: dict[str, Any]) -> tuple[int, int]:
    """Count the golden words, and those that we have too, at the same place of the text and the same time."""
    theirs = [w for s in golden["segments"] for w in s.get("words", [])]
    mine = [w for s in ours["segments"] for w in s.get("words", [])]
    if not theirs:
        return 0, 0
    same = 0
    for a, b in zip(mine, theirs, strict=False):
        near = all(abs(a[k] - b[k]) <= WORD_TOLERANCE_S + 1e-6 for k in ("start", "end"))
        same += a["word"] == b["word"] and near
    return len(theirs), same


class Errors:
    """Word errors per group, of one system."""

    def __init__(self) -> None:
        from whisper_normalizer.basic import BasicTextNormalizer
        from whisper_normalizer.english import EnglishTextNormalizer

        self._english, self._basic = EnglishTextNormalizer(), BasicTextNormalizer()
        self._letters = BasicTextNormalizer(split_letters=True)
        self.counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])

    def add(self, groups: list[str], language: str | None, reference: str, text: str) -> None:
        """Count a clip's errors in its groups; an empty reference counts the words written."""
        import jiwer

        normalise = self._english if language in (None, "en") else self._basic
        if language in LETTER_LANGUAGES:
            normalise = self._letters
        expected, written = normalise(reference).strip(), normalise(text).strip()
        if expected:
            out = jiwer.process_words(expected, written)
            errors = out.substitutions + out.deletions + out.insertions
            n = out.substitutions + out.deletions + out.hits
        else:
            errors, n = len(written.split()), 0
        for group in groups:
            self.counts[group][0] += errors
            self.counts[group][1] += n


def groups_of(clip: dict[str, Any]) -> list[str]:
    """Name the groups a clip's errors count in; none for a reference that is not exact."""
    kind = clip["kind"]
    if clip["text"] is None or clip["ref_quality"] == "approx":
        return []
    if kind == "hard":
        return [f"hard: {clip['category']}" + ("" if clip["text"].strip() else " (silent)")]
    if kind == "longform":
        return [f"longform {clip['language']}: {clip['ref_quality']}"]
    if kind == "multilingual":
        return ["multilingual: all", f"multilingual: {clip['language']}"]
    return ["read: all"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--golden", type=Path, required=True)
    parser.add_argument("--audio", type=Path, help="folder with manifest.jsonl (default: beside the golden folder)")
    parser.add_argument("--model", required=True)
    parser.add_argument("--backend", default="torch")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--beam_size", type=int)
    parser.add_argument("--kind", help="only clips of this kind")
    parser.add_argument("--limit", type=int, help="only this many clips")
    parser.add_argument("--report", type=Path, help="write the results and differences as JSON")
    args = parser.parse_args()

    import susurrus

    audio = args.audio or args.golden.parent.parent / "audio"
    clips = {clip["id"]: clip for clip in map(json.loads, (audio / "manifest.jsonl").read_text().splitlines())}
    rows = [json.loads(line) for line in args.golden.read_text().splitlines()]
    rows = [row for row in rows if args.kind in (None, clips[row["id"]]["kind"])][: args.limit]
    model = susurrus.load(args.model, backend=args.backend, dtype=args.dtype)
    tally, ours_wer, golden_wer, results = Tally(), Errors(), Errors(), []
    begin, seconds = time.perf_counter(), 0.0
    for i, row in enumerate(rows):
        clip = clips[row["id"]]
        with_words = any("words" in s and s["words"] for s in row["segments"])
        transcript = model.transcribe(
            audio / row["path"],
            language=None if model.is_multilingual else "en",
            temperature=0.0,
            beam_size=args.beam_size,
            word_timestamps=with_words,
        )
        seconds += transcript.duration
        ours = transcript.to_dict()
        results.append({"id": row["id"], **ours})
        tally.add(row["id"], ours, row)
        for errors, result in ((ours_wer, ours), (golden_wer, row)):
            errors.add(groups_of(clip), clip["language"], clip["text"] or "", result["text"])
        if sys.stderr.isatty() or i % 20 == 0:
            print(f"{i + 1}/{len(rows)} {seconds / (time.perf_counter() - begin):.1f}x", file=sys.stderr)

    wall = time.perf_counter() - begin
    print(f"{args.model} {args.backend} {args.dtype} beam {args.beam_size}: {len(rows)} clips, {seconds / wall:.1f}x")
    print("\n".join(tally.lines()))
    print("group | WER here | WER golden (S + D + I over words)")
    for group in sorted(golden_wer.counts):
        (e, n), (ge, gn) = ours_wer.counts[group], golden_wer.counts[group]
        value = lambda errors, n: f"{100 * errors / n:.2f}" if n else f"{errors} words"
        if (e, n) != (ge, gn) or group.endswith(("all", "gold", "book")):
            print(f"{group} | {value(e, n)} ({e}/{n}) | {value(ge, gn)} ({ge}/{gn})")
    for difference in tally.differences:
        print(json.dumps(difference, ensure_ascii=False))
    if args.report:
        args.report.write_text(json.dumps({"results": results, "differences": tally.differences}, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
