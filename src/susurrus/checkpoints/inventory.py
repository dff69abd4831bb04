"""Which models are on this machine, and how to get one there whole.

Takes names; gives the places where their weights lie, and fetches and checks them. Only `fetch` may use the network.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import CheckpointError
from .hub import check_cached, download, is_offline
from .names import ModelEntry
from .packages import install_hint
from .resolve import HUB_CACHE, PACKAGE, local_sources, name_and_hub_ids, not_here
from .shapes import expected_shapes
from .source import Source
from .stored import Blob
from .weight_names import ENCODER_POSITIONS

# Source: the addresses in openai/whisper, __init__.py, _MODELS: each names the SHA-256 of its file.
OPENAI_SHA256 = {
    "tiny.en": "d3dd57d32accea0b295c96e26691aa14d8822fac7d9d27d5dc00b4ca2826dd03",
    "tiny": "65147644a518d12f04e32d6f3b26facc3f8dd46e5390956a9424a650c0ce22b9",
    "base.en": "25a8566e1d0c1e2231d1c762132cd20e0f96a85d16145c3a00adf5d1ac670ead",
    "base": "ed3a0b6b1c0edf879ad9b11b1af5a0e6ab5db9205f891f668f8b0e6c6326e34e",
    "small.en": "f953ad0fd29cacd07d5a9eda5624af0f6bcf2258be67c92b79389873d91e0872",
    "small": "9ecf779972d90ba49c06d968637d720dd632c55bbf19d441fb42bf17a411e794",
    "medium.en": "d7440d1dc186f76616474e0ff0b3b6b879abc9d1a4926b7adfa41db2d497ab4f",
    "medium": "345ae4da62f9b3d59415adc60127b97c714f32e89e936602e85993674d08dcb1",
    "large-v1": "e4b87e7e0bf463eb8e6956e646f1e277e901512310def2c24bf0e11bd3c28e9a",
    "large-v2": "81f7c96c852ee8fc832187b0132e569d6c3065a3252ed18e56effd0b6a73e524",
    "large-v3": "e5b1a55b89c1367dacf97e3e19bfd829a01529dbfdeefa8caeb59b3f1b81dadb",
    "large-v3-turbo": "aff26ae408abcba5fbf8813c21e62b0941638c5f6eebfb145be0c9839262a19a",
}

# Source: the tensor types on the models' pages of the hub; distil-large-v3.5 was not to be learned.
_FLOAT16_ON_THE_HUB = (
    "large-v3",
    "large-v3-turbo",
    "distil-small.en",
    "distil-medium.en",
    "distil-large-v2",
    "distil-large-v3",
)
_UNKNOWN_ON_THE_HUB = ("distil-large-v3.5",)


@dataclass(frozen=True)
class Place:
    """Where a model lies on this machine: the kind of place, its path, its size."""

    kind: str
    path: Path
    n_bytes: int


@dataclass(frozen=True)
class Fetched:
    """A model that is here now. `checked` says what its content was compared with, None where there is nothing."""

    name: str
    place: Place
    was_here: bool
    checked: str | None


def n_parameters(entry: ModelEntry) -> int:
    """Count a model's weights, as its makers do: without the encoder's fixed positions.

    >>> from susurrus.checkpoints.names import MODELS
    >>> n_parameters(MODELS["base"])
    71825920
    """
    shapes = expected_shapes(entry.dims)
    return sum(math.prod(shape) for name, shape in shapes.items() if name != ENCODER_POSITIONS)


def download_bytes(entry: ModelEntry) -> int | None:
    """Give about how many bytes the hub sends for a model; None where that is not known."""
    if entry.name in _UNKNOWN_ON_THE_HUB:
        return None
    positions = math.prod(expected_shapes(entry.dims)[ENCODER_POSITIONS])
    return (n_parameters(entry) + positions) * (2 if entry.name in _FLOAT16_ON_THE_HUB else 4)


def places(name: str, cache_dir: Path | None = None) -> list[Place]:
    """List where a model lies on this machine, first the place it is read from. No network.

    Raises CheckpointError for an unknown name, and where what lies here cannot be read or is damaged.
    """
    return [_place(kind, source) for kind, source in local_sources(name, cache_dir)]


def fetch(
    name: str,
    *,
    cache_dir: Path | None = None,
    offline: bool | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Fetched:
    """Bring a model to this machine, unless it is here, and compare it with the sums its source gives.

    A damaged file of the hub's cache is fetched again. Raises CheckpointError where the model cannot be had, and where
    a file that Susurrus did not fetch is damaged.
    """
    known_as, hub_ids = name_and_hub_ids(name)
    for kind, source in local_sources(name, cache_dir):
        if kind == HUB_CACHE:
            is_whole = check_cached(source.path)
            if is_whole is False:
                break
            return Fetched(known_as, _place(kind, source), True, "the hub's sums" if is_whole else None)
        return Fetched(known_as, _place(kind, source), True, _check(kind, source))
    if is_offline(offline):
        raise not_here(known_as, cache_dir)
    folder = download(hub_ids[0], cache_dir, otherwise=install_hint(known_as), on_progress=on_progress)
    return Fetched(known_as, _place(HUB_CACHE, Source(known_as, folder)), False, "the hub's sums")


def _check(kind: str, source: Source) -> str | None:
    """Compare a file with the sum its publisher gives, and say whose that is; a damaged one is a CheckpointError."""
    if kind == PACKAGE:
        return "its SHA-256"  # local_sources has just done it
    expected = OPENAI_SHA256.get(source.name)
    if source.path.suffix != ".pt" or expected is None:
        return None
    if Blob([source.path]).sha256() != expected:
        raise CheckpointError(
            f"{source.path} is not {source.name} as OpenAI published it: its SHA-256 differs",
            hint="if it should be, remove it and run this again",
        )
    return "OpenAI's SHA-256"


def _place(kind: str, source: Source) -> Place:
    n_bytes = 0
    for path in (source.path, *source.more):
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        n_bytes += sum(file.stat().st_size for file in files)
    return Place(kind, source.path, n_bytes)
