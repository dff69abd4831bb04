"""Decode one window: what stands before the text, the loop, the choice among candidates, and the fallback.

Takes audio features and a prompt; gives `Decoded`. The features are read again by each temperature, never made again.
Source: openai/whisper, decoding.py, DecodingTask and MaximumLikelihoodRanker; transcribe.py, decode_with_fallback.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..backends import Backend
from ..options import DecodingOptions
from ..tokenizer import Tokenizer
from ..types import Decoded, ModelDimensions
from .beam import beam_search
from .loop import Candidate, sample
from .rules import make_rules


@dataclass(frozen=True)
class Request:
    """What is asked of a window, besides its sound.

    `prompt` is the text before it, in tokens. `suppress_tokens` is the checkpoint's list of ids that are not speech.
    `seed` tells its random numbers from other windows'; `options.seed` goes before it.
    """

    tokenizer: Tokenizer
    options: DecodingOptions
    prompt: tuple[int, ...] = ()
    suppress_tokens: tuple[int, ...] | None = None
    seed: tuple[int, ...] = ()

    def start(self, dims: ModelDimensions) -> Start:
        """Give the tokens that stand before the text, and how many may follow."""
        tokens, sot_index = start_tokens(self.tokenizer, self.options, self.prompt, dims.n_text_ctx)
        most = min(n_max(self.options, dims), dims.n_text_ctx - len(tokens) + 1)
        return Start(tokens, sot_index, most)

    def n_candidates(self, temperature: float) -> int:
        """Say how many texts are written at a temperature, of which one is chosen."""
        return (self.options.beam_size if temperature == 0 else self.options.best_of) or 1

    def uniforms(self, i: int, dims: ModelDimensions) -> np.ndarray | None:
        """Give the numbers that lead the sampling at the i-th temperature, f32[n_max, n_candidates]; None at 0."""
        temperature = self.options.temperatures[i]
        if temperature == 0:
            return None
        rng = np.random.default_rng([self.options.seed, *self.seed, i])
        shape = self.start(dims).most, self.n_candidates(temperature)
        return rng.random(shape, dtype=np.float32)

    def decoded(self, candidates: Sequence[Candidate], temperature: float, no_speech_prob: float) -> Decoded:
        """Give the best of the candidates."""
        best = max(candidates, key=lambda candidate: _score(candidate, self.options.length_penalty))
        text = self.tokenizer.decode(best.tokens).strip()
        return Decoded(
            tokens=best.tokens,
            text=text,
            language=self.tokenizer.language,
            temperature=temperature,
            avg_logprob=best.sum_logprob / (len(best.tokens) + 1),
            compression_ratio=compression_ratio(text),
            no_speech_prob=no_speech_prob,
        )


class Start(NamedTuple):
    """What stands before a window's text: the tokens, where sot is among them, and how many tokens may follow."""

    tokens: tuple[int, ...]
    sot_index: int
    most: int


def decode(backend: Backend, audio_features: Any, request: Request) -> Decoded:
    """Decode the one window of `audio_features`, at the first temperature whose text passes the thresholds."""
    for i in range(len(request.options.temperatures)):
        decoded = _decode_at(backend, audio_features, request, i)
        if not needs_fallback(decoded, request.options):
            break
    return decoded


def n_max(options: DecodingOptions, dims: ModelDimensions) -> int:
    """Say how many tokens a window may write at most, whatever stands before them."""
    return options.sample_len or dims.n_text_ctx // 2


def prefill(
    backend: Backend, audio_features: Any, starts: Sequence[Start], tokenizer: Tokenizer
) -> tuple[Any, list[float], Any]:
    """Read what stands before each window's text: logits f32[B, n_vocab] of the first token, no_speech_probs, cache."""
    ops = backend.ops
    tokens = np.zeros((len(starts), max(len(start.tokens) for start in starts)), dtype=np.int32)
    for row, start in zip(tokens, starts, strict=True):
        row[: len(start.tokens)] = start.tokens
    at = np.array([[start.sot_index, len(start.tokens) - 1] for start in starts], dtype=np.int32)
    lengths = np.array([len(start.tokens) for start in starts], dtype=np.int32)
    logits, cache = backend.prefill(audio_features, tokens, lengths, at)
    no_speech = ops.to_numpy(ops.softmax(logits[:, 0]))[:, tokenizer.no_speech]
    return logits[:, 1], no_speech.tolist(), cache


