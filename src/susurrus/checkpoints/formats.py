"""The table of formats. A file's content says which one it is; its name does not count."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from ..errors import CheckpointError
from . import ctranslate2, huggingface, openai
from .source import Contents, Source


class Format(Protocol):
    """A format: a module with these two functions."""

    def matches(self, source: Source) -> bool:
        """Tell whether the source is of this format."""
        ...

    def read(self, source: Source) -> Contents:
        """Read what it holds, leaving the tensors where they are."""
        ...


FORMATS: tuple[Format, ...] = (huggingface, ctranslate2, openai)
"""A folder may hold more than one: the first that matches is read."""

_STRANGERS = (
    (b"lmgg", "whisper.cpp's ggml"),
    (b"GGUF", "GGUF"),
    (b"TFL3", "TensorFlow Lite"),
    (b"\x89HDF", "HDF5"),
)
"""First bytes of formats that are not read, so that the error can say so."""

_READ = "OpenAI's .pt, a Hugging Face folder, a .safetensors file and a CTranslate2 folder are read"


def find_format(source: Source) -> Format | None:
    """Give the format a source is of; None if no one claims it. Raises CheckpointError where it cannot be opened."""
    try:
        return next((one for one in FORMATS if one.matches(source)), None)
    except OSError as error:
        raise CheckpointError(f"{error.filename or source.path} cannot be read: {error.strerror or error}") from error


def read_contents(source: Source) -> Contents:
    """Read a source of any format. Raises CheckpointError where it is of none, or broken."""
    form = find_format(source)
    if form is None:
        raise CheckpointError(f"{source.path} is not a checkpoint: {_describe(source.path)}", hint=_READ)
    try:
        return form.read(source)
    except OSError as error:
        raise CheckpointError(f"{error.filename or source.path} cannot be read: {error.strerror or error}") from error


def _describe(path: Path) -> str:
    if path.is_dir():
        files = sorted(file.name for file in path.iterdir())
        more = f" and {len(files) - 10} more" if len(files) > 10 else ""
        return f"the folder holds {', '.join(files[:10])}{more}" if files else "the folder is empty"
    with path.open("rb") as file:
        head = file.read(16)
    if not head:
        return "the file is empty"
    name = next((name for magic, name in _STRANGERS if head.startswith(magic)), None)
    return f"it is in the format {name}" if name else f"the file starts with {head!r}"
