"""The operations of `Ops` on a PyTorch device; `NumpyOps` says what each means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch

from ...types import Array
from ..ops import narrow

S = TypeVar("S")

N_UNCHECKED = 8
"""Loop bodies run between two looks at the condition where a look waits for the device to finish all it was given."""


class TorchOps:
    """The dozen operations, on one device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def asarray(self, values: Any) -> Array:
        if isinstance(values, torch.Tensor):
            return values.to(self._device)
        return torch.tensor(narrow(np.asarray(values)), device=self._device)

    def to_numpy(self, array: Array) -> Any:
        return array.numpy(force=True) if isinstance(array, torch.Tensor) else np.asarray(array)

    def where(self, mask: Array, a: Any, b: Any) -> Array:
        if not isinstance(a, torch.Tensor) and not isinstance(b, torch.Tensor):
            is_whole = isinstance(a, int) and isinstance(b, int)
            a = torch.tensor(a, dtype=torch.int32 if is_whole else torch.float32, device=self._device)
        return torch.where(mask, a, b)

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
        return marked.scatter_(-1, torch.where(ids < 0, n, ids).long(), True)[:, :n]  # column n takes the ids below 0

    def while_loop(self, go_on: Callable[[S], Any], body: Callable[[S], S], state: S) -> S:
        n_bodies = 1 if self._device.type == "cpu" else N_UNCHECKED
        while go_on(state):
            for _ in range(n_bodies):
                state = body(state)
        return state
