"""`susurrus completion`: a script that lets a shell complete commands, flags, and the words they take."""

from __future__ import annotations

import argparse
import re

from ..errors import SusurrusError

SUMMARY = "print a script for completion in bash, zsh or fish"
DESCRIPTION = (
    "Print a script for completion. bash: susurrus completion bash > "
    "~/.local/share/bash-completion/completions/susurrus; zsh: > a folder of $fpath, as _susurrus; fish: > "
    "~/.config/fish/completions/susurrus.fish"
)
SHELLS = ("bash", "zsh", "fish")
RUNS_WITHOUT_CONFIG = True

_FOLDERS = ("output_dir", "model_dir")
_FILES = ("audio", "file", "config")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument("shell", choices=SHELLS, help="which shell reads the script")


def run(args: argparse.Namespace) -> int:
    """Print the script; 0."""
    try:
        import shtab
    except ImportError:
        raise SusurrusError("completion needs the package shtab", hint="pip install shtab") from None

    from . import COMMANDS, build_parser

    parser = build_parser()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                command.description = COMMANDS[name].SUMMARY
                for one in command._actions:
                    _say_what_it_takes(one)
    print(shtab.complete(parser, args.shell))
    return 0


def _say_what_it_takes(action: argparse.Action) -> None:
    """Tell the script's writer what argparse does not know: `True|False` are words, `--model` takes names."""
    import shtab

    from ..checkpoints.names import known_names

    # Quotes and backslashes break the scripts of shtab 1.13; a list has room for the start of a text only.
    action.help = re.sub(r"[\"'\\`]|\(default:.*", "", action.help or "").strip()
    words = str(action.metavar).split("|")
    if action.dest in _FOLDERS:
        action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
    elif action.dest in _FILES:
        action.complete = shtab.FILE  # type: ignore[attr-defined]
    elif action.choices is None and (action.dest == "model" or action.dest == "name"):
        action.choices = known_names()
    elif action.choices is None and len(words) > 1 and words[0] == "True":
        action.choices = words
