"""The backend in PyTorch: what is kept between calls, and how a step reads it.

Knows nothing of decoding. Nothing waits for the device here: where rows stand is known on the host as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...types import Array, Checkpoint
from ..inputs import (
    as_ids,
    check_mel,
    check_next,
    check_prefill,
    check_texts,
    check_threads,
    check_windows,
    closed,
    windows_of,
    windows_to_replace,
)
from .devices import choose_device, choose_dtype
from .network import Decoder, Encoder, load_network, merge_heads, split_heads
from .ops import TorchOps

N_READ_TOGETHER = 64
"""Rows of different lengths read the cache up to the longest row, rounded up to this, so that few shapes occur."""


@dataclass(frozen=True)
class AudioFeatures:
    """Windows as the decoder hears them: for each of its layers the keys and values of cross-attention.

    cross[layer][0], cross[layer][1]: [B, n_text_head, n_audio_ctx, d_head].
    """

    cross: tuple[Tensor, ...]  # each [2, B, n_text_head, n_audio_ctx, d_head]

    @property
    def n_windows(self) -> int:
        return self.cross[0].shape[1]


@dataclass(frozen=True)
class Cache:
    """Keys and values of the text read so far; row r holds lengths[r] tokens, beyond which lies nothing of account.

    The audio features are the caller's until rows of another cache have joined: from then on they are the cache's own.
    """

    audio_features: AudioFeatures
    past: Tensor  # [n_text_layer, 2, R, n_text_head, n_text_ctx, d_head], written in place
    lengths: np.ndarray  # i64[R], on the host
    places: Tensor | None  # i64[R], the same on the device; None while all rows are equally long
    owns_features: bool = False

    @property
    def n_rows(self) -> int:
        return self.past.shape[2]


class TorchBackend:
    """A Whisper model on a PyTorch device; `Backend` says what each method gives."""

    name = "torch"

    def __init__(self, checkpoint: Checkpoint, *, device: str = "auto", dtype: str = "auto", threads: int = 0) -> None:
        check_threads(threads)
        self._device = choose_device(device)
        self._dtype = choose_dtype(dtype, self._device)
        if threads:
            torch.set_num_threads(threads)
        self.device = str(self._device)
        self.dtype = str(self._dtype).removeprefix("torch.")
        self.dims = checkpoint.dims
        self.ops = TorchOps(self._device)
        self._alignment_heads = checkpoint.alignment_heads
        self._network: tuple[Encoder, Decoder] | None = load_network(
            checkpoint.weights, checkpoint.dims, self._device, self._dtype
        )

    @property
    def _encoder(self) -> Encoder:
        if self._network is None:
            raise closed(self.name)
        return self._network[0]

    @property
    def _decoder(self) -> Decoder:
        if self._network is None:
            raise closed(self.name)
        return self._network[1]

    @torch.inference_mode()
    def encode(self, mel: Array) -> AudioFeatures:
        check_mel(mel, self.dims)
        x = self._encoder(torch.as_tensor(mel, dtype=torch.float32, device=self._device))
        cross = []
        for layer in self._decoder.layers:
            assert layer.cross is not None
            # Each head's keys lie together in memory: every step reads all of them once.
            cross.append(torch.stack(split_heads(layer.cross.kv(x), 2, self.dims.n_text_head)))
        return AudioFeatures(tuple(cross))

    @torch.inference_mode()
    def pick(self, audio_features: AudioFeatures, windows: Sequence[int]) -> AudioFeatures:
        chosen = torch.tensor(check_windows(windows, audio_features.n_windows), device=self._device)
        return AudioFeatures(tuple(layer.index_select(1, chosen) for layer in audio_features.cross))

    @torch.inference_mode()
    def prefill(self, audio_features: AudioFeatures, tokens: Array, lengths: Array, at: Array) -> tuple[Tensor, Cache]:
        tokens, lengths, at = as_ids(tokens), as_ids(lengths), as_ids(at)
        check_prefill(tokens, lengths, at, audio_features.n_windows, self.dims)
        cache = self._empty_cache(audio_features, lengths)
        x, _ = self._read(audio_features, tokens, past=cache.past)
        rows = torch.arange(len(at), device=self._device)[:, None]
        chosen = x[rows, torch.tensor(at, dtype=torch.int64, device=self._device)]  # [B, P, n_text_state]
        return self._decoder.logits(chosen), cache

    @torch.inference_mode()
    def step(self, tokens: Array, cache: Cache) -> tuple[Tensor, Cache]:
        decoder, n_head, n_ctx = self._decoder, self.dims.n_text_head, self.dims.n_text_ctx
        tokens = tokens if isinstance(tokens, Tensor) else torch.tensor(as_ids(tokens), device=self._device)
        check_next(tokens, cache.n_rows)
        reader = _Reader(cache, n_ctx)

        x = decoder.embed(tokens, decoder.positional_embedding[reader.place])  # f32[R, n_text_state]
        for layer, past, heard in zip(decoder.layers, cache.past.unbind(0), cache.audio_features.cross, strict=True):
            assert layer.cross is not None
            qkv = layer.qkv(layer.attn_ln(x)).view(cache.n_rows, 3, n_head, -1)
            x += layer.out(reader.attend(qkv, past))
            query = layer.cross.query(layer.cross.ln(x))
            x += layer.cross.out(_cross_attend(query, heard))
            x += layer.mlp(x)
        longer = np.minimum(cache.lengths + 1, n_ctx)
        places = None if cache.places is None else (cache.places + 1).clamp_(max=n_ctx)
        return decoder.logits(x), replace(cache, lengths=longer, places=places)

    @torch.inference_mode()
    def select(self, cache: Cache, rows: Sequence[int]) -> Cache:
        n_windows = cache.audio_features.n_windows
        windows, _ = windows_of(rows, cache.n_rows, cache.n_rows // n_windows)
        audio_features, past, chosen = cache.audio_features, cache.past, list(rows)
        owns_features = cache.owns_features
        if windows != list(range(n_windows)):
            audio_features, owns_features = self.pick(audio_features, windows), True
        if chosen != list(range(cache.n_rows)):
            used = slice(0, int(cache.lengths.max()))
            picked = past[..., used, :].index_select(2, torch.tensor(chosen, device=self._device))
            if len(chosen) != cache.n_rows:
                past = past.new_zeros(*past.shape[:2], len(chosen), *past.shape[3:])
            past[..., used, :] = picked
        lengths = cache.lengths[chosen]
        return Cache(audio_features, past, lengths, self._places(lengths), owns_features)

    @torch.inference_mode()
    def join(self, cache: Cache, rows: Sequence[int], other: Cache) -> Cache:
        group, other_group = (c.n_rows // c.audio_features.n_windows for c in (cache, other))
        windows = windows_to_replace(rows, cache.n_rows, group, other.n_rows, other_group)
        n_windows = max(cache.audio_features.n_windows, max(windows) + 1)
        n_rows = n_windows * group
        cross, past = cache.audio_features.cross, cache.past
        if not cache.owns_features or n_rows > cache.n_rows:
            cross = tuple(_longer(layer, 1, n_windows) for layer in cross)
        if n_rows > cache.n_rows:
            past = _longer(past, 2, n_rows)
        at = torch.tensor(windows, device=self._device)
        for mine, theirs in zip(cross, other.audio_features.cross, strict=True):
            mine.index_copy_(1, at, theirs)
        used = slice(0, int(other.lengths.max()))
        at = torch.tensor([int(row) for row in rows], device=self._device)
        past[..., used, :].index_copy_(2, at, other.past[..., used, :])
        lengths = np.zeros(n_rows, dtype=np.int64)
        lengths[: cache.n_rows] = cache.lengths
        lengths[list(rows)] = other.lengths
        return Cache(AudioFeatures(cross), past, lengths, self._places(lengths), owns_features=True)

    @torch.inference_mode()
    def attend(self, audio_features: AudioFeatures, tokens: Array, n_text_tokens: int) -> tuple[np.ndarray, np.ndarray]:
        tokens = as_ids(tokens)
        check_texts(tokens, audio_features.n_windows, self.dims)
        x, scores = self._read(audio_features, tokens, heads=self._alignment_heads)
        next_probs = np.zeros((tokens.shape[0], tokens.shape[1] - 1), dtype=np.float32)
        for window, following in enumerate(tokens[:, 1:]):  # one by one: [T - 1, n_text_tokens] is large enough
            is_text = following < n_text_tokens
            ids = torch.tensor(np.where(is_text, following, 0), dtype=torch.int64, device=self._device)
            logits = self._decoder.logits(x[window, :-1], n_text_tokens)
            logprobs = logits.gather(-1, ids[:, None])[:, 0] - logits.logsumexp(dim=-1)
            next_probs[window] = np.where(is_text, logprobs.exp().numpy(force=True), 0)
        heard = torch.stack([scores[pair] for pair in self._alignment_heads], dim=1)
        return next_probs, heard.numpy(force=True)

    def close(self) -> None:
        self._network = None
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _read(
        self,
        audio_features: AudioFeatures,
        tokens: np.ndarray,
        *,
        past: Tensor | None = None,
        heads: Sequence[tuple[int, int]] = (),
    ) -> tuple[Tensor, dict[tuple[int, int], Tensor]]:
        """Read whole texts i32[B, T] from their first token on -> f32[B, T, n_text_state].

        Writes keys and values into `past`, where there is one. Gives also the cross-attention scores
        f32[B, T, n_audio_ctx] of the (layer, head) pairs asked for.
        """
        decoder, n_head, n_tokens = self._decoder, self.dims.n_text_head, tokens.shape[1]
        scores: dict[tuple[int, int], Tensor] = {}
        x = decoder.embed(torch.tensor(tokens, device=self._device), decoder.positional_embedding[:n_tokens])
        for i, (layer, heard) in enumerate(zip(decoder.layers, audio_features.cross, strict=True)):
            assert layer.cross is not None
            query, key, value = split_heads(layer.qkv(layer.attn_ln(x)), 3, n_head)  # [B, n_head, T, d_head]
            if past is not None:
                past[i, 0, :, :, :n_tokens] = key
                past[i, 1, :, :, :n_tokens] = value
            attended = F.scaled_dot_product_attention(query, key, value, is_causal=True, scale=1.0)
            x += layer.out(merge_heads(attended))
            (query,) = split_heads(layer.cross.query(layer.cross.ln(x)), 1, n_head)
            attended = F.scaled_dot_product_attention(query, heard[0], heard[1], scale=1.0)
            x += layer.cross.out(merge_heads(attended))
            for head in (head for of_layer, head in heads if of_layer == i):
                scores[i, head] = query[:, head].float() @ heard[0, :, head].float().transpose(1, 2)
            x += layer.mlp(x)
        return x, scores

    def _empty_cache(self, audio_features: AudioFeatures, lengths: np.ndarray) -> Cache:
        n_windows, n_head, _, d_head = audio_features.cross[0].shape[1:]
        shape = (self.dims.n_text_layer, 2, n_windows, n_head, self.dims.n_text_ctx, d_head)
        # Zeros, not whatever lay there: what is masked is multiplied by 0, and 0 times nan is nan.
        past = torch.zeros(shape, dtype=self._dtype, device=self._device)
        lengths = lengths.astype(np.int64)
        return Cache(audio_features, past, lengths, self._places(lengths))

    def _places(self, lengths: np.ndarray) -> Tensor | None:
        if (lengths == lengths[0]).all():
            return None
        return torch.tensor(lengths, dtype=torch.int64, device=self._device)


class _Reader:
    """How one step writes each row's new key and value, and reads what its row may see."""

    def __init__(self, cache: Cache, n_ctx: int) -> None:
        # A row that is full writes over its last place: its own affair, and that of no other row.
        longest = min(int(cache.lengths.max()), n_ctx - 1)
        self.rows: Tensor | None = None
        self.place: int | Tensor = longest
        self.n_used = longest + 1
        self.unseen: Tensor | None = None
        if cache.places is not None:
            self.place = cache.places.clamp(max=n_ctx - 1)
            self.n_used = min(-(-self.n_used // N_READ_TOGETHER) * N_READ_TOGETHER, n_ctx)
            self.rows = torch.arange(cache.n_rows, device=cache.past.device)
            seen = torch.arange(self.n_used, device=cache.past.device) <= self.place[:, None]  # [R, n_used]
            self.unseen = torch.zeros_like(seen, dtype=cache.past.dtype).masked_fill_(~seen, -torch.inf)[:, None, None]

    def attend(self, qkv: Tensor, past: Tensor) -> Tensor:
        """qkv [R, 3, n_head, d_head], past [2, R, n_head, n_text_ctx, d_head] of a layer -> [R, n_text_state]."""
        if self.rows is None:
            past[:, :, :, self.place] = qkv[:, 1:].transpose(0, 1)
        else:
            past[:, self.rows, :, self.place] = qkv[:, 1:]
        key, value = past[:, :, :, : self.n_used].unbind(0)
        return _attend_few(qkv[:, 0].unsqueeze(2), key, value, self.unseen).flatten(1)


def _longer(tensor: Tensor, dim: int, n: int) -> Tensor:
    """Give a copy with n places along `dim`; the new ones are zero."""
    shape = list(tensor.shape)
    shape[dim] = n
    longer = tensor.new_zeros(shape)
    longer.narrow(dim, 0, tensor.shape[dim]).copy_(tensor)
    return longer


def _cross_attend(query: Tensor, heard: Tensor) -> Tensor:
    """Attend to the sound: [R, n_text_state], [2, B, n_head, n_audio_ctx, d_head] -> [R, n_text_state].

    The G rows of a window ask the same keys, so they stand as G queries of one window, and nothing is copied.
    """
    key, value = heard.unbind(0)
    n_windows, n_head, _, d_head = key.shape
    by_window = query.view(n_windows, -1, n_head, d_head).transpose(1, 2)  # [B, n_head, G, d_head]
    return _attend_few(by_window, key, value).transpose(1, 2).reshape(query.shape)


def _attend_few(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    """Attend with a few queries, whose scores are small enough to be written out.

    On the CPU two products are quicker than PyTorch's fused attention: for one query and 1,500 keys of 8 heads 62
    instead of 67 us in float32, 86 instead of 540 us in bfloat16 (PyTorch 2.13, EPYC).
    """
    if query.device.type != "cpu":
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=1.0)
    scores = query @ key.transpose(-1, -2)
    if mask is not None:
        scores += mask
    return scores.softmax(dim=-1, dtype=torch.float32).to(query.dtype) @ value
