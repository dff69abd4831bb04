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
from ..inputs import as_ids, check_mel, check_next, check_prefill, check_texts, closed, windows_of
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

    def prefill(
        self, audio_features: AudioFeatures, tokens: Array, lengths: Array, at: Array
    ) -> tuple[Array, Cache]:
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
            audio_features = AudioFeatures(
                keys=tuple(layer[windows] for layer in audio_features.keys),
                values=tuple(layer[windows] for layer in audio_features.values),
            )
        chosen = list(rows)
        return Cache(audio_features, cache.keys[:, chosen], cache.values[:, chosen], cache.lengths[chosen])

    def attend(self, audio_features: AudioFeatures, tokens: Array, n_text_tokens: int) -> tuple[Array, Array]:
        tokens = as_ids(tokens)
        check_texts(tokens, audio_features.n_windows, self.dims)
        cache = self._empty_cache(audio_features, np.zeros(len(tokens), dtype=np.int32))
        x, scores = self._decoder(tokens, _positions(tokens), cache)
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
            query, key, value = (
                split_heads(self._linear(f"{block}.attn.{name}", ln), self.dims.n_audio_head)
                for name in ("query", "key", "value")
            )  # [n_head, n_audio_ctx, d_head]
            # One head after another: 1500 x 1500 weights are 9 MB for each.
            heads = [attention(q, k, v) for q, k, v in zip(query, key, value, strict=True)]
            x = x + self._linear(f"{block}.attn.out", merge_heads(np.stack(heads)))
            x = x + self._mlp(block, x)
        return self._layer_norm("encoder.ln_post", x)

    def _hear(self, x: Array) -> tuple[list[Array], list[Array]]:
        """Give each decoder layer's keys and values of one window: f32[n_audio_ctx, n_audio_state] -> lists."""
        keys, values = (
            [
                split_heads(self._linear(f"decoder.blocks.{layer}.cross_attn.{name}", x), self.dims.n_text_head)
                for layer in range(self.dims.n_text_layer)
            ]
            for name in ("key", "value")
        )
        return keys, values

    def _decoder(self, tokens: Array, positions: Array, cache: Cache) -> tuple[Array, Array]:
        """Read tokens i32[R, T] at positions i32[R, T], after what the cache holds before them.

        Writes their keys and values into the cache. Gives f32[R, T, n_text_state], and the alignment heads' scores
        f32[R, n_alignment_heads, T, n_audio_ctx].
        """
        w = self._weights
        n_head = self.dims.n_text_head
        rows = np.arange(len(tokens))[:, None]
        n_used = int(positions.max()) + 1
        is_past = (np.arange(n_used) <= positions[:, :, None])[:, None]  # [R, 1, T, n_used]
        scores: dict[tuple[int, int], Array] = {}

        x = w["decoder.token_embedding.weight"][tokens] + w["decoder.positional_embedding"][positions]
        for layer in range(self.dims.n_text_layer):
            block = f"decoder.blocks.{layer}"
            ln = self._layer_norm(f"{block}.attn_ln", x)
            query, key, value = (
                split_heads(self._linear(f"{block}.attn.{name}", ln), n_head) for name in ("query", "key", "value")
            )  # [R, n_head, T, d_head]
            cache.keys[layer][rows, :, positions] = key.swapaxes(1, 2)
            cache.values[layer][rows, :, positions] = value.swapaxes(1, 2)
            past_keys, past_values = cache.keys[layer][:, :, :n_used], cache.values[layer][:, :, :n_used]
            x = x + self._linear(f"{block}.attn.out", merge_heads(attention(query, past_keys, past_values, is_past)))

            ln = self._layer_norm(f"{block}.cross_attn_ln", x)
            query = split_heads(self._linear(f"{block}.cross_attn.query", ln), n_head)
            keys, values = cache.audio_features.keys[layer], cache.audio_features.values[layer]
            heard = self._cross_attention(query, keys, values)
            x = x + self._linear(f"{block}.cross_attn.out", merge_heads(heard))
            for pair in self._alignment_heads:
                if pair[0] == layer:
                    scores[pair] = scaled_scores(query[:, pair[1]], keys[:, pair[1]]) if len(query) == len(keys) else 0

            x = x + self._mlp(block, x)
        x = self._layer_norm("decoder.ln", x)
        return x, np.stack([scores[pair] for pair in self._alignment_heads], axis=1)

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
