"""`susurrus transcribe`: every flag of openai-whisper's `whisper`, and the choice of backend.

One bad file does not stop the rest; outputs appear whole or not at all.
"""

from __future__ import annotations

import argparse
import logging
import math
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import OptionError, SusurrusError
from ..options import SubtitleOptions, TranscribeOptions
from .flags import add_option_flags, option_values, optional, read_bool
from .model_flags import add_model_flags, load_model

if TYPE_CHECKING:
    from ..transcribe import Model, Transcription
    from .progress import Display

SUMMARY = "speech in files to text and subtitles"
DESCRIPTION = "Transcribe files: any audio or video. Flags may be spelled with _ or -."
FORMATS = ("txt", "vtt", "srt", "tsv", "json")

logger = logging.getLogger(__name__)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument("audio", nargs="+", help="audio or video files")
    add_model_flags(parser)

    output = parser.add_argument_group("output")
    output.add_argument("--output_dir", "-o", default=".", help="folder for the outputs (default: .)")
    output.add_argument(
        "--output_format", "-f", default="all", choices=(*FORMATS, "all"), help="which files to write (default: all)"
    )
    output.add_argument(
        "--verbose",
        type=optional(read_bool),
        default=True,
        metavar="True|False|None",
        help="True: show the text as it comes; False: progress only; None: nothing (default: True)",
    )
    add_option_flags(output, SubtitleOptions)

    decoding = parser.add_argument_group("decoding")
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
    """Transcribe the files; 0 when all are written, 1 when one failed."""
    options = {**option_values(args, TranscribeOptions), "temperature": temperatures(args)}
    TranscribeOptions(**options)  # refuse what cannot be before a model is loaded
    subtitles = subtitle_options(args)
    formats = FORMATS if args.output_format == "all" else (args.output_format,)
    paths = [Path(audio) for audio in args.audio]
    stems = output_stems(paths, Path(args.output_dir))
    make_folder(Path(args.output_dir))

    from .progress import Display

    with Display(args.verbose) as display:
        model = load_model(args)
        failures: list[str] = []
        with model:
            for path, stem in zip(paths, stems, strict=True):
                try:
                    transcribe_file(model, path, stem, formats, options, subtitles, display)
                except Exception as error:
                    is_expected = isinstance(error, (SusurrusError, OSError))
                    logger.error("%s", error, exc_info=None if is_expected else error)
                    failures.append(_reason(error, path))
        return display.summary(len(paths), failures)


def transcribe_file(
    model: Model,
    path: Path,
    stem: Path,
    formats: Sequence[str],
    options: dict[str, Any],
    subtitles: SubtitleOptions,
    display: Display,
) -> None:
    """Carry one file from sound to its outputs."""
    from ..writers import save

    with model.stream(path, on_progress=display.progress, **options) as segments:
        _show(segments, path, display, detects=options["language"] is None and model.is_multilingual)
        transcript = segments.transcript()
    stem.parent.mkdir(parents=True, exist_ok=True)
    for format in formats:
        save(transcript, format, stem.with_name(f"{stem.name}.{format}"), subtitles)


def _show(segments: Transcription, path: Path, display: Display, *, detects: bool) -> None:
    from ..languages import language_name

    display.start(path.name, segments.duration)
    if detects:
        display.note(f"detected language: {language_name(segments.language)}")
    for segment in segments:
        display.segment(segment)


def temperatures(args: argparse.Namespace) -> tuple[float, ...]:
    """Give the temperatures that --temperature and --temperature_increment_on_fallback mean."""
    first, increment = args.temperature, args.temperature_increment_on_fallback
    if increment is None:
        return (first,)
    if not increment > 0:
        raise OptionError(f"temperature_increment_on_fallback={increment}: expected a number above 0, or None")
    n = max(1, math.ceil((1.0 + 1e-6 - first) / increment))
    return tuple(first + i * increment for i in range(n))


def subtitle_options(args: argparse.Namespace) -> SubtitleOptions:
    """Give the options of the subtitles; those that need word times are refused without."""
    given = option_values(args, SubtitleOptions)
    for field in fields(SubtitleOptions):
        if given[field.name] and not args.word_timestamps:
            raise OptionError(f"--{field.name} needs word times", hint="add --word_timestamps True")
    return SubtitleOptions(**given)


def output_stems(paths: Sequence[Path], folder: Path) -> list[Path]:
    """Give each input its outputs' path without the format, no two the same.

    The name alone where that is unique; else the name with its suffix; else with the folders that tell them apart.

    >>> inputs = [Path("a/x.mp3"), Path("b/x.mp3"), Path("y.wav"), Path("y.mp4")]
    >>> [stem.as_posix() for stem in output_stems(inputs, Path("o"))]
    ['o/a/x.mp3', 'o/b/x.mp3', 'o/y.wav', 'o/y.mp4']
    """
    by_stem = Counter(path.stem for path in paths)
    by_name = Counter(path.name for path in paths)
    common = Path(os.path.commonpath([path.absolute().parent for path in paths]))
    stems = []
    for path in paths:
        if by_stem[path.stem] == 1:
            stems.append(folder / path.stem)
        elif by_name[path.name] == 1:
            stems.append(folder / path.name)
        else:
            stems.append(folder / path.absolute().relative_to(common))
    return stems


def make_folder(folder: Path) -> None:
    """Make the output folder now, so that an impossible one is known before the work is done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OptionError(f"--output_dir {folder}: {error.strerror}", hint="name a folder you may write to") from None
    if not os.access(folder, os.W_OK):
        raise OptionError(f"--output_dir {folder}: not writable", hint="name a folder you may write to")


def _reason(error: Exception, path: Path) -> str:
    """Give a line that names the file and what was wrong."""
    text = error.message if isinstance(error, SusurrusError) else f"{type(error).__name__}: {error}"
    return text if str(path) in text else f"{path}: {text}"
