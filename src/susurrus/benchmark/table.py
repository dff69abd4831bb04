"""A benchmark's report as text: for a terminal, or in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import compress
from typing import Any

from ..evaluation.terminal import aligned, percent

HEADER = (
    "speed",
    "real-time factor",
    "cores",
    "first segment",
    "peak memory",
    "loading",
    "susurrus is",
    "pairs",
    "WER %",
    "sub",
    "del",
    "ins",
    "invented",
)


def terminal(report: Mapping[str, Any]) -> str:
    """Give the report for a terminal.

    What was run stands first, the comparison last, where the reader's eye is.
    """
    parts = ["\n".join(described(report)), aligned(stage_rows(report)), aligned(system_rows(report))]
    notes = [*failures(report), *remarks(report)]
    return "\n\n".join([*parts, "\n".join(notes)] if notes else parts) + "\n"


def markdown(report: Mapping[str, Any]) -> str:
    """Give the report in Markdown, the command that makes it included."""
    lines = [f"`{report['config']['command']}`", "", *(f"- {line}" for line in described(report)), ""]
    for rows in (system_rows(report), stage_rows(report)):
        lines += [*_pipes(rows), ""]
    lines += [f"- {line.strip()}" for line in [*failures(report), *remarks(report)]]
    return "\n".join(lines).rstrip() + "\n"


def described(report: Mapping[str, Any]) -> list[str]:
    """Say what was run, and on what: the machine, the sound, and how each system ran."""
    config = report["config"]
    files, rounds, threads = (
        _counted(n, noun)
        for n, noun in ((report["n_files"], "file"), (config["n_rounds"], "run"), (config["threads"], "thread"))
    )
    lines = [
        config["machine"],
        f"{config['model']}: {files}{' at once' if config['together'] else ''}, {report['sound_s']:.1f} s of sound;"
        f" {rounds} of each system in turn; {threads}",
    ]
    return lines + [f"{one['name']} {one['version']}: {one['how']}" for one in report["systems"]]


def system_rows(report: Mapping[str, Any]) -> list[list[str]]:
    """Give a line of cells for each system under a header, without the columns that nothing is known for."""
    rows = [(one["name"], *_figures(one)) for one in report["systems"]]
    is_known = [i == 0 or any(row[i] != "-" for row in rows) for i in range(len(HEADER) + 1)]
    return [list(compress(cells, is_known)) for cells in [("", *HEADER), *rows]]


def stage_rows(report: Mapping[str, Any]) -> list[list[str]]:
    """Give a line of cells for each stage of Susurrus that did something, and for the whole."""
    stages = report["stages"]
    work, sound = stages["work_s"], report["sound_s"]
    rows = [[name, *_stage(seconds, work, sound)] for name, seconds in stages["seconds"].items() if seconds]
    if stages["other_s"] is not None:
        rows.append(["other", *_stage(stages["other_s"], work, sound)])
    rows.append(["file to text", *_stage(work, work, sound)])
    return [["susurrus", "busy s", "share %", "ms a minute of sound"], *rows]


def failures(report: Mapping[str, Any]) -> list[str]:
    """Say what failed, a line each."""
    lines = []
    for one in report["failures"]:
        files, error = one["files"], one["error"]
        where = f" ({files[0]})" if len(files) == 1 and files[0] not in error else ""
        lines.append(f"failed: {error}{where}")
    return lines


def remarks(report: Mapping[str, Any]) -> list[str]:
    """Say what must be known to read the figures rightly."""
    config, stages = report["config"], report["stages"]
    found = list(config["notes"])
    if stages["seconds"]["write"]:
        found.append("write (five formats) comes after file to text, and is no part of it")
    if stages["n_threads"] > 1:
        found.append(
            f"the stages overlap, in {stages['n_threads']} threads: busy seconds add up to more than have passed"
        )
    if any(one["times_as_fast"] for one in report["systems"]):
        found.append("times as fast: the median of the pairs of runs, and the bounds of the middle half of them")
    if any(one["words"] for one in report["systems"]):
        n = max(one["words"]["n_clips"] for one in report["systems"] if one["words"])
        found.append(f"WER, and substituted, deleted and inserted words: of {_counted(n, 'file')} with a reference")
    return found


def _figures(one: Mapping[str, Any]) -> tuple[str, ...]:
    faster, words, peak = one["times_as_fast"], one["words"], one["peak_bytes"]
    rated = words if words and words["n"] else None
    silent = words["silent"] if words and words["silent"]["n_clips"] else None
    return (
        _or_dash("{:.1f}x", one["speed"]),
        _or_dash("{:.4f}", one["real_time_factor"]),
        _or_dash("{:.1f}", one["cores"]),
        _or_dash("{:.2f} s", one["first_segment_s"]),
        _or_dash("{:.0f} MB", peak / 1e6 if peak else None),
        _or_dash("{:.1f} s", one["load_s"]),
        f"{faster['median']:.2f} times as fast ({faster['low']:.2f} to {faster['high']:.2f})" if faster else "-",
        str(faster["n"]) if faster else "-",
        percent(rated["rate"] if rated else None),
        *(str(rated[kind]) if rated else "-" for kind in ("substitutions", "deletions", "insertions")),
        f"{silent['n_words']} in {silent['n_clips']}" if silent else "-",
    )


def _stage(seconds: float, work: float, sound: float) -> list[str]:
    return [
        f"{seconds:.3f}",
        f"{100 * seconds / work:.1f}" if work else "-",
        f"{60_000 * seconds / sound:.1f}" if sound else "-",
    ]


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


def _or_dash(form: str, value: float | None) -> str:
    return "-" if value is None else form.format(value)


def _pipes(rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return [lines[0], "|---" * len(rows[0]) + "|", *lines[1:]]
