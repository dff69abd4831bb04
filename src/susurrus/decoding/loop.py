"""Write tokens one after another, greedily or by sampling: state in, state out.

Takes the logits and the cache that `prefill` gave; gives what each row wrote. Of the backend it knows `step` alone.
Source: openai/whisper, decoding.py, GreedyDecoder; the shape of the loop follows google-deepmind/gemma's sampler.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..backends import Backend
from ..backends.ops import Ops
from ..types import Array
from .rules import History, Rules, apply_rules, empty_history, extend


class LoopState(NamedTuple):
    """Everything a step reads and writes."""

    token: Array  # i32[R], the last token of each row
    cache: Any
    history: History
    sum_logprobs: Array  # f32[R], of the tokens written, eot included
    is_done: Array  # bool[R]
    n_steps: Any


class Candidate(NamedTuple):
    """A text that a row wrote, without eot, and the log-probability of all of it."""

    tokens: tuple[int, ...]
    sum_logprob: float


def sample(
    backend: Backend,
    logits: Array,
    cache: Any,
    rules: Rules,
    *,
    n_max: int,
    temperature: float = 0.0,
    uniforms: np.ndarray | None = None,
) -> list[Candidate]:
    """Continue each row until it ends or has n_max tokens; R rows in, R candidates out.

    logits f32[R, n_vocab] are those of the rows' next token. At a temperature above 0, uniforms f32[n_max, R] in [0, 1)
    choose the tokens by the inverse of the cumulative distribution, so the same numbers give the same text.
    """
    ops = backend.ops
    n_rows = logits.shape[0]
    draws = None if uniforms is None else ops.asarray(uniforms)

    def choose(logits: Array, cache: Any, state: LoopState) -> LoopState:
        logits = apply_rules(ops, rules, logits, state.history)
        # The remainder: a loop that looks up now and then runs some steps after the last row has ended.
        token = (
            _draw(ops, logits, temperature, draws[state.n_steps % n_max]) if draws is not None else ops.argmax(logits)
        )
        token = ops.where(state.is_done, rules.eot, token)
        logprob = ops.take(logits, token) - ops.logsumexp(logits)
        sum_logprobs = ops.where(state.is_done, state.sum_logprobs, state.sum_logprobs + logprob)
        is_done = state.is_done | (token == rules.eot)
        history = extend(ops, rules, state.history, token, is_done)
        is_done = is_done | (history.n_written >= n_max)
        return LoopState(token, cache, history, sum_logprobs, is_done, state.n_steps + 1)

    def go_on(state: LoopState) -> Any:
        return ops.count(~state.is_done) > 0

    def body(state: LoopState) -> LoopState:
        return choose(*backend.step(state.token, state.cache), state)

    start = LoopState(
        token=ops.asarray(np.zeros(n_rows, dtype=np.int32)),
        cache=None,
        history=empty_history(ops, rules, n_rows, n_max),
        sum_logprobs=ops.asarray(np.zeros(n_rows, dtype=np.float32)),
        is_done=ops.asarray(np.zeros(n_rows, dtype=bool)),
        n_steps=0,
    )
    end = ops.while_loop(go_on, body, choose(logits, cache, start))
    tokens, n_written = ops.to_numpy(end.history.tokens), ops.to_numpy(end.history.n_written)
    sums = ops.to_numpy(end.sum_logprobs)
    return [
        Candidate(tuple(int(t) for t in row[:n]), float(s)) for row, n, s in zip(tokens, n_written, sums, strict=True)
    ]


def _draw(ops: Ops, logits: Array, temperature: float, uniform: Array) -> Array:
    """Choose the first token whose cumulative probability exceeds the uniform number: f32[R, V], f32[R] -> i32[R]."""
    cumulative = ops.cumsum(ops.softmax(logits / temperature))
    # Below 1 by more than a rounding of f32, so that the product stays below the sum and a token is always found.
    threshold = uniform[:, None] * (1 - 1e-6) * cumulative[:, -1:]
    return ops.count(cumulative <= threshold)
