"""Run systems over files in turn, so that what disturbs the machine disturbs them all alike.

Takes workers and paths; gives every run. What is made of the runs is the affair of `figures`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import SusurrusError
from .workers import Worker

SETTLE_S = 0.3
"""Between two runs: the threads of OpenMP spin for up to 0.2 s after their work, and would disturb the next one's."""


Files = tuple[str, ...]
"""What is given to a system at once: most often one file."""


@dataclass(frozen=True)
class Run:
    """One run of a system, from the files to their texts; `durations` and what follows only where it says so.

    `cpu_s` are the seconds of all its threads.
    """

    system: str
    files: Files
    round: int
    seconds: float
    cpu_s: float
    first_segment_s: float
    texts: Sequence[str]
    durations: Sequence[float] = ()
    languages: Sequence[str] = ()
    stages: Mapping[str, float] = field(default_factory=dict)
    n_threads: int = 1


@dataclass(frozen=True)
class Failure:
    """What a system could not do: run on these files, or run at all where there are none."""

    system: str
    files: Files
    error: str


@dataclass
class Measured:
    """The runs in the order they were made, what failed, and of each system what is to be known."""

    systems: dict[str, dict[str, Any]] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


def measure(
    workers: Sequence[Worker],
    jobs: Sequence[Files],
    *,
    n_rounds: int = 3,
    settle: float = SETTLE_S,
    tell: Callable[[str], object] = lambda _: None,
) -> Measured:
    """Start the workers that are not yet, let each run once for nothing, then run all in turn, job after job.

    A worker that crashes or hangs is left out from then on, files that one cannot read are left out for it; `failures`
    says so. `tell` gets a line about each run, made or left out. The workers are the caller's to close.
    """
    found = Measured()
    ready = [worker for worker in workers if _is_ready(worker, found, tell)]
    for worker in ready:
        _run(worker, jobs[0], 0, found, settle, tell)
    for round in range(1, n_rounds + 1):
        for files in jobs:
            for worker in ready:
                _run(worker, files, round, found, settle, tell)
    return found


def _run(
    worker: Worker, files: Files, round: int, found: Measured, settle: float, tell: Callable[[str], object]
) -> None:
    """Make a run, unless it is known to fail. Round 0 does not count."""
    failed = any((one.system, one.files) == (worker.name, files) for one in found.failures)
    if failed or not worker.is_alive:
        tell(f"{worker.name}: left out")
        return
    time.sleep(settle)
    try:
        answer = worker.run(files)
    except SusurrusError as error:
        found.failures.append(Failure(worker.name, files, error.message))
        tell(error.message)
        return
    system = found.systems[worker.name]
    peaks = (system["peak_bytes"], answer.pop("peak_bytes", None))
    system["peak_bytes"] = max((peak for peak in peaks if peak), default=None)
    if round > 0:
        found.runs.append(Run(worker.name, files, round, **answer))
    tell(f"{worker.name}: {answer['seconds']:.2f} s{'' if round else ' (warm-up)'}")


def _is_ready(worker: Worker, found: Measured, tell: Callable[[str], object]) -> bool:
    try:
        if not worker.info:
            worker.start()
    except SusurrusError as error:
        found.failures.append(Failure(worker.name, (), error.message))
        tell(error.message)
        return False
    found.systems[worker.name] = {**worker.info, "peak_bytes": None}
    return True
