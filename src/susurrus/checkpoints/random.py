"""A model of any size with random weights, for tests and benchmarks: it hears nothing, but behaves.

The scales keep activations near 1, attention uneven and logits apart, so that two backends that agree on a random
model agree on the choice of tokens too.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np

from ..types import Array, Checkpoint, ModelDimensions, Weights
from .names import default_alignment_heads
from .shapes import Shape, expected_shapes, sinusoids
from .weight_names import ENCODER_POSITIONS

# What an output's deviation is for inputs of deviation 1. Chosen by trying them: of 20 greedy tokens of a tiny.en 19
# differ (with 1 for the last two and small positions 3 do: a wrong cache would go unseen), the best logit leads the
# second by 0.02 or more, and an early token or another sound moves the logits.
_GAINS = (
    ("token_embedding.weight", 2.0),  # of the logits, since the last norm's output has length sqrt(n_state)
    ("query.weight", 1.4),
    ("key.weight", 1.4),
    ("attn.out.weight", 0.5),
    ("mlp.2.weight", 0.5),
)


def random_checkpoint(dims: ModelDimensions, seed: int = 0) -> Checkpoint:
    """Give a Whisper of these sizes whose f32 weights are drawn when they are read.

    A weight depends on its name, its shape and the seed alone: read twice, in any order, it is the same.
    """
    entries = {name: (shape, _maker(name, shape, seed)) for name, shape in expected_shapes(dims).items()}
    return Checkpoint(f"random-{seed}", dims, Weights(entries), default_alignment_heads("", dims))


def _maker(name: str, shape: Shape, seed: int) -> Callable[[], Array]:
    def make() -> Array:
        if name == ENCODER_POSITIONS:
            return sinusoids(*shape)
        mean, std = _distribution(name, shape)
        rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        return mean + np.float32(std) * rng.standard_normal(shape, dtype=np.float32)

    return make


def _distribution(name: str, shape: Shape) -> tuple[np.float32, float]:
    """Give mean and standard deviation."""
    is_norm = "ln" in name.split(".")[-2]
    if is_norm or len(shape) == 1:
        return np.float32(is_norm and name.endswith("weight")), 0.05
    if name.endswith("positional_embedding"):
        return np.float32(0), 1.0
    n_inputs = int(np.prod(shape[1:]))
    return np.float32(0), next((gain for end, gain in _GAINS if name.endswith(end)), 1.0) / float(np.sqrt(n_inputs))
