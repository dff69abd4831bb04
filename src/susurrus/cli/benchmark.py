"""`susurrus benchmark`: how fast this machine is, where the time goes, and how other programs do in the same run."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..benchmark.peers import PEERS
from ..errors import OptionError
from ..options import TranscribeOptions
from .flags import option_values, read_bool
from .machine import memory_bytes, n_cores, processor, processor_features
from .model_flags import add_model_flags, dtype
from .table import megabytes
from .transcribe import add_decoding_flags, temperatures

if TYPE_CHECKING:
    from ..benchmark.workers import Worker
    from ..evaluation.manifest import Clip
    from ..evaluation.metrics import Metrics

SUMMARY = "how fast a model is here, stage by stage, and beside other programs"
DESCRIPTION = (
    "Transcribe files again and again with the model loaded, and say how fast that is, how much memory it takes and "
    "which stage takes how long; with --against beside other Whisper programs, in turn, and with a reference how many "
    "words each gets wrong. The table goes to stdout."
)
TEXTS = (".md", ".json")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument("audio", nargs="*", metavar="AUDIO", help="files, folders, patterns (default: the manifest's)")
    parser.add_argument(
        "--against",
        metavar="FOLDER",
        help="run other programs too: FOLDER has their environment in venv/ and their models in weights/MODEL/",
    )
    parser.add_argument(
        "--peers", metavar="NAME,...", help=f"which of them: {', '.join(PEERS)} (default: all that have weights there)"
    )
    parser.add_argument(
        "--repeat", type=int, default=3, metavar="N", help="runs of each system on each file, after one (default: 3)"
    )
    parser.add_argument("--reference", metavar="FILE", help="a text file with what is said in the one AUDIO")
    parser.add_argument("--manifest", metavar="FILE", help="what is said in the files, as susurrus evaluate reads it")
    parser.add_argument(
        "--where", default="", metavar="COLUMN=VALUE,...", help="without AUDIO: only these of the manifest's files"
    )
    parser.add_argument(
        "--together",
        type=read_bool,
        default=False,
        metavar="True|False",
        help="give all files to a system at once, as susurrus transcribe does; the peers take them in turn (default:"
        " False, one by one)",
    )
    parser.add_argument(
        "--timeout", type=float, default=900.0, metavar="X", help="give a system up after X seconds (default: 900)"
    )
    parser.add_argument(
        "--output", "-o", metavar="FILE,...", help="write the report too: .md, .json, or a picture: .png, .svg, .pdf"
    )
    add_model_flags(parser)
    add_decoding_flags(parser)
    _search_greedily(parser)


def _search_greedily(parser: argparse.ArgumentParser) -> None:
    """Change one default of `transcribe`: what most programs do when nothing is said is compared."""
    [beams] = [action for action in parser._actions if action.dest == "beam_size"]
    beams.default, beams.help = None, "beams, of the other programs too (default: None, greedy)"


def run(args: argparse.Namespace) -> int:
    """Measure, print and write; 0 when every run was made, 1 when one failed."""
    options = checked_options(args)
    outputs = output_paths(args)
    paths, clips = files_of(args)
    metrics = need_metrics(clips)

    from ..benchmark import table
    from ..benchmark.figures import make_report
    from ..benchmark.measure import measure
    from ..benchmark.systems import OURS

    with ExitStack() as stack:
        ours = stack.enter_context(our_worker(args, options))
        ours.start()
        peers, notes = peer_workers(args, ours.info)
        workers = [ours, *(stack.enter_context(peer) for peer in peers)]
        config = make_config(args, ours.info, options, notes)
        jobs = [tuple(paths)] if args.together else [(path,) for path in paths]
        with progress(len(workers) * (1 + args.repeat * len(jobs))) as tell:
            measured = measure(workers, jobs, n_rounds=args.repeat, tell=tell)
    report = make_report(measured, OURS, config, clips, metrics)
    print(table.terminal(report), end="")
    write_outputs(outputs, report)
    return 1 if report["failures"] else 0


def checked_options(args: argparse.Namespace) -> dict[str, Any]:
    """Give the options of the transcription, ready for JSON. Raises: OptionError for flags that cannot be honoured."""
    options = {**option_values(args, TranscribeOptions), "temperature": temperatures(args)}
    TranscribeOptions(**options)
    if args.repeat < 1:
        raise OptionError(f"--repeat {args.repeat}: expected 1 or more")
    if not args.timeout > 0:
        raise OptionError(f"--timeout {args.timeout:g}: expected seconds, more than 0")
    if args.reference and args.manifest:
        raise OptionError("--reference and --manifest both say what is said", hint="leave one of them out")
    if args.where and (args.audio or not args.manifest):
        raise OptionError("--where chooses among a manifest's files", hint="name a --manifest, and no AUDIO")
    if args.task != "transcribe" and (args.reference or args.manifest):
        raise OptionError("--task translate: word error rates measure what was said, not its translation")
    if args.peers and not args.against:
        raise OptionError("--peers without --against", hint="name the folder that they are in")
    unknown = [name for name in peer_names(args) if name not in PEERS]
    if unknown:
        raise OptionError(f"--peers: no {', '.join(unknown)}", hint=f"there are: {', '.join(PEERS)}")
    return options


def peer_names(args: argparse.Namespace) -> list[str]:
    """Give the peers that are named; none where the choice is left to us."""
    return list(dict.fromkeys(name.strip() for name in (args.peers or "").split(",") if name.strip()))


def output_paths(args: argparse.Namespace) -> list[Path]:
    """Give where to write. Raises: OptionError for what cannot be, before the work is done; SusurrusError."""
    paths = [Path(name.strip()) for name in (args.output or "").split(",") if name.strip()]
    pictures = [path for path in paths if path.suffix.lower() not in TEXTS]
    if pictures:
        from ..plot import need_matplotlib, picture_format

        for path in pictures:
            picture_format(path)
        need_matplotlib()
    for path in paths:
        if not (path.parent.is_dir() and os.access(path.parent, os.W_OK)):
            raise OptionError(f"--output {path}: {path.parent} is no folder that can be written to")
    return paths


def files_of(args: argparse.Namespace) -> tuple[list[str], dict[str, Clip]]:
    """Give the files to run on, and what is known to be said in them, by path."""
    from ..evaluation.manifest import Clip, read_manifest, select
    from ..inputs import find_inputs

    listed = read_manifest(Path(args.manifest)) if args.manifest else []
    folder = Path(args.manifest).parent if args.manifest else Path()
    if args.audio or not listed:
        inputs = find_inputs(args.audio)
        others = [one.name for one in inputs if one.kind != "file"]
        if others:
            raise OptionError(f"{others[0]}: only files can be run again and again", hint="save it to a file first")
        paths = [one.address for one in inputs]
        by_place = {(folder / clip.path).resolve(): clip for clip in listed}
        clips = {path: by_place[place] for path in paths if (place := Path(path).resolve()) in by_place}
        if listed and not clips:
            raise OptionError(f"{args.manifest}: says nothing of these files", hint="its paths start at its folder")
    else:
        chosen = select(listed, args.where)
        clips = {str(folder / clip.path): clip for clip in chosen}
        paths = list(clips)
        if not paths:
            raise OptionError(f"no file is left of {len(listed)}", hint="look at --where")
    if args.reference:
        if len(paths) != 1:
            raise OptionError(f"--reference is the text of one file, not of {len(paths)}", hint="make a --manifest")
        clips = {paths[0]: Clip(paths[0], paths[0], _text(Path(args.reference)), args.language)}
    return paths, clips


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"--reference {path}: {getattr(error, 'strerror', None) or 'not text in UTF-8'}") from None


def need_metrics(clips: dict[str, Clip]) -> Metrics | None:
    """Load what counts wrong words, where there are references. Raises: SusurrusError where it is not installed."""
    from ..evaluation.metrics import Metrics

    return Metrics() if any(clip.reference is not None for clip in clips.values()) else None


def our_worker(args: argparse.Namespace, options: dict[str, Any]) -> Worker:
    """Make the process of Susurrus itself; what must be downloaded is, here where it can be seen."""
    from ..benchmark import systems
    from ..checkpoints import resolve
    from .download_bar import download_bar

    with download_bar(args.model) as show:
        resolve(args.model, cache_dir=args.model_dir, offline=args.offline, on_progress=show)
    names = ("backend", "device", "model_dir", "offline")
    given = {name: getattr(args, name) for name in names}
    model = {"name": args.model, "dtype": dtype(args), "threads": args.threads or 0, **given}
    return systems.our_worker(
        model, options, batch_size=args.batch_size, n_threads=n_threads(args), timeout=args.timeout
    )


def peer_workers(args: argparse.Namespace, ours: dict[str, Any]) -> tuple[list[Worker], list[str]]:
    """Make the processes of the other programs, and say what of them must be known."""
    from ..benchmark import systems

    if not args.against:
        return [], []
    folder = Path(args.against)
    how = {"task": args.task, "beam_size": args.beam_size, "n_threads": n_threads(args), "timeout": args.timeout}
    try:
        names, missing = systems.find_peers(folder, ours["model"], peer_names(args))
        workers = systems.peer_workers(folder, names, ours, **how)
    except OptionError as error:
        raise OptionError(f"--against: {error.message}", hint=error.hint) from None
    notes = ["the peers get the language, the task, the beams and the threads; all else is their own default"]
    if missing:
        notes.append(f"no weights for {', '.join(missing)} in {folder}")
    return workers, notes


def n_threads(args: argparse.Namespace) -> int:
    """Give the number of threads of every system."""
    return args.threads or n_cores() or 1


def make_config(
    args: argparse.Namespace, ours: dict[str, Any], options: dict[str, Any], notes: list[str]
) -> dict[str, Any]:
    """Say what is run, and on what."""
    return {
        "command": shlex.join(["susurrus", *sys.argv[1:]]),
        "machine": machine(),
        "model": ours["model"],
        "threads": n_threads(args),
        "n_rounds": args.repeat,
        "together": args.together,
        "batch_size": args.batch_size,
        "options": options,
        "notes": [*notes, *busy()],
    }


def machine() -> str:
    """Describe the machine in a line."""
    import platform

    memory, _ = memory_bytes()
    parts = [processor() or "unknown processor", f"{n_cores()} cores", *processor_features()]
    parts += [megabytes(memory)] if memory else []
    return ", ".join([*parts, f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"])


def busy() -> list[str]:
    """Say that others use the machine, where they do."""
    if not hasattr(os, "getloadavg"):
        return []
    load = os.getloadavg()[0]
    return [f"the machine was busy before the first run: load {load:.1f}"] if load > 0.5 else []


@contextmanager
def progress(n_runs: int) -> Iterator[Callable[[str], object]]:
    """Show on a terminal how far it is, elsewhere each run in a line."""
    from tqdm import tqdm

    if not sys.stderr.isatty():
        yield lambda line: print(line, file=sys.stderr)
        return
    with tqdm(total=n_runs, file=sys.stderr, unit="run", leave=False) as bar:

        def tell(line: str) -> None:
            bar.set_postfix_str(line, refresh=False)
            bar.update()

        yield tell


def write_outputs(paths: list[Path], report: dict[str, Any]) -> None:
    """Write the report in the forms that the paths' suffixes name."""
    import json

    from ..benchmark import table
    from ..evaluation.stored import write_whole

    for path in paths:
        if path.suffix.lower() == ".md":
            write_whole(path, table.markdown(report))
        elif path.suffix.lower() == ".json":
            write_whole(path, json.dumps(report, ensure_ascii=False, indent=1) + "\n")
        else:
            from ..benchmark.picture import draw_benchmark
            from ..plot import save_figures

            save_figures([draw_benchmark(report)], path)
