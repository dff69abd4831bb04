"""Runs -> figures: plain data that JSON holds and that `table` and `picture` show.

Of each job (a file, or several at once) the run in the middle of a system's runs counts, so that times, stages and
their sums are of real runs. Two systems are compared by pairs: their runs of one job in one round, a moment apart.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from .measure import Files, Measured, Run
from .stages import STAGES

if TYPE_CHECKING:
    from ..evaluation.manifest import Clip
    from ..evaluation.metrics import Metrics

FORMAT = "susurrus-benchmark-1"


@dataclass(frozen=True)
class Spread:
    """The median of n values, and the quarters' bounds that half of them lie between."""

    median: float
    low: float
    high: float
    n: int


def spread(values: Sequence[float]) -> Spread:
    """Give the spread of one value or more.

    >>> spread([1.0, 2.0, 3.0, 4.0, 10.0])
    Spread(median=3.0, low=2.0, high=4.0, n=5)
    """
    low, median, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
    return Spread(median, low, high, len(values))


def ratios(runs: Sequence[Run], ours: str, peer: str) -> list[float]:
    """Give for each job and round in which both ran how many times the peer's seconds are ours."""
    seconds = {(run.system, run.files, run.round): run.seconds for run in runs}
    return [
        seconds[peer, files, round] / own
        for (system, files, round), own in seconds.items()
        if system == ours and (peer, files, round) in seconds
    ]


def typical_runs(runs: Sequence[Run], system: str) -> list[Run]:
    """Give of each job the run in the middle of a system's runs; of two in the middle the shorter."""
    by_job: dict[Files, list[Run]] = {}
    for run in runs:
        if run.system == system:
            by_job.setdefault(run.files, []).append(run)
    return [sorted(own, key=lambda run: run.seconds)[(len(own) - 1) // 2] for own in by_job.values()]


def make_report(
    measured: Measured,
    ours: str,
    config: Mapping[str, Any],
    clips: Mapping[str, Clip] | None = None,
    metrics: Metrics | None = None,
) -> dict[str, Any]:
    """Give the whole report; `clips` are the references by path, `config` what was run and on what.

    Files that Susurrus could not read are in no figure: nothing says how long they are.
    """
    runs = [run for run in typical_runs(measured.runs, ours) if sum(run.durations)]
    sounds = {run.files: sum(run.durations) for run in runs}
    languages = {file: language for run in runs for file, language in zip(run.files, run.languages, strict=True)}
    systems = []
    for name, info in measured.systems.items():
        own = [run for run in typical_runs(measured.runs, name) if run.files in sounds]
        pairs = ratios(measured.runs, ours, name) if name != ours else []
        systems.append(
            {
                "name": name,
                **{key: info.get(key) for key in ("version", "how", "load_s", "peak_bytes")},
                **_speed(own, sounds),
                "times_as_fast": asdict(spread(pairs)) if pairs else None,
                "words": _words(own, clips, languages, metrics) if clips and metrics else None,
            }
        )
    return {
        "format": FORMAT,
        "config": dict(config),
        "sound_s": sum(sounds.values()),
        "n_files": len(languages),
        "systems": systems,
        "stages": _stages(runs),
        "failures": [asdict(failure) for failure in measured.failures],
        "runs": [asdict(run) for run in measured.runs],
    }


def _speed(runs: Sequence[Run], sounds: Mapping[Files, float]) -> dict[str, Any]:
    sound, work = sum(sounds[run.files] for run in runs), sum(run.seconds for run in runs)
    has_both = sound > 0 and work > 0
    return {
        "sound_s": sound,
        "work_s": work,
        "speed": sound / work if has_both else None,
        "real_time_factor": work / sound if has_both else None,
        "cores": sum(run.cpu_s for run in runs) / work if has_both else None,
        "first_segment_s": statistics.median(run.first_segment_s for run in runs) if runs else None,
    }


def _words(
    runs: Sequence[Run], clips: Mapping[str, Clip], languages: Mapping[str, str], metrics: Metrics
) -> dict[str, Any] | None:
    """Count the wrong words of the files that have a reference; the language heard by us says how to normalise."""
    from ..evaluation.results import Result
    from ..evaluation.scoring import score, summarise

    texts = {file: text for run in runs for file, text in zip(run.files, run.texts, strict=True)}
    scored = [
        score(clips[file], Result(file, text, languages[file]), metrics)
        for file, text in texts.items()
        if file in clips
    ]
    summed = summarise(scored)
    known = {"n_clips": summed["n_rated"], **summed["words"], "silent": summed["silent"]}
    return known if summed["n_rated"] or summed["silent"]["n_clips"] else None


def _stages(runs: Sequence[Run]) -> dict[str, Any]:
    """Sum the stages over the jobs. `other_s` is what no stage was busy in, None where threads overlap."""
    seconds = {stage: sum(run.stages.get(stage, 0.0) for run in runs) for stage in STAGES}
    work, n_threads = sum(run.seconds for run in runs), max((run.n_threads for run in runs), default=1)
    in_work = sum(seconds.values()) - seconds["write"]  # the text is there before it is written
    return {
        "seconds": seconds,
        "work_s": work,
        "n_threads": n_threads,
        "other_s": max(work - in_work, 0.0) if n_threads <= 1 else None,
    }
