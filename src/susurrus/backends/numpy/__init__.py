"""Whisper in NumPy: the definition the other backends are tested against, and what runs with no framework installed."""

from __future__ import annotations

import numpy as np

from ...errors import BackendUnavailable, OptionError
from ...types import Checkpoint
from .. import Availability
from ..inputs import check_threads
from .model import NumpyBackend


def availability() -> Availability:
    """Say that it runs everywhere: NumPy is a dependency."""
    return Availability(devices=("cpu",), version=np.__version__, dtypes=("float32",))


def open(checkpoint: Checkpoint, *, device: str = "auto", dtype: str = "auto", threads: int = 0) -> NumpyBackend:
    """Read a checkpoint into memory as float32.

    Raises BackendUnavailable for any device but the CPU, OptionError for another dtype and for a number of threads,
    which NumPy cannot be told.
    """
    check_threads(threads)
    if device not in ("auto", "cpu"):
        raise BackendUnavailable(f"device={device!r}: NumPy computes on the CPU", hint="choose device='cpu'")
    if dtype not in ("auto", "float32"):
        raise OptionError(f"dtype={dtype!r}: NumPy computes in float32", hint="choose dtype='float32' or 'auto'")
    if threads:
        raise OptionError(
            f"threads={threads}: NumPy takes its number of threads from the environment",
            hint=f"set OPENBLAS_NUM_THREADS={threads} before Python starts, or choose another backend",
        )
    return NumpyBackend(checkpoint)
