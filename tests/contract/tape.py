"""A recorder for PyTorch on the CPU that is as strict as a CUDA graph: it keeps kernels, not the Python around them.

What runs again are the same kernels on the same tensors. What a recording cannot hold is refused: reading a value on
the host, or making an array of the host's numbers.
"""

from __future__ import annotations

import torch
from torch.utils._python_dispatch import TorchDispatchMode

REFUSED = (
    *("lift_fresh", "scalar_tensor", "where.ScalarSelf", "where.ScalarOther", "where.Scalar"),  # bring numbers
    *("_local_scalar_dense", "item", "is_nonzero", "equal", "resolve_conj"),  # read them; the last: as NumPy
    *("nonzero", "masked_select", "unique"),  # choose shapes by them
)


class Tape:
    """Records work; `n_recorded` and `n_replayed` count it."""

    def __init__(self):
        self.n_recorded = self.n_replayed = 0

    def record(self, work):
        calls = []
        with _Listening(calls):
            work()
        self.n_recorded += 1

        def again():
            self.n_replayed += 1
            made = {}
            for function, args, kwargs, result in calls:
                new = function(*_swap(args, made), **_swap(kwargs, made))
                made.update(zip(map(id, _tensors(result)), _tensors(new), strict=True))

        return again


class _Listening(TorchDispatchMode):
    def __init__(self, calls):
        super().__init__()
        self._calls = calls

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        has_mask = name.startswith("index") and any(t.dtype == torch.bool for t in _tensors(args[1]))
        if has_mask or name in REFUSED or f"{name}.{func._overloadname}" in REFUSED:
            raise AssertionError(f"{func} cannot be recorded")
        result = func(*args, **kwargs)
        self._calls.append((func, args, kwargs, result))
        return result


def _tensors(value):
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, list | tuple):
        return [tensor for part in value for tensor in _tensors(part)]
    return []


def _swap(value, made):
    if isinstance(value, torch.Tensor):
        return made.get(id(value), value)
    if isinstance(value, list | tuple):
        return type(value)(_swap(part, made) for part in value)
    if isinstance(value, dict):
        return {name: _swap(part, made) for name, part in value.items()}
    return value
