"""Every checkpoint format, read into one set of canonical names.

Takes a name, a hub id or a path; gives a `Checkpoint`, whose tensors stay in their files until they are asked for.
No framework is imported and no code of a checkpoint runs. Each format is one file with `matches` and `read`, listed in
`formats`; `weight_names` holds what they call each weight.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np

from ..errors import CheckpointError
from ..types import Checkpoint, ModelDimensions, Weights
from .formats import read_contents
from .names import ALIASES, MODELS, ModelEntry, default_alignment_heads, find_model, known_names
from .random import random_checkpoint
from .resolve import resolve
from .shapes import check_shapes, dims_from, expected_shapes, sinusoids
from .source import Contents, Source
from .stored import Entry
from .weight_names import ENCODER_POSITIONS, PROJECTION

__all__ = [
    "ALIASES",
    "MODELS",
    "ModelEntry",
    "expected_shapes",
    "find_model",
    "known_names",
    "load_checkpoint",
    "random_checkpoint",
    "read_checkpoint",
    "resolve",
]

_EMBEDDING = "decoder.token_embedding.weight"


def load_checkpoint(
    name_or_path: str | os.PathLike[str],
    *,
    cache_dir: str | os.PathLike[str] | None = None,
    offline: bool | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Checkpoint:
    """Find a checkpoint, fetch it if need be, and read it.

    `name_or_path` is a name (`tiny.en`, `turbo`), a hub id (`openai/whisper-tiny`), a file or a folder. `cache_dir` is
    where downloads go and own models are looked for, None for the hub's cache. With `offline`, or HF_HUB_OFFLINE=1 or
    SUSURRUS_OFFLINE=1 in the environment, the network is never touched. `on_progress` gets a download's bytes here, and
    in all.

    Raises: CheckpointError where it cannot be found, is broken, or is not a whole Whisper model.
    """
    return read_checkpoint(resolve(name_or_path, cache_dir=cache_dir, offline=offline, on_progress=on_progress))


def read_checkpoint(source: Source) -> Checkpoint:
    """Read a source of any format and check that it is a whole Whisper model.

    Raises: CheckpointError that lists all weights that are missing, unknown or of another shape.
    """
    contents = read_contents(source)
    entries = _tied(contents)
    dims = dims_from({name: entry.shape for name, entry in entries.items()}, contents.sizes, contents.where)
    if ENCODER_POSITIONS not in entries:
        n_ctx, n_state = dims.n_audio_ctx, dims.n_audio_state
        entries[ENCODER_POSITIONS] = Entry((n_ctx, n_state), lambda: sinusoids(n_ctx, n_state))
    check_shapes({name: entry.shape for name, entry in entries.items()}, dims, contents.where)
    heads = contents.alignment_heads
    if heads is None or not _fit(heads, dims):
        # Distilled models state the heads of their teacher, whose layers they do not have.
        heads = default_alignment_heads(f"{source.name} {source.path}", dims)
    suppress = contents.suppress_tokens
    if suppress is not None:
        suppress = tuple(token for token in suppress if token < dims.n_vocab) or None
    weights = Weights({name: (entries[name].shape, entries[name].load) for name in expected_shapes(dims)})
    return Checkpoint(source.name, dims, weights, heads, suppress)


def _fit(heads: tuple[tuple[int, int], ...], dims: ModelDimensions) -> bool:
    return all(0 <= layer < dims.n_text_layer and 0 <= head < dims.n_text_head for layer, head in heads)


def _tied(contents: Contents) -> dict[str, Entry]:
    """Give the entries without the output projection, which must be the token embedding under another name."""
    entries = dict(contents.entries)
    projection = entries.pop(PROJECTION, None)
    if projection is None:
        return entries
    embedding = entries.setdefault(_EMBEDDING, projection)
    is_same = embedding.place == projection.place or (
        embedding.shape == projection.shape and np.array_equal(embedding.load(), projection.load())
    )
    if not is_same:
        raise CheckpointError(
            f"{contents.where}: {PROJECTION} differs from the token embedding",
            hint="Whisper's output projection is its token embedding; this model was trained with two of them",
        )
    return entries
