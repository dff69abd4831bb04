"""Measure the line: features, word times, one short clip beside openai-whisper, and memory over an hour.

    python bench/line.py mel            # ms per 30 s window, one core
    python bench/line.py align          # ms per window beside the attention itself
    python bench/line.py clip           # 11 s, model loaded; beside openai-whisper where OPENAI_PYTHON is set
    python bench/line.py memory         # peak memory of 10 and of 60 minutes

OPENAI_PYTHON is an interpreter with openai-whisper, OPENAI_PT its checkpoint of tiny.en.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path
from statistics import median

CLIP = Path(__file__).parents[1] / "examples" / "jfk.mp3"

OURS = """
import sys, susurrus
model = susurrus.load("tiny.en", device="cpu", dtype="float32", threads=2)
run = lambda path: model.transcribe(path)
"""
OPENAI = """
import os, sys, torch, whisper
torch.set_num_threads(2)
model = whisper.load_model(os.environ["OPENAI_PT"], device="cpu")
run = lambda path: model.transcribe(path, fp16=False, language="en")
"""
TIMED = """
import time
run(sys.argv[1])
seconds = []
for _ in range(7):
    begin = time.perf_counter()
    run(sys.argv[1])
    seconds.append(time.perf_counter() - begin)
print(sorted(seconds)[3])
"""
PEAK = """
import resource
run(sys.argv[1])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def figure(python: str, code: str, path: Path) -> float:
    """Run code in a process of its own; give the number it prints."""
    return float(subprocess.run([python, "-c", code, str(path)], check=True, capture_output=True, text=True).stdout)


def timed(function: object, n: int = 20) -> float:
    """Give the median of n runs in ms, after one that does not count."""
    seconds = []
    for _ in range(n + 1):
        begin = time.perf_counter()
        function()  # type: ignore[operator]
        seconds.append(time.perf_counter() - begin)
    return 1000 * median(seconds[1:])


def mel() -> None:
    import numpy as np

    from susurrus.audio import Recording
    from susurrus.features import LogMel

    speech = np.random.default_rng(0).normal(scale=0.1, size=16000 * 60).astype(np.float32)
    with Recording.open(speech) as recording:
        for n_mels in (80, 128):
            features = LogMel(recording, n_mels)
            print(f"log-mel, {n_mels} mels: {timed(lambda f=features: f.window(1000, 3000)):.2f} ms a window")


def align() -> None:
    import numpy as np

    from susurrus.align import attention_matrix, dtw

    for n_tokens in (60, 110, 220):
        scores = np.random.default_rng(0).normal(scale=3, size=(8, n_tokens, 1500)).astype(np.float32)
        print(f"align, {n_tokens} tokens, 8 heads: {timed(lambda s=scores: dtw(-attention_matrix(s, 1500)), 7):.1f} ms")


def clip() -> None:
    theirs = os.environ.get("OPENAI_PYTHON")
    for _ in range(3):  # in turn, as machines are noisy
        ours = figure(sys.executable, OURS + TIMED, CLIP)
        line = f"susurrus {ours:.3f} s"
        if theirs:
            other = figure(theirs, OPENAI + TIMED, CLIP)
            line += f", openai-whisper {other:.3f} s, ratio {ours / other:.2f}"
        print(line, flush=True)


def memory() -> None:
    from susurrus.audio import load

    samples = (load(CLIP) * 32767).astype("<i2").tobytes()
    with tempfile.TemporaryDirectory() as folder:
        for minutes in (10, 60):
            path = Path(folder) / f"{minutes}.wav"
            with wave.open(str(path), "wb") as out:
                out.setnchannels(1)
                out.setsampwidth(2)
                out.setframerate(16000)
                for _ in range(minutes * 60 * 32000 // len(samples)):
                    out.writeframes(samples)
            print(f"{minutes} minutes: peak {figure(sys.executable, OURS + PEAK, path):.0f} MB", flush=True)


if __name__ == "__main__":
    wanted = sys.argv[1] if len(sys.argv) == 2 else ""
    measures = {"mel": mel, "align": align, "clip": clip, "memory": memory}
    sys.exit(measures[wanted]() if wanted in measures else __doc__)
