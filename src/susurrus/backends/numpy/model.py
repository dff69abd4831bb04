"""Whisper's network in NumPy, to be read beside the paper: the definition of what a backend computes.

Takes a checkpoint with OpenAI's names; gives logits, and what word times are made of. Knows nothing of decoding.
Source: "Robust Speech Recognition via Large-Scale Weak Supervision", arxiv 2212.04356, section 2.2; openai/whisper,
model.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...types import Array, Checkpoint
from ..inputs import (
    as_ids,
    check_mel,
    check_next,
    check_prefill,
    check_texts,
    check_windows,
    closed,
    windows_of,
    windows_to_replace,
)
from ..ops import NumpyOps


@dataclass(frozen=True)
class AudioFeatures:
    """Windows as the decoder hears them: for each of its layers the keys and values of cross-attention.

    keys[layer], values[layer] f32[B, n_text_head, n_audio_ctx, d_head].
    """

    keys: tuple[Array, ...]
    values: tuple[Array, ...]

    @property
    def n_windows(self) -> int:
        return int(self.keys[0].shape[0])


@dataclass(frozen=True)
class Cache:
    """Keys and values of the text read so far; row r holds lengths[r] tokens, and what lies beyond is not looked at."""

    audio_features: AudioFeatures
    keys: Array  # f32[n_text_layer, R, n_text_head, n_text_ctx, d_head]
    values: Array
    lengths: Array  # i32[R]


class NumpyBackend:
    """A Whisper model in float32 on the CPU; `Backend` says what each method gives."""

    name = "numpy"
    device = "cpu"
    dtype = "float32"

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.dims = checkpoint.dims
        self.ops = NumpyOps()
        self._alignment_heads = checkpoint.alignment_heads
        self._w: dict[str, Array] | None = {
            name: np.asarray(weight, dtype=np.float32) for name, weight in checkpoint.weights.items()
        }

    @property
    def _weights(self) -> dict[str, Array]:
        if self._w is None:
            raise closed(self.name)
        return self._w

    def encode(self, mel: Array) -> AudioFeatures:
        mel = np.asarray(mel, dtype=np.float32)
        check_mel(mel, self.dims)
        # One window after another: the memory of one is enough.
        heard = [self._hear(self._encoder(window)) for window in mel]
        keys, values = zip(*heard, strict=True)
        return AudioFeatures(
            keys=tuple(np.stack(layer) for layer in zip(*keys, strict=True)),
            values=tuple(np.stack(layer) for layer in zip(*values, strict=True)),
        )

    def pick(self, audio_features: AudioFeatures, windows: Sequence[int]) -> AudioFeatures:
        chosen = check_windows(windows, audio_features.n_windows)
        return AudioFeatures(
            keys=tuple(layer[chosen] for layer in audio_features.keys),
            values=tuple(layer[chosen] for layer in audio_features.values),
        )

    def prefill(self, audio_features: AudioFeatures, tokens: Array, lengths: Array, at: Array) -> tuple[Array, Cache]:
        tokens, lengths, at = as_ids(tokens), as_ids(lengths), as_ids(at)
        check_prefill(tokens, lengths, at, audio_features.n_windows, self.dims)
        cache = self._empty_cache(audio_features, lengths)
        x, _ = self._decoder(tokens, _positions(tokens), cache)
        chosen = np.take_along_axis(x, at[:, :, None], axis=1)  # [B, P, n_state]
        return self._logits(chosen), cache

    def step(self, tokens: Array, cache: Cache) -> tuple[Array, Cache]:
        tokens = as_ids(tokens)
        check_next(tokens, len(cache.lengths))
        # A row that is full writes over its last place: its own affair, and that of no other row.
        positions = np.minimum(cache.lengths, self.dims.n_text_ctx - 1)
        x, _ = self._decoder(tokens[:, None], positions[:, None], cache)
        longer = np.minimum(cache.lengths + 1, self.dims.n_text_ctx)
        return self._logits(x[:, 0]), Cache(cache.audio_features, cache.keys, cache.values, longer)

    def select(self, cache: Cache, rows: Sequence[int]) -> Cache:
        n_rows, n_windows = len(cache.lengths), cache.audio_features.n_windows
        windows, _ = windows_of(rows, n_rows, n_rows // n_windows)
        audio_features = cache.audio_features
        if windows != list(range(n_windows)):
            audio_features = self.pick(audio_features, windows)
        chosen = list(rows)
        return Cache(audio_features, cache.keys[:, chosen], cache.values[:, chosen], cache.lengths[chosen])

    def join(self, cache: Cache, rows: Sequence[int], other: Cache) -> Cache:
        n_rows, n_others = len(cache.lengths), len(other.lengths)
        n_windows, others = cache.audio_features.n_windows, other.audio_features.n_windows
        windows = windows_to_replace(rows, n_rows, n_rows // n_windows, n_others, n_others // others)
        chosen = list(rows)

        def put(mine: Array, theirs: Array, places: list[int]) -> Array:
            joined = np.zeros((max(len(mine), max(places) + 1), *mine.shape[1:]), dtype=mine.dtype)
            joined[: len(mine)] = mine
            joined[places] = theirs
            return joined

        mine, theirs = cache.audio_features, other.audio_features
        return Cache(
            AudioFeatures(
                keys=tuple(put(a, b, windows) for a, b in zip(mine.keys, theirs.keys, strict=True)),
                values=tuple(put(a, b, windows) for a, b in zip(mine.values, theirs.values, strict=True)),
            ),
            np.stack([put(a, b, chosen) for a, b in zip(cache.keys, other.keys, strict=True)]),
            np.stack([put(a, b, chosen) for a, b in zip(cache.values, other.values, strict=True)]),
            put(cache.lengths, other.lengths, chosen),
        )

    def attend(self, audio_features: AudioFeatures, tokens: Array, n_text_tokens: int) -> tuple[Array, Array]:
        tokens = as_ids(tokens)
        check_texts(tokens, audio_features.n_windows, self.dims)
        cache = self._empty_cache(audio_features, np.zeros(len(tokens), dtype=np.int32))
        x, of_heads = self._decoder(tokens, _positions(tokens), cache, self._alignment_heads)
        scores = np.stack([of_heads[pair] for pair in self._alignment_heads], axis=1)
        logits = self._logits(x[:, :-1], n_text_tokens)  # [B, T - 1, n_text_tokens]
        following = tokens[:, 1:]
        is_text = following < n_text_tokens
        probs = softmax(logits)
        next_probs = np.take_along_axis(probs, np.where(is_text, following, 0)[:, :, None], axis=-1)[:, :, 0]
        return np.where(is_text, next_probs, np.float32(0)), scores

    def close(self) -> None:
        self._w = None

    def _encoder(self, mel: Array) -> Array:
        """Encode one window: f32[n_mels, 2 * n_audio_ctx] -> f32[n_audio_ctx, n_audio_state]."""
        w = self._weights
        x = mel.T  # [2 * n_audio_ctx, n_mels]
        x = gelu(conv1d(x, w["encoder.conv1.weight"], w["encoder.conv1.bias"], stride=1))
        x = gelu(conv1d(x, w["encoder.conv2.weight"], w["encoder.conv2.bias"], stride=2))
        x = x + w["encoder.positional_embedding"]  # [n_audio_ctx, n_audio_state]
        for layer in range(self.dims.n_audio_layer):
            block = f"encoder.blocks.{layer}"
            ln = self._layer_norm(f"{block}.attn_ln", x)
            query, key, value = self._project(f"{block}.attn", ln, self.dims.n_audio_head)  # [n_head, T, d_head]
            # One head after another: 1500 x 1500 weights are 9 MB for each.
            heads = [attention(q, k, v) for q, k, v in zip(query, key, value, strict=True)]
            x = x + self._linear(f"{block}.attn.out", merge_heads(np.stack(heads)))
            x = x + self._mlp(block, x)
        return self._layer_norm("encoder.ln_post", x)

    def _hear(self, x: Array) -> tuple[list[Array], list[Array]]:
        """Give each decoder layer's keys and values of one window: f32[n_audio_ctx, n_audio_state] -> two lists."""
        cross = [f"decoder.blocks.{layer}.cross_attn" for layer in range(self.dims.n_text_layer)]
        keys = [split_heads(self._linear(f"{name}.key", x), self.dims.n_text_head) for name in cross]
        values = [split_heads(self._linear(f"{name}.value", x), self.dims.n_text_head) for name in cross]
        return keys, values

    def _decoder(
        self, tokens: Array, positions: Array, cache: Cache, heads: Sequence[tuple[int, int]] = ()
    ) -> tuple[Array, dict[tuple[int, int], Array]]:
        """Read tokens i32[R, T] at positions i32[R, T], after what the cache holds before them.

        Writes their keys and values into the cache. Gives f32[R, T, n_text_state], and the cross-attention scores
        f32[R, T, n_audio_ctx] of the (layer, head) pairs asked for, which need one row a window.
        """
        w, n_head = self._weights, self.dims.n_text_head
        rows = np.arange(len(tokens))[:, None]
        n_used = int(positions.max()) + 1
        is_past = (np.arange(n_used) <= positions[:, :, None])[:, None]  # [R, 1, T, n_used]
        scores: dict[tuple[int, int], Array] = {}

        x = w["decoder.token_embedding.weight"][tokens] + w["decoder.positional_embedding"][positions]
        for layer in range(self.dims.n_text_layer):
            block = f"decoder.blocks.{layer}"
            ln = self._layer_norm(f"{block}.attn_ln", x)
            query, key, value = self._project(f"{block}.attn", ln, n_head)  # [R, n_head, T, d_head]
            cache.keys[layer][rows, :, positions] = key.swapaxes(1, 2)
            cache.values[layer][rows, :, positions] = value.swapaxes(1, 2)
            past_keys, past_values = cache.keys[layer][:, :, :n_used], cache.values[layer][:, :, :n_used]
            x = x + self._linear(f"{block}.attn.out", merge_heads(attention(query, past_keys, past_values, is_past)))

            ln = self._layer_norm(f"{block}.cross_attn_ln", x)
            query = split_heads(self._linear(f"{block}.cross_attn.query", ln), n_head)
            keys, values = cache.audio_features.keys[layer], cache.audio_features.values[layer]
            x = x + self._linear(f"{block}.cross_attn.out", merge_heads(cross_attention(query, keys, values)))
            for head in (head for of_layer, head in heads if of_layer == layer):
                scores[layer, head] = scaled_scores(query[:, head], keys[:, head])

            x = x + self._mlp(block, x)
        return self._layer_norm("decoder.ln", x), scores

    def _project(self, name: str, x: Array, n_head: int) -> tuple[Array, Array, Array]:
        """Give query, key and value of self-attention: f32[..., T, n_state] -> f32[..., n_head, T, d_head]."""
        query = split_heads(self._linear(f"{name}.query", x), n_head)
        key = split_heads(self._linear(f"{name}.key", x), n_head)
        value = split_heads(self._linear(f"{name}.value", x), n_head)
        return query, key, value

    def _linear(self, name: str, x: Array) -> Array:
        """Multiply by the weight [n_out, n_in] and add the bias; the projections to keys have none."""
        y = x @ self._weights[f"{name}.weight"].T
        bias = self._weights.get(f"{name}.bias")
        return y if bias is None else y + bias

    def _layer_norm(self, name: str, x: Array) -> Array:
        """Give each vector mean 0 and variance 1, then the learned scale and shift. Source: arxiv 1607.06450."""
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = np.square(centred).mean(axis=-1, keepdims=True)
        return centred / np.sqrt(variance + 1e-5) * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]

    def _mlp(self, block: str, x: Array) -> Array:
        hidden = gelu(self._linear(f"{block}.mlp.0", self._layer_norm(f"{block}.mlp_ln", x)))
        return self._linear(f"{block}.mlp.2", hidden)

    def _logits(self, x: Array, n_tokens: int | None = None) -> Array:
        """Compare with the embedding of each token: f32[..., n_text_state] -> f32[..., n_tokens]."""
        return x @ self._weights["decoder.token_embedding.weight"][:n_tokens].T

    def _empty_cache(self, audio_features: AudioFeatures, lengths: Array) -> Cache:
        dims = self.dims
        shape = (
            dims.n_text_layer,
            audio_features.n_windows,
            dims.n_text_head,
            dims.n_text_ctx,
            dims.n_text_state // dims.n_text_head,
        )
        zeros = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)
        return Cache(audio_features, *zeros, lengths)


