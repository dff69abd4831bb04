"""From what a user writes to where the weights lie.

Takes a name, a hub id or a path; gives a Source. Looks in this order: the path itself; the model folder and the caches;
an installed package that carries weights; the Hugging Face hub, unless offline.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import CheckpointError
from .formats import find_format
from .hub import cache_folder, cached_folder, download, is_offline
from .names import ModelEntry, find_model, known_names, nearest_names
from .packages import install_hint, installed_source
from .source import Source

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_WEIGHT_SUFFIXES = (".pt", ".bin", ".safetensors")

MODEL_DIR, WHISPER_CACHE, HUB_CACHE, PACKAGE = "model_dir", "whisper cache", "hub cache", "package"
"""The kinds of places on this machine where a model may lie, in the order they are looked in."""


def resolve(
    name_or_path: str | os.PathLike[str],
    *,
    cache_dir: str | os.PathLike[str] | None = None,
    offline: bool | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Source:
    """Find a checkpoint's file or folder, fetching it if it must be and may be.

    `cache_dir` is where downloads go and where `<name>.pt` and `<name>/` are looked for (openai-whisper's
    `--model_dir`). `on_progress` gets a download's bytes here, and in all. Raises CheckpointError where nothing is
    found; it says what was looked for and how to get it.
    """
    text = os.fspath(name_or_path)
    path = Path(text).expanduser()
    entry = None if isinstance(name_or_path, os.PathLike) else find_model(text)
    if path.exists():
        source = Source(_name_of(path), path)
        # A folder `base` of something else must not hide the model of that name.
        if entry is None or find_format(source) is not None:
            return source
    if isinstance(name_or_path, os.PathLike):
        raise _unknown(text)
    name, hub_ids = name_and_hub_ids(text)
    folder = Path(cache_dir).expanduser() if cache_dir is not None else None
    found = next(local_sources(text, folder), None)
    if found is not None:
        return found[1]
    if is_offline(offline):
        raise not_here(name, folder)
    return Source(name, download(hub_ids[0], folder, otherwise=install_hint(name), on_progress=on_progress))


def name_and_hub_ids(text: str) -> tuple[str, tuple[str, ...]]:
    """Give a model's name, and the hub ids it is known by, the one it is fetched from first.

    >>> name_and_hub_ids("turbo")[0], name_and_hub_ids("me/mine")
    ('large-v3-turbo', ('me/mine', ('me/mine',)))

    Raises CheckpointError for what is neither the name of a model nor a hub id.
    """
    entry = find_model(text)
    if entry is not None:
        return entry.name, (entry.hub_id, *entry.other_hub_ids)
    if _is_hub_id(text):
        return text, (text,)
    raise _unknown(text)


def local_sources(text: str, cache_dir: Path | None) -> Iterator[tuple[str, Source]]:
    """Find a name or hub id on this machine, first what `resolve` takes; each with the kind of place. No network.

    Raises CheckpointError where an installed package is not what it should be.
    """
    name, hub_ids = name_and_hub_ids(text)
    for kind, path in _candidates(text, name, cache_dir):
        if path.exists() and find_format(Source(name, path)) is not None:
            yield kind, Source(name, path)
    for cache in dict.fromkeys((cache_dir, cache_folder())):
        for hub_id in hub_ids:
            snapshot = cached_folder(hub_id, cache) if cache is not None else None
            if snapshot is not None:
                yield HUB_CACHE, Source(name, snapshot)
    installed = installed_source(name)
    if installed is not None:
        yield PACKAGE, installed


def whisper_cache() -> Path:
    """Give the folder where openai-whisper keeps what it fetched."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "whisper"


def _candidates(text: str, name: str, cache_dir: Path | None) -> Iterator[tuple[str, Path]]:
    if cache_dir is not None:
        for one in dict.fromkeys((text, name)):
            yield MODEL_DIR, cache_dir / f"{one}.pt"
            yield MODEL_DIR, cache_dir / one
    yield WHISPER_CACHE, whisper_cache() / f"{name}.pt"


def _is_hub_id(text: str) -> bool:
    return bool(_HUB_ID.fullmatch(text)) and not text.endswith(_WEIGHT_SUFFIXES)


def _name_of(path: Path) -> str:
    """Name a checkpoint after its path: the hub id for a folder of the hub's cache, else the file or folder."""
    path = path.absolute()
    if path.parent.name == "snapshots" and path.parent.parent.name.startswith("models--"):
        hub_id = path.parent.parent.name.removeprefix("models--").replace("--", "/", 1)
        entry: ModelEntry | None = find_model(hub_id)
        return entry.name if entry else hub_id
    return path.stem if path.suffix in _WEIGHT_SUFFIXES else path.name


def _unknown(text: str) -> CheckpointError:
    nearest = nearest_names(text)
    did_you_mean = f"did you mean {' or '.join(nearest)}? " if nearest else ""
    return CheckpointError(
        f"{text!r} is neither a file or folder, nor the name of a model, nor a hub id such as openai/whisper-tiny",
        hint=f"{did_you_mean}known names: {', '.join(known_names())}",
    )


def not_here(name: str, cache_dir: Path | None) -> CheckpointError:
    """Make the error of a model that is not on this machine and may not be fetched."""
    places = [str(place) for place in (cache_dir, cache_folder()) if place is not None]
    package = install_hint(name)
    fetch = f"susurrus download {name}" + (f" --model_dir {cache_dir}" if cache_dir is not None else "")
    return CheckpointError(
        f"the weights of {name} are not on this machine (looked in {' and '.join(places)}"
        f"{', and for installed packages' if package else ''}), and the network is off limits",
        hint=f"with a network run: {f'{package}   or: ' if package else ''}{fetch}",
    )
