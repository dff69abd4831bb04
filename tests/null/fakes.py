"""A backend without a network: the logits of the next token are a function of the tokens before it."""

from __future__ import annotations

import zlib

import numpy as np

from susurrus.backends.ops import NumpyOps
from susurrus.tokenizer import Tokenizer
from susurrus.types import ModelDimensions

TOKENIZER = Tokenizer.for_model(51864)
DIMS = ModelDimensions(80, 1500, 384, 6, 4, TOKENIZER.n_vocab, 448, 384, 6, 4)


class FakeBackend:
    """`logits_of(tokens) -> f32[n_vocab]` plays the network; the cache is the rows' tokens."""

    name, device, dtype = "fake", "cpu", "float32"

    def __init__(self, logits_of, dims=DIMS):
        self.logits_of, self.dims, self.ops, self.n_steps = logits_of, dims, NumpyOps(), 0

    def prefill(self, audio_features, tokens, lengths, at):
        rows = [list(row[:n]) for row, n in zip(tokens.tolist(), lengths.tolist(), strict=True)]
        logits = [[self.logits_of(row[: p + 1]) for p in places] for row, places in zip(rows, at.tolist(), strict=True)]
        return np.array(logits), rows

    def step(self, tokens, cache):
        self.n_steps += 1
        rows = [[*row, int(t)] for row, t in zip(cache, tokens, strict=True)]
        return np.array([self.logits_of(row) for row in rows]), rows

    def select(self, cache, rows):
        return [list(cache[r]) for r in rows]


def random_logits(n_vocab, *, scale=1.0, eot=None, eot_logit=None):
    """Give a network whose logits are random but always the same after the same tokens."""

    def logits_of(tokens):
        rng = np.random.default_rng(zlib.crc32(np.array(tokens, dtype=np.int32).tobytes()))
        logits = (scale * rng.normal(size=n_vocab)).astype(np.float32)
        if eot_logit is not None:
            logits[eot] = eot_logit
        return logits

    return logits_of


def scripted_logits(script, n_vocab, *, n_start, eot, sure=20.0):
    """Give a network that writes `script` after `n_start` tokens, then ends."""

    def logits_of(tokens):
        logits = np.zeros(n_vocab, dtype=np.float32)
        written = len(tokens) - n_start
        logits[script[written] if 0 <= written < len(script) else eot] = sure
        return logits

    return logits_of
