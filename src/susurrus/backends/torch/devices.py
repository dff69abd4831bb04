"""Which devices PyTorch has here, and which dtype suits each."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from ...errors import BackendUnavailable, OptionError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def version() -> str:
    """Give PyTorch's version."""
    return str(torch.__version__)


def devices() -> tuple[str, ...]:
    """Name the devices that are here, best first; several of a kind carry a number."""
    found: list[str] = []
    if torch.cuda.is_available():
        found += _numbered("cuda", torch.cuda.device_count())
    if torch.backends.mps.is_available():
        found.append("mps")
    if hasattr(torch, "xpu") and torch.xpu.is_available():
        found += _numbered("xpu", torch.xpu.device_count())
    return (*found, "cpu")


def _numbered(kind: str, n: int) -> list[str]:
    """Name n devices of a kind.

    >>> _numbered("cuda", 1), _numbered("cuda", 2)
    (['cuda'], ['cuda', 'cuda:1'])
    """
    return [kind, *(f"{kind}:{i}" for i in range(1, n))]


def choose_device(name: str) -> torch.device:
    """Give the device of that name, the best one for `auto`. Raises BackendUnavailable where it is not here."""
    here = devices()
    if name == "auto":
        name = here[0]
    elif name.removesuffix(":0") not in here:
        raise BackendUnavailable(
            f"device={name!r}: PyTorch {version()} does not find it here", hint=f"choose from auto, {', '.join(here)}"
        )
    return torch.device(name)


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """Give the dtype of that name. `auto` is half precision wherever the device multiplies it faster than float32."""
    if name in DTYPES:
        return DTYPES[name]
    if name != "auto":
        raise OptionError(f"dtype={name!r}: unknown", hint=f"choose from auto, {', '.join(DTYPES)}")
    if device.type != "cpu":
        return torch.float16
    return torch.bfloat16 if has_amx() else torch.float32


def has_amx() -> bool:
    """Say whether the CPU has matrix units for bfloat16 (Intel AMX)."""
    return _has_instructions("_is_amx_tile_supported", "amx_bf16")


def has_fast_fused_attention(device: torch.device, dtype: torch.dtype) -> bool:
    """Say whether PyTorch's fused attention is the quickest for the encoder.

    In half precision on a CPU without matrix units it computes as slowly as in float32: a layer of base 58 ms a window
    on one thread of an EPYC, where two products head by head take 23 (PyTorch 2.13).
    """
    return device.type != "cpu" or dtype == torch.float32 or has_amx()


def _has_instructions(asked: str, flag: str) -> bool:
    """Ask PyTorch, or the system where this PyTorch cannot tell."""
    ask = getattr(torch.cpu, asked, None)
    if ask is not None:
        return bool(ask())
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.is_file() and flag in cpuinfo.read_text(encoding="ascii", errors="replace")


def choose_threads(threads: int, device: torch.device) -> None:
    """Set PyTorch's number of threads; for 0 only lower it to the cores that the system grants this process."""
    if device.type == "cpu" and not threads:
        threads = min(torch.get_num_threads(), usable_cores() or torch.get_num_threads())
    if threads and threads != torch.get_num_threads():
        torch.set_num_threads(threads)


def usable_cores() -> int | None:
    """Count the cores this process may use, where a limit is set on it; None where there is none.

    >>> usable_cores() != 0
    True
    """
    limits = [len(os.sched_getaffinity(0))] if hasattr(os, "sched_getaffinity") else []
    quota = Path("/sys/fs/cgroup/cpu.max")
    if quota.is_file():
        share, period = quota.read_text(encoding="ascii").split()
        if share != "max":
            limits.append(max(1, round(int(share) / int(period))))
    return min(limits, default=None)
