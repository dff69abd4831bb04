"""Seconds per hour of audio on a GPU, for every size of model, beside what the machine could do and transformers does.

    pip install -e '.[torch]'
    python bench/gpu.py --output gpu-results
    python bench/gpu.py --device cpu --models tiny --batches 1,4 --tokens 8 --output /tmp/gpu      # its own test

Weights are random, so a window has as many tokens as it is told to and no text. An hour is 120 windows. Counted is
encoding (the features brought to the device), reading the prompt and writing the tokens with their rules; not counted
are reading files and making features. The limit is the roofline's: arithmetic of the encoder at the speed of a large
product, bytes of the decoder at the speed of a large copy, both measured first. Every row is printed and written as
soon as it is there; no measurement begins after --minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from susurrus.backends.torch.model import TorchBackend
from susurrus.checkpoints.names import find_model
from susurrus.checkpoints.shapes import expected_shapes
from susurrus.decoding.loop import begin, write
from susurrus.decoding.rules import Rules
from susurrus.types import Checkpoint, ModelDimensions, Weights

WINDOWS_AN_HOUR = 120
N_TIMESTAMPS = 1501
PROMPT = (50258, 50259, 50359)
COLUMNS = {
    "system": "system",
    "model": "model",
    "batch": "batch",
    "tokens": "tokens a window",
    "encode_ms": "encode, ms a window",
    "token_ms": "decode, ms a token",
    "hour_s": "s per audio hour",
    "x": "x real time",
    "limit_x": "limit, x",
    "of_limit": "of the limit",
    "memory_gb": "peak memory, GB",
}


class Table:
    """Rows so far, on the terminal and in two files."""

    def __init__(self, folder: Path, machine: dict[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._machine = folder, machine
        self.rows: list[dict[str, Any]] = []
        self._write()

    def add(self, row: dict[str, Any]) -> None:
        self.rows.append(row)
        say("  " + ", ".join(f"{COLUMNS.get(name, name)} {shown(value)}" for name, value in row.items()))
        self._write()

    def _write(self) -> None:
        lines = [", ".join(f"{name} {shown(value)}" for name, value in self._machine.items()), ""]
        lines += [f"| {' | '.join(COLUMNS.values())} |", "|" + "---|" * len(COLUMNS)]
        for row in self.rows:
            cells = [shown(row.get(name)) for name in COLUMNS]
            lines.append(f"| {' | '.join(cells)} |" + (f" {row['failed']}" if "failed" in row else ""))
        (self._folder / "gpu.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (self._folder / "gpu.json").write_text(json.dumps({"machine": self._machine, "rows": self.rows}, indent=1))


def say(line: str) -> None:
    print(line, flush=True)


def shown(value: Any) -> str:
    """Three digits of a number."""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return "" if value is None else str(value)


class Clock:
    """Times work on a device, to the end of all it was given."""

    def __init__(self, device: str) -> None:
        self.is_cuda = device.startswith("cuda")

    def seconds(self, work: Callable[[], Any], n: int, n_before: int = 1) -> float:
        """Give the median of n runs, after some that do not count."""
        taken = []
        for i in range(n_before + n):
            self._wait()
            start = time.perf_counter()
            work()
            self._wait()
            if i >= n_before:
                taken.append(time.perf_counter() - start)
        return median(taken)

    def _wait(self) -> None:
        if self.is_cuda:
            torch.cuda.synchronize()


def ceilings(device: str, dtype: torch.dtype, clock: Clock) -> tuple[float, float]:
    """Measure the machine: operations a second of a large product, bytes a second of a large copy."""
    n = 8192 if clock.is_cuda else 1024
    a, b = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))  # not zeros: those go faster
    product = clock.seconds(lambda: a @ b, 10, 3)
    source = torch.randn(1 << (30 if clock.is_cuda else 26), device=device)
    target = torch.empty_like(source)
    copy = clock.seconds(lambda: target.copy_(source), 5, 2)
    return 2 * n**3 / product, 2 * source.nbytes / copy


def limit_seconds(dims: ModelDimensions, batch: int, n_tokens: int, flops: float, bandwidth: float) -> float:
    """Give the roofline's seconds for an hour of audio, in two bytes a number."""
    n_ctx, d, n_layer = dims.n_audio_ctx, dims.n_audio_state, dims.n_audio_layer
    conv = 2 * 3 * d * (2 * n_ctx * dims.n_mels + n_ctx * d)
    encoder = conv + (24 * d**2 * n_ctx + 4 * n_ctx**2 * d) * n_layer + 4 * d**2 * n_ctx * dims.n_text_layer
    weights = 2 * (14 * d**2 * dims.n_text_layer + dims.n_vocab * d)
    keys_and_values = 2 * 2 * d * dims.n_text_layer  # bytes of a place, heard or read
    step = weights + batch * keys_and_values * (n_ctx + len(PROMPT) + n_tokens / 2)
    return WINDOWS_AN_HOUR * (encoder / flops + n_tokens * step / bandwidth / batch)


