"""Which token may come next: OpenAI's rules as pure functions of logits and a short history.

Takes logits f32[R, n_vocab] and what the rows have written; gives logits with -inf where a token may not stand.
No loop over rows and no mutation, so the same function runs under NumPy, PyTorch and inside a compiled loop.
Knows nothing of models, prompts or files.

Source: openai/whisper, decoding.py, SuppressBlank, SuppressTokens, ApplyTimestampRules.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..backends.ops import Ops
from ..options import DecodingOptions
from ..segments import SECONDS_PER_TIMESTAMP
from ..tokenizer import N_TIMESTAMPS, Tokenizer
from ..types import Array

NEG_INF = float("-inf")


class History(NamedTuple):
    """What the rules need to know of the tokens each row has written in this window."""

    tokens: Array  # i32[R, n_max], -1 where nothing is written yet
    n_written: Array  # i32[R]
    is_after_timestamp: Array  # bool[R], the last token is a timestamp
    is_second_timestamp: Array  # bool[R], the one before it is too, or there is none
    last_timestamp: Array  # i32[R], id of the last timestamp; timestamp_begin - 1 before the first


@dataclass(frozen=True)
class Rules:
    """The rules of one decoding, with their masks bool[n_vocab] on the device."""

    eot: int
    timestamp_begin: int
    ids: Array  # i32[n_vocab], 0 to n_vocab - 1
    never: Array
    not_at_start: Array
    has_timestamps: bool
    max_initial_timestamp_index: int | None
    repetition_penalty: float
    no_repeat_ngram_size: int


def make_rules(
    ops: Ops,
    tokenizer: Tokenizer,
    options: DecodingOptions,
    n_vocab: int,
    suppress_tokens: tuple[int, ...] | None = None,
) -> Rules:
    """Make the rules that `options` ask for. `suppress_tokens` is the checkpoint's own list that -1 stands for."""
    never = np.zeros(n_vocab, dtype=bool)
    never[tokenizer.timestamp_begin + N_TIMESTAMPS :] = True  # what a fine-tuned model added is not text
    if options.suppress_tokens:
        never[[t for t in _suppressed(tokenizer, options, suppress_tokens) if t < n_vocab]] = True
    if not options.without_timestamps:
        never[tokenizer.no_timestamps] = True
    not_at_start = np.zeros(n_vocab, dtype=bool)
    if options.suppress_blank:
        not_at_start[[*tokenizer.encode(" "), tokenizer.eot]] = True
    index = (
        None if options.max_initial_timestamp is None else round(options.max_initial_timestamp / SECONDS_PER_TIMESTAMP)
    )
    return Rules(
        eot=tokenizer.eot,
        timestamp_begin=tokenizer.timestamp_begin,
        ids=ops.asarray(np.arange(n_vocab, dtype=np.int32)),
        never=ops.asarray(never),
        not_at_start=ops.asarray(not_at_start),
        has_timestamps=not options.without_timestamps,
        max_initial_timestamp_index=index,
        repetition_penalty=options.repetition_penalty,
        no_repeat_ngram_size=options.no_repeat_ngram_size,
    )


def _suppressed(tokenizer: Tokenizer, options: DecodingOptions, own: tuple[int, ...] | None) -> set[int]:
    """Spell out -1, and add the ids that start or steer a window and never belong in its text."""
    assert not isinstance(options.suppress_tokens, str)
    asked = set(options.suppress_tokens)
    if -1 in asked:
        asked |= set(tokenizer.non_speech_tokens if own is None else own)
    steering = {tokenizer.transcribe, tokenizer.translate, tokenizer.sot, tokenizer.sot_prev, tokenizer.sot_lm}
    return (asked - {-1}) | steering | {tokenizer.no_speech}


def empty_history(ops: Ops, rules: Rules, n_rows: int, n_max: int) -> History:
    """Give the history of rows that have written nothing, with room for n_max tokens each."""
    return History(
        tokens=ops.asarray(np.full((n_rows, n_max), -1, dtype=np.int32)),
        n_written=ops.asarray(np.zeros(n_rows, dtype=np.int32)),
        is_after_timestamp=ops.asarray(np.zeros(n_rows, dtype=bool)),
        is_second_timestamp=ops.asarray(np.ones(n_rows, dtype=bool)),
        last_timestamp=ops.asarray(np.full(n_rows, rules.timestamp_begin - 1, dtype=np.int32)),
    )


def history_of(ops: Ops, rules: Rules, rows: list[list[int]], n_max: int) -> History:
    """Give the history of rows that have written these tokens. It is the definition that `extend` must equal."""
    tokens = np.full((len(rows), n_max), -1, dtype=np.int32)
    for r, row in enumerate(rows):
        tokens[r, : len(row)] = row
    is_timestamp = [[t >= rules.timestamp_begin for t in row] for row in rows]
    last = [max([t for t in row if t >= rules.timestamp_begin][-1:], default=rules.timestamp_begin - 1) for row in rows]
    return History(
        tokens=ops.asarray(tokens),
        n_written=ops.asarray(np.array([len(row) for row in rows], dtype=np.int32)),
        is_after_timestamp=ops.asarray(np.array([row[-1:] == [True] for row in is_timestamp])),
        is_second_timestamp=ops.asarray(np.array([len(row) < 2 or row[-2] for row in is_timestamp])),
        last_timestamp=ops.asarray(np.array(last, dtype=np.int32)),
    )


