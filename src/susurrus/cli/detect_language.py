"""`susurrus detect-language`: the language of each file, how sure that is, and what it might be else."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from ..errors import SusurrusError
from ..options import TranscribeOptions
from .flags import add_option_flags, option_values, read_bool
from .model_flags import add_model_flags, load_model
from .stdout import show, show_json

if TYPE_CHECKING:
    from ..inputs import Input
    from ..transcribe import Model

SUMMARY = "say which language is spoken in files"
DESCRIPTION = "Say which language is spoken in each file, and how sure that is. Nothing is transcribed."

N_RUNNERS_UP = 3
_OPTIONS = ("clip_timestamps", "languages")
_PREFIX = "language_detection"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument("audio", nargs="+", help="files, folders, patterns, URLs, or - for standard input")
    parser.add_argument(
        "--json", type=read_bool, default=False, metavar="True|False", help="print JSON (default: False)"
    )
    add_model_flags(parser)
    names = [field.name for field in fields(TranscribeOptions)]
    others = [name for name in names if name not in _OPTIONS and not name.startswith(_PREFIX)]
    add_option_flags(parser.add_argument_group("detection"), TranscribeOptions, leave_out=others)


def run(args: argparse.Namespace) -> int:
    """Print each file's language; 0 when all were heard, 1 when one failed."""
    from ..inputs import find_inputs

    options = option_values(args, TranscribeOptions)
    TranscribeOptions(**options)  # refuse what cannot be before a model is loaded
    inputs = find_inputs(args.audio)
    results = []
    with load_model(args) as model:
        for one in inputs:
            result = _detect(model, one, options)
            results.append(result)
            if "error" in result:
                print(
                    f"{one.name}: {result['error']}" if one.name not in result["error"] else result["error"],
                    file=sys.stderr,
                )
            elif not args.json:
                show(_line(result))
    if args.json:
        show_json(results, indent=2)
    return 1 if any("error" in result for result in results) else 0


def _detect(model: Model, one: Input, options: dict[str, Any]) -> dict[str, Any]:
    from ..languages import language_name

    try:
        with one.open() as recording:
            probs = model.detect_language(recording, **options)
    except (SusurrusError, OSError) as error:
        return {"file": one.name, "error": error.message if isinstance(error, SusurrusError) else str(error)}
    ranked = [{"language": code, "name": language_name(code), "probability": prob} for code, prob in probs.items()]
    return {"file": one.name, **ranked[0], "runners_up": ranked[1 : 1 + N_RUNNERS_UP]}


def _line(result: dict[str, Any]) -> str:
    """Give one line for a person.

    >>> runner_up = {"language": "cy", "name": "welsh", "probability": 0.02}
    >>> _line({"file": "a.mp3", "language": "en", "name": "english", "probability": 0.97, "runners_up": [runner_up]})
    'a.mp3: English (en) 97.0 %, else Welsh (cy) 2.0 %'
    """
    likely, *others = (
        f"{one['name'].title()} ({one['language']}) {100 * one['probability']:.1f} %"
        for one in (result, *result["runners_up"])
    )
    return f"{result['file']}: {likely}" + (f", else {', '.join(others)}" if others else "")
