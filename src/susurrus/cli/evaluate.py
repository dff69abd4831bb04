"""`susurrus evaluate`: error rates over labelled recordings, and whether two systems differ.

Three ways in: decode the clips of a manifest; score results that are stored; compare two that are.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import OptionError
from ..evaluation.scoring import GROUP_BY
from ..options import TranscribeOptions
from .flags import defaults_of, given_flags, option_values, read_bool
from .model_flags import add_model_flags, load_model
from .stdout import show
from .transcribe import add_decoding_flags, temperatures

if TYPE_CHECKING:
    from ..cancel import Cancel
    from ..evaluation.manifest import Clip
    from ..evaluation.metrics import Metrics
    from ..evaluation.results import Result
    from ..evaluation.scoring import Scored
    from ..evaluation.stored import Journal, Stored

SUMMARY = "error rates over labelled recordings; is one model better than another"
DESCRIPTION = (
    "Transcribe the recordings of a manifest (JSON lines, CSV or TSV with the columns path, text and, if known, id and "
    "language) and say how many words are wrong, by group. The figures go to stdout."
)

WORST = 10


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument("manifest", nargs="?", metavar="MANIFEST", help="the recordings and what is said in them")
    parser.add_argument(
        "--where",
        default="",
        metavar="COLUMN=VALUE,...",
        help="only these clips: kind=read,language=en|de,ref_quality!=approx",
    )
    parser.add_argument(
        "--group_by",
        default=",".join(GROUP_BY),
        metavar="COLUMN,...",
        help=f"group the figures by these; a+b groups by both (default: {','.join(GROUP_BY)})",
    )
    parser.add_argument("--json", metavar="FILE", help="write the whole report, for --results and --compare")
    parser.add_argument("--html", metavar="FILE", help="write the report as a page")
    parser.add_argument(
        "--worst", type=int, default=WORST, metavar="N", help=f"clips to show in full (default: {WORST})"
    )
    parser.add_argument(
        "--results",
        metavar="FILE",
        help="score what is stored here (a report, or rows with id and text); decode nothing",
    )
    parser.add_argument(
        "--reference",
        metavar="FILE",
        help="compare texts and times with another system's; word times are made for the clips that have them there",
    )
    parser.add_argument(
        "--compare", nargs=2, metavar=("A", "B"), help="say whether the difference of two reports is significant"
    )
    parser.add_argument(
        "--give_language",
        type=read_bool,
        default=False,
        metavar="True|False",
        help="tell the model each clip's language, as the manifest has it (default: False)",
    )
    add_model_flags(parser)
    add_decoding_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluate; 0 when every clip was scored, 1 when some could not be read."""
    refuse_conflicts(args)
    from ..evaluation.metrics import Metrics

    metrics = Metrics()  # what is not installed is known before the work is done
    return run_compare(args, metrics) if args.compare else run_evaluate(args, metrics)


def refuse_conflicts(args: argparse.Namespace) -> None:
    """Raises: OptionError for flags that say nothing together."""
    if args.task != "transcribe":
        raise OptionError("--task translate: word error rates measure what was said, not its translation")
    if not (args.manifest or args.results or args.compare):
        raise OptionError("no manifest", hint="susurrus evaluate MANIFEST.jsonl --model base")
    pairs = [("compare", "results"), ("compare", "reference"), ("compare", "html"), ("give_language", "language")]
    for first, second in pairs:
        if getattr(args, first) and getattr(args, second):
            raise OptionError(f"--{first} and --{second} do not go together")
    if args.results or args.compare:
        decoding = {"give_language": False, **defaults_of(add_model_flags, add_decoding_flags)}
        for name in given_flags(args, decoding):
            raise OptionError(f"--{name} is for decoding, and stored results are decoded already")
    if args.compare and given_flags(args, {"worst": WORST}):
        raise OptionError("--compare and --worst do not go together")
    if args.worst < 0:
        raise OptionError(f"--worst {args.worst}: expected a number of clips, 0 or more")
    for name in ("json", "html"):
        path = getattr(args, name)
        if path and not (Path(path).parent.is_dir() and os.access(Path(path).parent, os.W_OK)):
            raise OptionError(f"--{name} {path}: {Path(path).parent} is no folder that can be written to")


