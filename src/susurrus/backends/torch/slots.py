"""Caches that lie still: memory for some windows at fixed addresses, stepped by recorded work.

A `Slots` is taken by one cache at a time and used again by the next. What `cache.py` does with caches is done here in
place, with the same results.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...types import ModelDimensions
from ..inputs import windows_of, windows_to_replace
from .cache import AudioFeatures, Cache, places_of, put_rows, room_for, select_rows
from .network import Decoder
from .reading import read_next
from .recording import Recorded, Recorder


@dataclass(eq=False)
class Slots:
    """Room for W windows of `group` rows, and the work recorded on it, by windows and room."""

    cross: tuple[Tensor, ...]  # each [2, W, n_text_head, n_audio_ctx, d_head]
    past: Tensor  # [n_text_layer, 2, W * group, n_text_head, n_text_ctx, d_head]
    tokens: Tensor  # i32[W * group]
    places: Tensor  # i64[W * group]
    logits: Tensor  # f32[W * group, n_vocab]
    group: int
    steps: dict[tuple[int, int], Recorded] = field(default_factory=dict)
    loops: dict[Any, Any] = field(default_factory=dict)  # what loops.py records

    @property
    def n_windows(self) -> int:
        return self.cross[0].shape[1]

    def n_stepped(self, n_windows: int) -> int:
        """Give how many windows are stepped for so many: a few numbers occur, and at most a third is in vain."""
        return min(bucket(n_windows), self.n_windows)

    def advance(self, decoder: Decoder, tokens: Tensor, n_windows: int, room: int) -> Tensor:
        """Read a token in each row of the first windows -> logits; nothing here depends on the host's numbers."""
        n_rows, n_text_ctx = n_windows * self.group, self.past.shape[4]
        cross = [heard[:, :n_windows] for heard in self.cross]
        past, places = self.past[:, :, :n_rows, :, :room], self.places[:n_rows]
        logits = read_next(decoder, cross, past, tokens, places)
        places.add_(1).clamp_(max=n_text_ctx)
        return logits

    def forget(self) -> None:
        """Let go of what is recorded: it refers to these slots, whose memory would wait for the garbage collector."""
        self.steps.clear()
        self.loops.clear()


class Lease:
    """A cache's hold on its slots: when no cache has it any more they are free for the next."""

    def __init__(self, slots: Slots, free: list[Slots]) -> None:
        self._slots, self._free = slots, free
        self.is_wanted = True

    def __del__(self) -> None:
        if self.is_wanted:
            self._free.append(self._slots)
        else:
            self._slots.forget()


@dataclass(frozen=True)
class StillCache:
    """A cache in slots; row r holds lengths[r] tokens. `room` is set while work on it is recorded, and then fixed."""

    slots: Slots
    lease: Lease | None
    n_windows: int
    lengths: np.ndarray
    room: int | None = None

    @property
    def n_rows(self) -> int:
        return len(self.lengths)

    @property
    def n_used(self) -> int:
        return int(self.lengths.max())

    def seen(self) -> Cache:
        """Give it as a cache that shares its memory."""
        slots, rows = self.slots, slice(0, self.n_rows)
        n_text_ctx = slots.past.shape[4]
        room = room_for(min(self.n_used, n_text_ctx), n_text_ctx)
        cross = tuple(heard[:, : self.n_windows] for heard in slots.cross)
        return Cache(AudioFeatures(cross), slots.past[:, :, rows, :, :room], self.lengths, slots.places[rows])

    def moved(self) -> Cache:
        """Give an equal cache in memory of its own."""
        seen = self.seen()
        cross = tuple(heard.clone() for heard in seen.audio_features.cross)
        return replace(seen, audio_features=AudioFeatures(cross), past=seen.past.clone(), owns_features=True)


AnyCache = Cache | StillCache


def bucket(n: int) -> int:
    """Give the next power of two, or one and a half of one.

    >>> [bucket(n) for n in (1, 2, 3, 4, 5, 7, 9, 100)]
    [1, 2, 3, 4, 6, 8, 12, 128]
    """
    power = 1 << (n - 1).bit_length()
    return power * 3 // 4 if power >= 4 and n <= power * 3 // 4 else power


