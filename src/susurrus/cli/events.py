"""What the command line tells other programs: one JSON object a line on stdout, for `--json_progress True`.

Every event has `event` and, but for the last, `file`. docs/guides/many-files.md lists them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import SusurrusError
from ..types import Progress, Segment


class Events:
    """A report of jobs as lines of JSON."""

    def __init__(self) -> None:
        self._file = ""
        self._began, self._done_before = 0.0, 0.0

    def __enter__(self) -> Events:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def start(self, name: str, duration: float, done: float) -> None:
        """Tell that a file is about to be transcribed."""
        self._file, self._began, self._done_before = name, time.perf_counter(), done
        self._tell("start", duration=duration, done=done)

    def language(self, name: str, code: str, probability: float | None) -> None:
        """Tell the language that was detected."""
        self._tell("language", language=code, probability=probability)

    def segment(self, segment: Segment) -> None:
        """Tell a segment."""
        self._tell("segment", **segment.to_dict())

    def progress(self, progress: Progress) -> None:
        """Tell how far the file is, and how many times faster than real time it goes."""
        seconds = time.perf_counter() - self._began
        speed = (progress.done - self._done_before) / max(seconds, 1e-9)
        self._tell("progress", done=progress.done, total=progress.total, speed=round(speed, 2))

    def finish(self, name: str, outputs: Sequence[Path]) -> None:
        """Tell that a file's outputs are written."""
        self._file = name
        self._tell("done", outputs=[str(output) for output in outputs])

    def skip(self, name: str, reason: str) -> None:
        """Tell that a file needs nothing."""
        self._file = name
        self._tell("skipped", reason=reason)

    def fail(self, name: str, error: Exception) -> None:
        """Tell why a file failed."""
        self._file = name
        ours = error if isinstance(error, SusurrusError) else SusurrusError(str(error))
        self._tell("failed", error=ours.message, hint=ours.hint)

    def summary(self, counts: dict[str, int]) -> None:
        """Tell how many files were done, skipped, failed."""
        self._tell("summary", **counts)

    def _tell(self, event: str, **what: Any) -> None:
        who = {"file": self._file} if event != "summary" else {}
        print(json.dumps({"event": event, **who, **what}, ensure_ascii=False), flush=True)
