"""A report as text for a terminal: tables, and the worst clips as word diffs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import compress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .significance import Comparison, Difference

CONTEXT_WORDS = 3
MAX_DIFF_CHARACTERS = 600

HEADER = ("clips", "words", "WER %", "sub", "del", "ins", "CER %", "invented", "language", "speed")


def render(report: Mapping[str, Any]) -> str:
    """Give the report in lines, with its sums last, where the reader's eye is."""
    parts = [aligned(table(groups, by)) for by, groups in report["groups"].items() if by != "total"]
    parts.append("\n".join(_worst_lines(report["worst"])))
    parts.append(aligned(table(report["groups"]["total"], "total")))
    parts.append("\n".join([*summary_lines(report), run_line(report)]))
    return "\n\n".join(part for part in parts if part) + "\n"


def table(groups: Mapping[str, Mapping[str, Any]], title: str) -> list[list[str]]:
    """Give a table's cells, a line for each group after the header, without the columns that nothing is known for."""
    rows = [(name, *row(group)) for name, group in groups.items()]
    has_figures = [i == 0 or any(cells[i] != "-" for cells in rows) for i in range(len(HEADER) + 1)]
    return [list(compress(cells, has_figures)) for cells in [(title, *HEADER), *rows]]


def row(group: Mapping[str, Any]) -> tuple[str, ...]:
    """Give a group's figures in the order of `HEADER`."""
    words, characters, silent, language = (group[key] for key in ("words", "characters", "silent", "language"))
    return (
        str(group["n_clips"]),
        str(words["n"]),
        percent(words["rate"]),
        *(str(words[key]) if words["n"] else "-" for key in ("substitutions", "deletions", "insertions")),
        percent(characters["rate"]),
        f"{silent['n_words']} in {silent['n_clips']}" if silent["n_clips"] else "-",
        f"{language['n_right']} of {language['n']}" if language["n"] else "-",
        f"{group['speed']:.1f}x" if group["speed"] else "-",
    )


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Set cells in columns, the first to the left, the rest to the right.

    >>> print(aligned([("", "n"), ("read", "12"), ("all", "120")]))
            n
    read   12
    all   120
    """
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        for cells in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def summary_lines(report: Mapping[str, Any]) -> list[str]:
    """Say in sentences what the table of totals has no column for."""
    run = report["run"]
    silent, language = run["silent"], run["language"]
    lines = []
    if silent["n_clips"]:
        where = f"in {silent['n_clips_with_words']} of {silent['n_clips']} clips"
        lines.append(f"words where nothing is said: {silent['n_words']}, {where}")
    if language["n"]:
        wrong = ", ".join(f"{pair} {n}" for pair, n in list(language["wrong"].items())[:8])
        share = percent(language["n_right"] / language["n"])
        lines.append(
            f"language detected rightly: {language['n_right']} of {language['n']} ({share} %)"
            + (f"; {wrong}" if wrong else "")
        )
    lines.append(
        f"clips without a word where some are said: {run['n_empty']}; with repeated phrases: {run['n_with_loops']}"
    )
    n_unrated = run["n_clips"] - run["n_rated"] - silent["n_clips"] - run["n_failed"]
    if n_unrated:
        lines.append(f"clips without an exact reference, so not in the rates: {n_unrated}")
    if report["failed"]:
        lines.append(f"clips that failed: {len(report['failed'])}")
        lines += [f"  {one['id']}: {one['error']}" for one in report["failed"]]
    return lines


def run_line(report: Mapping[str, Any]) -> str:
    """Say in a line what was run and how fast it was."""
    config, run = report["config"], report["run"]
    named = [str(config[key]) for key in ("results", "model", "backend", "device", "dtype") if config.get(key)]
    line = " ".join(named)
    if config.get("options"):
        line += f", beam {config['options']['beam_size']}" if config["options"].get("beam_size") else ", greedy"
    if run["real_time_factor"]:
        line += f": {run['sound_s']:.0f} s of sound in {run['work_s']:.1f} s, {run['speed']:.1f}x real time"
        line += f" (real-time factor {run['real_time_factor']:.4f})"
    return line


def diff(changes: Sequence[Mapping[str, Any]]) -> str:
    """Give an alignment as text, as `git diff --word-diff` marks it; words that agree are left out but for a few.

    >>> same = {"said": "a b c d e f g h", "heard": "a b c d e f g h", "equal": True}
    >>> diff([same, {"said": "cat", "heard": "hat sat", "equal": False}])
    '... f g h [-cat-]{+hat sat+}'
    """
    parts = []
    for i, change in enumerate(changes):
        said, heard = change["said"], change["heard"]
        if change["equal"]:
            parts.append(_shortened(said.split(), is_first=i == 0, is_last=i == len(changes) - 1))
        else:
            parts.append((f"[-{said}-]" if said else "") + (f"{{+{heard}+}}" if heard else ""))
    text = " ".join(part for part in parts if part)
    return text if len(text) <= MAX_DIFF_CHARACTERS else text[:MAX_DIFF_CHARACTERS] + " ..."


def percent(rate: float | None) -> str:
    """Give a rate in percent, - where there is none."""
    return "-" if rate is None else f"{100 * rate:.2f}"


def _shortened(words: Sequence[str], *, is_first: bool, is_last: bool) -> str:
    n_before, n_after = 0 if is_first else CONTEXT_WORDS, 0 if is_last else CONTEXT_WORDS
    if len(words) <= n_before + n_after + 1:
        return " ".join(words)
    return " ".join([*words[:n_before], "...", *words[len(words) - n_after :]])


def _worst_lines(clips: Sequence[Mapping[str, Any]]) -> list[str]:
    if not clips:
        return []
    lines = ["the clips with the most errors, as [-said-]{+heard+}"]
    for clip in clips:
        words = clip["words"]
        rate = f"{percent(words['rate'])} %" if words["n"] else "nothing is said"
        marks = [f"{rate}, {words['errors']} errors"]
        if clip["language"]["said"] and clip["language"]["heard"] not in (None, clip["language"]["said"]):
            marks.append(f"{clip['language']['said']} taken for {clip['language']['heard']}")
        marks += [f"{phrase!r} {times} times" for phrase, times in clip["loops"][:3]]
        lines += [f"{clip['id']} ({'; '.join(marks)})", f"  {diff(clip['changes'])}"]
    return lines


def comparison(found: Comparison, first: str, second: str) -> str:
    """Say which of two systems is better, by group, and whether that is more than chance."""
    head = ("clips", "differ", "first %", "second %", "difference", "95 % interval", "p", "")
    rows: list[tuple[str, ...]] = []
    for columns, groups in found.groups.items():
        rows += [(columns, *head)] if not rows else [("",) * (len(head) + 1), (columns, *[""] * len(head))]
        rows += [(name, *_difference_row(difference)) for name, difference in groups.items()]
    lines = [f"first: {first}; second: {second}"]
    for count, text in (
        (len(found.only_first), "only in the first"),
        (len(found.only_second), "only in the second"),
        (len(found.unlike), "given other references"),
    ):
        if count:
            lines.append(f"clips not compared, as they are {text}: {count}")
    if not rows or not found.groups["total"]:
        return "\n".join([*lines, "no clip has an exact reference in both: nothing to compare"])
    lines += ["", aligned(rows), ""]
    lines += [f"{name}: {_verdict(difference)}" for name, difference in found.groups["total"].items()]
    return "\n".join(lines)


def difference_lines(differences: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name the clips in which two systems' texts or times differ, a line for each."""
    lines = []
    for one in differences:
        what = [name for name, same in (("text", one["text"]), ("segment times", one["times"])) if not same]
        n_same, n_words = one["words"]
        what += [f"{n_words - n_same} of {n_words} words"] if n_same < n_words else []
        lines.append(f"  {one['id']}: {', '.join(what)} differ")
        if not one["text"]:
            lines += [f"    here:  {one['ours'].strip()[:200]}", f"    there: {one['theirs'].strip()[:200]}"]
    return lines


def _difference_row(d: Difference) -> tuple[str, ...]:
    interval = f"{100 * d.low:+.2f} to {100 * d.high:+.2f}"
    return (
        str(d.n_clips),
        str(d.n_differing),
        percent(d.first),
        percent(d.second),
        f"{100 * d.difference:+.2f}",
        interval,
        f"{d.p:.4f}",
        "*" if d.is_significant else "",
    )


def _verdict(d: Difference) -> str:
    if not d.n_differing:
        return "the same number of errors in every clip"
    better = "second" if d.difference < 0 else "first"
    sure = "significant" if d.is_significant else "not significant: it may be chance"
    interval = f"95 % interval of second - first: {100 * d.low:+.2f} to {100 * d.high:+.2f}"
    return f"the {better} is better by {percent(abs(d.difference))} points ({interval}); p = {d.p:.4f}: {sure}"
