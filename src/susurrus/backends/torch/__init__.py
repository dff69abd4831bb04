"""Whisper in PyTorch: CUDA, MPS, XPU and the CPU, in float32, bfloat16 and float16."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from ...types import Checkpoint
from .. import Availability

if TYPE_CHECKING:
    from .model import TorchBackend


def availability() -> Availability:
    """Say which devices PyTorch has here, best first."""
    try:
        devices = importlib.import_module(".devices", __name__)
    except (ImportError, OSError) as error:  # OSError: it is installed, and a library it links to is not
        return Availability(missing=f"PyTorch cannot be imported ({error})", install="pip install 'susurrus[torch]'")
    return Availability(devices=devices.devices(), version=devices.version(), dtypes=tuple(devices.DTYPES))


def open(checkpoint: Checkpoint, *, device: str = "auto", dtype: str = "auto", threads: int = 0) -> TorchBackend:
    """Put a checkpoint on a device: `auto` takes the first of cuda, mps, xpu, cpu that is here.

    `threads` above 0 sets PyTorch's number of threads on the CPU, and does so for the whole process: PyTorch knows no
    other way. 0 lowers it to the cores the process is granted, where those are fewer. Raises BackendUnavailable for a
    device that is not here, OptionError for an unknown dtype.
    """
    from .model import TorchBackend  # importing PyTorch takes a second or more: only who opens it pays

    return TorchBackend(checkpoint, device=device, dtype=dtype, threads=threads)
