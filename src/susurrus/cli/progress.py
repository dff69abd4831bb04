"""What the command line shows while it works: live text on stdout, a progress bar and messages on stderr.

`Display` reports on jobs to people, `events.Events` to programs.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from ..errors import SusurrusError
from ..types import Progress, Segment
from ..writers import format_timestamp
from .stdout import take_any_text, to_nobody


class Display:
    """Draws for one run. `verbose` True: text and progress; False: progress; None: warnings and errors only.

    Several files may be under way at once: the first of them is shown as it comes, what the others say waits for its
    turn, so that the text of each stands together.
    """

    def __init__(self, verbose: bool | None) -> None:
        self.verbose = verbose
        self._jobs: deque[JobDisplay] = deque()
        self._failures: list[str] = []
        self._lock = threading.RLock()
        self._handler = _ToStderr()
        self._logger = logging.getLogger("susurrus")

    def __enter__(self) -> Display:
        self._logger.addHandler(self._handler)
        take_any_text()
        return self

    def __exit__(self, *exc: object) -> None:
        for job in self._jobs:  # those that an error or Ctrl-C left waiting for their turn
            job.flush()
            job.hide()
        self._logger.removeHandler(self._handler)

    def job(self, name: str) -> JobDisplay:
        """Give what shows one file; files are shown in the order in which this is called."""
        with self._lock:
            job = JobDisplay(self, name)
            self._jobs.append(job)
            return job

    def summary(self, counts: dict[str, int]) -> None:
        """Say how many files were done and skipped, and list what failed and why."""
        n_files = sum(counts.values())
        if n_files > 1 and (self._failures or self.verbose is not None):
            print(", ".join(f"{n} {what}" for what, n in counts.items() if n), file=sys.stderr)
            for reason in self._failures:
                print(f"  {reason}", file=sys.stderr)

    def show(self, job: JobDisplay) -> None:
        """Show what is new of a file, if it is its turn, and of those after it when it has ended."""
        with self._lock:
            while self._jobs:
                first = self._jobs[0]
                first.flush()
                if not first.has_ended:
                    return
                first.hide()
                self._jobs.popleft()

    def fail(self, reason: str) -> None:
        """Keep for the summary why a file failed."""
        self._failures.append(reason)

    def print(self, line: str) -> None:
        """Put a line of text on stdout."""
        try:
            tqdm.write(line, file=sys.stdout)
            sys.stdout.flush()
        except BrokenPipeError:  # `susurrus ... | head`: the reader has seen enough, the files are still wanted
            self.verbose = None
            to_nobody()


class JobDisplay:
    """Shows one file: a report of its job."""

    def __init__(self, display: Display, name: str) -> None:
        self.has_ended = False
        self._display, self._name = display, name
        self._lines: deque[tuple[str, bool]] = deque()  # text, and whether it is a result
        self._bar: tqdm | None = None
        self._began, self._done_before = 0.0, 0.0
        self._progress: Progress | None = None

    def start(self, name: str, duration: float, done: float) -> None:
        """Begin `duration` seconds, of which `done` are behind it."""
        self._began, self._done_before = time.perf_counter(), done
        self._progress = Progress(done, duration)
        if done:
            self._note(f"{name}: goes on at {clock(done)}")
        self._display.show(self)

    def language(self, name: str, code: str, probability: float | None) -> None:
        """Show the language that was detected."""
        from ..languages import language_name

        sure = "" if probability is None else f" ({100 * probability:.0f} %)"
        self._note(f"{name}: detected language: {language_name(code)}{sure}")

    def segment(self, segment: Segment) -> None:
        """Show a segment's text."""
        if self._display.verbose:
            times = f"[{format_timestamp(segment.start)} --> {format_timestamp(segment.end)}]"
            speaker = f" {segment.speaker}:" if segment.speaker else ""
            self._lines.append((f"{times}{speaker} {segment.text}", True))
            self._display.show(self)

    def progress(self, progress: Progress) -> None:
        """Show how far it is: sound done, of all, how many times faster than real time, time left."""
        self._progress = progress
        self._display.show(self)

    def finish(self, name: str, outputs: Sequence[Path]) -> None:
        """End it."""
        self._end()

    def skip(self, name: str, reason: str) -> None:
        """Say that it needs nothing."""
        self._note(f"{name}: skipped, {reason}")
        self._end()

    def fail(self, name: str, error: Exception) -> None:
        """Say why it failed, now and at the end."""
        text = str(error) if isinstance(error, SusurrusError) else f"{type(error).__name__}: {error}"
        text = text if name in text else f"{name}: {text}"
        self._lines.append((f"ERROR: {text}", False))
        self._display.fail(text.partition("\n")[0])
        self._end()

    def flush(self) -> None:
        """Put out what has not been yet; called when it is this file's turn."""
        while self._lines:
            line, is_result = self._lines.popleft()
            if is_result:
                self._display.print(line)
            else:
                tqdm.write(line, file=sys.stderr)
        self._draw()

    def hide(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _note(self, text: str) -> None:
        """Say something that is not a result."""
        if self._display.verbose is not None:
            self._lines.append((text, False))
            self._display.show(self)

    def _end(self) -> None:
        self.has_ended = True
        self._display.show(self)

    def _draw(self) -> None:
        progress = self._progress
        if progress is None or progress.total is None or self.has_ended:
            return
        if self._bar is None and self._display.verbose is not None and sys.stderr.isatty():
            self._bar = tqdm(
                initial=progress.done,
                total=max(progress.total, 1e-3),
                desc=self._name,
                file=sys.stderr,
                leave=False,
                bar_format="{desc} {percentage:3.0f}%|{bar}| {postfix} {remaining} left",
            )
        if self._bar is not None:
            speed = (progress.done - self._done_before) / max(time.perf_counter() - self._began, 1e-9)
            self._bar.set_postfix_str(f"{clock(progress.done)}/{clock(progress.total)} {speed:.1f}x", refresh=False)
            self._bar.update(progress.done - self._bar.n)


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
