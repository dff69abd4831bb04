"""Write tokens one after another, greedily or by sampling: state in, state out.

Takes the logits and the cache that `prefill` gave; gives what each row wrote.
`sample` writes some rows to their end; a lane (`lanes.py`) lets rows leave and others take their place.
Source: openai/whisper, decoding.py, GreedyDecoder; the shape of the loop follows google-deepmind/gemma's sampler.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..backends import Backend
from ..backends.ops import Ops
from ..types import Array
from .rules import History, Rules, apply_rules, empty_history, extend


class LoopState(NamedTuple):
    """Everything a step reads and writes, for R rows.

    `temperature` and `uniforms` are None where no row is sampled. A row at temperature 0 takes the likeliest token;
    another is led by its uniforms, f32[n_max] in [0, 1), one for each token.
    """

    token: Array  # i32[R], the last token of each row
    cache: Any
    history: History
    sum_logprobs: Array  # f32[R], of the tokens written, eot included
    is_done: Array  # bool[R]
    most: Array  # i32[R], tokens that the row may write
    temperature: Array | None  # f32[R]
    uniforms: Array | None  # f32[R, n_max]
    n_steps: Any = 0  # tokens written side by side since the loop began


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
    n_rows = logits.shape[0]
    temperatures = None if uniforms is None else np.full(n_rows, temperature, dtype=np.float32)
    draws = None if uniforms is None else uniforms.T
    state = begin(backend, logits, cache, rules, np.full(n_rows, n_max, dtype=np.int32), n_max, temperatures, draws)
    state = write(backend, rules, state, lambda state: backend.ops.count(~state.is_done) > 0)
    return written(backend.ops, state, range(n_rows))


def begin(
    backend: Backend,
    logits: Array,
    cache: Any,
    rules: Rules,
    most: np.ndarray,
    n_max: int,
    temperature: np.ndarray | None = None,
    uniforms: np.ndarray | None = None,
) -> LoopState:
    """Give the state of R rows that have written their first token; `n_max` is room for the largest `most`."""
    ops = backend.ops
    n_rows = logits.shape[0]
    start = LoopState(
        token=ops.asarray(np.zeros(n_rows, dtype=np.int32)),
        cache=cache,
        history=empty_history(ops, rules, n_rows, n_max),
        sum_logprobs=ops.asarray(np.zeros(n_rows, dtype=np.float32)),
        is_done=ops.asarray(np.zeros(n_rows, dtype=bool)),
        most=ops.asarray(most),
        temperature=None if temperature is None else ops.asarray(temperature),
        uniforms=None if uniforms is None else ops.asarray(uniforms),
    )
    return _choose(ops, rules, logits, start)


def write(backend: Backend, rules: Rules, state: LoopState, go_on: Callable[[LoopState], Any]) -> LoopState:
    """Write tokens while `go_on`, which may be asked only every few tokens. Rows that are done stay as they are."""
    # A partial over the same objects is the same body: a device may have recorded it.
    ended: LoopState = backend.ops.while_loop(go_on, partial(_write_one, backend, rules), state)
    return ended


def written(ops: Ops, state: LoopState, rows: Sequence[int]) -> list[Candidate]:
    """Give what those rows have written."""
    tokens, n_written = ops.to_numpy(state.history.tokens), ops.to_numpy(state.history.n_written)
    sums = ops.to_numpy(state.sum_logprobs)
    return [Candidate(tuple(int(t) for t in tokens[r, : n_written[r]]), float(sums[r])) for r in rows]


def join_rows(backend: Backend, state: LoopState, rows: Sequence[int], other: LoopState) -> LoopState:
    """Give a state in which `rows` are those of `other`; rows from R on are new ones."""
    ops = backend.ops

    def put(mine: Array | None, theirs: Array | None) -> Array | None:
        if mine is None and theirs is None:
            return None
        # A state without sampling has temperature 0 and needs no uniforms.
        a = _like(theirs, len(state.token)) if mine is None else ops.to_numpy(mine)
        b = _like(mine, len(rows)) if theirs is None else ops.to_numpy(theirs)
        joined = np.zeros((max(len(a), max(rows) + 1), *a.shape[1:]), dtype=a.dtype)
        joined[: len(a)] = a
        joined[list(rows)] = b
        return ops.asarray(joined)

    def _like(array: Any, n: int) -> np.ndarray:
        return np.zeros((n, *array.shape[1:]), dtype=np.float32)

    return LoopState(
        token=put(state.token, other.token),
        cache=backend.join(state.cache, rows, other.cache),
        history=History(*(put(a, b) for a, b in zip(state.history, other.history, strict=True))),
        sum_logprobs=put(state.sum_logprobs, other.sum_logprobs),
        is_done=put(state.is_done, other.is_done),
        most=put(state.most, other.most),
        temperature=put(state.temperature, other.temperature),
        uniforms=put(state.uniforms, other.uniforms),
    )


def select_rows(backend: Backend, state: LoopState, rows: Sequence[int]) -> LoopState:
    """Give a state of those rows alone."""
    ops, chosen = backend.ops, list(rows)
    pick = lambda array: None if array is None else ops.asarray(ops.to_numpy(array)[chosen])
    return LoopState(
        token=pick(state.token),
        cache=backend.select(state.cache, chosen),
        history=History(*map(pick, state.history)),
        sum_logprobs=pick(state.sum_logprobs),
        is_done=pick(state.is_done),
        most=pick(state.most),
        temperature=pick(state.temperature),
        uniforms=pick(state.uniforms),
    )


def _write_one(backend: Backend, rules: Rules, state: LoopState) -> LoopState:
    logits, cache = backend.step(state.token, state.cache)
    return _choose(backend.ops, rules, logits, state._replace(cache=cache))


def _choose(ops: Ops, rules: Rules, logits: Array, state: LoopState) -> LoopState:
    """Write the next token of each row that is not done."""
    logits = apply_rules(ops, rules, logits, state.history)
    token = ops.argmax(logits)
    if state.temperature is not None:
        token = ops.where(state.temperature > 0, _draw(ops, logits, state, state.temperature), token)
    token = ops.where(state.is_done, rules.eot, token)
    logprob = ops.take(logits, token) - ops.logsumexp(logits)
    sum_logprobs = ops.where(state.is_done, state.sum_logprobs, state.sum_logprobs + logprob)
    is_done = state.is_done | (token == rules.eot)
    history = extend(ops, rules, state.history, token, is_done)
    is_done = is_done | (history.n_written >= state.most)
    return state._replace(
        token=token, history=history, sum_logprobs=sum_logprobs, is_done=is_done, n_steps=state.n_steps + 1
    )


def _draw(ops: Ops, logits: Array, state: LoopState, temperature: Array) -> Array:
    """Choose the first token whose cumulative probability exceeds the row's next uniform: f32[R, V] -> i32[R]."""
    # A row that has written all it may has no uniform left; whatever it is given, it writes nothing.
    at = ops.where(state.is_done, 0, state.history.n_written)
    uniform = ops.take(state.uniforms, at)
    temperature = ops.where(temperature > 0, temperature, 1.0)
    cumulative = ops.cumsum(ops.softmax(logits / temperature[:, None]))
    # Below 1 by more than a rounding of f32, so that the product stays below the sum and a token is always found.
    threshold = uniform[:, None] * (1 - 1e-6) * cumulative[:, -1:]
    return ops.count(cumulative <= threshold)