def run_evaluate(args: argparse.Namespace, metrics: Metrics) -> int:
    """Score what is decoded now or stored; print and write the report."""
    from ..evaluation import terminal
    from ..evaluation.report import make_report
    from ..evaluation.stored import read_stored

    stored = read_stored(Path(args.results)) if args.results else None
    reference = read_stored(Path(args.reference)) if args.reference else None
    listed = listed_clips(args, stored)
    columns = group_columns(args, listed)
    clips = chosen_clips(args, listed, stored)
    journal = None
    if stored is not None:
        results, config = stored.results, {"results": stored.name, **stored.config}
    else:
        results, config, journal = decode(args, clips, reference)
    scored = score_all(clips, results, metrics)
    report = make_report(scored, metrics, config, group_by=columns, n_worst=args.worst)
    text = terminal.render(report)
    if reference is not None:
        report["likeness"], lines = compare_with(reference, scored, metrics, columns)
        text += "\n" + "\n".join(lines) + "\n"
    write_report(args, report)
    if journal is not None:
        journal.remove()
    show(text, end="")
    return 1 if report["failed"] else 0


def listed_clips(args: argparse.Namespace, stored: Stored | None) -> list[Clip]:
    """Give the clips of the manifest, or without one those of a stored report."""
    from ..evaluation.manifest import read_manifest

    if args.manifest:
        return read_manifest(Path(args.manifest))
    if stored is None or stored.clips is None:
        raise OptionError(f"{stored and stored.name} holds no references", hint="name the manifest too")
    return stored.clips


def chosen_clips(args: argparse.Namespace, clips: Sequence[Clip], stored: Stored | None) -> list[Clip]:
    """Give the clips that --where describes and that, if results are stored, have one."""
    from ..evaluation.manifest import select

    chosen = select(clips, args.where)
    if stored is not None:
        chosen = [clip for clip in chosen if clip.id in stored.results]
    if len(chosen) < len(clips):
        print(f"{len(chosen)} of {len(clips)} clips", file=sys.stderr)
    if not chosen:
        raise OptionError(f"no clip is left of {len(clips)}", hint="look at --where, and at the ids of --results")
    return chosen


def group_columns(args: argparse.Namespace, clips: Sequence[Clip]) -> list[str]:
    """Read --group_by; of its default, give the columns that are there."""
    from ..evaluation.manifest import known_columns, require_column

    columns = [column.strip() for column in args.group_by.split(",") if column.strip()]
    if args.group_by == ",".join(GROUP_BY):
        known = known_columns(clips)
        return [column for column in columns if column in known]
    for column in columns:
        for part in column.split("+"):
            require_column(part, clips)
    return columns


def decode(
    args: argparse.Namespace, clips: Sequence[Clip], reference: Stored | None
) -> tuple[dict[str, Result], dict[str, Any], Journal | None]:
    """Transcribe the clips, and keep what is done beside the report, so that a stopped run goes on."""
    from contextlib import ExitStack

    from ..evaluation.report import run_config
    from ..evaluation.results import transcribe_clips
    from ..evaluation.stored import Journal
    from .interrupt import run_interruptible
    from .progress import Display

    options = {**option_values(args, TranscribeOptions), "temperature": temperatures(args)}
    made = TranscribeOptions(**options)
    timed = {id for id, result in reference.results.items() if result.words} if reference else set()

    def options_of(clip: Clip) -> dict[str, Any]:
        own: dict[str, Any] = {"language": clip.language} if args.give_language and clip.language else {}
        timing = {"word_timestamps": True} if clip.id in timed else {}
        return {**options, **own, **timing, "batch_size": args.batch_size}

    with ExitStack() as stack:
        stack.enter_context(Display(False))  # shows warnings
        model = stack.enter_context(load_model(args))
        config = run_config(
            model,
            made,
            manifest=args.manifest,
            give_language=args.give_language,
            reference=args.reference,
            batch_size=args.batch_size,
        )
        journal = stack.enter_context(Journal(Path(f"{args.json}.partial"), config)) if args.json else None
        results: dict[str, Result] = dict(journal.done) if journal else {}
        if results:
            print(f"{len(results)} clips are done already, as {journal and journal.path} has them", file=sys.stderr)

        def work(cancel: Cancel) -> None:
            todo = [clip for clip in clips if clip.id not in results]
            heard = transcribe_clips(model, todo, Path(args.manifest).parent, options_of, cancel)
            for result in with_progress(heard, len(todo)):
                results[result.id] = result
                if journal is not None:
                    journal.add(result)

        farewell = "stopped; " + (
            "run the same command again to go on from here" if journal else "nothing is kept without --json"
        )
        run_interruptible(work, farewell=farewell)
        return results, config, journal