class StillSteps:
    """Steps, selects and joins caches in slots."""

    def __init__(self, decoder: Decoder, dims: ModelDimensions, recorder: Recorder) -> None:
        self.decoder, self.recorder = decoder, recorder
        self._dims = dims
        self._free: list[Slots] = []

    def step(self, tokens: Tensor, cache: AnyCache) -> tuple[Tensor, StillCache]:
        still = self.admit(cache)
        slots, n_text_ctx = still.slots, self._dims.n_text_ctx
        longer = replace(still, lengths=np.minimum(still.lengths + 1, n_text_ctx))
        if still.room is not None:  # a part of work that is being recorded
            return slots.advance(self.decoder, tokens, still.n_windows, still.room), longer
        slots.tokens[: still.n_rows] = tokens
        self._recorded_step(slots, slots.n_stepped(still.n_windows), self.next_room(still))()
        return slots.logits[: still.n_rows].clone(), longer

    def next_room(self, cache: StillCache) -> int:
        """Give the room that the next token of each row needs."""
        n_text_ctx = self._dims.n_text_ctx
        return room_for(min(cache.n_used + 1, n_text_ctx), n_text_ctx)

    def select(self, cache: AnyCache, rows: Sequence[int]) -> AnyCache:
        if isinstance(cache, Cache):
            return select_rows(cache, rows)
        windows, group = windows_of(rows, cache.n_rows, cache.slots.group)
        if group != cache.slots.group:
            return select_rows(cache.moved(), rows)
        slots, device = cache.slots, cache.slots.past.device
        if windows != list(range(cache.n_windows)):
            chosen = torch.tensor(windows, device=device)
            for heard in slots.cross:
                heard[:, : len(windows)] = heard.index_select(1, chosen)
        if list(rows) != list(range(cache.n_rows)):
            chosen = torch.tensor([int(row) for row in rows], device=device)
            used = slots.past[:, :, :, :, : cache.n_used]
            used[:, :, : len(rows)] = used.index_select(2, chosen)
        lengths = cache.lengths[[int(row) for row in rows]]
        slots.places[: len(rows)] = places_of(lengths, device)
        return replace(cache, n_windows=len(windows), lengths=lengths)

    def join(self, cache: AnyCache, rows: Sequence[int], other: AnyCache) -> StillCache:
        new = other if isinstance(other, Cache) else other.seen()
        group, new_group = (c.n_rows // c.n_windows for c in (cache, new))
        windows = windows_to_replace(rows, cache.n_rows, group, new.n_rows, new_group)
        n_windows = max(cache.n_windows, max(windows) + 1)
        still = self.admit(cache, n_windows)
        put_rows(still.slots.cross, still.slots.past, windows, rows, new)
        lengths = np.zeros(n_windows * group, dtype=np.int64)
        lengths[: still.n_rows] = still.lengths
        lengths[list(rows)] = new.lengths
        still.slots.places[: len(lengths)] = places_of(lengths, still.slots.past.device)
        return replace(still, n_windows=n_windows, lengths=lengths)

    def admit(self, cache: AnyCache, n_windows: int = 0) -> StillCache:
        """Put a cache into slots that hold at least so many windows, unless it lies in such already."""
        if isinstance(cache, StillCache):
            if n_windows <= cache.slots.n_windows:
                return cache
            if cache.lease is not None:
                cache.lease.is_wanted = False  # the larger ones take their place
            cache = cache.seen()
        group = cache.n_rows // cache.n_windows
        slots = self._take(max(n_windows, cache.n_windows), group, cache)
        put_rows(slots.cross, slots.past, range(cache.n_windows), range(cache.n_rows), cache)
        slots.places[: cache.n_rows] = cache.places
        return StillCache(slots, Lease(slots, self._free), cache.n_windows, cache.lengths)

    def close(self) -> None:
        """Let go of all that is free."""
        self._drop(self._free)

    def _take(self, n_windows: int, group: int, like: Cache) -> Slots:
        """Give the smallest free slots that suffice, or new ones in place of those that do not."""
        enough = [slots for slots in self._free if slots.group == group and slots.n_windows >= n_windows]
        if enough:
            taken = min(enough, key=lambda slots: slots.n_windows)
            self._free.remove(taken)
            return taken
        self._drop([slots for slots in self._free if slots.group == group])
        return self._make(bucket(n_windows), group, like)

    def _drop(self, unwanted: list[Slots]) -> None:
        for slots in list(unwanted):
            self._free.remove(slots)
            slots.forget()

    def _make(self, n_windows: int, group: int, like: Cache) -> Slots:
        past, n_rows = like.past, n_windows * group
        n_layer, _, _, n_head, _, d_head = past.shape
        return Slots(
            cross=tuple(h.new_zeros(2, n_windows, *h.shape[2:]) for h in like.audio_features.cross),
            past=past.new_zeros(n_layer, 2, n_rows, n_head, self._dims.n_text_ctx, d_head),
            tokens=past.new_zeros(n_rows, dtype=torch.int32),
            places=past.new_zeros(n_rows, dtype=torch.int64),
            logits=past.new_zeros(n_rows, self._dims.n_vocab, dtype=torch.float32),
            group=group,
        )

    def _recorded_step(self, slots: Slots, n_windows: int, room: int) -> Recorded:
        if (n_windows, room) not in slots.steps:
            n_rows = n_windows * slots.group

            def work() -> None:
                slots.logits[:n_rows] = slots.advance(self.decoder, slots.tokens[:n_rows], n_windows, room)

            slots.steps[n_windows, room] = Recorded(work, self.recorder)
        return slots.steps[n_windows, room]
