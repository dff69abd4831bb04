"""Lanes: windows that are decoded side by side, each leaving when its text ends and making way for another.

A lane is the loop (`loop.py`, `beam.py`) of some windows that are decoded in the same way: greedily or by sampling with
so many candidates each, or with so many beams. It is given what `prefill` gave; it knows no thresholds and no files.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backends import Backend
from ..types import Array
from .beam import Search, advance, last_tokens
from .loop import Candidate, LoopState, begin, join_rows, select_rows, write, written
from .rules import Rules


@dataclass(frozen=True)
class Ask:
    """What a window is to become: `key` names it, `most` is how many tokens it may write at a temperature.

    `uniforms` f32[n_max, n_candidates] lead the sampling; None at temperature 0.
    """

    key: Hashable
    most: int
    temperature: float = 0.0
    uniforms: np.ndarray | None = None


Finished = list[tuple[Hashable, list[Candidate]]]


class Lane:
    """Places for windows; None in `keys` is a free one. `group` rows of the batch are one window's."""

    def __init__(self, backend: Backend, rules: Rules, group: int, n_max: int) -> None:
        self.keys: list[Hashable | None] = []
        self.n_passed_over = 0  # the batch counts how often another lane went first
        self._backend, self._rules, self._group, self._n_max = backend, rules, group, n_max

    @property
    def n_live(self) -> int:
        """How many windows are under way."""
        return sum(key is not None for key in self.keys)

    def put(self, asks: Sequence[Ask], logits: Array, cache: Any) -> None:
        """Begin windows: logits f32[B, n_vocab] of each one's first token, and its cache, a row a window."""
        raise NotImplementedError

    def advance(self, n_steps: int) -> Finished:
        """Write until a window has finished, at most `n_steps` tokens; give those that have, and free their places."""
        raise NotImplementedError

    def shrink(self) -> None:
        """Let the free places go, so that no step is spent on them."""
        raise NotImplementedError

    def drop(self, keys: Collection[Hashable]) -> None:
        """Forget windows, those of `keys` that are here."""
        self.keys = [None if key in keys else key for key in self.keys]
        if not self.n_live:
            self._clear()

    def _clear(self) -> None:
        """Forget everything: no window is left."""
        self.keys = []

    def _places(self, n: int) -> list[int]:
        """Find free places, and new ones behind the last where those do not suffice."""
        free = [place for place, key in enumerate(self.keys) if key is None]
        return [*free, *range(len(self.keys), len(self.keys) + n)][:n]

    def _take(self, places: Sequence[int], asks: Sequence[Ask]) -> None:
        """Give windows their places: when their rows are joined, which may fail for want of memory."""
        self.keys += [None] * (max(places) + 1 - len(self.keys))
        for place, ask in zip(places, asks, strict=True):
            self.keys[place] = ask.key

    def _rows(self, places: Sequence[int]) -> list[int]:
        return [place * self._group + i for place in places for i in range(self._group)]

    def _leave(self, place: int) -> Hashable | None:
        key, self.keys[place] = self.keys[place], None
        return key

    def _drop_free(self) -> list[int]:
        """Forget the free places; give those that stay."""
        stay = [place for place, key in enumerate(self.keys) if key is not None]
        self.keys = [self.keys[place] for place in stay]
        return stay


class SamplingLane(Lane):
    """Greedy windows, or windows of `group` samples each."""

    _state: LoopState | None = None

    def put(self, asks: Sequence[Ask], logits: Array, cache: Any) -> None:
        ops, group = self._backend.ops, self._group
        if group > 1:
            rows = [w for w in range(len(asks)) for _ in range(group)]
            logits, cache = logits[ops.asarray(np.array(rows, dtype=np.int32))], self._backend.select(cache, rows)
        temperature = uniforms = None
        if any(ask.uniforms is not None for ask in asks):
            temperature = np.repeat(np.array([ask.temperature for ask in asks], dtype=np.float32), group)
            uniforms = np.zeros((len(asks) * group, self._n_max), dtype=np.float32)
            for w, ask in enumerate(asks):
                if ask.uniforms is not None:
                    uniforms[w * group : (w + 1) * group, : len(ask.uniforms)] = ask.uniforms.T
        most = np.repeat(np.array([ask.most for ask in asks], dtype=np.int32), group)
        new = begin(self._backend, logits, cache, self._rules, most, self._n_max, temperature, uniforms)
        places = self._places(len(asks))
        self._state = new if self._state is None else join_rows(self._backend, self._state, self._rows(places), new)
        self._take(places, asks)

    def advance(self, n_steps: int) -> Finished:
        assert self._state is not None
        last_step = self._state.n_steps + n_steps
        while True:
            is_done = self._backend.ops.to_numpy(self._state.is_done).reshape(len(self.keys), -1)
            over = [place for place, key in enumerate(self.keys) if key is not None and is_done[place].all()]
            if over or self._state.n_steps >= last_step:
                return [self._finish(place) for place in over]
            self._state = self._write(int(is_done.sum()), last_step)

    def _write(self, n_done: int, last_step: int) -> LoopState:
        """Write until another row is done."""
        assert self._state is not None
        count = self._backend.ops.count
        go_on = lambda state: (count(state.is_done) <= n_done) & (state.n_steps < last_step)
        return write(self._backend, self._rules, self._state, go_on)

    def _finish(self, place: int) -> tuple[Hashable, list[Candidate]]:
        assert self._state is not None
        texts = written(self._backend.ops, self._state, self._rows([place]))
        key = self._leave(place)
        if not self.n_live:
            self._clear()
        return key, texts

    def _clear(self) -> None:
        self.keys, self._state = [], None

    def shrink(self) -> None:
        if self._state is not None and self.n_live < len(self.keys):
            self._state = select_rows(self._backend, self._state, self._rows(self._drop_free()))


class BeamLane(Lane):
    """Windows of `group` beams each."""

    def __init__(self, backend: Backend, rules: Rules, group: int, n_max: int, patience: float | None) -> None:
        super().__init__(backend, rules, group, n_max)
        self._n_wanted = round(group * (patience or 1.0))
        self._searches: list[Search] = []
        self._cache: Any = None

    def put(self, asks: Sequence[Ask], logits: Array, cache: Any) -> None:
        new = [Search(self._group, self._n_wanted, ask.most) for ask in asks]
        cache = self._backend.select(cache, advance(self._backend, self._rules, new, logits))
        places = self._places(len(asks))
        self._cache = self._backend.join(self._cache, self._rows(places), cache) if self.keys else cache
        self._take(places, asks)
        self._searches = [*self._searches, *new][: len(self.keys)]
        for place, search in zip(places, new, strict=True):
            self._searches[place] = search

    def advance(self, n_steps: int) -> Finished:
        for _ in range(n_steps):
            if any(search.is_over for search, key in zip(self._searches, self.keys, strict=True) if key is not None):
                break
            logits, cache = self._backend.step(last_tokens(self._searches), self._cache)
            rows = advance(self._backend, self._rules, self._searches, logits)
            self._cache = self._backend.select(cache, rows)
        over = [place for place, key in enumerate(self.keys) if key is not None and self._searches[place].is_over]
        finished = [(self._leave(place), self._searches[place].candidates()) for place in over]
        if not self.n_live:
            self._clear()
        return finished

    def _clear(self) -> None:
        self.keys, self._searches, self._cache = [], [], None

    def shrink(self) -> None:
        if self.n_live < len(self.keys):
            stay = self._drop_free()
            self._searches = [self._searches[place] for place in stay]
            self._cache = self._backend.select(self._cache, self._rows(stay))
