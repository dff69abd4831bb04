"""Which devices PyTorch has here, and which dtype suits each."""

from __future__ import annotations

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
    asked = getattr(torch.cpu, "_is_amx_tile_supported", None)
    if asked is not None:
        return bool(asked())
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.is_file() and "amx_bf16" in cpuinfo.read_text()