def needs_fallback(decoded: Decoded, options: DecodingOptions) -> bool:
    """Say whether a text is too repetitive or too unlikely to keep; a silent window is kept as it is."""
    too_repetitive = (
        options.compression_ratio_threshold is not None
        and decoded.compression_ratio > options.compression_ratio_threshold
    )
    too_unlikely = options.logprob_threshold is not None and decoded.avg_logprob < options.logprob_threshold
    is_silent = (
        too_unlikely
        and options.no_speech_threshold is not None
        and decoded.no_speech_prob > options.no_speech_threshold
    )
    return (too_repetitive or too_unlikely) and not is_silent


def start_tokens(
    tokenizer: Tokenizer, options: DecodingOptions, prompt: Sequence[int], n_text_ctx: int
) -> tuple[tuple[int, ...], int]:
    """Give the tokens that stand before the text, and where sot is among them.

    Prompt and hotwords together take less than half of the context, hotwords first; the oldest of the prompt gives way.
    The prefix takes its room from the prompt. So whatever is asked for, half of the context is left to write in.
    """
    half = n_text_ctx // 2
    start = list(tokenizer.sot_sequence)
    if options.without_timestamps:
        start.append(tokenizer.no_timestamps)
    prefix: list[int] = []
    if options.prefix:
        n_prefix = half - options.sample_len if options.sample_len is not None and options.sample_len < half else half
        prefix = tokenizer.encode(" " + options.prefix.strip())[-n_prefix:]
    room = max(0, half - 1 - len(prefix))
    hotwords: list[int] = []
    if options.hotwords:
        hotwords = tokenizer.encode(" " + options.hotwords.strip())[:room]
    n_prompt = room - len(hotwords)
    before = [*hotwords, *(list(prompt)[-n_prompt:] if n_prompt else [])]
    if before:
        before.insert(0, tokenizer.sot_prev)
    return (*before, *start, *prefix), len(before)


def _decode_at(backend: Backend, audio_features: Any, request: Request, i: int) -> Decoded:
    """Decode at the i-th temperature: beams at 0 when asked for, best_of samples above."""
    options, dims = request.options, backend.dims
    temperature, start = options.temperatures[i], request.start(dims)
    rules = make_rules(backend.ops, request.tokenizer, options, dims.n_vocab, request.suppress_tokens)
    logits, [no_speech_prob], cache = prefill(backend, audio_features, [start], request.tokenizer)

    n_candidates = request.n_candidates(temperature)
    candidates: list[Candidate]
    if temperature == 0 and options.beam_size is not None:
        [candidates] = beam_search(
            backend, logits, cache, rules, beam_size=n_candidates, patience=options.patience, n_max=start.most
        )
    elif temperature == 0:
        candidates = sample(backend, logits, cache, rules, n_max=start.most)
    else:
        rows = backend.ops.asarray(np.zeros(n_candidates, dtype=np.int32))
        candidates = sample(
            backend,
            logits[rows],
            backend.select(cache, [0] * n_candidates),
            rules,
            n_max=start.most,
            temperature=temperature,
            uniforms=request.uniforms(i, dims),
        )
    return request.decoded(candidates, temperature, no_speech_prob)


def _score(candidate: Candidate, length_penalty: float | None) -> float:
    """Give the log-probability over the length, or over Google's penalty of it (arxiv 1609.08144, section 7)."""
    n = max(1, len(candidate.tokens))
    return candidate.sum_logprob / (n if length_penalty is None else ((5 + n) / 6) ** length_penalty)


def compression_ratio(text: str) -> float:
    """Say how often zlib fits the text into its own size: what repeats itself compresses well.

    >>> compression_ratio("no no no no no no no no no no ") > 2
    True
    """
    data = text.encode("utf-8")
    return len(data) / len(zlib.compress(data))
