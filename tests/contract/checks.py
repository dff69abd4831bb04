"""What every backend must do, as plain functions: each takes a `Subject` and raises where it is not so.

`CHECKS` holds them by name; `@check` puts one there, and `test_contract.py` runs it on every backend and dtype.
"""

from __future__ import annotations

import numpy as np
import pytest
from subject import ALIGNMENT_HEADS, DIMS, N_TEXT_TOKENS, mels, text
from twin import softmax

from susurrus.backends.ops import NumpyOps
from susurrus.errors import BackendUnavailable, OptionError, SusurrusError

CHECKS = {}


def check(function):
    """Register a check under its name without `check_`."""
    CHECKS[function.__name__.removeprefix("check_")] = function
    return function


# What it says of itself


@check
def check_names(subject):
    backend = subject.backend
    assert backend.dims == DIMS
    assert all(isinstance(getattr(backend, name), str) for name in ("name", "device", "dtype"))


@check
def check_unknown_device_is_refused(subject):
    with pytest.raises(BackendUnavailable, match="hint: "):
        subject.open(device="abacus")


@check
def check_unknown_dtype_is_refused(subject):
    with pytest.raises(OptionError, match="hint: "):
        subject.open(dtype="float7")


@check
def check_negative_threads_are_refused(subject):
    with pytest.raises(OptionError):
        subject.open(threads=-1)


@check
def check_closed_is_closed(subject):
    backend = subject.open()
    audio_features = backend.encode(mels()[:1])
    one = np.ones(1, dtype=np.int32)
    _, cache = backend.prefill(audio_features, one[None], one, 0 * one[None])
    backend.close()
    with pytest.raises(SusurrusError, match="closed"):
        backend.encode(mels()[:1])
    with pytest.raises(SusurrusError, match="closed"):
        backend.prefill(audio_features, one[None], one, 0 * one[None])
    with pytest.raises(SusurrusError, match="closed"):
        backend.step(one, cache)


# What it refuses


@check
def check_wrong_mel_is_refused(subject):
    for wrong in (mels()[0], mels()[:, :-1], mels()[:, :, :-2], mels()[:0]):
        with pytest.raises(ValueError, match="mel has shape"):
            subject.backend.encode(wrong)


@check
def check_long_prompt_is_refused(subject):
    with pytest.raises(ValueError, match="at most 70"):
        subject.prefill(subject.encode(0), [text(0, DIMS.n_text_ctx + 1)])
    with pytest.raises(ValueError, match="at most 70"):
        subject.backend.attend(subject.encode(0), np.array([text(0, DIMS.n_text_ctx + 1)]), N_TEXT_TOKENS)


# encode and prefill


@check
def check_prefill_logits(subject):
    tokens = text(1, 9)
    logits, _ = subject.prefill(subject.encode(0), [tokens], at=[range(9)])
    assert logits.dtype == np.float32
    assert logits.shape == (1, 9, DIMS.n_vocab)
    np.testing.assert_allclose(logits[0], subject.read(0, tokens)[0], rtol=0, atol=subject.tolerance.logits)


@check
def check_at_picks_positions(subject):
    texts = [text(2, 8), text(3, 6)]
    at = [[5, 0, 5], [1, 4, 2]]
    logits, _ = subject.prefill(subject.encode(0, 1), texts, at=at)
    want = [subject.read(w, texts[w])[0][at[w]] for w in (0, 1)]
    np.testing.assert_allclose(logits, want, rtol=0, atol=subject.tolerance.logits)


@check
def check_full_context(subject):
    tokens = text(4, DIMS.n_text_ctx)
    logits, _ = subject.prefill(subject.encode(1), [tokens])
    subject.assert_next(logits[:, 0], [1], [tokens])


@check
def check_rows_of_different_lengths(subject):
    texts = [text(5, 3), text(6, 7), text(7, 5)]
    logits, cache = subject.prefill(subject.encode(0, 1, 2), texts)
    subject.assert_next(logits[:, 0], [0, 1, 2], texts)
    for n in range(3):
        texts = [[*row, 10 * n + w] for w, row in enumerate(texts)]
        logits, cache = subject.step([row[-1] for row in texts], cache)
        subject.assert_next(logits, [0, 1, 2], texts)


@check
def check_padding_is_harmless(subject):
    audio_features = subject.encode(0, 1)
    texts = [text(8, 2), text(9, 9)]
    read = []
    for pad in (0, 77):
        logits, cache = subject.prefill(audio_features, texts, pad=pad)
        steps = [logits[:, 0]]
        for token in (20, 30):
            logits, cache = subject.step([token, token], cache)
            steps.append(logits)
        read.append(np.stack(steps))
    np.testing.assert_allclose(read[0], read[1], rtol=0, atol=subject.tolerance.logits / 100)


