"""The loops on networks whose best answer is known by trying everything."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from fakes import TOKENIZER, FakeBackend, random_logits, scripted_logits

from susurrus.backends.ops import NumpyOps
from susurrus.decoding import Request, start_tokens
from susurrus.decoding import decode as decode_request
from susurrus.decoding.beam import beam_search
from susurrus.decoding.decode import compression_ratio, needs_fallback
from susurrus.decoding.loop import sample
from susurrus.decoding.rules import Rules
from susurrus.options import DecodingOptions
from susurrus.types import Decoded

OPS = NumpyOps()
BEGIN, EOT, N_VOCAB = TOKENIZER.timestamp_begin, TOKENIZER.eot, TOKENIZER.n_vocab


def plain_rules(n_vocab, eot):
    none = np.zeros(n_vocab, dtype=bool)
    return Rules(eot, n_vocab, np.arange(n_vocab), none, none, False, None, 1.0, 0)


def start(backend, n_rows=1):
    zero = np.zeros((n_rows, 1), dtype=np.int32)
    logits, cache = backend.prefill(None, zero, np.ones(n_rows, dtype=np.int32), zero)
    return logits[:, 0], cache


def log_softmax(x):
    return x - np.logaddexp.reduce(x.astype(np.float64))


def best_text(logits_of, n_vocab, eot, n_max):
    """Try every text of up to n_max tokens; give the likeliest that ends, and its log-probability."""
    best = (-np.inf, ())
    for n in range(n_max):
        for text in itertools.product(range(n_vocab - 1), repeat=n):
            total = sum(log_softmax(logits_of([0, *text[:i]]))[t] for i, t in enumerate((*text, eot)))
            best = max(best, (total, text))
    return best


@pytest.mark.parametrize("seed", range(8))
def test_a_wide_beam_finds_the_likeliest_text(seed):
    n_vocab, eot = 4, 3
    network = random_logits(n_vocab, scale=2.0)
    logits_of = lambda tokens: network([seed, *tokens])
    backend = FakeBackend(logits_of)
    [candidates] = beam_search(
        backend, *start(backend), plain_rules(n_vocab, eot), beam_size=3**4, patience=None, n_max=5
    )
    ended = [c for c in candidates if len(c.tokens) < 5]
    total, text = best_text(logits_of, n_vocab, eot, 5)
    found = max(ended, key=lambda c: c.sum_logprob)
    assert found.tokens == text
    assert found.sum_logprob == pytest.approx(total, abs=1e-4)


def test_beams_of_several_windows_do_not_mix():
    network = random_logits(6, scale=2.0)
    rules = plain_rules(6, 5)
    first, second = FakeBackend(lambda t: network([1, *t])), FakeBackend(lambda t: network([2, *t]))

    def search(backend, n):
        return beam_search(backend, *start(backend, n), rules, beam_size=3, patience=None, n_max=6)

    both = FakeBackend(lambda t: network(t))
    logits = np.concatenate([start(first)[0], start(second)[0]])
    together = beam_search(both, logits, [[1, 0], [2, 0]], rules, beam_size=3, patience=None, n_max=6)
    assert together == [*search(first, 1), *search(second, 1)]


def test_patience_waits_for_more_candidates():
    backend = FakeBackend(random_logits(8, eot=7, eot_logit=1.5))
    run = lambda patience: beam_search(
        backend, *start(backend), plain_rules(8, 7), beam_size=2, patience=patience, n_max=30
    )[0]
    assert len(run(None)) == 2
    assert len(run(3.0)) == 6
    assert run(3.0)[:2] == run(None)


def test_one_beam_is_greedy_search():
    backend = FakeBackend(random_logits(50, scale=3.0, eot=49, eot_logit=4.0))
    rules = plain_rules(50, 49)
    [candidates] = beam_search(backend, *start(backend), rules, beam_size=1, patience=None, n_max=40)
    [greedy] = sample(backend, *start(backend), rules, n_max=40)
    assert candidates[0].tokens == greedy.tokens
    assert candidates[0].sum_logprob == pytest.approx(greedy.sum_logprob, rel=1e-5)


def test_greedy_takes_the_likeliest_and_counts_the_end():
    network = random_logits(9, eot=8, eot_logit=1.2)
    backend = FakeBackend(network)
    [made] = sample(backend, *start(backend), plain_rules(9, 8), n_max=20)
    tokens, total = [0], 0.0
    while True:
        logprobs = log_softmax(network(tokens))
        token = int(logprobs.argmax())
        total += logprobs[token]
        if token == 8:
            break
        tokens.append(token)
    assert made.tokens == tuple(tokens[1:])
    assert made.sum_logprob == pytest.approx(total, rel=1e-5)


def test_rows_that_end_early_stay_as_they_are():
    lengths = {1: 2, 2: 5}

    def logits_of(tokens):
        out = np.zeros(4, dtype=np.float32)
        out[3 if len(tokens) - 1 > lengths[tokens[0]] else 2] = 9
        return out

    backend = FakeBackend(logits_of)
    one, two = sample(
        backend, np.stack([logits_of([1, 0]), logits_of([2, 0])]), [[1, 0], [2, 0]], plain_rules(4, 3), n_max=9
    )
    assert (one.tokens, two.tokens) == ((2,) * 2, (2,) * 5)
    assert backend.n_steps == len(two.tokens)  # no step after the last row has ended


def test_sampling_follows_the_distribution_and_the_seed():
    weights = np.array([0.5, 0.0, 0.3, 0.2], dtype=np.float32)
    logits = np.log(weights, where=weights > 0, out=np.full(4, -np.inf, dtype=np.float32))
    backend = FakeBackend(lambda tokens: logits)
    n = 4000
    uniforms = np.random.default_rng(1).random((1, n), dtype=np.float32)

    def run():
        rules = plain_rules(4, 9)
        return [
            c.tokens[0] for c in sample(backend, *start(backend, n), rules, n_max=1, temperature=1.0, uniforms=uniforms)
        ]

    shares = np.bincount(run(), minlength=4) / n
    assert shares == pytest.approx(weights, abs=0.03)
    assert shares[1] == 0
    assert run() == run()


def test_the_largest_uniform_number_still_finds_a_token():
    backend = FakeBackend(lambda tokens: np.zeros(50000, dtype=np.float32))
    uniforms = np.full((1, 1), np.nextafter(np.float32(1), np.float32(0)))
    [made] = sample(backend, *start(backend), plain_rules(50000, 7), n_max=1, temperature=1.0, uniforms=uniforms)
    assert made.tokens[0] < 50000


def options(**given):
    return DecodingOptions(**{"temperature": 0.0, **given})


def decode(backend, tokenizer, features, options, **given):
    return decode_request(backend, features, Request(tokenizer, options, **given))


def test_decode_gives_the_text_and_its_figures():
    script = [BEGIN, *TOKENIZER.encode(" Hello there."), BEGIN + 50]
    backend = FakeBackend(scripted_logits(script, N_VOCAB, n_start=1, eot=EOT))
    made = decode(backend, TOKENIZER, None, options())
    assert made.tokens == tuple(script)
    assert made.text == "Hello there."
    assert made.compression_ratio == compression_ratio("Hello there.")
    assert made.avg_logprob == pytest.approx(0, abs=1e-3)
    assert 0 <= made.no_speech_prob <= 1


@pytest.mark.parametrize("given", [{"beam_size": 3}, {"temperature": 0.7, "best_of": 4}, {"temperature": 0.7}])
def test_every_way_of_decoding_reads_a_sure_network_alike(given):
    script = [BEGIN, *TOKENIZER.encode(" Hello there."), BEGIN + 50]
    backend = FakeBackend(scripted_logits(script, N_VOCAB, n_start=1, eot=EOT, sure=40.0))
    assert decode(backend, TOKENIZER, None, options(**given)).tokens == tuple(script)


def test_fallback_goes_on_until_a_text_passes():
    loop = TOKENIZER.encode(" no no no no no no no no no no no no no no no no no no no no no no no no no no no")
    backend = FakeBackend(scripted_logits([BEGIN, *loop], N_VOCAB, n_start=1, eot=EOT, sure=40.0))
    assert decode(backend, TOKENIZER, None, options(temperature=(0.0, 0.2, 0.4))).temperature == 0.4
    kept = decode(backend, TOKENIZER, None, options(temperature=(0.0, 0.2, 0.4), compression_ratio_threshold=None))
    assert kept.temperature == 0.0


def test_sampling_is_repeated_by_its_seed():
    backend = FakeBackend(random_logits(N_VOCAB))
    run = lambda seed, window: (
        decode(backend, TOKENIZER, None, options(temperature=1.0, sample_len=6, seed=seed), seed=window).tokens
    )
    assert run(1, (0,)) == run(1, (0,))
    assert len({run(1, (0,)), run(2, (0,)), run(1, (3000,))}) == 3


def decoded(**given):
    whole = {
        "tokens": (),
        "text": "",
        "language": "en",
        "temperature": 0.0,
        "avg_logprob": -0.1,
        "compression_ratio": 1.0,
        "no_speech_prob": 0.0,
    }
    return Decoded(**{**whole, **given})


@pytest.mark.parametrize(
    ("given", "fails"),
    [
        ({}, False),
        ({"compression_ratio": 2.5}, True),
        ({"avg_logprob": -1.5}, True),
        ({"avg_logprob": -1.5, "no_speech_prob": 0.7}, False),
        ({"compression_ratio": 2.5, "no_speech_prob": 0.7}, True),
    ],
)
def test_what_counts_as_failed(given, fails):
    assert needs_fallback(decoded(**given), DecodingOptions()) == fails


def test_start_tokens_without_anything_are_the_sot_sequence():
    assert start_tokens(TOKENIZER, options(), (), 448) == (TOKENIZER.sot_sequence, 0)
    asked = start_tokens(TOKENIZER, options(without_timestamps=True), (), 448)
    assert asked == (TOKENIZER.sot_sequence_including_notimestamps, 0)


def test_prompt_keeps_its_end_and_hotwords_come_first():
    prompt = list(range(1000, 1400))
    tokens, sot_index = start_tokens(TOKENIZER, options(), prompt, 448)
    assert tokens == (TOKENIZER.sot_prev, *prompt[-223:], TOKENIZER.sot)
    assert sot_index == 224
    hot = TOKENIZER.encode(" Susurrus")
    tokens, _ = start_tokens(TOKENIZER, options(hotwords="Susurrus"), prompt, 448)
    assert tokens == (TOKENIZER.sot_prev, *hot, *prompt[-(223 - len(hot)) :], TOKENIZER.sot)


@pytest.mark.parametrize("given", [{}, {"prefix": "word " * 500}, {"prefix": "a b c", "sample_len": 220}])
@pytest.mark.parametrize("hotwords", [None, "hot " * 500])
def test_half_of_the_context_is_always_left(given, hotwords):
    tokens, _ = start_tokens(TOKENIZER, options(hotwords=hotwords, **given), list(range(2000)), 448)
    assert len(tokens) <= 448 // 2 + len(TOKENIZER.sot_sequence)


def test_prefix_stands_behind_the_start():
    tokens, _ = start_tokens(TOKENIZER, options(prefix="So then"), (), 448)
    assert tokens == (TOKENIZER.sot, *TOKENIZER.encode(" So then"))
