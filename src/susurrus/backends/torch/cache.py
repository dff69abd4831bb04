"""What is kept between calls: the sound as the decoder hears it, and keys and values of the text read so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...types import ModelDimensions
from ..inputs import check_windows, windows_of, windows_to_replace

ROOM_STEP = 64
"""A cache has room for a multiple of so many tokens, so that few shapes occur and little is read in vain."""


@dataclass(frozen=True)
class AudioFeatures:
    """Windows as the decoder hears them: for each of its layers the keys and values of cross-attention.

    cross[layer][0], cross[layer][1]: [B, n_text_head, n_audio_ctx, d_head].
    """

    cross: tuple[Tensor, ...]  # each [2, B, n_text_head, n_audio_ctx, d_head]

    @property
    def n_windows(self) -> int:
        return self.cross[0].shape[1]

    def pick(self, windows: Sequence[int]) -> AudioFeatures:
        """Give those windows, in that order."""
        chosen = torch.tensor(check_windows(windows, self.n_windows), device=self.cross[0].device)
        return AudioFeatures(tuple(layer.index_select(1, chosen) for layer in self.cross))


@dataclass(frozen=True)
class Cache:
    """Keys and values of the text read so far; row r holds lengths[r] tokens, beyond which lies nothing of account.

    What lies there is finite all the same: it is multiplied by 0, and 0 times nan is nan. The audio features are the
    caller's until rows of another cache have joined: from then on they are the cache's own.
    """

    audio_features: AudioFeatures
    past: Tensor  # [n_text_layer, 2, R, n_text_head, room, d_head], written in place
    lengths: np.ndarray  # i64[R], on the host
    places: Tensor  # i64[R], the same on the device
    owns_features: bool = False

    @property
    def n_rows(self) -> int:
        return self.past.shape[2]

    @property
    def n_windows(self) -> int:
        return self.audio_features.n_windows

    @property
    def room(self) -> int:
        return self.past.shape[4]

    @property
    def n_used(self) -> int:
        return int(self.lengths.max())


def room_for(n_tokens: int, n_text_ctx: int) -> int:
    """Give the room of a cache that holds n_tokens.

    >>> room_for(64, 448), room_for(65, 448), room_for(70, 70)
    (64, 128, 70)
    """
    return min(-(-n_tokens // ROOM_STEP) * ROOM_STEP, n_text_ctx)


def empty_cache(audio_features: AudioFeatures, lengths: np.ndarray, n_tokens: int, dims: ModelDimensions) -> Cache:
    """Give a cache of a row a window with room for n_tokens, all zero."""
    sound = audio_features.cross[0]
    _, n_windows, n_head, _, d_head = sound.shape
    past = sound.new_zeros(dims.n_text_layer, 2, n_windows, n_head, room_for(n_tokens, dims.n_text_ctx), d_head)
    lengths = lengths.astype(np.int64)
    return Cache(audio_features, past, lengths, places_of(lengths, sound.device))


def places_of(lengths: np.ndarray, device: torch.device) -> Tensor:
    """Put lengths on the device."""
    return torch.tensor(lengths, dtype=torch.int64, device=device)


def select_rows(cache: Cache, rows: Sequence[int]) -> Cache:
    """Give a cache of those rows; see `Backend.select`."""
    windows, _ = windows_of(rows, cache.n_rows, cache.n_rows // cache.n_windows)
    audio_features, past, owns_features = cache.audio_features, cache.past, cache.owns_features
    if windows != list(range(cache.n_windows)):
        audio_features, owns_features = audio_features.pick(windows), True
    chosen = [int(row) for row in rows]
    if chosen != list(range(cache.n_rows)):
        past = past.index_select(2, torch.tensor(chosen, device=past.device))
    lengths = cache.lengths[chosen]
    return Cache(audio_features, past, lengths, places_of(lengths, past.device), owns_features)


def join_rows(cache: Cache, rows: Sequence[int], other: Cache) -> Cache:
    """Give a cache in which `rows` are those of another; see `Backend.join`."""
    group, other_group = (c.n_rows // c.n_windows for c in (cache, other))
    windows = windows_to_replace(rows, cache.n_rows, group, other.n_rows, other_group)
    n_windows = max(cache.n_windows, max(windows) + 1)
    cross, past = cache.audio_features.cross, longer(cache.past, 4, other.room)
    if not cache.owns_features or n_windows > cache.n_windows:
        cross = tuple(copied(layer, 1, n_windows) for layer in cross)
    past = longer(past, 2, n_windows * group)
    put_rows(cross, past, windows, rows, other)
    lengths = np.zeros(n_windows * group, dtype=np.int64)
    lengths[: cache.n_rows] = cache.lengths
    lengths[list(rows)] = other.lengths
    return Cache(AudioFeatures(cross), past, lengths, places_of(lengths, past.device), owns_features=True)


def put_rows(cross: Sequence[Tensor], past: Tensor, windows: Sequence[int], rows: Sequence[int], other: Cache) -> None:
    """Write the windows and the rows of a cache into the memory of another that has room for them."""
    at = torch.tensor(list(windows), device=past.device)
    for mine, theirs in zip(cross, other.audio_features.cross, strict=True):
        mine.index_copy_(1, at, theirs)
    used = slice(0, min(other.n_used, other.room))
    at = torch.tensor([int(row) for row in rows], device=past.device)
    past[..., used, :].index_copy_(2, at, other.past[..., used, :])


def longer(tensor: Tensor, dim: int, n: int) -> Tensor:
    """Give a tensor with at least n places along `dim`; new ones are zero."""
    return tensor if tensor.shape[dim] >= n else copied(tensor, dim, n)


def copied(tensor: Tensor, dim: int, n: int) -> Tensor:
    """Give a copy with n places along `dim`; new ones are zero."""
    shape = list(tensor.shape)
    n_old, shape[dim] = shape[dim], n
    copy = tensor.new_empty(shape)
    copy.narrow(dim, 0, n_old).copy_(tensor)
    copy.narrow(dim, n_old, n - n_old).zero_()
    return copy