@check
def check_batch_equals_windows_alone(subject):
    texts = [text(10, 4), text(11, 4), text(12, 4)]
    order = [2, 0, 1]
    together, _ = subject.prefill(subject.encode(*order), texts)
    subject.assert_next(together[:, 0], order, texts)
    alone = [subject.prefill(subject.encode(w), [row])[0][0] for w, row in zip(order, texts, strict=True)]
    np.testing.assert_allclose(together, alone, rtol=0, atol=subject.tolerance.logits)


@check
def check_features_are_reusable(subject):
    audio_features = subject.encode(0)
    first, second = text(13, 4), text(14, 6)
    _, cache_1 = subject.prefill(audio_features, [first])
    _, cache_2 = subject.prefill(audio_features, [second])
    subject.backend.attend(audio_features, np.array([second], dtype=np.int32), N_TEXT_TOKENS)
    for token in (40, 50):
        first, second = [*first, token], [*second, token + 1]
        logits_1, cache_1 = subject.step([token], cache_1)
        logits_2, cache_2 = subject.step([token + 1], cache_2)
        subject.assert_next(logits_1, [0], [first])
        subject.assert_next(logits_2, [0], [second])


# step


@check
def check_step_equals_prefill_of_longer_text(subject):
    tokens = text(15, 3)
    _, cache = subject.prefill(subject.encode(2), [tokens])
    for token in text(16, 6):
        tokens = [*tokens, token]
        logits, cache = subject.step([token], cache)
        assert logits.dtype == np.float32
        assert logits.shape == (1, DIMS.n_vocab)
        subject.assert_next(logits, [2], [tokens])


@check
def check_step_takes_tokens_of_the_device(subject):
    tokens = text(17, 3)
    backend = subject.backend
    at = np.array([[2]], dtype=np.int32)
    logits, cache = backend.prefill(subject.encode(0), np.array([tokens]), np.array([3]), at)
    token = backend.ops.argmax(logits[:, 0])
    logits, _ = backend.step(token, cache)
    subject.assert_next(backend.ops.to_numpy(logits), [0], [[*tokens, int(backend.ops.to_numpy(token)[0])]])


@check
def check_full_row_is_harmless(subject):
    texts = [text(18, DIMS.n_text_ctx - 1), text(19, 4)]
    _, cache = subject.prefill(subject.encode(0, 1), texts)
    for n in range(4):
        texts = [[*texts[0], n], [*texts[1], n]]
        logits, cache = subject.step([n, n], cache)
        subject.assert_next(logits[1:], [1], texts[1:])
        if len(texts[0]) <= DIMS.n_text_ctx:
            subject.assert_next(logits[:1], [0], texts[:1])


@check
def check_all_rows_full_is_harmless(subject):
    _, cache = subject.prefill(subject.encode(0), [text(18, DIMS.n_text_ctx)])
    for _ in range(2):
        logits, cache = subject.step([1], cache)
    assert np.isfinite(logits).all()


# select


@check
def check_select_makes_beams(subject):
    """One row becomes three, they go apart, are put in another order with one twice, and go on."""
    start = text(20, 4)
    _, cache = subject.prefill(subject.encode(1), [start])
    cache = subject.backend.select(cache, [0, 0, 0])
    texts = [[*start, token] for token in (5, 6, 7)]
    logits, cache = subject.step([5, 6, 7], cache)
    subject.assert_next(logits, [1, 1, 1], texts)
    for rows, tokens in (([2, 0, 2], (8, 9, 10)), ([1, 0, 0], (11, 12, 13))):
        cache = subject.backend.select(cache, rows)
        texts = [[*texts[row], token] for row, token in zip(rows, tokens, strict=True)]
        logits, cache = subject.step(tokens, cache)
        subject.assert_next(logits, [1, 1, 1], texts)


