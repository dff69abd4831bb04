"""The systems of a benchmark: Susurrus itself, and other programs that a folder of the user's has.

FOLDER/venv/                 their environment
FOLDER/weights/MODEL/...     the model in each program's own form: `peers.PEERS` says under which name
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import OptionError
from ..transcribe import BatchSize
from . import peers
from .peers import PEERS
from .workers import Worker

OURS = "susurrus"
_HINT = "the guide to benchmarks says what the folder holds"


def our_worker(
    model: Mapping[str, Any], options: Mapping[str, Any], *, batch_size: BatchSize, n_threads: int, timeout: float
) -> Worker:
    """Make the process of Susurrus; `model` are the arguments of `load`, `options` those of `transcribe`.

    `n_threads` is for the libraries below the backend, all of them; what `model` says of threads is for the backend.
    """
    given = {"model": dict(model), "options": dict(options), "batch_size": batch_size}
    command = [sys.executable, "-m", f"{__package__}.ours", json.dumps(given)]
    return Worker(OURS, command, env=_environment(n_threads), timeout=timeout)


def find_peers(folder: Path, model: str, names: Sequence[str] = ()) -> tuple[list[str], list[str]]:
    """Give the peers that have weights of the model in the folder, and those that lack them; `names` must have them.

    Raises: OptionError where one of `names` has none, or no peer has.
    """
    weights = _weights(folder, model)
    here = [name for name, peer in PEERS.items() if (weights / peer.weights).exists()]
    missing = [name for name in names or PEERS if name not in here]
    if missing and (names or not here):
        wanted = ", ".join(f"{PEERS[name].weights} for {name}" for name in missing)
        raise OptionError(f"{weights} lacks {wanted}", hint=_HINT)
    return list(names) or here, missing


def peer_workers(
    folder: Path,
    names: Sequence[str],
    ours: Mapping[str, Any],
    *,
    task: str,
    beam_size: int | None,
    n_threads: int,
    timeout: float,
) -> list[Worker]:
    """Make the peers' processes; they get the language and the model that Susurrus says of itself in `ours`.

    Raises: OptionError where the folder has no environment, or Susurrus does not run on the CPU as they do.
    """
    if ours["device"] != "cpu":
        raise OptionError(f"the peers run on the CPU, Susurrus on {ours['device']}", hint="choose the device cpu")
    given = {
        "folder": str(_weights(folder, ours["model"]).resolve()),
        "threads": n_threads,
        "task": task,
        "beam_size": beam_size,
        "language": ours["language"],
        "is_multilingual": ours["is_multilingual"],
    }
    # What is there runs; the network is never asked.
    env = {**_environment(n_threads), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    python = str(_python(folder))
    return [
        Worker(name, [python, "-I", peers.__file__, json.dumps({"peer": name, **given})], env=env, timeout=timeout)
        for name in names
    ]


def _weights(folder: Path, model: str) -> Path:
    """Give the folder of a model's weights: `openai/whisper-base` is `base` there."""
    return folder / "weights" / re.sub(r"^.*/(whisper-)?", "", model)


def _python(folder: Path) -> Path:
    places = [folder / "venv" / "bin" / "python", folder / "venv" / "Scripts" / "python.exe"]
    found = next((place for place in places if place.exists()), None)
    if found is None:
        raise OptionError(f"{places[0]} is not there", hint=_HINT)
    return found.absolute()


def _environment(n_threads: int) -> dict[str, str]:
    """Give what holds the libraries of every system to that number of threads."""
    return dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(n_threads))
