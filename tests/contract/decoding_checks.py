"""Decoding on a backend against loops over the twin: the rules, greedy search, beam search and sampling.

Importing this puts the checks beside those of `checks.py`.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from checks import check
from subject import DIMS, N_TEXT_TOKENS

from susurrus.backends.ops import NumpyOps
from susurrus.decoding.beam import beam_search
from susurrus.decoding.loop import sample
from susurrus.decoding.rules import Rules, apply_rules, history_of

EOT, BEGIN, N_MAX = N_TEXT_TOKENS, 160, 24
START = [151, 152]


def rules_on(ops, **given):
    """Rules for the small vocabulary: text below 150, eot at 150, timestamps from 160 on."""
    never = np.zeros(DIMS.n_vocab, dtype=bool)
    never[[3, 9, *range(EOT + 1, BEGIN)]] = True
    not_at_start = np.zeros(DIMS.n_vocab, dtype=bool)
    not_at_start[[5, EOT]] = True
    whole = {
        "eot": EOT,
        "timestamp_begin": BEGIN,
        "ids": ops.asarray(np.arange(DIMS.n_vocab, dtype=np.int32)),
        "never": ops.asarray(never),
        "not_at_start": ops.asarray(not_at_start),
        "has_timestamps": True,
        "max_initial_timestamp_index": 10,
        "repetition_penalty": 1.0,
        "no_repeat_ngram_size": 0,
    }
    return Rules(**{**whole, **given})


ROWS = [
    [],
    [BEGIN + 2],
    [BEGIN + 2, 7],
    [BEGIN, 7, BEGIN + 9],
    [BEGIN, 7, BEGIN + 9, BEGIN + 9],
    [BEGIN, 7, BEGIN + 9, BEGIN + 9, 8, 7],
    [7, 8, 7, 8, 7],
]


@check
def check_rules(subject):
    rng = np.random.default_rng(2)
    for given in ({}, {"has_timestamps": False}, {"repetition_penalty": 1.5}, {"no_repeat_ngram_size": 2}):
        for boost in (-3.0, 3.0):
            logits = rng.normal(size=(len(ROWS), DIMS.n_vocab)).astype(np.float32)
            logits[:, BEGIN:] += np.float32(boost)

            def masked(ops, logits=logits, given=given):
                rules = rules_on(ops, **given)
                return ops.to_numpy(apply_rules(ops, rules, ops.asarray(logits), history_of(ops, rules, ROWS, 8)))

            np.testing.assert_allclose(masked(subject.backend.ops), masked(NumpyOps()), rtol=0, atol=1e-5)


def allowed(subject, window, row):
    """The twin's logits after a row, and the rules' mask on them, in float64 on the host."""
    logits = subject.read(window, [*START, *row])[0][-1].astype(np.float32)[None]
    ops = NumpyOps()
    rules = rules_on(ops)
    return apply_rules(ops, rules, logits, history_of(ops, rules, [row], N_MAX))[0]


def logprobs(x):
    return x - np.logaddexp.reduce(x.astype(np.float64))


def start(subject, n_windows):
    """Features, logits of the first token and the cache of the first windows."""
    features = subject.encode(*range(n_windows))
    logits, cache = subject.prefill(features, [START] * n_windows)
    return subject.backend.ops.asarray(logits[:, 0]), cache


def only_exact(subject):
    if subject.backend.dtype != "float32":
        pytest.skip("texts are compared token by token in float32 only")


@check
def check_greedy_search(subject):
    only_exact(subject)
    made = sample(subject.backend, *start(subject, 3), rules_on(subject.backend.ops), n_max=N_MAX)
    for window, candidate in enumerate(made):
        row, total = [], 0.0
        while len(row) < N_MAX:
            masked = allowed(subject, window, row)
            token = int(masked.argmax())
            total += logprobs(masked)[token]
            if token == EOT:
                break
            row.append(token)
        assert list(candidate.tokens) == row
        assert math.isclose(candidate.sum_logprob, total, abs_tol=1e-2)


@check
def check_sampling(subject):
    only_exact(subject)
    uniforms = np.random.default_rng(4).random((N_MAX, 3), dtype=np.float32)
    rules = rules_on(subject.backend.ops)
    made = sample(subject.backend, *start(subject, 3), rules, n_max=N_MAX, temperature=0.7, uniforms=uniforms)
    for window, candidate in enumerate(made):
        for i, token in enumerate(candidate.tokens):
            probs = np.exp(logprobs(allowed(subject, window, candidate.tokens[:i]) / np.float32(0.7)))
            below = probs[:token].sum()
            assert below - 1e-3 <= uniforms[i, window] <= below + probs[token] + 1e-3


@check
def check_beam_search(subject):
    only_exact(subject)
    rules = rules_on(subject.backend.ops)
    made = beam_search(subject.backend, *start(subject, 3), rules, beam_size=3, patience=None, n_max=N_MAX)
    for window, candidates in enumerate(made):
        live, ended = [((), 0.0)], []
        for _ in range(N_MAX):
            grown = []
            for row, total in live:
                scores = logprobs(allowed(subject, window, list(row)))
                grown += [((*row, int(t)), total + scores[t]) for t in np.argsort(-scores)[:4]]
            grown.sort(key=lambda pair: -pair[1])
            live = []
            for row, total in grown:
                if row[-1] == EOT:
                    ended.append((row[:-1], total))
                else:
                    live.append((row, total))
                if len(live) == 3:
                    break
            if len(ended) >= 3:
                break
        want = [*ended[:3], *live[: max(0, 3 - len(ended))]]
        assert [c.tokens for c in candidates] == [row for row, _ in want]
