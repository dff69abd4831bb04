"""The command line: `susurrus COMMAND ...`. Results go to stdout, everything else to stderr.

Exit codes: 0 all done, 1 something failed, 2 the command was not understood, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ..errors import SusurrusError
from . import transcribe
from .flags import same_name

COMMANDS = {"transcribe": transcribe}


def build_parser() -> argparse.ArgumentParser:
    """Make the parser of all commands. It imports no framework, so that `--help` is quick."""
    parser = argparse.ArgumentParser(
        prog="susurrus", description="Whisper models on any machine: speech in; text, subtitles and word times out."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(metavar="COMMAND", dest="command")
    for name, module in COMMANDS.items():
        command = commands.add_parser(name, help=module.SUMMARY, description=module.DESCRIPTION, allow_abbrev=False)
        module.add_flags(command)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; give its exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    parser = build_parser()
    args = parser.parse_args([*map(same_name, _before_dashes(given)), *given[len(_before_dashes(given)) :]])
    if args.command is None:
        parser.print_help()
        return 2
    try:
        code: int = COMMANDS[args.command].run(args)
        return code
    except SusurrusError as error:
        print(f"susurrus: {error}", file=sys.stderr)
        return 2 if isinstance(error, ValueError) else 1
    except KeyboardInterrupt:
        print("susurrus: stopped", file=sys.stderr)
        return 130


def _before_dashes(argv: list[str]) -> list[str]:
    """Give the arguments before a lone `--`; what follows it is never a flag."""
    return argv[: argv.index("--")] if "--" in argv else argv


class _Version(argparse.Action):
    """Look the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"susurrus {version('susurrus')}")
        parser.exit()
