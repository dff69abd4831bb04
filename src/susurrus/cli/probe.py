"""What one backend can do here, and how fast: `python -m susurrus.cli.probe NAME`, which prints JSON.

A process of its own, so that a framework that crashes or hangs takes nothing with it.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from typing import Any

N_TOKENS = 100
"""About what is said in 30 s."""

MEASURE_SECONDS = 0.4
"""How long the encoder, and then the decoder, is run at most, after a first time that does not count."""


def probe(name: str, *, with_speed: bool) -> dict[str, Any]:
    """Give what `availability` says of a backend, and the speed of each kind of device it has."""
    from dataclasses import asdict

    from ..backends import availability

    here = availability(name)
    speeds = {}
    for device in here.devices if with_speed else ():
        if ":" in device:  # another of the same kind
            continue
        try:
            speeds[device] = speed(name, device)
        except Exception as error:
            speeds[device] = {"error": f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"}
    return {**asdict(here), "speeds": speeds}


def speed(name: str, device: str) -> dict[str, Any]:
    """Run a tiny model with random weights, a window at a time; give its dtype and how many times real time it is."""
    import numpy as np

    from ..backends import open_backend
    from ..checkpoints import MODELS, random_checkpoint

    dims = MODELS["tiny"].dims
    backend = open_backend(name, random_checkpoint(dims), device=device)
    try:
        mel = np.zeros((1, dims.n_mels, 2 * dims.n_audio_ctx), dtype=np.float32)
        prompt = np.array([[50258, 50259, 50359]], dtype=np.int32)
        one = np.ones(1, dtype=np.int32)
        cache: Any = None

        def prefill() -> None:
            nonlocal cache
            features = backend.encode(mel)
            logits, cache = backend.prefill(features, prompt, 3 * one, 2 * np.ones((1, 1), dtype=np.int32))
            backend.ops.to_numpy(logits)

        def step() -> None:
            nonlocal cache
            logits, cache = backend.step(one, cache)
            backend.ops.to_numpy(logits)  # which waits for a device that computes on its own

        prefill_seconds, step_seconds = _seconds(prefill), _seconds(step)
    finally:
        backend.close()
    return {"dtype": backend.dtype, "x": 30 / (prefill_seconds + N_TOKENS * step_seconds)}


def _seconds(run: Any) -> float:
    """Give how long a call takes once it is warm."""
    run()
    n, start = 0, time.perf_counter()
    while True:
        run()
        n, passed = n + 1, time.perf_counter() - start
        if passed > MEASURE_SECONDS or n >= N_TOKENS:
            return passed / n


def main(argv: Sequence[str]) -> int:
    """Print what is found as one line of JSON, the last line of stdout."""
    print(json.dumps(probe(argv[0], with_speed="--speed" in argv)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