def checkpoint(dims: ModelDimensions) -> Checkpoint:
    """Make random weights quickly: each is cut from the same four million numbers."""
    pool = np.random.default_rng(0).standard_normal(1 << 22, dtype=np.float32)

    def maker(name: str, shape: tuple[int, ...]) -> Callable[[], np.ndarray]:
        if len(shape) == 1:
            is_scale = "ln" in name.split(".")[-2] and name.endswith("weight")
            return lambda: np.full(shape, float(is_scale), dtype=np.float32)
        return lambda: np.resize(pool, shape) * np.float32(np.prod(shape[1:]) ** -0.5)

    entries = {name: (shape, maker(name, shape)) for name, shape in expected_shapes(dims).items()}
    return Checkpoint("random", dims, Weights(entries), ((dims.n_text_layer - 1, 0),))


def endless_rules(backend: TorchBackend) -> Rules:
    """Whisper's rules, but that a text never ends."""
    ops, n_vocab = backend.ops, backend.dims.n_vocab
    eot, timestamp_begin = 50257, n_vocab - N_TIMESTAMPS
    ids = np.arange(n_vocab, dtype=np.int32)
    return Rules(
        eot=eot,
        timestamp_begin=timestamp_begin,
        ids=ops.asarray(ids),
        never=ops.asarray((ids >= eot) & (ids < timestamp_begin)),
        not_at_start=ops.asarray(ids == 220),
        has_timestamps=True,
        max_initial_timestamp_index=50,
        repetition_penalty=1.0,
        no_repeat_ngram_size=0,
    )


def measure(backend: TorchBackend, rules: Rules, batch: int, tokens: list[int], clock: Clock) -> list[dict[str, float]]:
    """Time a batch: a row for each number of tokens a window."""
    dims, ops = backend.dims, backend.ops
    block = np.random.default_rng(1).standard_normal((1, dims.n_mels, 2 * dims.n_audio_ctx), dtype=np.float32)
    mel = np.repeat(block, batch, axis=0)
    encode_s = clock.seconds(lambda: backend.encode(mel), 3)
    features = backend.encode(mel)
    prompt = np.tile(np.array(PROMPT, dtype=np.int32), (batch, 1))
    lengths = np.full(batch, len(PROMPT), dtype=np.int32)

    def decode(n_tokens: int) -> None:
        logits, cache = backend.prefill(features, prompt, lengths, lengths[:, None] - 1)
        most = np.full(batch, n_tokens, dtype=np.int32)
        state = begin(backend, logits[:, 0], cache, rules, most, max(tokens))
        state = write(backend, rules, state, lambda state: ops.count(~state.is_done) > 0)
        assert int(ops.to_numpy(state.history.n_written).min()) == n_tokens, "a text ended early"

    rows = []
    for n_tokens in tokens:
        # Four runs that do not count: first the steps are recorded, then the loop.
        decode_s = clock.seconds(lambda n=n_tokens: decode(n), 3, 4)
        hour_s = WINDOWS_AN_HOUR / batch * (encode_s + decode_s)
        row = {"batch": batch, "tokens": n_tokens, "encode_ms": 1000 * encode_s / batch}
        rows.append({**row, "token_ms": 1000 * decode_s / n_tokens, "hour_s": hour_s, "x": 3600 / hour_s})
    return rows


def ours(name: str, args: argparse.Namespace, table: Table, clock: Clock, limits: tuple[float, float]) -> None:
    entry = find_model(name)
    assert entry is not None, f"no model {name}"
    start = time.perf_counter()
    backend = TorchBackend(checkpoint(entry.dims), device=args.device, dtype=args.dtype)
    say(f"{name}: opened in {time.perf_counter() - start:.1f} s")
    rules = endless_rules(backend)
    for batch in args.batches:
        if time.perf_counter() > args.deadline:
            say(f"  no time for batch {batch}")
            continue
        reset_memory(clock)
        try:
            rows = measure(backend, rules, batch, args.tokens, clock)
        except torch.cuda.OutOfMemoryError as error:
            table.add({"system": "susurrus", "model": name, "batch": batch, "failed": f"out of memory: {error}"[:120]})
            continue
        for row in rows:
            limit_x = 3600 / limit_seconds(entry.dims, batch, int(row["tokens"]), *limits)
            more = {"limit_x": limit_x, "of_limit": row["x"] / limit_x, "memory_gb": memory_gb(clock)}
            table.add({"system": "susurrus", "model": name, **row, **more})
    backend.close()


