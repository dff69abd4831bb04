"""What the command line shows while it works: live text on stdout, a progress bar and messages on stderr."""

from __future__ import annotations

import logging
import os
import sys
import time

from tqdm import tqdm

from ..types import Progress, Segment
from ..writers import format_timestamp


class Display:
    """Draws for one run. `verbose` True: text and progress; False: progress; None: warnings and errors only."""

    def __init__(self, verbose: bool | None) -> None:
        self.verbose = verbose
        self._bar: tqdm | None = None
        self._started = 0.0
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

    def start(self, name: str, duration: float) -> None:
        """Begin a file of `duration` seconds."""
        self._end_bar()
        self._started = time.perf_counter()
        if self.verbose is not None and sys.stderr.isatty():
            self._bar = tqdm(
                total=max(duration, 1e-3),
                desc=name,
                file=sys.stderr,
                leave=False,
                bar_format="{desc} {percentage:3.0f}%|{bar}| {postfix} {remaining} left",
            )

    def progress(self, progress: Progress) -> None:
        """Show how far the file is: sound done, of all, how many times faster than real time, time left."""
        if self._bar is None or progress.total is None:
            return
        speed = progress.done / max(time.perf_counter() - self._started, 1e-9)
        self._bar.set_postfix_str(f"{clock(progress.done)}/{clock(progress.total)} {speed:.1f}x", refresh=False)
        self._bar.update(progress.done - self._bar.n)

    def segment(self, segment: Segment) -> None:
        """Show a segment's text."""
        if self.verbose:
            times = f"[{format_timestamp(segment.start)} --> {format_timestamp(segment.end)}]"
            self._print(f"{times} {segment.text}")

    def note(self, text: str) -> None:
        """Say something that is not a result."""
        if self.verbose is not None:
            tqdm.write(text, file=sys.stderr)

    def summary(self, n_files: int, failures: list[str]) -> int:
        """Say what failed; give the exit code."""
        self._end_bar()
        if failures and n_files > 1:
            print(f"{n_files - len(failures)} of {n_files} files done; failed:", file=sys.stderr)
            for reason in failures:
                print(f"  {reason}", file=sys.stderr)
        return 1 if failures else 0

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
