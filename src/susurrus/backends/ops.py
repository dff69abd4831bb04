"""The dozen array operations that decoding needs, beside operators and slices; `NumpyOps` defines what each means.

Decoding is written once over these, so that its rules run where the logits are. All are pure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import numpy as np

from ..types import Array

S = TypeVar("S")


class Ops(Protocol):
    """`V` is the last axis. Integers are i32, floats f32, masks bool."""

    def asarray(self, values: Any) -> Array:
        """Bring values to the device: whole numbers as i32, others as f32, bool as it is."""
        ...

    def to_numpy(self, array: Array) -> Any:
        """Bring an array back to the host."""
        ...

    def where(self, mask: Array, a: Any, b: Any) -> Array:
        """Give a where mask, b elsewhere; a, b are arrays or plain numbers, which are i32 or f32."""
        ...

    def argmax(self, x: Array) -> Array:
        """[..., V] -> i32[...], the first index of the largest."""
        ...

    def max(self, x: Array) -> Array:
        """[..., V] -> [...]."""
        ...

    def logsumexp(self, x: Array) -> Array:
        """[..., V] -> [...]; -inf where all are -inf."""
        ...

    def log_softmax(self, x: Array) -> Array:
        """[..., V] -> [..., V]."""
        ...

    def softmax(self, x: Array) -> Array:
        """[..., V] -> [..., V]."""
        ...

    def cumsum(self, x: Array) -> Array:
        """[..., V] -> [..., V], running sums in f32."""
        ...

    def count(self, mask: Array) -> Array:
        """bool[..., V] -> i32[...], how many are true."""
        ...

    def take(self, x: Array, ids: Array) -> Array:
        """x[R, V], ids i32[R] -> x[r, ids[r]]."""
        ...

    def top_k(self, x: Array, k: int) -> tuple[Array, Array]:
        """[..., V] -> the k largest, largest first, and their indices i32; among equals any order."""
        ...

    def mark(self, ids: Array, n: int) -> Array:
        """ids i32[R, K] -> bool[R, n], true at each id of the row; ids below 0 mark nothing."""
        ...

    def while_loop(self, go_on: Callable[[S], Any], body: Callable[[S], S], state: S) -> S:
        """Run body on the state while go_on(state). A body run once too often must change nothing that counts."""
        ...


class NumpyOps:
    """The definition of `Ops`."""

    def asarray(self, values: Any) -> Array:
        return narrow(np.asarray(values))

    def to_numpy(self, array: Array) -> Any:
        return array

    def where(self, mask: Array, a: Any, b: Any) -> Array:
        return narrow(np.where(mask, a, b))

    def argmax(self, x: Array) -> Array:
        return x.argmax(axis=-1).astype(np.int32)

    def max(self, x: Array) -> Array:
        return x.max(axis=-1)

    def logsumexp(self, x: Array) -> Array:
        top = x.max(axis=-1, keepdims=True)
        top = np.where(np.isfinite(top), top, np.float32(0))
        with np.errstate(divide="ignore"):
            return np.log(np.exp(x - top).sum(axis=-1)) + top[..., 0]

    def log_softmax(self, x: Array) -> Array:
        return x - self.logsumexp(x)[..., None]

    def softmax(self, x: Array) -> Array:
        return np.exp(self.log_softmax(x))

    def cumsum(self, x: Array) -> Array:
        return np.cumsum(x, axis=-1, dtype=np.float32)

    def count(self, mask: Array) -> Array:
        return mask.sum(axis=-1, dtype=np.int32)

    def take(self, x: Array, ids: Array) -> Array:
        return np.take_along_axis(x, ids[:, None].astype(np.int64), axis=-1)[:, 0]

    def top_k(self, x: Array, k: int) -> tuple[Array, Array]:
        ids = np.argpartition(-x, min(k, x.shape[-1] - 1), axis=-1)[..., :k]
        values = np.take_along_axis(x, ids, axis=-1)
        order = np.argsort(-values, axis=-1, kind="stable")
        return np.take_along_axis(values, order, axis=-1), np.take_along_axis(ids, order, axis=-1).astype(np.int32)

    def mark(self, ids: Array, n: int) -> Array:
        marked = np.zeros((ids.shape[0], n + 1), dtype=bool)  # the last column takes the ids below 0
        np.put_along_axis(marked, np.where(ids < 0, n, ids).astype(np.int64), True, axis=-1)
        return marked[:, :n]

    def while_loop(self, go_on: Callable[[S], Any], body: Callable[[S], S], state: S) -> S:
        while go_on(state):
            state = body(state)
        return state


def narrow(values: Array) -> Array:
    """Give whole numbers as i32, others as f32, bool as it is: no device need know wider ones.

    >>> narrow(np.array([1.5])).dtype, narrow(np.array([1])).dtype
    (dtype('float32'), dtype('int32'))
    """
    if values.dtype == bool:
        return values
    return values.astype(np.int32 if np.issubdtype(values.dtype, np.integer) else np.float32, copy=False)
