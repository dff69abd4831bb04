"""The rules against a twin written row by row, token by token, from the description in openai/whisper."""

from __future__ import annotations

import math

import numpy as np
import pytest

from susurrus.backends.ops import NumpyOps
from susurrus.decoding.rules import apply_rules, empty_history, extend, history_of, make_rules
from susurrus.options import DecodingOptions
from susurrus.tokenizer import Tokenizer

OPS = NumpyOps()
N_VOCAB = 51864
TOKENIZER = Tokenizer.for_model(N_VOCAB)
BEGIN, EOT = TOKENIZER.timestamp_begin, TOKENIZER.eot


def naive_timestamp_rules(logits, row, max_initial=50):
    """One row, in loops."""
    out = list(logits)
    after = len(row) >= 1 and row[-1] >= BEGIN
    second = len(row) < 2 or row[-2] >= BEGIN
    stamps = [t for t in row if t >= BEGIN]
    for token in range(len(out)):
        is_stamp = token >= BEGIN
        if after and second and is_stamp:
            out[token] = -math.inf
        if after and not second and token < EOT:
            out[token] = -math.inf
        if stamps and is_stamp:
            lowest = stamps[-1] if after and not second else stamps[-1] + 1
            if token < lowest:
                out[token] = -math.inf
        if not row and (not is_stamp or token > BEGIN + max_initial):
            out[token] = -math.inf
    stamps_mass = np.logaddexp.reduce(np.array(out[BEGIN:], dtype=np.float64))
    if stamps_mass > max(out[:BEGIN]):
        out[:BEGIN] = [-math.inf] * BEGIN
    return out


ROWS = [
    [],
    [BEGIN],
    [BEGIN + 3, 500],
    [BEGIN, 500, BEGIN + 200],
    [BEGIN, 500, BEGIN + 200, BEGIN + 200],
    [BEGIN, 500, BEGIN + 200, BEGIN + 200, 7],
    [BEGIN, 500, 600, 700],
    [500],
    [500, BEGIN + 9],
    [BEGIN, 1, BEGIN + 1500, BEGIN + 1500],
]


@pytest.mark.parametrize("boost", [0.0, 12.0], ids=["text likely", "timestamps likely"])
def test_timestamp_rules_equal_the_twin(boost):
    rng = np.random.default_rng(0)
    options = DecodingOptions(suppress_tokens="", suppress_blank=False)
    rules = make_rules(OPS, TOKENIZER, options, N_VOCAB)
    logits = rng.normal(size=(len(ROWS), N_VOCAB)).astype(np.float32)
    logits[:, BEGIN:] += boost
    logits[:, TOKENIZER.no_timestamps] = -np.inf
    ours = apply_rules(OPS, rules, logits, history_of(OPS, rules, ROWS, 8))
    for row, given, got in zip(ROWS, logits, ours, strict=True):
        assert np.array_equal(got, np.array(naive_timestamp_rules(given, row), dtype=np.float32)), row


def test_a_dead_timestamp_rule_is_noticed():
    dead = DecodingOptions(suppress_tokens="", suppress_blank=False, without_timestamps=True)
    rules = make_rules(OPS, TOKENIZER, dead, N_VOCAB)
    logits = np.random.default_rng(0).normal(size=(len(ROWS), N_VOCAB)).astype(np.float32)
    ours = apply_rules(OPS, rules, logits, history_of(OPS, rules, ROWS, 8))
    for row, given, got in zip(ROWS, logits, ours, strict=True):
        assert not np.array_equal(got, np.array(naive_timestamp_rules(given, row), dtype=np.float32)), row


def test_extending_a_history_equals_making_it_anew():
    rules = make_rules(OPS, TOKENIZER, DecodingOptions(), N_VOCAB)
    rows = [[BEGIN, 5, BEGIN + 2, BEGIN + 2, 9, EOT], [7, 8, 9, BEGIN + 30, EOT, EOT]]
    history = empty_history(OPS, rules, 2, 6)
    done = np.zeros(2, dtype=bool)
    for i, tokens in enumerate(np.array(rows, dtype=np.int32).T):
        done = done | (tokens == EOT)
        history = extend(OPS, rules, history, tokens, done)
        written = [[t for t in row[: i + 1] if t != EOT] for row in rows]
        for ours, twin in zip(history, history_of(OPS, rules, written, 6), strict=True):
            assert np.array_equal(ours, twin)


def test_suppressed_tokens_and_blank():
    rules = make_rules(OPS, TOKENIZER, DecodingOptions(without_timestamps=True), N_VOCAB)
    logits = np.zeros((2, N_VOCAB), dtype=np.float32)
    out = apply_rules(OPS, rules, logits, history_of(OPS, rules, [[], [500]], 4))
    steering = [TOKENIZER.sot, TOKENIZER.sot_prev, TOKENIZER.sot_lm, TOKENIZER.no_speech, TOKENIZER.translate]
    assert np.isneginf(out[:, [*steering, *TOKENIZER.non_speech_tokens]]).all()
    blank = [*TOKENIZER.encode(" "), EOT]
    assert np.isneginf(out[0, blank]).all()
    assert (out[1, blank] == 0).all()


def test_the_checkpoints_own_list_stands_for_minus_one():
    rules = make_rules(OPS, TOKENIZER, DecodingOptions(), N_VOCAB, suppress_tokens=(42,))
    assert rules.never[42]
    assert not rules.never[TOKENIZER.non_speech_tokens[0]]


def test_no_suppression_when_the_list_is_empty():
    options = DecodingOptions(suppress_tokens="", suppress_blank=False, without_timestamps=True)
    rules = make_rules(OPS, TOKENIZER, options, N_VOCAB)
    assert not rules.never.any()


def test_repetition_penalty_touches_written_text_only():
    options = DecodingOptions(repetition_penalty=2.0, suppress_tokens="", suppress_blank=False, without_timestamps=True)
    rules = make_rules(OPS, TOKENIZER, options, N_VOCAB)
    logits = np.full((1, N_VOCAB), 3.0, dtype=np.float32)
    logits[0, 8] = -3.0
    out = apply_rules(OPS, rules, logits, history_of(OPS, rules, [[7, 8, BEGIN + 4]], 4))
    assert (out[0, 7], out[0, 8]) == (1.5, -6.0)
    assert (np.delete(out[0], [7, 8]) == 3.0).all()


@pytest.mark.parametrize(
    ("n", "row", "forbidden"),
    [
        (1, [7, 8], {7, 8}),
        (2, [7, 8, 7], {8}),
        (2, [7, 8, 9], set()),
        (3, [7, 8, 9, 7, 8], {9}),
        (3, [7, 8], set()),
        (2, [7, BEGIN + 1, 7], set()),
        (2, [], set()),
        (9, [7, 7, 7], set()),
    ],
)
def test_no_repeat_ngram(n, row, forbidden):
    options = DecodingOptions(no_repeat_ngram_size=n, suppress_tokens="", suppress_blank=False, without_timestamps=True)
    rules = make_rules(OPS, TOKENIZER, options, N_VOCAB)
    logits = np.zeros((1, N_VOCAB), dtype=np.float32)
    out = apply_rules(OPS, rules, logits, history_of(OPS, rules, [row], 6))
    assert set(np.flatnonzero(np.isneginf(out[0]))) == forbidden
