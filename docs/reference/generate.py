"""Write the reference pages from the code: `make docs`, or `python docs/reference/generate.py`.

The pages are made from the options, the parsers' actions and the docstrings, not from `--help`, whose form changes with
the Python version and the terminal's width. `tests/null/test_docs.py` fails where a stored page differs.
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
NOTE = "<!-- Written by docs/reference/generate.py: do not edit, run `make docs`. -->"
_DEFAULT = re.compile(r" \(default: (.*)\)$", re.DOTALL)


def pages() -> dict[str, str]:
    """Give each page's name and text."""
    made = {"options.md": options_page(), "commands.md": commands_page(), "python.md": python_page()}
    return {name: "\n\n".join([NOTE, *parts]) + "\n" for name, parts in made.items()}


def options_page() -> Iterator[str]:
    """Tell of every options class: each option's type, its two defaults, and what it means."""
    import susurrus.options
    from susurrus.cli import build_parser

    [commands] = [one for one in build_parser()._actions if isinstance(one, argparse._SubParsersAction)]
    flags = {action.dest: action for action in commands.choices["transcribe"]._actions}
    yield "# Options"
    yield (
        "In Python these are keyword arguments (`model.transcribe(path, beam_size=5)`) and fields of these classes, "
        "on the command line flags of the [commands](commands.md) (`--beam_size 5`). A class has the options "
        "of the classes it is built on too. `None` means absent."
    )
    for cls in _in_order(susurrus.options):
        if not dataclasses.is_dataclass(cls) or not any("kind" in f.metadata for f in dataclasses.fields(cls)):
            continue
        inherited = {name for base in cls.__mro__[1:] for name in getattr(base, "__dataclass_fields__", ())}
        yield f"## {cls.__name__}"
        yield _prose(cls.__doc__ or "")
        bases = [base.__name__ for base in cls.__mro__[1:] if dataclasses.is_dataclass(base)]
        if bases:
            yield f"And the options of {', '.join(f'[{name}](#{name.lower()})' for name in bases)}."
        rows = []
        for field in dataclasses.fields(cls):
            if field.name in inherited:
                continue
            meaning = field.metadata["help"]
            if field.metadata["choices"]:
                meaning += f" ({', '.join(f'`{choice}`' for choice in field.metadata['choices'])})"
            on_the_line = flags[field.name].default if field.name in flags else field.metadata["cli_default"]
            defaults = [_code(repr(default)) for default in (field.default, on_the_line)]
            rows.append((_code(field.name), _code(str(field.type)), *defaults, _escape(meaning)))
        yield _table(("option", "type", "default in Python", "on the command line", "meaning"), rows)


def commands_page() -> Iterator[str]:
    """Tell of every command: its usage, and each flag's values, default and meaning."""
    from susurrus.cli import COMMANDS, build_parser

    parser = build_parser()
    yield "# Commands"
    yield (
        "Flags may be spelled with `_` or `-`, `--flag value` or `--flag=value`. Booleans are the words `True` and "
        "`False`; optional values accept `None`. Results go to stdout, everything else to stderr. Exit codes: 0 all "
        "done, 1 something failed, 2 the command was not understood, 130 stopped by Ctrl-C."
    )
    [commands] = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    rows = [(f"[`{name}`](#susurrus-{name})", _escape(COMMANDS[name].SUMMARY)) for name in commands.choices]
    yield _table(("command", "for"), rows)
    shown: dict[Any, str] = {}
    for name, command in commands.choices.items():
        yield f"## susurrus {name}"
        yield _escape(command.description or "")
        yield f"```text\n{_usage(name, command)}\n```"
        for group in command._action_groups:
            yield from _group_parts(name, command, group, shown)


def _group_parts(name: str, command: argparse.ArgumentParser, group: Any, shown: dict[Any, str]) -> Iterator[str]:
    """Tell of a group of flags; `shown` are those told already, and of which command they are."""
    rows = [_flag_row(action) for action in group._group_actions if not isinstance(action, argparse._HelpAction)]
    if not rows:
        return
    if group is command._positionals:
        yield _table(("argument", "meaning"), [(row[0], row[3]) for row in rows])
        return
    before = "" if group is command._optionals else f"**{_escape(group.title or '')}**"
    if group.description:
        before += f": {_escape(group.description)}"
    first = shown.setdefault((group.title, tuple(rows)), name) if len(rows) > 3 else name
    if first != name:
        yield f"{before}: as of [{first}](#susurrus-{first})."
        return
    if before:
        yield before
    yield _table(("flag", "values", "default", "meaning"), rows)


def python_page() -> Iterator[str]:
    """Tell of every public name: its signature and its docstring."""
    import susurrus

    yield "# Python"
    yield (
        "The public names of `susurrus`, in alphabetical order. What is not listed here may change from version to "
        "version. How they are used: [guides/python.md](../guides/python.md)."
    )
    for name in sorted(susurrus.__all__, key=str.lower):
        yield from _name_parts(name, getattr(susurrus, name))


