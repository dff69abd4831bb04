"""`susurrus transcribe`: every flag of openai-whisper's `whisper`, and the choice of backend, inputs and outputs.

One bad file does not stop the rest; outputs appear whole or not at all; what was interrupted goes on where it was.
"""

from __future__ import annotations

import argparse
import logging
import math
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..errors import Cancelled, OptionError, SusurrusError
from ..options import SubtitleOptions, TranscribeOptions
from .flags import add_option_flags, option_values, optional, read_bool
from .model_flags import add_model_flags, load_model

if TYPE_CHECKING:
    from ..cancel import Cancel
    from ..inputs import Input
    from ..jobs import Task
    from ..transcribe import Model
    from .events import Events, JobEvents
    from .progress import Display, JobDisplay

SUMMARY = "speech in files to text and subtitles"
DESCRIPTION = "Transcribe any audio or video. Flags may be spelled with _ or -."

N_FILES = 8
"""Files that are under way at once; the windows of fewer would not fill a batch when they are short."""

logger = logging.getLogger(__name__)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    add_input_flags(parser)
    add_model_flags(parser)
    add_output_flags(parser)
    add_decoding_flags(parser)


def add_input_flags(parser: argparse.ArgumentParser) -> None:
    """Add what names the inputs."""
    parser.add_argument(
        "audio", nargs="*", help="files, folders, patterns, URLs, @list.txt; - is standard input", metavar="AUDIO"
    )
    parser.add_argument("--input_list", metavar="FILE", help="a file that names an input on each line")
    parser.add_argument(
        "--max_download_mb",
        type=optional(float),
        default=4096.0,
        metavar="X|None",
        help="refuse to download more than so many megabytes for a URL (default: 4096)",
    )
    parser.add_argument(
        "--channel",
        type=read_channel,
        metavar="N|split|None",
        help="transcribe channel N, counted from 1; split: each for itself, as a speaker (default: the mix of all)",
    )


def add_output_flags(parser: argparse.ArgumentParser) -> None:
    """Add what says which outputs are written, and how."""
    output = parser.add_argument_group("output")
    output.add_argument("--output_dir", "-o", default=".", help="folder for the outputs (default: .)")
    output.add_argument(
        "--output_format",
        "-f",
        default="all",
        metavar="FORMAT,...",
        help="which files to write: txt, vtt, srt, tsv, json, csv, lrc, ass; all: the first five (default: all)",
    )
    output.add_argument(
        "--verbose",
        type=optional(read_bool),
        default=True,
        metavar="True|False|None",
        help="True: show the text as it comes; False: progress only; None: nothing (default: True)",
    )
    output.add_argument(
        "--json_progress",
        type=read_bool,
        default=False,
        metavar="True|False",
        help="show what happens as lines of JSON, for programs; with --verbose False without the segments,"
        " with None failures and the summary alone (default: False)",
    )
    output.add_argument(
        "--skip_existing",
        type=read_bool,
        default=False,
        metavar="True|False",
        help="leave inputs alone whose outputs are complete and were made with these options (default: False)",
    )
    output.add_argument(
        "--resume",
        type=read_bool,
        default=True,
        metavar="True|False",
        help="keep a journal beside the outputs, and go on where an interrupted run stopped (default: True)",
    )
    add_option_flags(output, SubtitleOptions)


def add_decoding_flags(parser: argparse.ArgumentParser) -> None:
    """Add what says how sound becomes text."""
    decoding = parser.add_argument_group("decoding")
    decoding.add_argument(
        "--batch_size",
        type=read_batch_size,
        default="auto",
        metavar="auto|N|0",
        help="windows to cut at pauses and decode together; 0: one after another, each with the text before it, as"
        " openai-whisper does (default: auto)",
    )
    decoding.add_argument("--temperature", type=float, default=0.0, metavar="X", help="first temperature (default: 0)")
    decoding.add_argument(
        "--temperature_increment_on_fallback",
        type=optional(float),
        default=0.2,
        metavar="X",
        help="what is added, up to 1, when a window fails the thresholds below; None: no second try (default: 0.2)",
    )
    add_option_flags(decoding, TranscribeOptions, leave_out=("temperature",))


def run(args: argparse.Namespace) -> int:
    """Transcribe the inputs; 0 when all are written, 1 when one failed."""
    from ..inputs import find_inputs
    from .interrupt import run_interruptible

    task = make_task(args)
    inputs = find_inputs(args.audio, input_list=args.input_list, max_download_mb=args.max_download_mb)
    make_folder(task.folder)
    farewell = "stopped; run the same command again to go on from here" if args.resume else "stopped"
    return run_interruptible(lambda cancel: run_all(inputs, task, args, cancel), farewell=farewell)


def run_all(inputs: list[Input], task: Task, args: argparse.Namespace, cancel: Cancel) -> int:
    """Run the jobs, several at once where windows are decoded together; give the exit code."""
    counts = {"done": 0, "failed": 0, "skipped": 0}
    n_at_once = min(len(inputs), N_FILES) if task.decodes_together else 1
    with report_for(args) as report, SharedModel(args, task) as model, ThreadPoolExecutor(max(n_at_once, 1)) as pool:
        results = [pool.submit(run_one, source, task, model, report.job(source.name), cancel) for source in inputs]
        try:
            for result in results:
                counts[result.result()] += 1
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        report.summary(counts)
    return 1 if counts["failed"] else 0


