"""Results on disk: the journal of a run under way, the finished report, another system's rows.

It carries `Clip`s and `Result`s to files and back; it scores nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from ..errors import OptionError, OutputError
from .manifest import Clip, json_lines, make_clip
from .results import Result

FORMAT = "susurrus evaluation 1"
"""What the key `format` of a report says; the number changes when old readers would misread it."""


@dataclass(frozen=True)
class Stored:
    """Results read from a file. `clips` are None where it holds only what was heard, not what was said."""

    name: str
    results: dict[str, Result]
    clips: list[Clip] | None
    config: Mapping[str, Any]


def read_stored(path: Path) -> Stored:
    """Read a report of `susurrus evaluate`, or another system's rows: a JSON object a line with `id` and `text`.

    Raises: OptionError where it is neither.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"{path}: {getattr(error, 'strerror', None) or 'not text in UTF-8'}") from None
    try:
        report = json.loads(text)
    except json.JSONDecodeError:
        report = None
    if isinstance(report, dict) and report.get("format") == FORMAT:
        rows = report["clips"]
        clips = [make_clip({"id": row["id"], **row["clip"]}, f"{path}: {row['id']}") for row in rows]
        results = [Result.from_dict({"id": row["id"], **row["result"]}, str(path)) for row in rows]
        return Stored(path.name, {result.id: result for result in results}, clips, report["config"])
    rows = [row for _, row in json_lines(text, path)]
    results = [Result.from_dict(row, f"{path}: row {number}") for number, row in enumerate(rows, start=1)]
    return Stored(path.name, {result.id: result for result in results}, None, {"results": path.name})


class Journal:
    """Results of an unfinished run, one a line beside the report, so that the same command goes on where it stopped.

    The first line is the run's configuration. Leaving the `with` block keeps the file; `remove` is for when the report
    is written.

    Raises: OptionError where the file is of a run with another configuration; OutputError where it cannot be written.
    """

    def __init__(self, path: Path, config: Mapping[str, Any]) -> None:
        self.path = path
        header = json.loads(json.dumps(config))
        lines = _whole_lines(path)
        different = _differing(lines[0], header) if lines else []
        if different:
            raise OptionError(
                f"{path} keeps an unfinished run that differs in {', '.join(different)}",
                hint="remove it, or name another --json",
            )
        results = [Result.from_dict(row, str(path)) for row in lines[1:]]
        self.done = {result.id: result for result in results if result.error is None}  # what failed is tried again
        kept = [header, *(result.to_dict() for result in self.done.values())]
        write_whole(path, "".join(map(_line, kept)))
        self._file = path.open("a", encoding="utf-8")

    def add(self, result: Result) -> None:
        """Keep a result."""
        self.done[result.id] = result
        try:
            self._file.write(_line(result.to_dict()))
            self._file.flush()
        except OSError as error:
            raise OutputError(f"{self.path}: {error.strerror}; it keeps {len(self.done) - 1} clips") from None

    def remove(self) -> None:
        """Remove the file: what it keeps is in the report now."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def write_whole(path: Path, text: str) -> None:
    """Write a file that appears whole or not at all. Raises: OutputError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from None


def _differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """Name the keys with unequal values, those of dicts inside by their own names."""
    names: list[str] = []
    for name in {**a, **b}:
        ours, theirs = a.get(name), b.get(name)
        if isinstance(ours, dict) and isinstance(theirs, dict):
            names += _differing(ours, theirs)
        elif ours != theirs:
            names.append(name)
    return names


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def _whole_lines(path: Path) -> list[Mapping[str, Any]]:
    """Read a journal; a last line that was cut off in the middle does not count."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
    return [row for row in map(_parsed, lines) if row is not None]


def _parsed(line: str) -> Mapping[str, Any] | None:
    try:
        row = json.loads(line)
    except json.JSONDecodeError:
        return None
    return row if isinstance(row, dict) else None
