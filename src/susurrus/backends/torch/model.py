"""The backend in PyTorch.

Knows nothing of decoding. Nothing waits for the device here: where rows stand is known on the host as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ...types import Array, Checkpoint
from ..inputs import as_ids, check_mel, check_next, check_prefill, check_texts, check_threads, closed
from .cache import AudioFeatures, Cache, empty_cache, join_rows, longer, room_for, select_rows
from .devices import choose_device, choose_dtype, choose_threads
from .loops import StillLoops
from .network import Decoder, Encoder, load_network, split_heads
from .ops import TorchOps
from .reading import read_next, read_texts
from .recording import Recorder, recorder_for
from .slots import AnyCache, StillSteps

N_ENCODED_TOGETHER = 16
"""Windows encoded at once on an accelerator: enough to fill it. On the CPU one alone does, and takes less memory."""


class TorchBackend:
    """A Whisper model on a PyTorch device; `Backend` says what each method gives.

    Where there is a `recorder` (on CUDA there is), caches move into memory that stays where it is at their first step,
    and steps are recorded and run again.
    """

    name = "torch"

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: str = "auto",
        dtype: str = "auto",
        threads: int = 0,
        recorder: Recorder | None = None,
    ) -> None:
        check_threads(threads)
        self._device = choose_device(device)
        self._dtype = choose_dtype(dtype, self._device)
        choose_threads(threads, self._device)
        self.device = str(self._device)
        self.dtype = str(self._dtype).removeprefix("torch.")
        self.dims = checkpoint.dims
        self.ops = TorchOps(self._device)
        self._alignment_heads = checkpoint.alignment_heads
        self._network: tuple[Encoder, Decoder] | None = load_network(
            checkpoint.weights, checkpoint.dims, self._device, self._dtype
        )
        recorder = recorder or recorder_for(self._device)
        self._still = StillSteps(self._network[1], self.dims, recorder) if recorder else None
        if self._still is not None:
            self.ops.loops = StillLoops(self._still, self.ops.constants)

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
        encoder, dims = self._encoder, self.dims
        mel = torch.as_tensor(mel, dtype=torch.float32, device=self._device)
        shape = (2, len(mel), dims.n_text_head, dims.n_audio_ctx, dims.n_text_state // dims.n_text_head)
        # Each head's keys lie together in memory: every step reads all of them once.
        cross = tuple(torch.empty(shape, dtype=self._dtype, device=self._device) for _ in self._decoder.layers)
        together = 1 if self._device.type == "cpu" else N_ENCODED_TOGETHER
        for begin in range(0, len(mel), together):
            windows = slice(begin, begin + together)
            x = encoder(mel[windows])
            for layer, heard in zip(self._decoder.layers, cross, strict=True):
                assert layer.cross is not None
                for part, made in zip(heard, split_heads(layer.cross.kv(x), 2, dims.n_text_head), strict=True):
                    part[windows] = made
        return AudioFeatures(cross)

    @torch.inference_mode()
    def pick(self, audio_features: AudioFeatures, windows: Sequence[int]) -> AudioFeatures:
        return audio_features.pick(windows)

    @torch.inference_mode()
    def prefill(self, audio_features: AudioFeatures, tokens: Array, lengths: Array, at: Array) -> tuple[Tensor, Cache]:
        tokens, lengths, at = as_ids(tokens), as_ids(lengths), as_ids(at)
        check_prefill(tokens, lengths, at, audio_features.n_windows, self.dims)
        decoder = self._decoder
        cache = empty_cache(audio_features, lengths, tokens.shape[1], self.dims)
        x, _ = read_texts(decoder, audio_features.cross, tokens, past=cache.past)
        rows = torch.arange(len(at), device=self._device)[:, None]
        chosen = x[rows, torch.tensor(at, dtype=torch.int64, device=self._device)]  # [B, P, n_text_state]
        return decoder.logits(chosen), cache

    @torch.inference_mode()
    def step(self, tokens: Array, cache: AnyCache) -> tuple[Tensor, AnyCache]:
        decoder, n_ctx = self._decoder, self.dims.n_text_ctx
        tokens = tokens if isinstance(tokens, Tensor) else torch.tensor(as_ids(tokens), device=self._device)
        check_next(tokens, cache.n_rows)
        if self._still is not None:
            return self._still.step(tokens, cache)
        assert isinstance(cache, Cache)
        past = longer(cache.past, 4, room_for(min(cache.n_used + 1, n_ctx), n_ctx))
        logits = read_next(decoder, cache.audio_features.cross, past, tokens, cache.places)
        lengths = np.minimum(cache.lengths + 1, n_ctx)
        return logits, replace(cache, past=past, lengths=lengths, places=cache.places + 1)

    @torch.inference_mode()
    def select(self, cache: AnyCache, rows: Sequence[int]) -> AnyCache:
        if self._still is not None:
            return self._still.select(cache, rows)
        assert isinstance(cache, Cache)
        return select_rows(cache, rows)

    @torch.inference_mode()
    def join(self, cache: AnyCache, rows: Sequence[int], other: AnyCache) -> AnyCache:
        if self._still is not None:
            return self._still.join(cache, rows, other)
        assert isinstance(cache, Cache)
        assert isinstance(other, Cache)
        return join_rows(cache, rows, other)

    @torch.inference_mode()
    def attend(self, audio_features: AudioFeatures, tokens: Array, n_text_tokens: int) -> tuple[np.ndarray, np.ndarray]:
        tokens = as_ids(tokens)
        check_texts(tokens, audio_features.n_windows, self.dims)
        decoder = self._decoder
        x, scores = read_texts(decoder, audio_features.cross, tokens, heads=self._alignment_heads)
        next_probs = np.zeros((tokens.shape[0], tokens.shape[1] - 1), dtype=np.float32)
        for window, following in enumerate(tokens[:, 1:]):  # one by one: [T - 1, n_vocab] is large enough
            is_text = following < n_text_tokens
            ids = torch.tensor(np.where(is_text, following, 0), dtype=torch.int64, device=self._device)
            logits = decoder.logits(x[window, :-1])[:, :n_text_tokens]
            logprobs = logits.gather(-1, ids[:, None])[:, 0] - logits.logsumexp(dim=-1)
            next_probs[window] = np.where(is_text, logprobs.exp().numpy(force=True), 0)
        heard = torch.stack([scores[pair] for pair in self._alignment_heads], dim=1)
        return next_probs, heard.numpy(force=True)

    def close(self) -> None:
        if self._still is not None:
            self._still.close()
        self._network = self._still = self.ops.loops = None
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