@check
def check_select_keeps_beams_of_windows_apart(subject):
    starts = [text(21, 5), text(22, 3)]
    _, cache = subject.prefill(subject.encode(0, 2), starts)
    cache = subject.backend.select(cache, [0, 0, 1, 1])
    texts = [[*starts[row // 2], 30 + row] for row in range(4)]
    logits, cache = subject.step([30, 31, 32, 33], cache)
    subject.assert_next(logits, [0, 0, 2, 2], texts)
    cache = subject.backend.select(cache, [1, 0, 3, 3])
    texts = [[*texts[row], 40 + i] for i, row in enumerate((1, 0, 3, 3))]
    logits, cache = subject.step([40, 41, 42, 43], cache)
    subject.assert_next(logits, [0, 0, 2, 2], texts)


@check
def check_select_lets_windows_leave(subject):
    starts = [text(23, 3), text(24, 6), text(25, 4)]
    _, cache = subject.prefill(subject.encode(0, 1, 2), starts)
    cache = subject.backend.select(cache, [0, 0, 1, 1, 2, 2])
    _, cache = subject.step([50, 51, 52, 53, 54, 55], cache)
    cache = subject.backend.select(cache, [5, 4, 0, 1])  # window 1 leaves, the others change places
    texts = [[*starts[2], 55, 60], [*starts[2], 54, 61], [*starts[0], 50, 62], [*starts[0], 51, 63]]
    logits, cache = subject.step([60, 61, 62, 63], cache)
    subject.assert_next(logits, [2, 2, 0, 0], texts)
    cache = subject.backend.select(cache, [3])
    logits, _ = subject.step([70], cache)
    subject.assert_next(logits, [0], [[*texts[3], 70]])


# pick and join


@check
def check_pick_gives_the_windows_asked_for(subject):
    audio_features = subject.encode(0, 1, 2)
    texts = [text(30, 4), text(31, 4), text(32, 4)]
    logits, _ = subject.prefill(subject.backend.pick(audio_features, [2, 0, 2]), texts)
    subject.assert_next(logits[:, 0], [2, 0, 2], texts)
    logits, _ = subject.prefill(audio_features, texts)
    subject.assert_next(logits[:, 0], [0, 1, 2], texts)
    for wrong in ([], [3], [-1]):
        with pytest.raises(ValueError, match="from 0 to 2"):
            subject.backend.pick(audio_features, wrong)


@check
def check_join_takes_the_place_of_finished_rows(subject):
    """Windows 0, 1, 0 are under way; two others come instead of the first and the last, shorter and longer."""
    audio_features = subject.encode(0, 1, 0)
    texts = [text(33, 6), text(34, 4), text(35, 5)]
    _, cache = subject.prefill(audio_features, texts)
    _, cache = subject.step([5, 6, 7], cache)
    others = subject.encode(2, 1)
    new = [text(36, 3), text(37, 9)]
    _, other = subject.prefill(others, new)
    cache = subject.backend.join(cache, [2, 0], other)
    texts, windows = [new[1], [*texts[1], 6], new[0]], [1, 1, 2]
    for token in (10, 20, 30):
        texts = [[*row, token + w] for w, row in enumerate(texts)]
        logits, cache = subject.step([row[-1] for row in texts], cache)
        subject.assert_next(logits, windows, texts)
    # A second time, when the cache is already a joined one; and the features are still what they were.
    _, other = subject.prefill(subject.encode(0), [new[0]])
    cache = subject.backend.join(cache, [1], other)
    texts, windows = [texts[0], new[0], texts[2]], [1, 0, 2]
    texts = [[*row, 40 + w] for w, row in enumerate(texts)]
    logits, cache = subject.step([row[-1] for row in texts], cache)
    subject.assert_next(logits, windows, texts)
    for features, heard in ((audio_features, [0, 1, 0]), (others, [2, 1])):
        logits, _ = subject.prefill(features, [new[0]] * len(heard))
        subject.assert_next(logits[:, 0], heard, [new[0]] * len(heard))


@check
def check_join_keeps_the_rows_of_a_window_together(subject):
    starts, new = [text(38, 4), text(39, 4)], text(40, 6)
    _, cache = subject.prefill(subject.encode(0, 1), starts)
    cache = subject.backend.select(cache, [0, 0, 1, 1])
    _, cache = subject.step([1, 2, 3, 4], cache)
    _, other = subject.prefill(subject.encode(2), [new])
    other = subject.backend.select(other, [0, 0])
    cache = subject.backend.join(cache, [0, 1], other)
    texts = [[*new, 5], [*new, 6], [*starts[1], 3, 7], [*starts[1], 4, 8]]
    logits, cache = subject.step([5, 6, 7, 8], cache)
    subject.assert_next(logits, [2, 2, 1, 1], texts)
    cache = subject.backend.select(cache, [3, 2])
    logits, cache = subject.step([9, 10], cache)
    subject.assert_next(logits, [1, 1], [[*texts[3], 9], [*texts[2], 10]])


@check
def check_join_makes_room(subject):
    first, new = text(44, 5), [text(45, 3), text(46, 7)]
    _, cache = subject.prefill(subject.encode(0), [first])
    _, cache = subject.step([9], cache)
    _, other = subject.prefill(subject.encode(2, 1), new)
    cache = subject.backend.join(cache, [2, 1], other)
    texts = [[*first, 9], new[1], new[0]]
    for token in (10, 20):
        texts = [[*row, token + w] for w, row in enumerate(texts)]
        logits, cache = subject.step([row[-1] for row in texts], cache)
        subject.assert_next(logits, [0, 1, 2], texts)


@check
def check_wrong_join_is_refused(subject):
    _, cache = subject.prefill(subject.encode(0, 1), [text(41, 3), text(42, 3)])
    for rows in ([0, 1], [3], [-1], []):
        _, other = subject.prefill(subject.encode(2), [text(43, 3)])
        with pytest.raises(ValueError, match="cannot take the place"):
            subject.backend.join(cache, rows, other)


# attend


@check
def check_attend_probs(subject):
    tokens = np.array([text(26, 9), text(27, 9)], dtype=np.int32)
    for row, window in zip(tokens, (1, 0), strict=True):
        for t in (3, 5, 6):  # a likely token now and then, so that not all of the probabilities are near 0
            row[t] = subject.read(window, row[:t])[0][-1, :N_TEXT_TOKENS].argmax()
    assert (tokens[:, 1:] >= N_TEXT_TOKENS).any()
    next_probs, _ = subject.backend.attend(subject.encode(1, 0), tokens, N_TEXT_TOKENS)
    want = np.zeros((2, 8))
    for b, window in enumerate((1, 0)):
        logits = subject.read(window, tokens[b])[0]
        for t in range(8):
            if tokens[b, t + 1] < N_TEXT_TOKENS:
                want[b, t] = softmax(logits[t, :N_TEXT_TOKENS])[tokens[b, t + 1]]
    assert (want > 0.3).any()
    assert isinstance(next_probs, np.ndarray)
    assert next_probs.dtype == np.float32
    np.testing.assert_allclose(next_probs, want, rtol=0, atol=subject.tolerance.probs)


@check
def check_attend_scores(subject):
    tokens = np.array([text(28, 7), text(29, 7)], dtype=np.int32)
    _, scores = subject.backend.attend(subject.encode(2, 1), tokens, N_TEXT_TOKENS)
    assert isinstance(scores, np.ndarray)
    assert scores.dtype == np.float32
    assert scores.shape == (2, len(ALIGNMENT_HEADS), 7, DIMS.n_audio_ctx)
    want = [subject.read(window, tokens[b])[1] for b, window in enumerate((2, 1))]
    np.testing.assert_allclose(scores, want, rtol=0, atol=subject.tolerance.scores)


# ops: each against NumpyOps


def _numbers(*shape, seed=0):
    """Numbers of which many are equal, some are -inf, and in row 1 all are."""
    rng = np.random.default_rng([11, seed])
    x = rng.integers(-8, 8, shape).astype(np.float32) / 2
    x[rng.random(shape) < 0.2] = -np.inf
    x[1] = -np.inf
    return x


def _assert_same(subject, call):
    """Assert that call(ops) gives what it gives with NumpyOps, dtypes included."""
    mine, want = call(subject.backend.ops), call(NumpyOps())
    if not isinstance(want, tuple):
        mine, want = (mine,), (want,)
    for a, b in zip(mine, want, strict=True):
        a = subject.backend.ops.to_numpy(a)
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=0, atol=subject.tolerance.ops)


@check
def check_op_asarray(subject):
    for values in (np.array([1, 2], dtype=np.int64), np.array([0.5, -np.inf]), np.array([True, False]), [3, 4], 2.5):
        _assert_same(subject, lambda ops, values=values: ops.asarray(values))
    fixed = np.arange(3, dtype=np.int32)
    fixed.flags.writeable = False
    _assert_same(subject, lambda ops: ops.asarray(fixed))


@check
def check_op_where(subject):
    x, mask = _numbers(4, 30), np.random.default_rng(1).random((4, 30)) < 0.5
    whole = np.arange(30, dtype=np.int32)
    _assert_same(subject, lambda ops: ops.where(ops.asarray(mask), float("-inf"), ops.asarray(x)))
    _assert_same(subject, lambda ops: ops.where(ops.asarray(mask), ops.asarray(x), 0.5))
    _assert_same(subject, lambda ops: ops.where(ops.asarray(mask), ops.asarray(x), ops.asarray(x + 1)))
    _assert_same(subject, lambda ops: ops.where(ops.asarray(mask), ops.asarray(whole), -1))
    _assert_same(subject, lambda ops: ops.where(ops.asarray(mask), 0, 1))
    _assert_same(subject, lambda ops: ops.where(ops.asarray(mask), 0.0, 1.5))


@check
def check_op_argmax(subject):
    _assert_same(subject, lambda ops: ops.argmax(ops.asarray(_numbers(6, 300))))
    _assert_same(subject, lambda ops: ops.argmax(ops.asarray(_numbers(3, 4, 50))))


@check
def check_op_max(subject):
    _assert_same(subject, lambda ops: ops.max(ops.asarray(_numbers(6, 300))))


@check
def check_op_logsumexp(subject):
    _assert_same(subject, lambda ops: ops.logsumexp(ops.asarray(_numbers(6, 300))))
    _assert_same(subject, lambda ops: ops.logsumexp(ops.asarray(_numbers(6, 300) + 200)))


@check
def check_op_log_softmax(subject):
    x = np.delete(_numbers(6, 300), 1, axis=0)  # a row of -inf alone has no probabilities
    _assert_same(subject, lambda ops: ops.log_softmax(ops.asarray(x)))


@check
def check_op_softmax(subject):
    x = np.delete(_numbers(6, 300), 1, axis=0)
    _assert_same(subject, lambda ops: ops.softmax(ops.asarray(x)))


@check
def check_op_cumsum(subject):
    x = np.random.default_rng(2).random((5, 200)).astype(np.float32) / 100
    _assert_same(subject, lambda ops: ops.cumsum(ops.asarray(x)))


@check
def check_op_count(subject):
    mask = np.random.default_rng(3).random((5, 300)) < 0.9
    _assert_same(subject, lambda ops: ops.count(ops.asarray(mask)))
    _assert_same(subject, lambda ops: ops.count(ops.asarray(mask[0])))


@check
def check_op_take(subject):
    x, ids = _numbers(4, 30), np.array([29, 0, 7, 15], dtype=np.int32)
    _assert_same(subject, lambda ops: ops.take(ops.asarray(x), ops.asarray(ids)))
    whole = np.arange(120, dtype=np.int32).reshape(4, 30)
    _assert_same(subject, lambda ops: ops.take(ops.asarray(whole), ops.asarray(ids)))


@check
def check_op_top_k(subject):
    x = np.random.default_rng(4).permutation(1000).reshape(5, 200).astype(np.float32)
    _assert_same(subject, lambda ops: ops.top_k(ops.asarray(x), 6))
    x[:, 3:] = -np.inf
    tied = _numbers(5, 200)
    ops = subject.backend.ops
    for values in (x, tied):  # among equals any order, but no index twice
        best, ids = (ops.to_numpy(a) for a in ops.top_k(ops.asarray(values), 6))
        np.testing.assert_array_equal(best, -np.sort(-values, axis=-1)[:, :6])
        np.testing.assert_array_equal(np.take_along_axis(values, ids.astype(np.int64), axis=-1), best)
        assert all(len(set(row)) == 6 for row in ids.tolist())


@check
def check_op_mark(subject):
    ids = np.array([[0, 3, 3, -1], [-1, -1, -1, -1], [9, 2, -5, 0]], dtype=np.int32)
    _assert_same(subject, lambda ops: ops.mark(ops.asarray(ids), 10))


@check
def check_op_while_loop(subject):
    """A body may run a few times more than asked, never fewer; here what counts stops changing at 5."""

    def call(ops):
        limit = ops.asarray(np.array([5, 3], dtype=np.int32))
        start = (ops.asarray(np.zeros(2, dtype=np.int32)), ops.asarray(np.zeros(2, dtype=np.float32)))

        def body(state):
            is_running = state[0] < limit
            return ops.where(is_running, state[0] + 1, state[0]), ops.where(is_running, state[1] + 0.5, state[1])

        return ops.while_loop(lambda state: ops.count(state[0] < limit) > 0, body, start)

    _assert_same(subject, call)


@check
def check_op_while_loop_may_not_begin(subject):
    assert subject.backend.ops.while_loop(lambda state: False, lambda state: state + 1, 3) == 3


@check
def check_ops_are_pure(subject):
    ops, x = subject.backend.ops, np.delete(_numbers(5, 30), 1, axis=0)
    given = ops.asarray(x.copy())
    mask = ops.asarray(np.ones((4, 30), dtype=bool))
    ids = ops.asarray(np.zeros(4, dtype=np.int32))
    for call in (ops.argmax, ops.max, ops.logsumexp, ops.log_softmax, ops.softmax, ops.cumsum):
        call(given)
    ops.where(mask, 0.0, given), ops.take(given, ids), ops.top_k(given, 3)
    np.testing.assert_array_equal(ops.to_numpy(given), x)