def run_one(source: Input, task: Task, model: SharedModel, report: JobDisplay | JobEvents, cancel: Cancel) -> str:
    """Run a job; say what became of it. Raises: Cancelled, and what a model that cannot be loaded raised."""
    from ..jobs import run_job

    try:
        return "done" if run_job(source, task, model.get, report, cancel=cancel) else "skipped"
    except Exception as error:
        if error is model.error or isinstance(error, Cancelled):
            raise
        if not isinstance(error, (SusurrusError, OSError)):
            logger.error("%s: this is a fault of Susurrus: please report it", source.name, exc_info=error)
        report.fail(source.name, error)
        return "failed"


def report_for(args: argparse.Namespace) -> Display | Events:
    """Give what shows the user, or another program, what happens."""
    if args.json_progress:
        from .events import Events

        return Events(args.verbose)
    from .progress import Display

    return Display(args.verbose)


class SharedModel:
    """Loads the model when it is first asked for, since there may be nothing to decode, and lets all jobs share it."""

    def __init__(self, args: argparse.Namespace, task: Task) -> None:
        self._args, self._task = args, task
        self._model: Model | None = None
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self.error: Exception | None = None

    def get(self) -> Model:
        """Give the model. `error` is what was raised, if it could not be loaded: no other input will fare better."""
        with self._lock:
            if self.error is not None:
                raise self.error
            if self._model is None:
                try:
                    model = self._stack.enter_context(load_model(self._args))
                    model.plan(self._task.batch_size, **asdict(self._task.options))  # refuses what none can have
                    if self._task.decodes_together:
                        self._stack.enter_context(model.together(self._task.batch_size))
                except Exception as error:
                    self.error = error
                    raise
                self._model = model
            return self._model

    def __enter__(self) -> SharedModel:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()


def make_task(args: argparse.Namespace) -> Task:
    """Give what is to be done with every input. Raises: OptionError, before any model is loaded."""
    from ..jobs import Task
    from ..stretches import settle
    from ..writers import check_subtitles, parse_formats, wants_words

    if args.skip_existing and not args.resume:
        raise OptionError("skip_existing=True with resume=False: only a journal knows what was made with which options")
    formats = parse_formats(args.output_format)
    subtitles = SubtitleOptions(**option_values(args, SubtitleOptions))
    options = {**option_values(args, TranscribeOptions), "temperature": temperatures(args)}
    if wants_words(subtitles) and args.task == "transcribe":  # the words of a translation have no times of their own
        options["word_timestamps"] = True
    check_subtitles(subtitles, formats, has_words=options["word_timestamps"])
    made = TranscribeOptions(**options)
    settle(args.batch_size, made)
    return Task(
        options=made,
        folder=Path(args.output_dir),
        formats=formats,
        subtitles=subtitles,
        channel=args.channel,
        batch_size=args.batch_size,
        resume=args.resume,
        skip_existing=args.skip_existing,
        model=model_identity(args),
    )


def model_identity(args: argparse.Namespace) -> dict[str, Any]:
    """Give what tells that two runs use the same model in the same way, without loading it."""
    from importlib.metadata import version

    how = {name: getattr(args, name) for name in ("model", "backend", "device", "dtype", "fp16")}
    path = Path(args.model)
    if path.exists():
        files = [path, *(file for file in path.iterdir() if file.exists())] if path.is_dir() else [path]
        how |= {"model": str(path.resolve()), "mtime_ns": max(file.stat().st_mtime_ns for file in files)}
    return {"susurrus": version("susurrus"), **how}


def read_batch_size(text: str) -> int | Literal["auto"]:
    """Read a number of windows, or `auto`.

    >>> read_batch_size("8"), read_batch_size("auto")
    (8, 'auto')
    """
    if text == "auto":
        return "auto"
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected auto or a number from 0 on, not {text!r}")
    return int(text)


def read_channel(text: str) -> int | Literal["split"] | None:
    """Read a channel's number, `split`, or None.

    >>> read_channel("2"), read_channel("split"), read_channel("None")
    (2, 'split', None)
    """
    if text == "None":
        return None
    if text == "split":
        return "split"
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a number from 1 on, or split, not {text!r}")
    return int(text)


def temperatures(args: argparse.Namespace) -> tuple[float, ...]:
    """Give the temperatures that --temperature and --temperature_increment_on_fallback mean."""
    first, increment = args.temperature, args.temperature_increment_on_fallback
    if increment is None:
        return (first,)
    if not increment > 0:
        raise OptionError(f"temperature_increment_on_fallback={increment}: expected a number above 0, or None")
    n = max(1, math.ceil((1.0 + 1e-6 - first) / increment))
    return tuple(first + i * increment for i in range(n))


def make_folder(folder: Path) -> None:
    """Make the output folder now, so that an impossible one is known before the work is done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = "is a file, not a folder" if folder.is_file() else error.strerror
        raise OptionError(f"--output_dir {folder}: {reason}", hint="name a folder you may write to") from None
    if not os.access(folder, os.W_OK):
        raise OptionError(f"--output_dir {folder}: not writable", hint="name a folder you may write to")
