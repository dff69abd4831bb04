"""`susurrus render`: a saved transcript into other forms, without sound or model.

One bad file does not stop the rest; outputs appear whole or not at all, and never over an input.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import OptionError, SusurrusError
from ..options import SubtitleOptions
from .flags import add_option_flags, option_values
from .stdout import show

if TYPE_CHECKING:
    from ..types import Transcript

SUMMARY = "a saved transcript (json) into subtitles and other forms"
DESCRIPTION = (
    "Turn saved transcripts into other forms: the JSON of Susurrus, openai-whisper, faster-whisper, whisperX, "
    "whisper.cpp, transformers and whisper-jax. Prints the names of the files it writes."
)

logger = logging.getLogger(__name__)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument(
        "transcripts",
        nargs="+",
        metavar="TRANSCRIPT",
        help="saved transcripts; - is standard input, and what is made of it goes to standard output",
    )
    parser.add_argument(
        "--output_format",
        "-f",
        default="srt",
        metavar="FORMAT,...",
        help="what to write: txt, vtt, srt, tsv, json, csv, lrc, ass; all: the first five (default: srt)",
    )
    parser.add_argument("--output_dir", "-o", metavar="DIR", help="folder for the outputs (default: beside each input)")
    add_option_flags(parser.add_argument_group("subtitles"), SubtitleOptions)


def run(args: argparse.Namespace) -> int:
    """Render the transcripts; 0 when all are written, 1 when one failed."""
    from ..writers import check_subtitles, parse_formats

    formats = parse_formats(args.output_format)
    options = SubtitleOptions(**option_values(args, SubtitleOptions))
    check_subtitles(options, formats, has_words=True)  # whether words are timed is only known from each file
    if "-" in args.transcripts:
        return render_stdin(args, formats, options)
    paths = list(dict.fromkeys(Path(os.path.abspath(name)) for name in args.transcripts))
    stems = output_stems(paths, args.output_dir)
    refuse_overwriting(paths, stems, formats)
    n_failed = 0
    for path, stem in zip(paths, stems, strict=True):
        try:
            render_file(path, stem, formats, options)
        except Exception as error:
            n_failed += 1
            if not isinstance(error, (SusurrusError, OSError)):
                logger.error("%s: this is a fault of Susurrus: please report it", path, exc_info=error)
            print(f"susurrus: {error}", file=sys.stderr)
    if n_failed and len(paths) > 1:
        print(f"susurrus: {n_failed} of {len(paths)} failed", file=sys.stderr)
    return 1 if n_failed else 0


def render_file(path: Path, stem: Path, formats: Sequence[str], options: SubtitleOptions) -> None:
    """Write one transcript in the formats asked for, and print the names of what was written."""
    from ..readers import read_transcript
    from ..writers import save

    transcript = read_transcript(path)
    require_words(transcript, options, str(path))
    stem.parent.mkdir(parents=True, exist_ok=True)
    for format in formats:
        target = stem.with_name(f"{stem.name}.{format}")
        save(transcript, format, target, options)
        show(str(os.path.relpath(target) if target.is_relative_to(Path.cwd()) else target))


def render_stdin(args: argparse.Namespace, formats: Sequence[str], options: SubtitleOptions) -> int:
    """Read standard input and write standard output."""
    from ..readers import read_transcript
    from ..writers import render

    if len(args.transcripts) > 1 or len(formats) > 1 or args.output_dir is not None:
        raise OptionError(
            "- stands for standard input, which goes to standard output: one transcript, one format, no folder",
            hint="cat talk.json | susurrus render - -f srt > talk.srt",
        )
    transcript = read_transcript(sys.stdin.buffer)
    require_words(transcript, options, "standard input")
    sys.stdout.buffer.write(render(transcript, formats[0], options).encode())
    sys.stdout.buffer.flush()
    return 0


def require_words(transcript: Transcript, options: SubtitleOptions, name: str) -> None:
    """Refuse options that need word times where a transcript has none."""
    from ..writers import needs_words

    flag = needs_words(options)
    has_words = any(segment.words is not None for segment in transcript.segments)
    if flag is not None and transcript.segments and not has_words:
        raise OptionError(
            f"{name}: --{flag} needs word times, and none were saved",
            hint="--subtitle_preset broadcast does without; it takes --max_line_width and --max_line_count too",
        )


def output_stems(paths: Sequence[Path], folder: str | None) -> list[Path]:
    """Give each input its outputs' path without the format, no two the same: beside it, or in a folder."""
    from ..stems import Place, distinct_stems

    n_parts = 1 if folder is not None else None
    places = [Place((*path.parts[1:-1], path.stem), n_parts or len(path.parts) - 1, path.suffix) for path in paths]
    stems = distinct_stems(places)
    if folder is not None:
        return [Path(folder).absolute() / stem for stem in stems]
    return [Path(path.anchor) / stem for path, stem in zip(paths, stems, strict=True)]


def refuse_overwriting(paths: Sequence[Path], stems: Sequence[Path], formats: Sequence[str]) -> None:
    """See that no output is an input, under whatever name."""
    inputs = {(found.st_dev, found.st_ino) for path in paths if path.exists() for found in [path.stat()]}
    for stem in stems:
        for format in formats:
            target = stem.with_name(f"{stem.name}.{format}")
            if target.exists() and (target.stat().st_dev, target.stat().st_ino) in inputs:
                raise OptionError(
                    f"-f {format} would write over {target}, which is an input", hint="name a folder with -o"
                )