def conv1d(x: Array, weight: Array, bias: Array, *, stride: int) -> Array:
    """Convolve over time with a kernel of 3, padded by 1: f32[T, n_in] -> f32[ceil(T / stride), n_out].

    weight f32[n_out, n_in, 3]. A sum of three matrix products, one for each place of the kernel.
    """
    padded = np.pad(x, ((1, 1), (0, 0)))
    n_frames = len(x)
    return sum((padded[k : k + n_frames : stride] @ weight[:, :, k].T for k in range(3)), start=bias)


def split_heads(x: Array, n_head: int) -> Array:
    """f32[..., T, n_state] -> f32[..., n_head, T, d_head]."""
    return x.reshape(*x.shape[:-1], n_head, -1).swapaxes(-2, -3)


def merge_heads(x: Array) -> Array:
    """f32[..., n_head, T, d_head] -> f32[..., T, n_state]."""
    x = x.swapaxes(-2, -3)
    return x.reshape(*x.shape[:-2], -1)


def scaled_scores(query: Array, key: Array) -> Array:
    """Say how well each query fits each key: f32[..., T, d_head], f32[..., S, d_head] -> f32[..., T, S]."""
    return (query * query.shape[-1] ** -0.5) @ key.swapaxes(-1, -2)


def attention(query: Array, key: Array, value: Array, is_visible: Array | None = None) -> Array:
    """Give each query the mean of the values, weighted by how well their keys fit it. Source: arxiv 1706.03762, 3.2.1.

    f32[..., T, d_head], f32[..., S, d_head] twice -> f32[..., T, d_head]; is_visible bool[..., T, S], None for all.
    """
    scores = scaled_scores(query, key)
    if is_visible is not None:
        scores = np.where(is_visible, scores, -np.inf)
    return softmax(scores) @ value


