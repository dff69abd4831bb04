"""Kill a transcription at random moments until it is through, and compare its outputs with an undisturbed one's.

    python bench/kills.py ../shared/audio --kills 50 --clips 20 --long longform/LONG_FILE --model tiny.en

It takes the first --clips read clips of the folder's manifest and one long file, runs `susurrus transcribe` on them all
once undisturbed, and then again under SIGKILL, each time after a random number of seconds, running the same command
until it ends. Every window that is decoded is counted, over all runs. It prints what differed and how many windows were
decoded more than once.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def clips_of(folder: Path, n: int) -> list[Path]:
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    return [folder / row["path"] for row in rows if row["kind"] == "read"][:n]


def command(inputs: list[Path], out: Path, args: argparse.Namespace) -> list[str]:
    argv = f"-m susurrus transcribe --model {args.model} --offline True --beam_size None --batch_size {args.batch_size}"
    argv += f" -o {out} -f json,srt --skip_existing True --json_progress True"
    return [sys.executable, *argv.split(), *map(str, inputs)]


def run(argv: list[str], events: Path, kill_after: float | None) -> bool:
    """Run the command; say whether it ended by itself."""
    with events.open("ab") as file:
        process = subprocess.Popen(argv, stdout=file, stderr=subprocess.DEVNULL)
        try:
            process.wait(kill_after)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return False
    if process.returncode != 0:
        raise SystemExit(f"the command failed with {process.returncode}")
    return True


def told(events: Path) -> list[dict[str, Any]]:
    """Read the events; a kill may have cut one off, and the next run's first stands behind it."""
    found = []
    for line in events.read_text(errors="replace").splitlines():
        start = line.rfind('{"event"')
        try:
            found.append(json.loads(line[max(start, 0) :]))
        except ValueError:
            continue
    return found


def decoded_again(events: list[dict[str, Any]]) -> list[str]:
    """Name the files that a run began before a window which an earlier run had told of as done."""
    done: dict[str, float] = {}
    again = []
    for event in events:
        if event["event"] == "start" and event["done"] < done.get(event["file"], 0.0):
            again.append(event["file"])
        elif event["event"] == "progress":
            done[event["file"]] = event["done"]
    return again


def outputs(folder: Path) -> dict[str, bytes]:
    """Read the outputs; of probabilities the last digits depend on what else was in the batch."""
    found = {}
    for path in sorted(folder.rglob("*.*")):
        if path.is_file() and ".susurrus" not in path.parts:
            figures = rb'"(avg_logprob|no_speech_prob|probability)": ([-0-9.e]*)'
            rounded = re.sub(figures, lambda found: b"%.3f" % float(found[2]), path.read_bytes())
            found[str(path.relative_to(folder))] = rounded
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("audio", type=Path, help="folder with manifest.jsonl")
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--long", help="a long file of the folder")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--model", default="tiny.en")
    parser.add_argument("--batch_size", default="0", help="0: at most one window is under way; auto, N: several")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    inputs = clips_of(args.audio, args.clips) + ([args.audio / args.long] if args.long else [])

    work = Path(tempfile.mkdtemp(prefix="susurrus-kills-"))
    begin = time.perf_counter()
    run(command(inputs, work / "whole", args), work / "whole.jsonl", None)
    seconds = time.perf_counter() - begin
    n_windows = sum(event["event"] == "progress" for event in told(work / "whole.jsonl"))
    print(f"undisturbed: {n_windows} windows in {seconds:.0f} s")

    random.seed(args.seed)
    kills, events = 0, work / "killed.jsonl"
    # Short lives at first, so that some end while the program starts, a file is read, or an output is written.
    while not run(
        command(inputs, work / "killed", args), events, random.uniform(0.2, 6) if kills < args.kills else None
    ):
        kills += 1
    again = decoded_again(told(events))
    whole, killed = outputs(work / "whole"), outputs(work / "killed")
    print(f"{kills} kills; finished windows that were decoded again: {len(again)} {again or ''}")
    different = [name for name in whole | killed if whole.get(name) != killed.get(name)]
    print(
        f"{len(whole)} outputs, {len(different)} different: {different}"
        if different
        else f"{len(whole)} outputs, all the same"
    )
    if different or again:
        print(f"both are kept in {work}")
        return 1
    shutil.rmtree(work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
