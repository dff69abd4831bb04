"""What a check is given: a small model with random weights, a way to open it in a backend, and its twin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from twin import Twin

from susurrus.types import Checkpoint, ModelDimensions, Weights

# Every size differs from the others it could be taken for, and the heads are not in order.
DIMS = ModelDimensions(
    n_mels=12,
    n_audio_ctx=25,
    n_audio_state=32,
    n_audio_head=2,
    n_audio_layer=2,
    n_vocab=211,
    n_text_ctx=70,
    n_text_state=32,
    n_text_head=4,
    n_text_layer=3,
)
ALIGNMENT_HEADS = ((2, 1), (0, 3), (1, 0), (2, 0))
N_TEXT_TOKENS = 150


@dataclass(frozen=True)
class Tolerance:
    """How far a dtype may be from float64, absolutely: logits and scores run to about 10, probabilities to 1."""

    logits: float
    scores: float
    probs: float
    ops: float = 2e-5


TOLERANCES = {
    "float32": Tolerance(logits=1e-4, scores=1e-4, probs=1e-5),
    "float16": Tolerance(logits=1e-1, scores=1e-1, probs=2e-2),
    "bfloat16": Tolerance(logits=1.0, scores=1.0, probs=1.5e-1),
}


@dataclass(frozen=True)
class Subject:
    """`open(**options)` opens the model in the backend under test, with the device and dtype under test as defaults."""

    open: Callable[..., object]
    tolerance: Tolerance = TOLERANCES["float32"]

    @cached_property
    def backend(self):
        """The open backend that all checks but `close` share."""
        return self.open()

    def read(self, window, tokens):
        """What the twin gives: logits [T, n_vocab], scores [n_alignment_heads, T, n_audio_ctx]."""
        return _read(window, tuple(int(t) for t in tokens))

    def encode(self, *windows):
        return self.backend.encode(np.stack([mels()[w] for w in windows]))

    def prefill(self, audio_features, texts, at=None, pad=0):
        """Prefill texts of any lengths; by default the logits of each one's last position."""
        lengths = np.array([len(text) for text in texts], dtype=np.int32)
        tokens = np.full((len(texts), max(lengths)), pad, dtype=np.int32)
        for row, text in zip(tokens, texts, strict=True):
            row[: len(text)] = text
        at = lengths[:, None] - 1 if at is None else np.array(at, dtype=np.int32)
        logits, cache = self.backend.prefill(audio_features, tokens, lengths, at)
        return self.backend.ops.to_numpy(logits), cache

    def step(self, tokens, cache):
        logits, cache = self.backend.step(np.array(tokens, dtype=np.int32), cache)
        return self.backend.ops.to_numpy(logits), cache

    def assert_next(self, logits, windows, texts):
        """Assert that logits [R, n_vocab] are those after each text in its window."""
        want = np.stack([self.read(w, text)[0][-1] for w, text in zip(windows, texts, strict=True)])
        np.testing.assert_allclose(logits, want, rtol=0, atol=self.tolerance.logits)


def text(seed, n):
    """n random ids, a third of them beyond the text's."""
    return np.random.default_rng([7, seed]).integers(0, DIMS.n_vocab, n).tolist()


@cache
def mels():
    return np.random.default_rng(5).normal(size=(3, DIMS.n_mels, 2 * DIMS.n_audio_ctx)).astype(np.float32)


@cache
def checkpoint():
    """A model whose attention is sharp enough that a wrong position, head or window shows."""
    rng = np.random.default_rng(3)
    entries = {}

    def put(name, *shape, scale, mean=0.0):
        values = (mean + scale * rng.normal(size=shape)).astype(np.float32)
        entries[name] = (shape, lambda: values)

    def linear(name, n_out, n_in, *kernel, bias=True, gain=1.0):
        put(f"{name}.weight", n_out, n_in, *kernel, scale=gain / np.sqrt(n_in * np.prod(kernel)))
        if bias:
            put(f"{name}.bias", n_out, scale=0.2)

    def ln(name, n):
        put(f"{name}.weight", n, scale=0.2, mean=1.0)
        put(f"{name}.bias", n, scale=0.2)

    def attention(name, n):
        linear(f"{name}.query", n, n, gain=2)
        linear(f"{name}.key", n, n, bias=False, gain=2)
        linear(f"{name}.value", n, n)
        linear(f"{name}.out", n, n)
        ln(f"{name}_ln", n)

    def block(name, n, names):
        for part in names:
            attention(f"{name}.{part}", n)
        linear(f"{name}.mlp.0", 4 * n, n)
        linear(f"{name}.mlp.2", n, 4 * n)
        ln(f"{name}.mlp_ln", n)

    n = DIMS.n_audio_state
    linear("encoder.conv1", n, DIMS.n_mels, 3)
    linear("encoder.conv2", n, n, 3)
    put("encoder.positional_embedding", DIMS.n_audio_ctx, n, scale=0.5)
    for i in range(DIMS.n_audio_layer):
        block(f"encoder.blocks.{i}", n, ["attn"])
    ln("encoder.ln_post", n)
    put("decoder.token_embedding.weight", DIMS.n_vocab, n, scale=0.5)
    put("decoder.positional_embedding", DIMS.n_text_ctx, n, scale=0.5)
    for i in range(DIMS.n_text_layer):
        block(f"decoder.blocks.{i}", n, ["attn", "cross_attn"])
    ln("decoder.ln", n)
    return Checkpoint("contract", DIMS, Weights(entries), ALIGNMENT_HEADS)


@cache
def _twin():
    return Twin(DIMS, checkpoint().weights)


@cache
def _read(window, tokens):
    logits, scores = _twin().read(mels()[window], tokens)
    return logits, np.stack([scores[layer][head] for layer, head in ALIGNMENT_HEADS])
