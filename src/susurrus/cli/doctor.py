"""`susurrus doctor`: what is here, how fast it is, what is missing, and the line that installs it.

Nothing that is broken on a machine may break this command: each question is asked by itself, and backends are asked in
processes of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import pkgutil
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from ..errors import SusurrusError
from .config import user_file
from .flags import read_bool
from .machine import free_bytes, guarded, memory_bytes, n_cores, processor, processor_features, why_not_writable
from .model_flags import add_place_flags
from .stdout import show_json
from .table import megabytes

SUMMARY = "look over this machine: backends, speed, models, what is missing"
DESCRIPTION = (
    "Say what Susurrus finds on this machine, how fast it is, what is missing and what installs it. No network."
)
RUNS_WITHOUT_CONFIG = True

PROBE_SECONDS = 90
"""The longest a backend may take to start and to be measured, on a slow machine that is busy."""

_LIBRARIES = ("numpy", "av", "tiktoken", "huggingface_hub")
_NETWORK = ("HF_HUB_OFFLINE", "SUSURRUS_OFFLINE", "HF_ENDPOINT", "HTTPS_PROXY", "https_proxy", "ALL_PROXY")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument(
        "--json", type=read_bool, default=False, metavar="True|False", help="print JSON (default: False)"
    )
    parser.add_argument(
        "--speed", type=read_bool, default=True, metavar="True|False", help="measure the speed too (default: True)"
    )
    add_place_flags(parser)
    parser.add_argument("--output_dir", "-o", default=".", help="folder that outputs will go to (default: .)")


def run(args: argparse.Namespace) -> int:
    """Print what is found; 0 when something can be transcribed here, 1 when nothing can."""
    found = examine(args)
    if args.json:
        show_json(found, indent=2)
    else:
        for label, line in _report(found):
            print(f"{label:<10} {line}")
    return 0 if found["can_run"] else 1


def examine(args: argparse.Namespace) -> dict[str, Any]:
    """Ask all questions; never raises."""
    memory, free = memory_bytes()
    backends = {name: ask_backend(name, with_speed=args.speed) for name in _backend_names()}
    libraries = {name: _library(name) for name in _LIBRARIES}
    can_run = any(one["devices"] for one in backends.values()) and all(
        "problem" not in library for library in libraries.values()
    )
    folder = Path(args.model_dir).expanduser() if args.model_dir else None
    return {
        "can_run": can_run,
        "susurrus": guarded(lambda: _version("susurrus")),
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": processor(),
        "features": processor_features(),
        "cores": n_cores(),
        "memory_bytes": memory,
        "memory_free_bytes": free,
        "libraries": libraries,
        "backends": backends,
        "extras": guarded(_missing_extras) or {},
        "models": guarded(lambda: _models(folder)) or [],
        "folders": _folders(args, folder),
        "network": {name: os.environ[name] for name in _NETWORK if os.environ.get(name)},
        "config": _config(args),
    }


def _backend_names() -> list[str]:
    """List the backends' folders as `backends.backend_names` does, which needs a NumPy that works."""
    folder = Path(__file__).parents[1] / "backends"
    return sorted(module.name for module in pkgutil.iter_modules([str(folder)]) if module.ispkg)


def ask_backend(name: str, *, with_speed: bool) -> dict[str, Any]:
    """Ask a backend in a process of its own what it can do; a crash or a silence is an answer too."""
    command = [sys.executable, "-m", f"{__package__}.probe", name, *(["--speed"] if with_speed else [])]
    nothing: dict[str, Any] = {
        "devices": [],
        "version": None,
        "missing": None,
        "install": None,
        "dtypes": [],
        "speeds": {},
    }
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=PROBE_SECONDS)
    except subprocess.TimeoutExpired:
        return {**nothing, "missing": f"it did not answer in {PROBE_SECONDS} s"}
    except OSError as error:
        return {**nothing, "missing": f"it could not be asked: {error}"}
    try:
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer
    except (ValueError, IndexError):
        last = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "it said nothing")
        return {**nothing, "missing": f"it ended with {done.returncode}: {last.strip()}"}


def _version(package: str) -> str:
    from importlib.metadata import version

    return version(package)


def _library(name: str) -> dict[str, str]:
    import importlib

    try:
        importlib.import_module(name)
    except Exception as error:  # a broken installation may raise anything
        return {"problem": f"{type(error).__name__}: {error}"}
    return {"version": guarded(lambda: _version(name)) or "?"}


def _missing_extras() -> dict[str, str]:
    """Give the extras of Susurrus that are not installed whole, each with the line that installs it."""
    from importlib.metadata import PackageNotFoundError, requires

    missing: dict[str, str] = {}
    for requirement in requires("susurrus") or ():
        package = re.match(r"[\w.-]+", requirement)
        extra = re.search(r"extra\s*==\s*['\"]([\w.-]+)['\"]", requirement)
        if package is None or extra is None or extra[1] == "dev":
            continue
        try:
            _version(package[0])
        except PackageNotFoundError:
            missing[extra[1]] = f'pip install "susurrus[{extra[1]}]"'
    return missing


