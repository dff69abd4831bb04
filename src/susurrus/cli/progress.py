"""What the command line shows while it works: live text on stdout, a progress bar and messages on stderr.

`Display` is a report of jobs for people; `events.Events` is one for programs.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from ..errors import SusurrusError
from ..types import Progress, Segment
from ..writers import format_timestamp


class Display:
    """Draws for one run. `verbose` True: text and progress; False: progress; None: warnings and errors only."""

    def __init__(self, verbose: bool | None) -> None:
        self.verbose = verbose
        self._bar: tqdm | None = None
        self._began, self._done_before = 0.0, 0.0
        self._failures: list[str] = []
        self._handler = _ToStderr()
        self._logger = logging.getLogger("susurrus")

    def __enter__(self) -> Display:
        self._logger.addHandler(self._handler)
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="replace")
        return self

    def __exit__(self, *exc: object) -> None:
        self._end_bar()
        self._logger.removeHandler(self._handler)

    def start(self, name: str, duration: float, done: float) -> None:
        """Begin a file of `duration` seconds, of which `done` are behind it."""
        self._end_bar()
        self._began, self._done_before = time.perf_counter(), done
        if done:
            self.note(f"{name}: goes on at {clock(done)}")
        if self.verbose is not None and sys.stderr.isatty():
            self._bar = tqdm(
                initial=done,
                total=max(duration, 1e-3),
                desc=name,
                file=sys.stderr,
                leave=False,
                bar_format="{desc} {percentage:3.0f}%|{bar}| {postfix} {remaining} left",
            )

    def language(self, name: str, code: str, probability: float | None) -> None:
        """Show the language that was detected."""
        from ..languages import language_name

        sure = "" if probability is None else f" ({100 * probability:.0f} %)"
        self.note(f"detected language: {language_name(code)}{sure}")

    def progress(self, progress: Progress) -> None:
        """Show how far the file is: sound done, of all, how many times faster than real time, time left."""
        if self._bar is None or progress.total is None:
            return
        speed = (progress.done - self._done_before) / max(time.perf_counter() - self._began, 1e-9)
        self._bar.set_postfix_str(f"{clock(progress.done)}/{clock(progress.total)} {speed:.1f}x", refresh=False)
        self._bar.update(progress.done - self._bar.n)

    def segment(self, segment: Segment) -> None:
        """Show a segment's text."""
        if self.verbose:
            times = f"[{format_timestamp(segment.start)} --> {format_timestamp(segment.end)}]"
            speaker = f" {segment.speaker}:" if segment.speaker else ""
            self._print(f"{times}{speaker} {segment.text}")

    def finish(self, name: str, outputs: Sequence[Path]) -> None:
        """End a file."""
        self._end_bar()

    def skip(self, name: str, reason: str) -> None:
        """Say that a file needs nothing."""
        self.note(f"{name}: skipped, {reason}")

    def fail(self, name: str, error: Exception) -> None:
        """Say why a file failed, now and at the end."""
        self._end_bar()
        text = str(error) if isinstance(error, SusurrusError) else f"{type(error).__name__}: {error}"
        text = text if name in text else f"{name}: {text}"
        print(f"ERROR: {text}", file=sys.stderr)
        self._failures.append(text.partition("\n")[0])

    def note(self, text: str) -> None:
        """Say something that is not a result."""
        if self.verbose is not None:
            tqdm.write(text, file=sys.stderr)

    def summary(self, counts: dict[str, int]) -> None:
        """Say how many files were done and skipped, and list what failed and why."""
        self._end_bar()
        n_files = sum(counts.values())
        if n_files > 1 and (self._failures or self.verbose is not None):
            print(", ".join(f"{n} {what}" for what, n in counts.items() if n), file=sys.stderr)
            for reason in self._failures:
                print(f"  {reason}", file=sys.stderr)

    def _print(self, line: str) -> None:
        try:
            tqdm.write(line, file=sys.stdout)
            sys.stdout.flush()
        except BrokenPipeError:  # `susurrus ... | head`: the reader has seen enough, the files are still wanted
            self.verbose = None
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def clock(seconds: float) -> str:
    """Give minutes and seconds, hours where there are any.

    >>> clock(83.4), clock(3723)
    ('1:23', '1:02:03')
    """
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


class _ToStderr(logging.Handler):
    """Writes log records above the progress bar."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=sys.stderr)
