"""Whole loops on a device: the step, the rules and the choice of token recorded together, with nothing in between.

Takes what `Ops.while_loop` was given. Of the state it asks that it is made of tuples, that its arrays have a row for
each row of the one cache among them, and that its numbers only count bodies. Knows nothing of what the body does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .cache import Cache
from .recording import Recorded
from .slots import Slots, StillCache, StillSteps

N_KEPT = 8
"""Bodies that are known again, and loops kept on a slots; those used least lately are let go."""

Constants = dict[Any, Tensor]
Body = Callable[[Any], Any]


@dataclass
class _Loop:
    """A body on the first `n_windows` of some slots, its state at fixed addresses, and its work recorded by room."""

    body: Body
    slots: Slots
    n_windows: int
    state: Any
    counts: list[int] = field(default_factory=list)  # what a body adds to each number
    constants: Constants = field(default_factory=dict)
    works: dict[int, Recorded] = field(default_factory=dict)

    @property
    def tensors(self) -> list[Tensor]:
        return [leaf for leaf in _leaves(self.state) if isinstance(leaf, Tensor)]


class StillLoops:
    """Runs loops over caches in slots.

    `constants` gives a context in which arrays made of fixed numbers are made once: they cannot be made while work is
    recorded.
    """

    def __init__(self, steps: StillSteps, constants: Callable[[Constants], AbstractContextManager[None]]) -> None:
        self._steps, self._constants = steps, constants
        self._known: dict[Any, Body] = {}

    @torch.inference_mode()
    def run(self, go_on: Callable[[Any], Any], body: Body, state: Any, n_bodies: int) -> Any | None:
        """Run body while go_on, which is asked every n_bodies; give the state. None where this is not for the loop.

        A body is known again as a `partial` of the same function over the same objects. Before that it is not recorded:
        many a one never comes back.
        """
        caches = [leaf for leaf in _leaves(state) if isinstance(leaf, Cache | StillCache)]
        if not isinstance(body, partial) or body.keywords or len(caches) != 1:
            return None
        name = (body.func, *map(id, body.args))
        is_known = name in self._known
        _put(self._known, name, body)  # kept, so that no other object gets one of these ids
        if not is_known or not _has_rows(state, caches[0].n_rows):
            return None
        still = self._steps.admit(caches[0])
        loop = self._loop(name, body, state, still)
        _fill(loop.state, state)
        return self._run(go_on, loop, state, still, n_bodies)

    def _run(self, go_on: Callable[[Any], Any], loop: _Loop, state: Any, still: StillCache, n_bodies: int) -> Any:
        n_done, n_text_ctx = 0, loop.slots.past.shape[4]

        def now() -> Any:
            """Give the state after n_done bodies, in the loop's own memory."""
            lengths = np.minimum(still.lengths + n_done, n_text_ctx)
            numbers = iter(loop.counts)
            tensors = iter(loop.tensors)

            def leaf(given: Any) -> Any:
                if isinstance(given, Tensor):
                    return next(tensors)[: still.n_rows]
                if isinstance(given, int):
                    return given + n_done * next(numbers, 0)
                return replace(still, lengths=lengths) if isinstance(given, Cache | StillCache) else given

            return _map(leaf, state)

        while go_on(now()):
            for _ in range(n_bodies):
                longer = replace(still, lengths=np.minimum(still.lengths + n_done, n_text_ctx))
                self._work(loop, self._steps.next_room(longer))()
                n_done += 1
        return _map(lambda leaf: leaf.clone() if isinstance(leaf, Tensor) else leaf, now())

    def _loop(self, name: Any, body: Body, state: Any, still: StillCache) -> _Loop:
        slots, n_windows = still.slots, still.slots.n_stepped(still.n_windows)
        n_rows = n_windows * slots.group
        key = (name, n_windows, *((leaf.shape[1:], leaf.dtype) for leaf in _leaves(state) if isinstance(leaf, Tensor)))
        if key not in slots.loops:

            def place(leaf: Any) -> Any:
                if isinstance(leaf, Tensor):
                    return leaf.new_empty(n_rows, *leaf.shape[1:])
                # Without a lease, or the slots would hold themselves and never be free.
                is_cache = isinstance(leaf, Cache | StillCache)
                return StillCache(slots, None, n_windows, np.zeros(n_rows, dtype=np.int64)) if is_cache else leaf

            slots.loops[key] = _Loop(body, slots, n_windows, _map(place, state))
        _put(slots.loops, key, slots.loops[key])
        return slots.loops[key]

    def _work(self, loop: _Loop, room: int) -> Recorded:
        if room not in loop.works:
            given = _map(lambda leaf: replace(leaf, room=room) if isinstance(leaf, StillCache) else leaf, loop.state)

            def work() -> None:
                with self._constants(loop.constants):
                    made = loop.body(given)
                _write(loop.tensors, [leaf for leaf in _leaves(made) if isinstance(leaf, Tensor)])
                pairs = zip(_leaves(given), _leaves(made), strict=True)
                loop.counts = [after - before for before, after in pairs if isinstance(before, int)]

            loop.works[room] = Recorded(work, self._steps.recorder)
        return loop.works[room]


def _write(places: list[Tensor], made: list[Tensor]) -> None:
    """Put what a body made where the next one reads it."""
    changed = [(place, new) for place, new in zip(places, made, strict=True) if new is not place]
    mine = {place.untyped_storage().data_ptr() for place in places}
    # What lies in another's place is taken out before that is written to.
    safe = [new.clone() if new.untyped_storage().data_ptr() in mine else new for _, new in changed]
    for (place, _), new in zip(changed, safe, strict=True):
        place.copy_(new)


def _fill(places: Any, state: Any) -> None:
    """Put a state into a loop's memory; rows beyond its own repeat the last."""
    for place, given in zip(_leaves(places), _leaves(state), strict=True):
        if isinstance(place, Tensor):
            place[: len(given)] = given
            place[len(given) :] = given[-1:]


def _has_rows(state: Any, n_rows: int) -> bool:
    """Say whether a state is made of what a loop can keep."""
    kinds = (Tensor, int, Cache, StillCache, type(None))
    leaves = list(_leaves(state))
    return all(isinstance(leaf, kinds) for leaf in leaves) and all(
        leaf.ndim > 0 and len(leaf) == n_rows for leaf in leaves if isinstance(leaf, Tensor)
    )


def _put(kept: dict[Any, Any], key: Any, value: Any) -> None:
    """Make a key the one used last, and let the first ones go where there are too many."""
    kept.pop(key, None)
    kept[key] = value
    while len(kept) > N_KEPT:
        del kept[next(iter(kept))]


def _leaves(state: Any) -> Iterator[Any]:
    """Walk through what a state is made of, in order.

    >>> list(_leaves((1, (2, None))))
    [1, 2, None]
    """
    if isinstance(state, tuple):
        for part in state:
            yield from _leaves(part)
    else:
        yield state


def _map(function: Callable[[Any], Any], state: Any) -> Any:
    """Give a state of the same make with each leaf replaced.

    >>> _map(lambda leaf: -leaf, (1, (2, 3)))
    (-1, (-2, -3))
    """
    if not isinstance(state, tuple):
        return function(state)
    parts = [_map(function, part) for part in state]
    return type(state)(*parts) if hasattr(state, "_fields") else tuple(parts)