def _models(folder: Path | None) -> list[dict[str, Any]]:
    from ..checkpoints import MODELS
    from .models import describe

    rows = [guarded(lambda entry=entry: describe(entry, folder)) for entry in MODELS.values()]  # type: ignore[misc]
    return [row for row in rows if row and (row["places"] or row["problem"])]


def _folders(args: argparse.Namespace, model_dir: Path | None) -> list[dict[str, Any]]:
    models = [("models", model_dir)] if model_dir else []
    kept = [*models, *(guarded(_caches) or [])]
    written = [("outputs", Path(args.output_dir)), ("temporary", Path(tempfile.gettempdir()))]
    return [
        {
            "for": use,
            "path": str(path.absolute()),
            "exists": path.is_dir(),
            "free_bytes": free_bytes(path),
            # A folder that is not there yet is made when it is needed: in the nearest one above it.
            "problem": why_not_writable(
                next(one for one in (path.absolute(), *path.absolute().parents) if one.exists())
            ),
        }
        for use, path in (*kept, *written)
    ]


def _caches() -> list[tuple[str, Path]]:
    from ..checkpoints.hub import cache_folder
    from ..checkpoints.resolve import whisper_cache

    return [("hub cache", cache_folder()), ("whisper's", whisper_cache())]


def _config(args: argparse.Namespace) -> dict[str, Any]:
    config = args.config_read
    problem: SusurrusError | None = config.problem
    return {
        "files": [str(path) for path in config.files],
        "user_file": str(guarded(user_file)),
        "problem": problem.message if problem else None,
    }


def _report(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Write what was found for a person: a label and a line each."""
    libraries = [f"{name} {one.get('version', 'broken')}" for name, one in found["libraries"].items()]
    memory, free = found["memory_bytes"], found["memory_free_bytes"]
    lines = [
        ("susurrus", f"{found['susurrus']}, Python {found['python']}, {found['system']}"),
        ("processor", ", ".join([str(found["processor"]), f"{found['cores']} cores", *found["features"]])),
        ("memory", (megabytes(memory) if memory else "?") + (f", {megabytes(free)} free" if free else "")),
        ("libraries", ", ".join(libraries)),
    ]
    for i, (name, one) in enumerate(found["backends"].items()):
        lines += [("" if i else "backends", line) for line in _backend_lines(name, one)]
    for row in found["models"]:
        here = ", ".join(f"{place['kind']}, {megabytes(place['bytes'])}" for place in row["places"])
        lines.append(("models", f"{row['name']} ({row['problem'] or here})"))
    if not found["models"]:
        lines.append(("models", "none yet; to fetch one: susurrus download base"))
    for folder in found["folders"]:
        state = folder["problem"] or (f"{megabytes(folder['free_bytes'])} free" if folder["free_bytes"] else "writable")
        lines.append(("folders", f"{folder['for']}: {folder['path']}, {state}"))
    offline = [name for name in _NETWORK[:2] if found["network"].get(name)]
    settings = ", ".join(f"{name} is set" for name in found["network"]) or "no settings"
    lines.append(("network", f"{'not used' if offline else 'used to fetch models'} ({settings})"))
    config = found["config"]
    lines.append(("config", config["problem"] or ", ".join(config["files"]) or f"no file ({config['user_file']})"))
    for extra, install in found["extras"].items():
        lines.append(("extras", f"{extra} is not here; to install it: {install}"))
    lines.append(("", "") if found["can_run"] else ("NOTE", "nothing can be transcribed here"))
    for name, library in found["libraries"].items():
        if "problem" in library:
            lines.append(("NOTE", f"{name} is broken ({library['problem']}): pip install --force-reinstall {name}"))
    return _without_repeated_labels([line for line in lines if line[1]])


def _backend_lines(name: str, one: dict[str, Any]) -> list[str]:
    if not one["devices"]:
        install = f"; to install it: {one['install']}" if one["install"] else ""
        return [f"{name}: not here: {one['missing']}{install}"]
    lines = []
    for device in one["devices"]:
        speed = one["speeds"].get(device, {})
        told = f", {speed['x']:.1f}x real time with tiny in {speed['dtype']}" if "x" in speed else ""
        told += f", fails: {speed['error']}" if "error" in speed else ""
        lines.append(f"{name} {one['version']} on {device}: {', '.join(one['dtypes'])}{told}")
    return lines


def _without_repeated_labels(lines: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [
        ("" if i and label == lines[i - 1][0] and label != "NOTE" else label, line)
        for i, (label, line) in enumerate(lines)
    ]
