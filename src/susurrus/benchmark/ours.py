"""Susurrus as one of the systems of a benchmark.

    python -m susurrus.benchmark.ours '{"model": {"name": "base", ...}, "options": {...}, "batch_size": 8}'

It answers as every worker does (`peers.serve`), and says also how long each stage was busy.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..backends import availability
from ..transcribe import Model, load
from ..types import Transcript
from ..writers import WHISPER_FORMATS, save
from .peers import Run, serve
from .stages import watch_line


def open_ours(given: dict[str, Any], stack: ExitStack) -> tuple[dict[str, Any], Run]:
    """Load the model; give what is to be known of it, and what transcribes files. The stack ends both."""
    model = stack.enter_context(load(**given["model"]))
    n_together, made = model.plan(given["batch_size"], **given["options"])  # what cannot be honoured is known now
    clock = stack.enter_context(watch_line(model.backend))
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="susurrus-")))

    def run(files: list[str]) -> dict[str, Any]:
        clock.take()
        begin = time.perf_counter()
        times: list[float] = []
        transcripts = list(_transcripts(model, files, given, lambda: times.append(time.perf_counter() - begin)))
        times.append(time.perf_counter() - begin)
        with clock.stage("write"):
            for transcript in transcripts:
                for format in WHISPER_FORMATS:
                    save(transcript, format, folder / f"written.{format}")
        busy = clock.take()
        return {
            "seconds": times[-1],
            "first_segment_s": times[0],
            "texts": [transcript.text for transcript in transcripts],
            "durations": [transcript.duration for transcript in transcripts],
            "languages": [transcript.language for transcript in transcripts],
            "stages": busy.seconds,
            "n_threads": busy.n_threads,
        }

    backend = model.backend
    windows = f"batch {n_together}" if n_together else "a window at a time"
    search = f"beam {made.beam_size}" if made.beam_size else "greedy"
    framework = f"{backend.name} {availability(backend.name).version}"
    info = {
        "version": version("susurrus"),
        "how": f"{framework}, {backend.device}, {backend.dtype}, {windows}{', VAD' * bool(made.vad_filter)}, {search}",
        "model": model.name,
        "device": backend.device,
        "is_multilingual": model.is_multilingual,
        "language": made.language,
    }
    return info, run


def _transcripts(
    model: Model, files: list[str], given: dict[str, Any], on_text: Callable[[], None]
) -> Iterator[Transcript]:
    """Transcribe one file, or several in one call; `on_text` is called as soon as there is any text of them."""
    how = {"batch_size": given["batch_size"], **given["options"]}
    if len(files) == 1:
        yield model.transcribe(files[0], on_segment=lambda _: on_text(), **how)
        return
    for outcome in model.transcribe_many(files, **how):
        if outcome.error is not None:
            raise outcome.error
        assert outcome.transcript is not None
        on_text()
        yield outcome.transcript


if __name__ == "__main__":
    with ExitStack() as until_the_end:
        serve(lambda: open_ours(json.loads(sys.argv[1]), until_the_end))
