"""argparse with short usages, and with an idea of what was meant."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn


class ListCommands(argparse.HelpFormatter):
    """Lists the commands in one column, each with its summary beside it."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=20)

    def _format_action(self, action: argparse.Action) -> str:
        if not isinstance(action, argparse._SubParsersAction):
            return super()._format_action(action)
        return self._join_parts([super(ListCommands, self)._format_action(one) for one in action._get_subactions()])


class Parser(argparse.ArgumentParser):
    """A parser whose errors are two lines, not a page of flags."""

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        # As from Python 3.14 on: `--suppress_tokens -1,50257` gives a value, and no flag begins with a digit.
        self._negative_number_matcher = re.compile(r"-\.?\d")

    def error(self, message: str) -> NoReturn:
        """Say what was not understood and how it is written, and end with exit code 2."""
        print(f"{self.prog}: {message}", file=sys.stderr)
        self.exit(2, f"{self.format_usage()}{self.prog} --help says more\n")

    def shorten_usage(self) -> None:
        """Leave the flags out of the usage."""
        words = []
        for action in self._actions:
            if action.option_strings:
                words += [f"{action.option_strings[0]} {action.metavar or action.dest.upper()}"] * action.required
                continue
            name = "{" + ",".join(map(str, action.choices)) + "}" if action.choices else action.metavar or action.dest
            words.append(
                {"+": f"{name} [{name} ...]", "*": f"[{name} ...]", "?": f"[{name}]"}.get(str(action.nargs), str(name))
            )
        self.usage = " ".join([self.prog, *words, "[--FLAG VALUE ...]"])


def refuse_unknown(parser: Parser, name: str, commands: Sequence[str]) -> None:
    """End with an error that names the nearest command where `name` is none."""
    if name in commands:
        return
    if Path(name).exists():
        parser.error(f"no command {name!r}; to transcribe that file: susurrus transcribe {name}")
    near = difflib.get_close_matches(name.replace("_", "-"), commands, n=1)
    parser.error(
        f"no command {name!r}; " + (f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(commands)}")
    )


def join_positionals(command: Parser, args: argparse.Namespace, left: Sequence[str]) -> None:
    """Take the words that argparse left over: files named after flags join those before them; the rest is an error.

    argparse fills a list of files from one run of words only: `a.mp3 --model base b.mp3` leaves `b.mp3` over.
    """
    if not left:
        return
    flags = [word for word in left if word.startswith("-") and word != "-"]
    lists = [action for action in command._actions if not action.option_strings and action.nargs in ("+", "*")]
    if not flags and lists:
        setattr(args, lists[0].dest, [*(getattr(args, lists[0].dest) or ()), *left])
        return
    if not flags:
        command.error(f"not understood: {' '.join(left)}")
    word = flags[0].partition("=")[0]
    known = [option for action in command._actions for option in action.option_strings]
    near = difflib.get_close_matches(word, known, n=1)
    command.error(f"unknown flag {word}" + (f"; did you mean {near[0]}?" if near else ""))