def theirs(name: str, args: argparse.Namespace, table: Table, clock: Clock, limits: tuple[float, float]) -> None:
    """Time transformers' own generate with a static cache, on a model of the same sizes."""
    from transformers import WhisperConfig, WhisperForConditionalGeneration
    from transformers.generation import GenerationMixin

    entry = find_model(name)
    assert entry is not None, f"no model {name}"
    dims, dtype = entry.dims, getattr(torch, args.dtype)
    config = WhisperConfig(
        vocab_size=dims.n_vocab,
        num_mel_bins=dims.n_mels,
        d_model=dims.n_audio_state,
        encoder_layers=dims.n_audio_layer,
        encoder_attention_heads=dims.n_audio_head,
        encoder_ffn_dim=4 * dims.n_audio_state,
        decoder_layers=dims.n_text_layer,
        decoder_attention_heads=dims.n_text_head,
        decoder_ffn_dim=4 * dims.n_text_state,
    )
    with torch.device(args.device):
        model = WhisperForConditionalGeneration(config).to(dtype).eval()
    n_tokens = args.tokens[0]
    for batch in args.peer_batches:
        if time.perf_counter() > args.deadline:
            say(f"  no time for batch {batch}")
            continue
        reset_memory(clock)
        row: dict[str, Any] = {"system": "transformers", "model": name, "batch": batch, "tokens": n_tokens}
        mel = np.random.default_rng(1).standard_normal((1, dims.n_mels, 2 * dims.n_audio_ctx), dtype=np.float32)
        mels = torch.from_numpy(np.repeat(mel, batch, axis=0))
        prompt = torch.tensor([PROMPT] * batch, device=args.device)

        def run(mels: torch.Tensor = mels, prompt: torch.Tensor = prompt) -> None:
            # Whisper's own generate splits and retries; this is the loop beneath it.
            made = GenerationMixin.generate(
                model,
                mels.to(args.device, dtype),
                decoder_input_ids=prompt,
                attention_mask=torch.ones_like(prompt),
                max_new_tokens=n_tokens,
                min_new_tokens=n_tokens,
                do_sample=False,
                num_beams=1,
                cache_implementation="static",
                disable_compile=not args.peer_compile,
            )
            assert made.shape[1] >= n_tokens, f"made {made.shape[1]} tokens"

        try:
            with torch.inference_mode():
                hour_s = WINDOWS_AN_HOUR / batch * clock.seconds(run, 2)
        except Exception as error:  # another's program: what it says goes into the table
            table.add({**row, "failed": f"{type(error).__name__}: {error}".replace("\n", " ")[:120]})
            continue
        limit_x = 3600 / limit_seconds(dims, batch, n_tokens, *limits)
        more = {"limit_x": limit_x, "of_limit": 3600 / hour_s / limit_x, "memory_gb": memory_gb(clock)}
        table.add({**row, "hour_s": hour_s, "x": 3600 / hour_s, **more})


def reset_memory(clock: Clock) -> None:
    if clock.is_cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def memory_gb(clock: Clock) -> float | None:
    return torch.cuda.max_memory_allocated() / 1e9 if clock.is_cuda else None


def main() -> None:
    numbers = lambda text: [int(n) for n in text.split(",")]
    names = lambda text: [name for name in text.split(",") if name]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--dtype", default="bfloat16", choices=("bfloat16", "float16", "float32"))
    parser.add_argument("--models", type=names, default=names("tiny,base,small,medium,large-v3,turbo"))
    parser.add_argument("--batches", type=numbers, default=numbers("1,16,64,128"))
    parser.add_argument("--tokens", type=numbers, default=numbers("220,100"))
    parser.add_argument("--peer_models", type=names, default=names("turbo,large-v3,tiny"), help="'' for none")
    parser.add_argument("--peer_batches", type=numbers, default=numbers("1,16,64"))
    parser.add_argument("--peer_compile", action="store_true", help="let transformers compile its step; takes minutes")
    parser.add_argument("--minutes", type=float, default=8.0, help="begin nothing after this long")
    parser.add_argument("--output", type=Path, required=True, help="folder for gpu.md and gpu.json")
    args = parser.parse_args()
    args.deadline = time.perf_counter() + 60 * args.minutes
    clock = Clock(args.device)
    limits = ceilings(args.device, getattr(torch, args.dtype), clock)
    machine: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if clock.is_cuda else args.device,
        "torch": torch.__version__,
        "dtype": args.dtype,
        "graphs": os.environ.get("SUSURRUS_CUDA_GRAPHS", "1") if clock.is_cuda else "none",
        "product, TFLOP/s": limits[0] / 1e12,
        "copy, TB/s": limits[1] / 1e12,
    }
    say(", ".join(f"{name} {shown(value)}" for name, value in machine.items()))
    table = Table(args.output, machine)
    for name in args.models:
        ours(name, args, table, clock, limits)
    try:
        import transformers
    except ImportError:
        say("transformers is not installed: nothing to compare with")
        return
    for name in args.peer_models:
        say(f"{name} in transformers {transformers.__version__}")
        theirs(name, args, table, clock, limits)


if __name__ == "__main__":
    sys.exit(main())
