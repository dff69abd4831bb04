"""What the command line tells other programs: one JSON object a line on stdout, for `--json_progress True`.

Every event has `event` and, but for the summary, `file`. docs/guides/many-files.md lists them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import SusurrusError
from ..types import Progress, Segment
from .stdout import show_json

QUIET = ("start", "language", "segment", "progress", "done", "skipped")


class Events:
    """Tells of a run in lines of JSON. Files that are under way at once tell of themselves in turn.

    `verbose` False: all but the segments; None: failures and the summary alone.
    """

    def __init__(self, verbose: bool | None = True) -> None:
        self._left_out: tuple[str, ...] = QUIET if verbose is None else () if verbose else ("segment",)
        self._lock = threading.Lock()

    def __enter__(self) -> Events:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def job(self, name: str) -> JobEvents:
        """Give what tells of one file."""
        return JobEvents(self, name)

    def summary(self, counts: dict[str, int]) -> None:
        """Tell how many files were done, skipped, failed."""
        self.tell("summary", **counts)

    def tell(self, event: str, **what: Any) -> None:
        """Put out an event."""
        if event in self._left_out:
            return
        with self._lock:
            show_json({"event": event, **what})


class JobEvents:
    """Tells of one file: a report of its job."""

    def __init__(self, events: Events, name: str) -> None:
        self._events, self._file = events, name
        self._began, self._done_before = 0.0, 0.0

    def start(self, name: str, duration: float, done: float) -> None:
        """Tell that the file, or a channel of it, is about to be transcribed."""
        self._began, self._done_before = time.perf_counter(), done
        self._tell("start", duration=duration, done=done)

    def language(self, name: str, code: str, probability: float | None) -> None:
        """Tell the language that was detected."""
        self._tell("language", language=code, probability=probability)

    def segment(self, segment: Segment) -> None:
        """Tell a segment."""
        self._tell("segment", **segment.to_dict())

    def progress(self, progress: Progress) -> None:
        """Tell how far it is, and how many times faster than real time it goes."""
        seconds = time.perf_counter() - self._began
        speed = (progress.done - self._done_before) / max(seconds, 1e-9)
        self._tell("progress", done=progress.done, total=progress.total, speed=round(speed, 2))

    def finish(self, name: str, outputs: Sequence[Path]) -> None:
        """Tell that its outputs are written."""
        self._tell("done", outputs=[str(output) for output in outputs])

    def skip(self, name: str, reason: str) -> None:
        """Tell that it needs nothing."""
        self._tell("skipped", reason=reason)

    def fail(self, name: str, error: Exception) -> None:
        """Tell why it failed."""
        ours = error if isinstance(error, SusurrusError) else SusurrusError(str(error))
        self._tell("failed", error=ours.message, hint=ours.hint)

    def _tell(self, event: str, **what: Any) -> None:
        self._events.tell(event, file=self._file, **what)
