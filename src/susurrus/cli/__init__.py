"""The command line: `susurrus COMMAND ...`. Results go to stdout, everything else to stderr.

Exit codes: 0 all done, 1 something failed, 2 the command was not understood, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from types import ModuleType

from ..errors import SusurrusError
from . import benchmark, completion, detect_language, doctor, download, evaluate, models, plot, render, transcribe
from .config import Config, apply, named_in, read_config, settable
from .flags import same_name
from .parser import ListCommands, Parser, join_positionals, refuse_unknown
from .stdout import take_any_text, to_nobody

COMMANDS: dict[str, ModuleType] = {
    "transcribe": transcribe,
    "render": render,
    "detect-language": detect_language,
    "plot": plot,
    "models": models,
    "download": download,
    "doctor": doctor,
    "completion": completion,
    "evaluate": evaluate,
    "benchmark": benchmark,
}


def build_parser() -> argparse.ArgumentParser:
    """Make the parser of all commands. It imports no framework, so that `--help` is quick."""
    return _build_parsers()[0]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; give its exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    words = [*map(same_name, _before_dashes(given)), *given[len(_before_dashes(given)) :]]
    parser, commands = _build_parsers()
    name = next((word for word in words if not word.startswith("-")), None)
    if name is None:
        parser.parse_args(words)  # --help and --version end here
        parser.print_help()
        return 2
    refuse_unknown(parser, name, list(commands))
    args, config = argparse.Namespace(), Config()
    try:
        if not {"-h", "--help"} & set(words):
            config = _configure(name, commands, words)
        args, left = parser.parse_known_args(words)
        join_positionals(commands[name], args, left)
        args.config_read = config
        take_any_text()
        code: int = COMMANDS[name].run(args)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        to_nobody()
        return 0
    except SusurrusError as error:
        print(f"susurrus: {error}", file=sys.stderr)
        for setting in named_in(str(error), config.settings.get(name, {}), args):
            print(f"note: {setting}", file=sys.stderr)
        return 2 if isinstance(error, ValueError) else 1
    except KeyboardInterrupt as stop:
        print(f"susurrus: {str(stop) or 'stopped'}", file=sys.stderr)
        return 130


def _build_parsers() -> tuple[Parser, dict[str, Parser]]:
    parser = Parser(
        prog="susurrus",
        description="Whisper models on any machine: speech in; text, subtitles and word times out.",
        epilog="susurrus COMMAND --help lists a command's flags. Defaults may stand in a file: susurrus.toml.",
        usage="susurrus COMMAND ...",
        allow_abbrev=False,
        formatter_class=ListCommands,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(metavar="COMMAND", dest="command", title="commands", prog=parser.prog)
    parsers: dict[str, Parser] = {}
    for name, module in COMMANDS.items():
        command = commands.add_parser(name, help=module.SUMMARY, description=module.DESCRIPTION, allow_abbrev=False)
        module.add_flags(command)
        if settable(command):
            command.add_argument(
                "--config", metavar="FILE|none", help="defaults from this file, or from none (default: susurrus.toml)"
            )
        command.shorten_usage()
        parsers[name] = command
    return parser, parsers


def _configure(name: str, commands: dict[str, Parser], words: Sequence[str]) -> Config:
    """Let the config files set the defaults of the command."""
    scanner = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    scanner.add_argument("--config", nargs="?")
    config = read_config(commands, scanner.parse_known_args(_before_dashes(list(words)))[0].config)
    if config.problem is not None and not getattr(COMMANDS[name], "RUNS_WITHOUT_CONFIG", False):
        raise config.problem
    apply(commands[name], config.settings.get(name, {}))
    return config


def _before_dashes(argv: list[str]) -> list[str]:
    """Give the arguments before a lone `--`; what follows it is never a flag."""
    return argv[: argv.index("--")] if "--" in argv else argv


class _Version(argparse.Action):
    """Look the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"susurrus {version('susurrus')}")
        parser.exit()