def extend(ops: Ops, rules: Rules, history: History, token: Array, is_done: Array) -> History:
    """Write token i32[R] behind each row that is not done."""
    columns = ops.asarray(np.arange(history.tokens.shape[1], dtype=np.int32))
    here = (columns[None, :] == history.n_written[:, None]) & ~is_done[:, None]
    is_timestamp = token >= rules.timestamp_begin
    return History(
        tokens=ops.where(here, token[:, None], history.tokens),
        n_written=ops.where(is_done, history.n_written, history.n_written + 1),
        is_after_timestamp=ops.where(is_done, history.is_after_timestamp, is_timestamp),
        # Before the first token there is none, which counts as a timestamp: a lone first timestamp opens a segment.
        is_second_timestamp=ops.where(
            is_done, history.is_second_timestamp, history.is_after_timestamp | (history.n_written == 0)
        ),
        last_timestamp=ops.where(is_timestamp & ~is_done, token, history.last_timestamp),
    )


def apply_rules(ops: Ops, rules: Rules, logits: Array, history: History) -> Array:
    """Put -inf where the rules allow no token: f32[R, n_vocab] -> f32[R, n_vocab]."""
    if rules.repetition_penalty != 1.0:
        logits = _penalise_repetition(ops, rules, logits, history)
    if rules.no_repeat_ngram_size > 0:
        logits = _forbid_ngrams(ops, rules, logits, history)
    is_start = history.n_written == 0
    logits = ops.where(rules.never[None, :] | (rules.not_at_start[None, :] & is_start[:, None]), NEG_INF, logits)
    return _timestamp_rules(ops, rules, logits, history) if rules.has_timestamps else logits


def _timestamp_rules(ops: Ops, rules: Rules, logits: Array, history: History) -> Array:
    """Timestamps stand in pairs, never go back, and win when together they are likelier than any one text token."""
    begin = rules.timestamp_begin
    ids = rules.ids[None, :]
    is_start = (history.n_written == 0)[:, None]
    after = history.is_after_timestamp[:, None]
    second = history.is_second_timestamp[:, None]

    # After one timestamp comes a second or the end; after two, text.
    forbidden = (after & second & (ids >= begin)) | (after & ~second & (ids < rules.eot))
    # A closing timestamp may be repeated as the next opening one; otherwise a segment has some length.
    lowest = ops.where(history.is_after_timestamp & ~history.is_second_timestamp, 0, 1) + history.last_timestamp
    forbidden = forbidden | ((ids >= begin) & (ids < lowest[:, None]))
    # A window begins with a timestamp, and not a late one.
    forbidden = forbidden | (is_start & (ids < begin))
    if rules.max_initial_timestamp_index is not None:
        forbidden = forbidden | (is_start & (ids > begin + rules.max_initial_timestamp_index))
    logits = ops.where(forbidden, NEG_INF, logits)

    is_timestamp_due = ops.logsumexp(logits[:, begin:]) > ops.max(logits[:, :begin])
    return ops.where(is_timestamp_due[:, None] & (ids < begin), NEG_INF, logits)


def _penalise_repetition(ops: Ops, rules: Rules, logits: Array, history: History) -> Array:
    """Make text tokens that stand in the row already less likely. Source: arxiv 1909.05858, section 4.1."""
    written = ops.mark(ops.where(history.tokens < rules.eot, history.tokens, -1), logits.shape[-1])
    penalty = rules.repetition_penalty
    return ops.where(written, ops.where(logits > 0, logits / penalty, logits * penalty), logits)


def _forbid_ngrams(ops: Ops, rules: Rules, logits: Array, history: History) -> Array:
    """Forbid the text token that would complete n tokens which already stand in the row in that order."""
    n, tokens = rules.no_repeat_ngram_size, history.tokens
    n_places = tokens.shape[1] - n + 1
    if n_places < 1:
        return logits
    places = ops.asarray(np.arange(n_places, dtype=np.int32))[None, :]
    matches = (places + (n - 1)) < history.n_written[:, None]
    for k in range(n - 1):
        recent = history.n_written - (n - 1) + k
        recent_token = ops.take(tokens, ops.where(recent < 0, 0, recent))
        matches = matches & (tokens[:, k : k + n_places] == recent_token[:, None]) & (recent >= 0)[:, None]
    completing = tokens[:, n - 1 :]
    completing = ops.where(matches & (completing < rules.eot), completing, -1)
    return ops.where(ops.mark(completing, logits.shape[-1]), NEG_INF, logits)