def _name_parts(name: str, value: Any) -> Iterator[str]:
    yield f"## {name}"
    if not inspect.isclass(value):
        if callable(value):
            yield f"```text\n{name}{_signature(value)}\n```"
            yield _prose(value.__doc__ or "")
        return
    if issubclass(value, BaseException):
        bases = ", ".join(f"`{base.__name__}`" for base in value.__bases__)
        yield f"An error, a kind of {bases}. {_prose(value.__doc__ or '')}"
        return
    if any("kind" in field.metadata for field in getattr(value, "__dataclass_fields__", {}).values()):
        yield f"{_prose(value.__doc__ or '')} Its fields are listed under [options](options.md#{name.lower()})."
        return
    yield f"```text\n{name}{_signature(value)}\n```"
    yield _prose(value.__doc__ or "")
    for attribute, member in vars(value).items():
        if attribute.startswith("_") or not getattr(member, "__doc__", None):
            continue
        if isinstance(member, property):
            yield f"**`{name.lower()}.{attribute}`** {_prose(member.__doc__ or '')}"
        elif inspect.isfunction(member) or isinstance(member, classmethod):
            shown = f"{attribute}{_signature(getattr(value, attribute))}"
            yield f"```text\n{name}.{shown}\n```"
            yield _prose(member.__doc__ or "")


def _in_order(module: Any) -> list[Any]:
    """Give a module's own classes as they stand in its source."""
    own = [value for value in vars(module).values() if inspect.isclass(value) and value.__module__ == module.__name__]
    return sorted(own, key=lambda cls: inspect.getsourcelines(cls)[1])


def _signature(function: Any) -> str:
    """Write a signature with its annotations as they stand in the source."""
    parameters = [p for p in inspect.signature(function).parameters.values() if p.name != "self"]
    written: list[str] = []
    has_star = False
    for parameter in parameters:
        if parameter.kind is parameter.KEYWORD_ONLY and not has_star:
            written.append("*")
            has_star = True
        stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        has_star = has_star or stars == "*"
        text = stars + parameter.name
        if parameter.annotation is not parameter.empty:
            text += f": {_annotation(parameter.annotation)}"
        if parameter.default is not parameter.empty:
            text += f" = {parameter.default!r}"
        written.append(text)
    returned = inspect.signature(function).return_annotation
    arrow = "" if returned is inspect.Signature.empty or inspect.isclass(function) else f" -> {_annotation(returned)}"
    line = f"({', '.join(written)}){arrow}"
    if len(line) <= 90:
        return line
    return "(\n" + "".join(f"    {text},\n" for text in written) + f"){arrow}"


def _annotation(annotation: Any) -> str:
    if isinstance(annotation, str):
        return annotation
    return "None" if annotation is None else getattr(annotation, "__name__", str(annotation))


def _usage(name: str, command: argparse.ArgumentParser) -> str:
    """Write how a command is called, its flags left to the table."""
    words = ["susurrus", name]
    for action in command._actions:
        if action.option_strings:
            if action.required:
                words.append(f"{action.option_strings[0]} {_values(action, plain=True)}")
            continue
        shown = str(action.metavar or action.dest)
        if action.choices:
            shown = "{" + ",".join(map(str, action.choices)) + "}"
        words.append(
            {"+": f"{shown} [{shown} ...]", "*": f"[{shown} ...]", "?": f"[{shown}]"}.get(str(action.nargs), shown)
        )
    return " ".join([*words, "[--FLAG VALUE ...]"])


def _flag_row(action: argparse.Action) -> tuple[str, str, str, str]:
    meaning = action.help or ""
    if "%(" in meaning or "%%" in meaning:
        meaning = meaning % {**vars(action), "prog": "susurrus"}
    found = _DEFAULT.search(meaning)
    meaning = _DEFAULT.sub("", meaning)
    default = "needed" if action.required else found[1] if found else None
    if default is None and action.default not in (None, argparse.SUPPRESS):
        default = str(action.default)
    names = ", ".join(_code(name) for name in action.option_strings) or _code(str(action.metavar or action.dest))
    shown = "" if default is None else _escape(default) if default == "needed" or " " in default else _code(default)
    return names, _values(action), shown, _escape(meaning)


def _values(action: argparse.Action, *, plain: bool = False) -> str:
    if action.nargs == 0:
        return ""
    if isinstance(action.metavar, tuple):
        return " ".join(action.metavar if plain else map(_code, action.metavar))
    choices = [str(choice) for choice in action.choices] if action.choices else str(action.metavar or "TEXT").split("|")
    if isinstance(action.metavar, str) and action.choices:
        choices = action.metavar.split("|")
    return "|".join(choices) if plain else ", ".join(map(_code, choices))


def _prose(docstring: str) -> str:
    """Turn a docstring into Markdown: examples and indented blocks become code blocks, the rest stays."""
    parts = []
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(docstring)):
        if paragraph.startswith(">>>"):
            parts.append(f"```pycon\n{paragraph}\n```")
        elif paragraph.startswith("    "):
            parts.append(f"```text\n{inspect.cleandoc(paragraph)}\n```")
        else:
            parts.append(paragraph)
    return "\n\n".join(parts)


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _code(text: str) -> str:
    """Write code in a table's cell.

    >>> _code("a|b"), _code("")
    ('`a\\\\|b`', '')
    """
    if not text:
        return ""
    fence = "``" if "`" in text else "`"
    return fence + text.replace("|", "\\|") + fence


def _escape(text: str) -> str:
    return re.sub(r"([|<>*])", r"\\\1", text.replace("\n", " "))


if __name__ == "__main__":
    for name, text in pages().items():
        (HERE / name).write_text(text, encoding="utf-8")
    sys.exit(0)
