"""What resolving gives and reading takes: where a checkpoint lies, and what a format found there.

Plain values; the small reading of JSON that more than one format needs stands here too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from .stored import Entry

_MAX_JSON_BYTES = 64 << 20
"""Configs are kilobytes, the index of a sharded large-v3 is 130 kB; more is not a config."""


@dataclass(frozen=True)
class Source:
    """A checkpoint's file or folder. `more` are further folders that hold the later parts of a split file."""

    name: str
    path: Path
    more: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Contents:
    """What a reader found: entries by canonical name (a name that has none keeps its own), and what a config states.

    `sizes` are fields of ModelDimensions.
    """

    where: str
    entries: Mapping[str, Entry]
    sizes: Mapping[str, int] = field(default_factory=dict)
    alignment_heads: tuple[tuple[int, int], ...] | None = None
    suppress_tokens: tuple[int, ...] | None = None


def read_json(path: Path) -> dict[str, Any]:
    """Give the object in a JSON file. Raises CheckpointError where there is none."""
    try:
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise CheckpointError(f"{path} is {path.stat().st_size} bytes long, too long for a config")
        text = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from error
    return parse_json(text, str(path))


def parse_json(text: bytes, where: str) -> dict[str, Any]:
    """Give the object that `text` is. Raises CheckpointError that names `where`."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{where} is not valid JSON: {error}", hint="the file is damaged; fetch it again"
        ) from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{where} holds a JSON {type(value).__name__}, expected an object")
    return value


def int_or_none(config: Mapping[str, Any], key: str, where: str) -> int | None:
    """Give an integer setting, None where it is absent or null. Raises CheckpointError for anything else."""
    value = config.get(key)
    if value is not None and type(value) is not int:
        raise CheckpointError(f"{where}: {key} is {value!r}, expected an integer")
    return value


def heads_or_none(value: Any, where: str) -> tuple[tuple[int, int], ...] | None:
    """Read a list of [layer, head] pairs; None for null or an empty list. Raises CheckpointError for anything else."""
    if not value:
        return None
    if not isinstance(value, list) or not all(
        isinstance(pair, list) and len(pair) == 2 and all(type(x) is int for x in pair) for pair in value
    ):
        raise CheckpointError(f"{where}: alignment_heads must be a list of [layer, head] pairs, got {value!r:.80}")
    return tuple((layer, head) for layer, head in value)


def ids_or_none(value: Any, where: str) -> tuple[int, ...] | None:
    """Read a list of token ids; None for null or an empty list, which fine-tuning recipes leave behind.

    Raises CheckpointError for anything else.
    """
    if not value:
        return None
    if not isinstance(value, list) or not all(type(x) is int for x in value):
        raise CheckpointError(f"{where}: suppressed tokens must be a list of ids, got {value!r:.80}")
    return tuple(x for x in value if x >= 0)