def cross_attention(query: Array, key: Array, value: Array) -> Array:
    """Attend to the sound: queries of R rows, keys and values of B windows -> f32[R, n_head, T, d_head].

    The G rows of a window ask the same keys, so they stand as more queries of one window, and nothing is copied.
    """
    n_rows, n_head, n_tokens, d_head = query.shape
    n_windows = len(key)
    query = query.reshape(n_windows, -1, n_head, n_tokens, d_head).swapaxes(1, 2)  # [B, n_head, G, T, d_head]
    out = attention(query.reshape(n_windows, n_head, -1, d_head), key, value)  # [B, n_head, G * T, d_head]
    out = out.reshape(n_windows, n_head, -1, n_tokens, d_head).swapaxes(1, 2)
    return out.reshape(n_rows, n_head, n_tokens, d_head)


def softmax(x: Array) -> Array:
    """f32[..., V] -> f32[..., V], positive and of sum 1."""
    weights = np.exp(x - x.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def gelu(x: Array) -> Array:
    """Multiply each number by the share of the normal distribution below it: GELU in its exact form.

    >>> gelu(np.array([-1.0, 0.0, 1.0])).round(6).tolist()
    [-0.158655, 0.0, 0.841345]

    Source: arxiv 1606.08415.
    """
    return 0.5 * x * (1 + erf(x * np.float32(0.5**0.5)))


def erf(x: Array) -> Array:
    """Give the error function, wrong by at most 1.5e-7, and with the roundings of float32 by 5.3e-7.

    Source: Abramowitz and Stegun, Handbook of Mathematical Functions, formula 7.1.26.
    """
    size = np.abs(x)
    t = 1 / (1 + 0.3275911 * size)
    polynomial = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t
    return np.copysign(1 - polynomial * np.exp(-size * size), x)


def _positions(tokens: Array) -> Array:
    """i32[R, T] -> i32[R, T], 0 to T - 1 in each row."""
    return np.broadcast_to(np.arange(tokens.shape[1], dtype=np.int32), tokens.shape)
