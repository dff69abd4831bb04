"""Defaults of the flags from `susurrus.toml`: the user's own file, and the project's over it.

Takes the commands' parsers and the files; gives, for each command, the values its flags start from. A value goes
through the reader of its flag, so that a file can say nothing that a command line could not.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import OptionError

NAME = "susurrus.toml"
NONE = "none"
NOT_SETTABLE = ("help", "version", "config")


@dataclass(frozen=True)
class Setting:
    """A flag's value, and where it is written."""

    flag: str
    value: Any
    written: Any
    file: Path

    def __str__(self) -> str:
        return f"{self.flag} = {_toml(self.written)} is from {self.file}"


@dataclass(frozen=True)
class Config:
    """The files in use, the last one strongest, and each command's settings by the name of the attribute they set.

    `problem` is what is wrong with a file; there are no settings then.
    """

    files: tuple[Path, ...] = ()
    settings: Mapping[str, Mapping[str, Setting]] = field(default_factory=dict)
    problem: OptionError | None = None


def config_files(choice: str | None) -> tuple[Path, ...]:
    """Give the files to read, the strongest last: those that are found, or the one chosen; `none` for no file.

    Raises OptionError where the file chosen is not there.
    """
    if choice == NONE:
        return ()
    if choice is not None:
        if not Path(choice).is_file():
            raise OptionError(f"--config {choice}: no such file", hint=f"name a file, or {NONE!r} for no file at all")
        return (Path(choice),)
    found = [path for path in (user_file(), project_file(Path.cwd())) if path is not None and path.is_file()]
    return tuple({path.resolve(): path for path in found}.values())


def user_file() -> Path:
    """Give the path of the user's own file, there or not."""
    if sys.platform == "win32" and os.environ.get("APPDATA"):
        return Path(os.environ["APPDATA"]) / NAME
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / NAME


def project_file(folder: Path) -> Path | None:
    """Give the nearest file from `folder` upwards; None without one.

    The search ends at the top of the git repository or at the home folder. Outside of both it does not leave `folder`:
    what lies in `/tmp` or `/` may be anyone's.
    """
    upwards = [folder, *folder.parents]
    tops = [i for i, one in enumerate(upwards) if (one / ".git").exists() or one == Path.home()]
    reach = upwards[: tops[0] + 1] if tops else upwards[:1]
    return next((one / NAME for one in reach if (one / NAME).is_file()), None)


def read_config(commands: Mapping[str, argparse.ArgumentParser], choice: str | None) -> Config:
    """Read the files that apply here; what is wrong with them is in the result's `problem`."""
    try:
        files = config_files(choice)
        settings: dict[str, dict[str, Setting]] = {name: {} for name in commands}
        for file in files:
            for command, action, setting in _settings(file, _tables(file), commands):
                settings[command][action.dest] = setting
    except OptionError as error:
        return Config(problem=error)
    return Config(files, settings)


def apply(command: argparse.ArgumentParser, settings: Mapping[str, Setting]) -> None:
    """Let a command's flags start from the settings."""
    command.set_defaults(**{dest: setting.value for dest, setting in settings.items()})
    for action in command._actions:
        if action.dest in settings:
            action.required = False


def named_in(text: str, settings: Mapping[str, Setting], args: argparse.Namespace) -> list[Setting]:
    """Give the settings in force that a message speaks of, so that it can say where they come from."""
    words = set(re.findall(r"[a-z]\w*", text.replace("-", "_")))
    return [one for dest, one in settings.items() if one.flag in words and getattr(args, dest, None) == one.value]


def _tables(file: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"{file} cannot be read: {error.strerror}", hint=f"or go without: --config {NONE}") from None
    except ValueError as error:  # not UTF-8, or not TOML
        raise OptionError(
            f"{file} is not TOML: {error}", hint='lines read name = value, for example: model = "base"'
        ) from None


def _settings(
    file: Path, tables: Mapping[str, Any], commands: Mapping[str, argparse.ArgumentParser]
) -> Iterator[tuple[str, argparse.Action, Setting]]:
    """Give each setting with its command: those for every command first, so that a command's own are stronger."""
    flags = {name: settable(command) for name, command in commands.items()}
    for key, value in sorted(tables.items(), key=lambda item: isinstance(item[1], dict)):
        if isinstance(value, dict):
            command = key.replace("_", "-")
            if command not in flags:
                raise _unknown(file, f"[{key}]", key, list(flags), "command")
            for name, one in value.items():
                yield command, *_setting(file, f"{key}.{name}", name, one, flags[command])
            continue
        takers = [name for name, known in flags.items() if _flag(key) in known]
        if not takers:
            everything = sorted({flag for known in flags.values() for flag in known} | set(flags))
            raise _unknown(file, key, key, everything, "flag of any command")
        for command in takers:
            try:
                yield command, *_setting(file, key, key, value, flags[command])
            except OptionError as error:
                raise OptionError(
                    error.message, hint=f"{command} would not take it; what is for one command stands under its [name]"
                ) from None


def settable(command: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    """Give a command's flags by name, without those that a file cannot set."""
    return {
        _flag(option[2:]): action
        for action in command._actions
        for option in action.option_strings
        if option.startswith("--") and action.nargs != 0 and option[2:] not in NOT_SETTABLE
    }


def _setting(
    file: Path, key: str, name: str, value: Any, flags: Mapping[str, argparse.Action]
) -> tuple[argparse.Action, Setting]:
    action = flags.get(_flag(name))
    if action is None:
        raise _unknown(file, key, name, list(flags), f"flag of {key.partition('.')[0]}")
    takes_many = action.nargs not in (None, "?") or isinstance(action, argparse._AppendAction)
    try:
        if takes_many:
            read: Any = [_read(action, one) for one in (value if isinstance(value, list) else [value])]
        else:
            read = _read(action, value)
    except (ValueError, TypeError, argparse.ArgumentTypeError) as error:
        raise OptionError(f"{file}: {key} = {_toml(value)}: {error}") from None
    return action, Setting(_flag(name), read, value, file)


def _read(action: argparse.Action, value: Any) -> Any:
    """Read a value as its flag reads the same words on the command line."""
    read = action.type if callable(action.type) else str
    expected = "True or False" if "True" in str(action.metavar) else str(action.metavar or "text")
    if isinstance(value, bool) and "True" not in f"{action.metavar} {action.choices}":
        raise ValueError(f"expected {expected}")
    text = _words(value)
    try:
        result = read(text)
    except ValueError:
        raise ValueError(f"expected {expected}") from None
    if action.choices is not None and result not in action.choices:
        raise ValueError(f"choose from {', '.join(map(str, action.choices))}")
    return result


def _words(value: Any) -> str:
    """Write a value of TOML as a command line has it.

    >>> _words(True), _words(0.2), _words([10, 20.5]), _words("srt")
    ('True', '0.2', '10,20.5', 'srt')
    """
    if isinstance(value, list):
        return ",".join(map(_words, value))
    if isinstance(value, (str, bool, int, float)):
        return str(value)
    raise ValueError(f"a {type(value).__name__} says nothing to a flag")


def _toml(value: Any) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)


def _flag(name: str) -> str:
    return name.replace("-", "_")


def _unknown(file: Path, key: str, name: str, known: Sequence[str], kind: str) -> OptionError:
    near = difflib.get_close_matches(_flag(name), known, n=1)
    return OptionError(
        f"{file}: {key} is no {kind}",
        hint=f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}",
    )
