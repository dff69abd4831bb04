"""What a machine is: its processor, its memory, the space in a folder. Each answer is None where nothing tells it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

# What Whisper's arithmetic gains from, as /proc/cpuinfo spells it.
_FEATURES = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_vnni": "AVX-512 VNNI",
    "avx_vnni": "AVX VNNI",
    "avx512_bf16": "AVX-512 bf16",
    "amx_bf16": "AMX bf16",
    "amx_int8": "AMX int8",
    "asimd": "NEON",
    "asimddp": "dot product",
    "bf16": "bf16",
    "i8mm": "i8mm",
    "sve": "SVE",
}


def guarded(ask: Callable[[], T]) -> T | None:
    """Give the answer, None where asking fails in whatever way."""
    try:
        return ask()
    except Exception:
        return None


def processor() -> str | None:
    """Give the processor's name."""
    if sys.platform == "darwin":
        return _sysctl("machdep.cpu.brand_string")
    return guarded(lambda: _cpuinfo()["model name"]) or platform.processor() or platform.machine() or None


def processor_features() -> list[str]:
    """List the instructions that make Whisper faster and that are here; empty where that cannot be told."""
    if sys.platform == "darwin":
        return ["NEON"] if platform.machine() == "arm64" else []
    info = guarded(_cpuinfo) or {}
    flags = set((info.get("flags") or info.get("Features") or "").split())
    return [name for flag, name in _FEATURES.items() if flag in flags]


def n_cores() -> int | None:
    """Count the processor's cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def memory_bytes() -> tuple[int | None, int | None]:
    """Give the memory, as far as this process may use it, and how much of it is free."""
    if sys.platform == "win32":
        return guarded(_windows_memory) or (None, None)
    page = guarded(lambda: os.sysconf("SC_PAGE_SIZE"))
    total = guarded(lambda: page * os.sysconf("SC_PHYS_PAGES")) if page else None
    limit = guarded(lambda: int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    free = guarded(lambda: next(int(line.split()[1]) for line in _lines("/proc/meminfo") if "MemAvailable" in line))
    return min((one for one in (total, limit) if one), default=None), free * 1024 if free else None


def free_bytes(folder: Path) -> int | None:
    """Give the free space where a folder is, or would be."""
    there = next((one for one in (folder.absolute(), *folder.absolute().parents) if one.is_dir()), None)
    return guarded(lambda: shutil.disk_usage(there).free) if there else None


def why_not_writable(folder: Path) -> str | None:
    """Write a file into a folder, and say why that fails; None where it does not."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as error:
        return error.strerror or str(error)
    return None


def _cpuinfo() -> dict[str, str]:
    pairs = (line.partition(":") for line in _lines("/proc/cpuinfo"))
    return {key.strip(): value.strip() for key, _, value in pairs}


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8", errors="replace").splitlines()


def _sysctl(name: str) -> str | None:
    return guarded(
        lambda: subprocess.run(["sysctl", "-n", name], capture_output=True, text=True).stdout.strip() or None
    )


def _windows_memory() -> tuple[int, int]:
    import ctypes

    class Status(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong)] + [
            (name, ctypes.c_ulonglong) for name in ("total", "free", "a", "b", "c", "d", "e")
        ]

    status = Status(length=ctypes.sizeof(Status))
    ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))  # type: ignore[attr-defined]
    return status.total, status.free