def with_progress(results: Iterable[Result], n: int) -> Iterable[Result]:
    """Pass results on, and show on stderr how many there are and how fast they come."""
    from tqdm import tqdm

    sound = work = 0.0
    is_shown = sys.stderr.isatty()
    with tqdm(total=n, file=sys.stderr, unit="clip", leave=False, disable=not is_shown) as bar:
        for i, result in enumerate(results, start=1):
            sound, work = sound + (result.duration or 0), work + (result.seconds or 0)
            speed = f"{sound / work:.1f}x" if work else ""
            bar.set_postfix_str(speed, refresh=False)
            bar.update()
            if not is_shown and (i % 50 == 0 or i == n):
                print(f"{i} of {n} clips, {speed}", file=sys.stderr)
            yield result


def score_all(clips: Sequence[Clip], results: Mapping[str, Result], metrics: Metrics) -> list[Scored]:
    """Measure the clips that have a result."""
    from ..evaluation.scoring import score

    return [score(clip, results[clip.id], metrics) for clip in clips if clip.id in results]


def compare_with(
    reference: Stored, scored: Sequence[Scored], metrics: Metrics, columns: Sequence[str]
) -> tuple[dict[str, Any], list[str]]:
    """Say how like the reference's results are, and whether their error rates differ."""
    from ..evaluation import terminal
    from ..evaluation.likeness import likeness
    from ..evaluation.significance import compare

    found = likeness({one.clip.id: one.result for one in scored}, reference.results)
    theirs = score_all([one.clip for one in scored], reference.results, metrics)
    comparison = compare(theirs, scored, group_by=columns)
    lines = [f"beside {reference.name}", *found.lines()]
    texts = [*lines, *terminal.difference_lines(found.differences)]
    texts += ["", terminal.comparison(comparison, reference.name, "here")]
    return {"name": reference.name, "lines": lines[1:], **found.to_dict(), "rates": comparison.to_dict()}, texts


def run_compare(args: argparse.Namespace, metrics: Metrics) -> int:
    """Compare two stored results."""
    from ..evaluation import terminal
    from ..evaluation.significance import compare
    from ..evaluation.stored import read_stored

    both = [read_stored(Path(path)) for path in args.compare]
    listed = [listed_clips(args, stored) for stored in both]
    columns = group_columns(args, listed[0])
    first, second = (
        score_all(chosen_clips(args, clips, stored), stored.results, metrics)
        for clips, stored in zip(listed, both, strict=True)
    )
    comparison = compare(first, second, group_by=columns)
    if args.json:
        _write_json(args.json, {"compared": args.compare, **comparison.to_dict()})
    show(terminal.comparison(comparison, *args.compare))
    return 0


def write_report(args: argparse.Namespace, report: Mapping[str, Any]) -> None:
    """Write the report where it was asked for."""
    from ..evaluation import page
    from ..evaluation.stored import write_whole

    if args.json:
        _write_json(args.json, report)
    if args.html:
        target = Path(args.html)

        def address(path: str) -> str:
            return Path(os.path.relpath(Path(args.manifest).parent / path, target.parent)).as_posix()

        write_whole(target, page.render(report, address if args.manifest else None))


def _write_json(path: str, report: Mapping[str, Any]) -> None:
    import json

    from ..evaluation.stored import write_whole

    write_whole(Path(path), json.dumps(report, ensure_ascii=False, indent=1) + "\n")
