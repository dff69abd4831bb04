"""A manifest -> clips: which files, what is said in them, and what else is known.

Takes a JSON-lines, CSV or TSV file with a row for each clip; gives `Clip`s. It opens no sound.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import OptionError

# Names that the manifests of NeMo, Common Voice and Hugging Face data sets use for the same.
_ALIASES = {
    "path": ("path", "audio_filepath", "audio", "file"),
    "text": ("text", "sentence", "transcript", "transcription"),
    "language": ("language", "lang", "locale"),
}
_INEXACT, _BOOK = ("approx", "none"), "book"


@dataclass(frozen=True)
class Clip:
    """A recording of the manifest. `path` is relative to the manifest's folder, as it stands there.

    `text` is what is said: None where that is not known, "" where nothing is. `columns` is the manifest's whole row.
    """

    id: str
    path: str
    text: str | None = None
    language: str | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)

    @property
    def quality(self) -> str:
        """How far the reference can be trusted, the column `ref_quality`: gold, book, approx, none."""
        return str(self.columns.get("ref_quality") or "")

    @property
    def reference(self) -> str | None:
        """The text to measure against; None where there is none or it is not exact enough for error rates."""
        return None if self.quality in _INEXACT else self.text

    @property
    def is_book(self) -> bool:
        """Whether the reference is a printed text, without what the reader says before and after it."""
        return self.quality == _BOOK

    def column(self, name: str) -> str:
        """Give a column as text, "" where the clip has none; `corpus` is the path's folder where no column says it.

        >>> Clip("a", "read/libri/a.wav", columns={"votes": 3}).column("corpus")
        'read/libri'
        """
        known = {"id": self.id, "path": self.path, "language": self.language}
        value = self.columns.get(name, known.get(name))
        if value is None and name == "corpus":
            return PurePosixPath(self.path).parent.as_posix()
        return "" if value is None else str(value)


def read_manifest(path: Path) -> list[Clip]:
    """Read the clips of a `.jsonl`, `.csv` or `.tsv` file, in its order.

    Raises: OptionError, naming the line, where a row is no clip or two have one id.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"{path}: {getattr(error, 'strerror', None) or 'not text in UTF-8'}") from None
    rows = _table(text, path) if path.suffix in (".csv", ".tsv") else json_lines(text, path)
    clips = [make_clip(row, f"{path} line {line}") for line, row in rows]
    twice = [id for id, n in Counter(clip.id for clip in clips).items() if n > 1]
    if twice:
        raise OptionError(f"{path}: {len(twice)} ids stand more than once, such as {twice[0]!r}")
    if not clips:
        raise OptionError(f"{path}: holds no clips")
    return clips


def make_clip(row: Mapping[str, Any], place: str) -> Clip:
    """Make a clip of a row; where `id` is missing the path stands for it."""
    path = _first(row, "path")
    if not isinstance(path, str) or not path:
        raise OptionError(f"{place}: no path of an audio file", hint="a column named `path`, relative to the manifest")
    text, language = _first(row, "text"), _first(row, "language")
    for name, value in (("text", text), ("language", language)):
        if value is not None and not isinstance(value, str):
            raise OptionError(f"{place}: {name} is {value!r}, not a text")
    return Clip(str(row.get("id") or path), path, text, language or None, dict(row))


def select(clips: Sequence[Clip], where: str) -> list[Clip]:
    """Keep the clips that `kind=read,language=en|de,ref_quality!=approx` describes; an empty value means none.

    Raises: OptionError for what cannot be read, and for a column that no clip has.
    """
    conditions = [_condition(part, clips) for part in where.split(",") if part.strip()]
    return [clip for clip in clips if all(holds(clip) for holds in conditions)]


def json_lines(text: str, path: Path) -> list[tuple[int, dict[str, Any]]]:
    """Read a JSON object a line, with the lines' numbers; `path` is for the message.

    Raises: OptionError, naming the line.
    """
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise OptionError(f"{path} line {number}: not JSON ({error.msg})", hint="one object a line") from None
        if not isinstance(row, dict):
            raise OptionError(f"{path} line {number}: expected an object, not {type(row).__name__}")
        rows.append((number, row))
    return rows


def known_columns(clips: Iterable[Clip]) -> list[str]:
    """Give the columns that clips can be selected and grouped by."""
    own = dict.fromkeys(name for clip in clips for name in clip.columns)
    return list(dict.fromkeys([*own, "id", "path", "language", "corpus"]))


def require_column(name: str, clips: Sequence[Clip]) -> None:
    """Raises: OptionError where no clip has the column."""
    known = known_columns(clips)
    if name not in known:
        raise OptionError(f"no clip has a column {name!r}", hint=f"there are: {', '.join(known)}")


def _condition(part: str, clips: Sequence[Clip]) -> Callable[[Clip], bool]:
    match = re.fullmatch(r"\s*([^=!\s]+)\s*(!?=)(.*)", part)
    if not match:
        raise OptionError(f"where={part!r}: expected column=value", hint="for example kind=read,language=en|de")
    name, sign, given = match.groups()
    require_column(name, clips)
    values = {value.strip() for value in given.split("|")}
    return lambda clip: (clip.column(name) in values) == (sign == "=")


def _first(row: Mapping[str, Any], name: str) -> Any:
    return next((row[alias] for alias in _ALIASES[name] if row.get(alias) is not None), None)


def _table(text: str, path: Path) -> list[tuple[int, dict[str, Any]]]:
    """Read a table with a header; a tab-separated one has no quoting, as in Common Voice."""
    if path.suffix == ".csv":
        reader = csv.DictReader(io.StringIO(text, newline=""))
    else:
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t", quoting=csv.QUOTE_NONE)
    rows = []
    for row in reader:
        if None in row:
            raise OptionError(f"{path} line {reader.line_num}: more fields than the header names")
        rows.append((reader.line_num, {name: value for name, value in row.items() if value is not None}))
    return rows
