"""`susurrus plot`: a picture of a transcript's words over the sound, or of the attention that their times come from."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import AudioError, OptionError
from .flags import defaults_of, given_flags, optional
from .model_flags import add_model_flags, load_model

if TYPE_CHECKING:
    from ..audio import Recording
    from ..types import Transcript

SUMMARY = "a picture of the words over the sound, to see why a time or a word is wrong"
DESCRIPTION = (
    "Draw a saved transcript: each word over the sound, coloured by its probability. With --kind alignment, draw "
    "where the model listens while it writes one window of at most 30 s, and the path its word times come from."
)
KINDS = ("words", "alignment")
VIEWS = ("waveform", "mel")

logger = logging.getLogger(__name__)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument(
        "transcript",
        nargs="?",
        help="a saved transcript (json); --kind alignment can do without, and writes the text itself",
    )
    parser.add_argument(
        "--output", "-o", metavar="FILE", help="a png, svg or pdf (default: beside the transcript, png)"
    )
    parser.add_argument("--kind", default="words", choices=KINDS, help="what to draw (default: words)")
    parser.add_argument(
        "--audio", metavar="FILE", help="the sound (default: the file beside the transcript, by its name)"
    )
    parser.add_argument("--start", type=float, default=0.0, metavar="X", help="first second (default: 0)")
    parser.add_argument("--end", type=optional(float), metavar="X", help="last second (default: the file's end)")
    words = parser.add_argument_group("words")
    words.add_argument("--view", default="waveform", choices=VIEWS, help="how the sound is drawn (default: waveform)")
    words.add_argument("--row_seconds", type=float, default=10.0, metavar="X", help="seconds in a row (default: 10)")
    alignment = parser.add_argument_group("alignment")
    alignment.add_argument(
        "--language", type=optional(str), metavar="TEXT", help="the language spoken (default: the transcript's)"
    )
    add_model_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Draw, and print the names of the files; 0."""
    refuse_unused(args)
    if args.transcript is None and (args.kind == "words" or args.audio is None):
        needed = "a transcript" if args.kind == "words" else "a transcript or --audio"
        raise OptionError(f"--kind {args.kind} needs {needed}", hint="susurrus plot talk.json")
    output = Path(args.output) if args.output is not None else default_output(args)

    from ..plot import need_matplotlib, picture_format, save_figures
    from ..readers import read_transcript

    picture_format(output)  # refuse what cannot be before the work
    need_matplotlib()
    transcript = read_transcript(args.transcript) if args.transcript is not None else None
    with ExitStack() as stack:
        recording = _open(args, stack)
        if args.kind == "alignment" and recording is not None:
            figures = iter([_alignment(args, transcript, recording)])
        else:
            assert transcript is not None
            figures = _words(args, transcript, recording)
        for path in save_figures(figures, output):
            print(path)
    return 0


def refuse_unused(args: argparse.Namespace) -> None:
    """Refuse a flag that only the other kind of picture takes; defaults of a config file are no flags."""
    unused: dict[str, Any] = {"language": None, **defaults_of(add_model_flags)}
    if args.kind == "alignment":
        unused = {"view": "waveform", "row_seconds": 10.0}
    for name in given_flags(args, unused):
        raise OptionError(f"--{name} does nothing with --kind {args.kind}", hint="leave it out, or change --kind")


def default_output(args: argparse.Namespace) -> Path:
    """Name the picture after the transcript, or after the sound.

    >>> default_output(argparse.Namespace(transcript="out/talk.json", audio=None, kind="alignment")).as_posix()
    'out/talk.alignment.png'
    """
    source = Path(args.transcript or args.audio)
    return source.with_name(f"{source.stem}.alignment.png" if args.kind == "alignment" else f"{source.stem}.png")


def find_audio(transcript: Path) -> Path | None:
    """Find the sound beside a transcript: `talk.json` is of `talk.mp3`, `talk.mp3.json` of `talk.mp3`."""
    from ..inputs import SUFFIXES

    whole = transcript.with_suffix("")
    if whole.suffix.lower() in SUFFIXES and whole.is_file():
        return whole
    beside = sorted(path for path in transcript.parent.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    return next((path for path in beside if path.stem == transcript.stem), None)


def _open(args: argparse.Namespace, stack: ExitStack) -> Recording | None:
    """Open the sound that is named or found; one that is only found may also be unreadable."""
    from ..audio import Recording

    path = Path(args.audio) if args.audio is not None else find_audio(Path(args.transcript))
    if path is None:
        if args.kind == "alignment" or args.view == "mel":
            raise OptionError(f"no sound beside {args.transcript}", hint="name its file with --audio")
        logger.warning("no sound beside %s: the words alone are drawn; --audio names its file", args.transcript)
        return None
    try:
        return stack.enter_context(Recording.open(path))
    except AudioError as error:
        if args.audio is not None or args.kind == "alignment" or args.view == "mel":
            raise
        logger.warning("the words alone are drawn: %s", error.message)
        return None


def _words(args: argparse.Namespace, transcript: Transcript, recording: Recording | None) -> Iterator[Any]:
    from ..plot import draw_words, page_spans, transcript_length

    end = transcript_length(transcript, recording)
    if args.end is not None:
        end = min(end, args.end)
    options = {"view": args.view, "row_seconds": args.row_seconds, "title": Path(args.transcript).name}
    for first, last in page_spans(args.start, end, args.row_seconds):
        yield draw_words(transcript, recording, start=first, end=last, **options)


def _alignment(args: argparse.Namespace, transcript: Transcript | None, recording: Recording) -> Any:
    from ..plot import align_window, draw_alignment

    with load_model(args) as model:
        window = align_window(
            model, recording, start=args.start, end=args.end, transcript=transcript, language=args.language
        )
        return draw_alignment(window, recording, title=f"{Path(recording.name).name}, {model.name}")
