"""The operations of `Ops` on a PyTorch device; `NumpyOps` says what each means."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

from ...types import Array
from ..ops import narrow

if TYPE_CHECKING:
    from .loops import StillLoops

S = TypeVar("S")

N_UNCHECKED = 8
"""Loop bodies run between two looks at the condition where a look waits for the device to finish all it was given."""


class TorchOps:
    """The dozen operations, on one device. `loops` runs those loops that can be recorded."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._constants: dict[Any, torch.Tensor] | None = None
        self.loops: StillLoops | None = None
        self.n_unchecked = 1 if device.type == "cpu" else N_UNCHECKED

    def asarray(self, values: Any) -> Array:
        if isinstance(values, torch.Tensor):
            return values.to(self._device)
        values = narrow(np.asarray(values))
        if self._constants is None:
            return torch.tensor(values, device=self._device)
        key = values.dtype.str, values.shape, values.tobytes()
        if key not in self._constants:
            self._constants[key] = torch.tensor(values, device=self._device)
        return self._constants[key]

    @contextmanager
    def constants(self, kept: dict[Any, torch.Tensor]) -> Iterator[None]:
        """Take arrays that `asarray` has made from `kept`, and keep there what it makes: a recording can make none."""
        self._constants = kept
        try:
            yield
        finally:
            self._constants = None

    def to_numpy(self, array: Array) -> Any:
        return array.numpy(force=True) if isinstance(array, torch.Tensor) else np.asarray(array)

    def where(self, mask: Array, a: Any, b: Any) -> Array:
        # Numbers are written on the device: one brought there would wait for it, and no recording could hold it.
        return torch.where(mask, self._on_device(a), self._on_device(b))

    def argmax(self, x: Array) -> Array:
        return x.argmax(dim=-1).to(torch.int32)

    def max(self, x: Array) -> Array:
        return x.amax(dim=-1)

    def logsumexp(self, x: Array) -> Array:
        return x.logsumexp(dim=-1)

    def log_softmax(self, x: Array) -> Array:
        return x.log_softmax(dim=-1)

    def softmax(self, x: Array) -> Array:
        return x.softmax(dim=-1)

    def cumsum(self, x: Array) -> Array:
        return x.cumsum(dim=-1, dtype=torch.float32)

    def count(self, mask: Array) -> Array:
        return mask.sum(dim=-1, dtype=torch.int32)

    def take(self, x: Array, ids: Array) -> Array:
        return x.gather(-1, ids[:, None].long())[:, 0]

    def top_k(self, x: Array, k: int) -> tuple[Array, Array]:
        values, ids = x.topk(k, dim=-1)
        return values, ids.to(torch.int32)

    def mark(self, ids: Array, n: int) -> Array:
        marked = torch.zeros(ids.shape[0], n + 1, dtype=torch.bool, device=ids.device)
        return marked.scatter_(-1, self.where(ids < 0, n, ids).long(), True)[:, :n]  # column n takes the ids below 0

    def while_loop(self, go_on: Callable[[S], Any], body: Callable[[S], S], state: S) -> S:
        if self.loops is not None:
            ended = self.loops.run(go_on, body, state, self.n_unchecked)
            if ended is not None:
                return ended
        while go_on(state):
            for _ in range(self.n_unchecked):
                state = body(state)
        return state

    def _on_device(self, value: Any) -> torch.Tensor:
        if isinstance(value, torch.Tensor):
            return value
        dtype = torch.int32 if isinstance(value, int) else torch.float32
        return torch.full((), value, dtype=dtype, device=self._device)
