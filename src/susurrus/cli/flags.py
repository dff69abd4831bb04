"""Command-line flags made from the options, so that each is written once.

Booleans are the words True and False and optional values accept None, as in openai-whisper.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any


def same_name(argument: str) -> str:
    """Spell a flag with underscores: `--word-timestamps=True` and `--word_timestamps=True` are one.

    >>> same_name("--max-line-width=42"), same_name("-o"), same_name("a-file.mp3")
    ('--max_line_width=42', '-o', 'a-file.mp3')
    """
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument[2:].partition("=")
    return "--" + name.replace("-", "_") + equals + value


def add_option_flags(parser: Any, options: type, *, leave_out: Iterable[str] = ()) -> None:
    """Add a flag for each field of an options class."""
    for field in fields(options):
        if field.name in leave_out:
            continue
        kind, default = field.metadata["kind"], field.metadata["cli_default"]
        shown = "" if default is None else f" (default: {_text(default)})"
        parser.add_argument(
            f"--{field.name}",
            type=READERS[kind],
            default=default,
            choices=field.metadata["choices"],
            metavar=None if field.metadata["choices"] else METAVARS[kind],
            help=(field.metadata["help"] + shown).replace("%", "%%"),
        )


def option_values(args: argparse.Namespace, options: type) -> dict[str, Any]:
    """Take the values of an options class's fields from parsed arguments."""
    return {field.name: getattr(args, field.name) for field in fields(options) if hasattr(args, field.name)}


def defaults_of(*adders: Callable[[argparse.ArgumentParser], None]) -> dict[str, Any]:
    """Give the defaults of the flags that these functions add to a parser."""
    parser = argparse.ArgumentParser(add_help=False)
    for add in adders:
        add(parser)
    return vars(parser.parse_args([]))


def given_flags(args: argparse.Namespace, defaults: Mapping[str, Any]) -> list[str]:
    """List those flags that have another value than their default; what a config file sets was not given."""
    config = getattr(args, "config_read", None)
    settings = config.settings.get(args.command, {}) if config is not None else {}
    return [
        name
        for name, default in defaults.items()
        if (value := getattr(args, name)) != default and not (name in settings and settings[name].value == value)
    ]


def read_bool(text: str) -> bool:
    """Read True or False.

    >>> read_bool("True"), read_bool("false")
    (True, False)
    """
    words = {"true": True, "false": False}
    if text.lower() not in words:
        raise argparse.ArgumentTypeError(f"expected True or False, not {text!r}")
    return words[text.lower()]


def optional(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """Let a reader accept None."""

    def read_or_none(text: str) -> Any:
        return None if text == "None" else read(text)

    read_or_none.__name__ = read.__name__
    return read_or_none


def _text(default: Any) -> str:
    return repr(default) if default == "" or (isinstance(default, str) and not default.isascii()) else str(default)


READERS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": read_bool,
    "ids": str,
    "bool?": optional(read_bool),
    "str?": optional(str),
    "int?": optional(int),
    "float?": optional(float),
}
METAVARS = {
    "str": "TEXT",
    "int": "N",
    "float": "X",
    "bool": "True|False",
    "ids": "IDS",
    "bool?": "True|False|None",
    "str?": "TEXT",
    "int?": "N",
    "float?": "X",
}
