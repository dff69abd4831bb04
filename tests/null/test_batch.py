"""Batches against `decode`, window by window: whatever comes when, and whatever fails, the texts are the same."""

from __future__ import annotations

import numpy as np
import pytest

from susurrus.backends import open_backend
from susurrus.checkpoints import random_checkpoint
from susurrus.decoding import Batch, Request, decode
from susurrus.options import DecodingOptions, TranscribeOptions
from susurrus.tokenizer import Tokenizer
from susurrus.types import ModelDimensions

DIMS = ModelDimensions(80, 100, 64, 2, 1, 51865, 448, 64, 2, 2)
N_WINDOWS = 11
# A random model is sure of nothing: its texts pass the thresholds now and then, and end early now and then.
WAYS = {
    "greedy": {"temperature": (0.0, 0.4, 0.8), "sample_len": 20, "compression_ratio_threshold": 1.0},
    "best_of": {"temperature": (0.0, 0.5), "best_of": 3, "sample_len": 12, "compression_ratio_threshold": 0.9},
    "beams": {"temperature": (0.0, 0.5), "beam_size": 3, "sample_len": 10, "compression_ratio_threshold": 0.9},
    "patience": {"temperature": 0.0, "beam_size": 2, "patience": 2.0, "sample_len": 10},
    "hot": {"temperature": 1.0, "best_of": 2, "sample_len": 9},
    "plain": {"temperature": 0.0, "without_timestamps": True, "hotwords": "Susurrus", "no_repeat_ngram_size": 2},
}


@pytest.fixture(scope="module")
def backend():
    return open_backend("numpy", random_checkpoint(DIMS, seed=3))


@pytest.fixture(scope="module")
def mel():
    return np.random.default_rng(0).normal(size=(N_WINDOWS, 80, 200)).astype(np.float32)


def requests_for(way):
    rng = np.random.default_rng(1)
    made = []
    for i in range(N_WINDOWS):
        options = DecodingOptions(**{"logprob_threshold": None, "no_speech_threshold": None, **WAYS[way]})
        tokenizer = Tokenizer.for_model(DIMS.n_vocab, language=("en", "de")[i % 2], task="transcribe")
        prompt = tuple(rng.integers(0, 50000, rng.integers(0, 30)).tolist())
        made.append(Request(tokenizer, options, prompt, seed=(i,)))
    return made


def run(backend, mel, requests, n_windows, n_together, n_steps=None):
    """Put the windows as there is room, some at a time; give them as they come out."""
    batch, came, following = Batch(backend, n_windows), {}, 0
    while len(came) < len(requests):
        while following < len(requests) and batch.n_free:
            n = min(n_together, batch.n_free, len(requests) - following)
            chosen = range(following, following + n)
            batch.put([f"w{i}" for i in chosen], backend.encode(mel[list(chosen)]), [requests[i] for i in chosen])
            following += n
        if following == len(requests):
            batch.tidy()
        for key, decoded in batch.advance(n_steps):
            assert key not in came
            came[key] = decoded
    assert len(batch) == 0
    assert batch.advance() == []
    return [came[f"w{i}"] for i in range(len(requests))]


def figures(decoded):
    return [(d.tokens, d.temperature, d.language, d.text) for d in decoded]


@pytest.mark.parametrize("way", WAYS)
def test_a_batch_gives_what_each_window_alone_gives(backend, mel, way):
    requests = requests_for(way)
    alone = [decode(backend, backend.encode(mel[i : i + 1]), request) for i, request in enumerate(requests)]
    for n_windows, n_together, n_steps in ((1, 1, None), (4, 1, None), (4, 3, 2), (16, 16, None)):
        together = run(backend, mel, requests, n_windows, n_together, n_steps)
        assert figures(together) == figures(alone)
        for a, b in zip(together, alone, strict=True):
            assert a.avg_logprob == pytest.approx(b.avg_logprob, abs=1e-4)
            assert a.no_speech_prob == pytest.approx(b.no_speech_prob, abs=1e-5)


def test_the_ways_above_do_fall_back(backend, mel):
    """Otherwise the test before this one would prove little."""
    for way in ("greedy", "best_of", "beams"):
        temperatures = {d.temperature for d in run(backend, mel, requests_for(way), 4, 2)}
        assert len(temperatures) > 1, way


def test_a_window_that_fails_does_not_hold_up_the_others(backend, mel):
    """One window fails at every temperature; the others are done before it."""
    requests = requests_for("plain")
    stubborn = DecodingOptions(temperature=(0.0, 0.2, 0.4, 0.6), sample_len=30, logprob_threshold=10.0, best_of=2)
    requests[0] = Request(requests[0].tokenizer, stubborn)
    batch, order = Batch(backend, N_WINDOWS), []
    batch.put(range(N_WINDOWS), backend.encode(mel), requests)
    while len(batch):
        order += [key for key, _ in batch.advance()]
    assert sorted(order) == list(range(N_WINDOWS))
    assert order.index(0) > N_WINDOWS // 2


def test_what_stands_before_the_text_needs_no_lane_of_its_own(backend, mel):
    tokenizer = Tokenizer.for_model(DIMS.n_vocab, language="en")
    given = [{}, {"initial_prompt": "Hello"}, {"hotwords": "Susurrus"}, {"prefix": "So"}, {"language": "de"}]
    options = [TranscribeOptions(temperature=0.0, sample_len=5, **one) for one in given]
    requests = [Request(tokenizer, one) for one in options]
    alone = [decode(backend, backend.encode(mel[i : i + 1]), request) for i, request in enumerate(requests)]
    n_prefills, prefill = 0, backend.prefill

    def counted(*given):
        nonlocal n_prefills
        n_prefills += 1
        return prefill(*given)

    batch = Batch(backend, len(requests))
    backend.prefill = counted
    try:
        batch.put(range(len(requests)), backend.encode(mel[: len(requests)]), requests)
    finally:
        del backend.prefill
    came = {}
    while len(came) < len(requests):
        came.update(batch.advance())
    assert figures([came[i] for i in range(len(requests))]) == figures(alone)
    assert n_prefills == 1
