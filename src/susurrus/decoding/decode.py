"""Decode one window: what stands before the text, the loop, the choice among candidates, and the fallback.

Takes audio features and a prompt; gives `Decoded`. The features are read again by each temperature, never made again.
Source: openai/whisper, decoding.py, DecodingTask and MaximumLikelihoodRanker; transcribe.py, decode_with_fallback.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..backends import Backend
from ..options import DecodingOptions
from ..tokenizer import Tokenizer
from ..types import Decoded
from .beam import beam_search
from .loop import Candidate, sample
from .rules import make_rules


def decode(
    backend: Backend,
    tokenizer: Tokenizer,
    audio_features: Any,
    options: DecodingOptions,
    *,
    prompt: Sequence[int] = (),
    suppress_tokens: tuple[int, ...] | None = None,
    seed: Sequence[int] = (),
) -> Decoded:
    """Decode the one window of `audio_features`, at the first temperature whose text passes the thresholds.

    `prompt` is the text before the window, in tokens. `suppress_tokens` is the checkpoint's list of ids that are not
    speech. `seed` tells this window's random numbers from other windows'; `options.seed` goes before it.
    """
    for i, temperature in enumerate(options.temperatures):
        rng = np.random.default_rng([options.seed, *seed, i])
        decoded = _decode_at(backend, tokenizer, audio_features, options, prompt, suppress_tokens, temperature, rng)
        if not needs_fallback(decoded, options):
            break
    return decoded


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


def _decode_at(
    backend: Backend,
    tokenizer: Tokenizer,
    audio_features: Any,
    options: DecodingOptions,
    prompt: Sequence[int],
    suppress_tokens: tuple[int, ...] | None,
    temperature: float,
    rng: np.random.Generator,
) -> Decoded:
    """Decode at one temperature: beams at 0 when asked for, best_of samples above."""
    ops, dims = backend.ops, backend.dims
    tokens, sot_index = start_tokens(tokenizer, options, prompt, dims.n_text_ctx)
    n_max = min(options.sample_len or dims.n_text_ctx // 2, dims.n_text_ctx - len(tokens) + 1)
    rules = make_rules(ops, tokenizer, options, dims.n_vocab, suppress_tokens)

    at = np.array([[sot_index, len(tokens) - 1]], dtype=np.int32)
    lengths = np.array([len(tokens)], dtype=np.int32)
    logits, cache = backend.prefill(audio_features, np.array([tokens], dtype=np.int32), lengths, at)
    no_speech_prob = float(ops.to_numpy(ops.softmax(logits[:, 0]))[0, tokenizer.no_speech])
    logits = logits[:, 1]

    candidates: list[Candidate]
    if temperature == 0 and options.beam_size is not None:
        [candidates] = beam_search(
            backend, logits, cache, rules, beam_size=options.beam_size, patience=options.patience, n_max=n_max
        )
    elif temperature == 0:
        candidates = sample(backend, logits, cache, rules, n_max=n_max)
    else:
        n_group = options.best_of or 1
        rows = ops.asarray(np.zeros(n_group, dtype=np.int32))
        candidates = sample(
            backend,
            logits[rows],
            backend.select(cache, [0] * n_group),
            rules,
            n_max=n_max,
            temperature=temperature,
            uniforms=rng.random((n_max, n_group), dtype=np.float32),
        )

    best = max(candidates, key=lambda candidate: _score(candidate, options.length_penalty))
    text = tokenizer.decode(best.tokens).strip()
    return Decoded(
        tokens=best.tokens,
        text=text,
        language=tokenizer.language,
        temperature=temperature,
        avg_logprob=best.sum_logprob / (len(best.tokens) + 1),
        compression_ratio=compression_ratio(text),
        no_speech_prob=no_speech_prob,
    )


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
