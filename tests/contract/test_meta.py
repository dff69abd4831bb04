"""Is the contract able to fail? Backends broken on purpose, and for each a check that must notice."""

from __future__ import annotations

from dataclasses import replace

import decoding_checks  # noqa: F401 - registers its checks
import numpy as np
import pytest
from checks import CHECKS
from subject import Subject, checkpoint

from susurrus.backends import open_backend
from susurrus.backends.numpy import model
from susurrus.backends.numpy.model import NumpyBackend
from susurrus.backends.ops import NumpyOps

BROKEN = []


def noticed_by(*names):
    """Register a broken backend with the checks that must fail on it."""

    def register(broken):
        BROKEN.extend(pytest.param(broken, name, id=f"{broken.__name__}-{name}") for name in names)
        return broken

    return register


@noticed_by("attend_scores")
class HeadsInAnotherOrder(NumpyBackend):
    def __init__(self, given):
        super().__init__(replace(given, alignment_heads=tuple(sorted(given.alignment_heads))))


@noticed_by("attend_scores")
class ScoresOfTheNextHead(NumpyBackend):
    def attend(self, audio_features, tokens, n_text_tokens):
        probs, scores = super().attend(audio_features, tokens, n_text_tokens)
        return probs, np.roll(scores, 1, axis=1)


@noticed_by("attend_scores")
class ScoresAfterSoftmax(NumpyBackend):
    def attend(self, audio_features, tokens, n_text_tokens):
        probs, scores = super().attend(audio_features, tokens, n_text_tokens)
        return probs, model.softmax(scores)


@noticed_by("attend_scores")
class ScoresNotScaled(NumpyBackend):
    def attend(self, audio_features, tokens, n_text_tokens):
        probs, scores = super().attend(audio_features, tokens, n_text_tokens)
        return probs, scores * np.float32(8**0.5)


@noticed_by("attend_probs")
class ProbsOfThePlaceBefore(NumpyBackend):
    def attend(self, audio_features, tokens, n_text_tokens):
        probs, scores = super().attend(audio_features, tokens, n_text_tokens)
        return np.roll(probs, 1, axis=1), scores


@noticed_by("attend_probs")
class ProbsAmongAllTokens(NumpyBackend):
    def attend(self, audio_features, tokens, n_text_tokens):
        probs, _ = super().attend(audio_features, tokens, self.dims.n_vocab)
        return np.where(tokens[:, 1:] < n_text_tokens, probs, 0), super().attend(audio_features, tokens, 1)[1]


@noticed_by("step_equals_prefill_of_longer_text", "select_makes_beams")
class WritesOnePlaceTooFar(NumpyBackend):
    def step(self, tokens, cache):
        return super().step(tokens, replace(cache, lengths=cache.lengths + 1))


@noticed_by("step_equals_prefill_of_longer_text")
class WritesOverTheLastPlace(NumpyBackend):
    def step(self, tokens, cache):
        logits, cache = super().step(tokens, cache)
        return logits, replace(cache, lengths=cache.lengths - 1)


@noticed_by("rows_of_different_lengths", "padding_is_harmless", "select_lets_windows_leave")
class PaddingIsText(NumpyBackend):
    def prefill(self, audio_features, tokens, lengths, at):
        logits, cache = super().prefill(audio_features, tokens, lengths, at)
        return logits, replace(cache, lengths=np.full_like(lengths, lengths.max()))


@noticed_by("at_picks_positions")
class AlwaysTheLastPositions(NumpyBackend):
    def prefill(self, audio_features, tokens, lengths, at):
        return super().prefill(audio_features, tokens, lengths, np.sort(at, axis=1))


@noticed_by("long_prompt_is_refused")
class CutsALongPrompt(NumpyBackend):
    def prefill(self, audio_features, tokens, lengths, at):
        n = self.dims.n_text_ctx
        return super().prefill(audio_features, tokens[:, :n], lengths.clip(max=n), at.clip(max=n - 1))


@noticed_by("wrong_mel_is_refused")
class PadsAnyMel(NumpyBackend):
    def encode(self, mel):
        mel = np.resize(mel, (max(1, len(mel)), self.dims.n_mels, 2 * self.dims.n_audio_ctx))
        return super().encode(mel)


@noticed_by("select_makes_beams", "select_lets_windows_leave", "select_keeps_beams_of_windows_apart")
class SelectForgetsTheOrder(NumpyBackend):
    def select(self, cache, rows):
        return super().select(cache, sorted(rows))


@noticed_by("pick_gives_the_windows_asked_for")
class PickForgetsTheOrder(NumpyBackend):
    def pick(self, audio_features, windows):
        return super().pick(audio_features, sorted(windows))


@noticed_by("join_takes_the_place_of_finished_rows", "join_keeps_the_rows_of_a_window_together")
class JoinForgetsTheSound(NumpyBackend):
    def join(self, cache, rows, other):
        return replace(super().join(cache, rows, other), audio_features=cache.audio_features)


@noticed_by("join_takes_the_place_of_finished_rows")
class JoinForgetsTheOrder(NumpyBackend):
    def join(self, cache, rows, other):
        return super().join(cache, sorted(rows), other)


@noticed_by("join_takes_the_place_of_finished_rows")
class JoinWritesIntoTheFeatures(NumpyBackend):
    def join(self, cache, rows, other):
        joined = super().join(cache, rows, other)
        for mine, new in zip(cache.audio_features.keys, joined.audio_features.keys, strict=True):
            mine[:] = new
        return joined


@noticed_by("join_keeps_the_rows_of_a_window_together")
class JoinTakesOneRowOfAWindow(NumpyBackend):
    def join(self, cache, rows, other):
        joined = super().join(cache, rows, other)
        joined.keys[:, rows[-1]] = cache.keys[:, rows[-1]]
        return joined


@noticed_by("join_makes_room")
class JoinMakesRoomAtTheEndAlone(NumpyBackend):
    def join(self, cache, rows, other):
        return super().join(cache, sorted(rows), other)


@noticed_by("wrong_join_is_refused")
class JoinTakesWhatFits(NumpyBackend):
    def join(self, cache, rows, other):
        return super().join(cache, [min(max(row, 0), 1) for row in rows][:1] or [0], other)


@noticed_by("select_lets_windows_leave")
class SelectKeepsTheFirstWindows(NumpyBackend):
    def select(self, cache, rows):
        chosen = super().select(cache, rows)
        n_windows, heard = chosen.audio_features.n_windows, cache.audio_features
        first = model.AudioFeatures(
            tuple(k[:n_windows] for k in heard.keys), tuple(v[:n_windows] for v in heard.values)
        )
        return replace(chosen, audio_features=first)


@noticed_by("select_makes_beams")
class SelectMovesKeysAlone(NumpyBackend):
    def select(self, cache, rows):
        chosen = super().select(cache, rows)
        n = min(len(rows), cache.values.shape[1])
        values = chosen.values.copy()
        values[:, :n] = cache.values[:, :n]
        return replace(chosen, values=values)


@noticed_by("rows_of_different_lengths", "select_lets_windows_leave")
class RowsShareALength(NumpyBackend):
    def step(self, tokens, cache):
        return super().step(tokens, replace(cache, lengths=np.full_like(cache.lengths, cache.lengths.max())))


@noticed_by("full_row_is_harmless")
class FullRowStopsTheOthers(NumpyBackend):
    def step(self, tokens, cache):
        if cache.lengths.max() < self.dims.n_text_ctx:
            return super().step(tokens, cache)
        return np.zeros((len(tokens), self.dims.n_vocab), dtype=np.float32), cache


@noticed_by("all_rows_full_is_harmless", "full_row_is_harmless")
class FullRowIsAnError(NumpyBackend):
    def step(self, tokens, cache):
        if cache.lengths.max() >= self.dims.n_text_ctx:
            raise AssertionError("the cache is full")
        return super().step(tokens, cache)


@noticed_by("features_are_reusable")
class OneCacheForAll(NumpyBackend):
    def _empty_cache(self, audio_features, lengths):
        cache = super()._empty_cache(audio_features, lengths)
        if not hasattr(self, "_only") or self._only.keys.shape != cache.keys.shape:
            self._only = cache
        return replace(self._only, lengths=lengths)


@noticed_by("batch_equals_windows_alone", "rows_of_different_lengths")
class HearsTheFirstWindowOnly(NumpyBackend):
    def encode(self, mel):
        return super().encode(np.repeat(mel[:1], len(mel), axis=0) if mel.ndim == 3 else mel)


@noticed_by("prefill_logits")
class LogitsOfHalfPrecision(NumpyBackend):
    def prefill(self, audio_features, tokens, lengths, at):
        logits, cache = super().prefill(audio_features, tokens, lengths, at)
        return logits.astype(np.float16).astype(np.float32), cache


@noticed_by("closed_is_closed")
class NeverCloses(NumpyBackend):
    def close(self):
        pass


@noticed_by("unknown_device_is_refused", "unknown_dtype_is_refused", "negative_threads_are_refused")
class TakesAnyOption(NumpyBackend):
    pass


@noticed_by("step_takes_tokens_of_the_device")
class TakesListsAlone(NumpyBackend):
    def step(self, tokens, cache):
        if not isinstance(tokens, list):
            raise AssertionError("a list, please")
        return super().step(tokens, cache)


def _with_op(name, op):
    """Give a backend whose operation `name` is `op(ops, *arguments)`."""
    ops = type("BrokenOps", (NumpyOps,), {name: op})

    class BrokenOpsBackend(NumpyBackend):
        def __init__(self, given):
            super().__init__(given)
            self.ops = ops()

    return BrokenOpsBackend


def _last_argmax(ops, x):
    return (x.shape[-1] - 1 - x[..., ::-1].argmax(axis=-1)).astype(np.int32)


def _nan_logsumexp(ops, x):
    with np.errstate(invalid="ignore"):
        top = x.max(axis=-1, keepdims=True)
        return np.log(np.exp(x - top).sum(axis=-1)) + top[..., 0]


def _overflowing_logsumexp(ops, x):
    with np.errstate(over="ignore", divide="ignore"):
        return np.log(np.exp(x).sum(axis=-1))


def _wrapping_mark(ops, ids, n):
    marked = np.zeros((len(ids), n), dtype=bool)
    np.put_along_axis(marked, ids.astype(np.int64) % n, True, axis=-1)
    return marked


def _unsorted_top_k(ops, x, k):
    ids = np.argpartition(-x, k, axis=-1)[..., :k][..., ::-1].astype(np.int32)
    return np.take_along_axis(x, ids.astype(np.int64), axis=-1), ids


def _repeating_top_k(ops, x, k):
    best = -np.sort(-x, axis=-1)[..., :k]
    return best, (x[..., None, :] == best[..., :, None]).argmax(axis=-1).astype(np.int32)


def _dirty_log_softmax(ops, x):
    x -= ops.logsumexp(x)[..., None]
    return x


def _one_body(ops, go_on, body, state):
    return body(state) if go_on(state) else state


def _eager_loop(ops, go_on, body, state):
    state = body(state)
    while go_on(state):
        state = body(state)
    return state


BROKEN_OPS = [
    ("argmax", _last_argmax, "op_argmax"),
    ("argmax", lambda ops, x: x.argmax(axis=-1), "op_argmax"),
    ("max", lambda ops, x: np.nanmax(np.where(np.isinf(x), -1e9, x), axis=-1).astype(np.float32), "op_max"),
    ("logsumexp", _nan_logsumexp, "op_logsumexp"),
    ("logsumexp", _overflowing_logsumexp, "op_logsumexp"),
    ("log_softmax", lambda ops, x: np.where(np.isinf(x), -1e9, x - ops.logsumexp(x)[..., None]), "op_log_softmax"),
    ("log_softmax", _dirty_log_softmax, "ops_are_pure"),
    ("softmax", lambda ops, x: np.exp(x - x.max(axis=-1, keepdims=True)), "op_softmax"),
    ("cumsum", lambda ops, x: np.cumsum(x, axis=-1, dtype=np.float16).astype(np.float32), "op_cumsum"),
    ("cumsum", lambda ops, x: np.cumsum(x, axis=0, dtype=np.float32), "op_cumsum"),
    ("count", lambda ops, mask: mask.sum(axis=-1, dtype=np.int8).astype(np.int32), "op_count"),
    ("take", lambda ops, x, ids: x[0, ids], "op_take"),
    ("top_k", _unsorted_top_k, "op_top_k"),
    ("top_k", _repeating_top_k, "op_top_k"),
    ("mark", _wrapping_mark, "op_mark"),
    ("where", lambda ops, mask, a, b: NumpyOps().where(mask, b, a), "op_where"),
    ("where", lambda ops, mask, a, b: np.where(mask, a, b), "op_where"),
    ("asarray", lambda ops, values: np.asarray(values), "op_asarray"),
    ("logsumexp", lambda ops, x: np.full(x.shape[:-1], -np.inf, dtype=np.float32), "rules"),  # timestamps never due
    ("mark", lambda ops, ids, n: np.zeros((len(ids), n), dtype=bool), "rules"),
    ("argmax", lambda ops, x: np.argsort(x, axis=-1)[..., -2].astype(np.int32), "greedy_search"),
    ("top_k", lambda ops, x, k: tuple(a[..., 1:] for a in NumpyOps().top_k(x, k + 1)), "beam_search"),
    ("cumsum", lambda ops, x: np.cumsum(x[..., ::-1], axis=-1, dtype=np.float32), "sampling"),
    ("while_loop", _one_body, "op_while_loop"),
    ("while_loop", _eager_loop, "op_while_loop_may_not_begin"),
]

BROKEN_MATHS = [
    ("gelu", lambda x: x / (1 + np.exp(-1.702 * x)), "prefill_logits"),
    ("gelu", lambda x: 0.5 * x * (1 + np.tanh(0.7978845608 * (x + 0.044715 * x**3))), "prefill_logits"),
    ("attention", lambda q, k, v, seen=None: model.softmax(model.scaled_scores(q, k)) @ v, "prefill_logits"),
    ("scaled_scores", lambda q, k: q @ k.swapaxes(-1, -2), "prefill_logits"),
    ("merge_heads", lambda x: x.reshape(*x.shape[:-3], x.shape[-2], -1), "prefill_logits"),
    (
        "conv1d",
        lambda x, w, b, stride: sum(
            (np.pad(x, ((2, 0), (0, 0)))[k : k + len(x) : stride] @ w[:, :, k].T for k in range(3)), start=b
        ),
        "prefill_logits",
    ),
]


def _subject(broken):
    return Subject(open=lambda **options: broken(checkpoint()))


def _assert_noticed(subject, name):
    # Nothing else: a broken backend that raises by accident, or warns, proves nothing.
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        CHECKS[name](subject)


@pytest.mark.parametrize(("broken", "name"), BROKEN)
def test_broken_backend_is_noticed(broken, name):
    _assert_noticed(_subject(broken), name)


@pytest.mark.parametrize(("op", "replacement", "name"), BROKEN_OPS)
def test_broken_op_is_noticed(op, replacement, name):
    _assert_noticed(_subject(_with_op(op, replacement)), name)


@pytest.mark.parametrize(("function", "replacement", "name"), BROKEN_MATHS)
def test_broken_maths_is_noticed(monkeypatch, function, replacement, name):
    monkeypatch.setattr(model, function, replacement)
    _assert_noticed(_subject(NumpyBackend), name)


def test_every_check_of_values_has_been_seen_to_fail():
    """A new check comes with a backend that it catches."""
    unproven = {"names", "full_context"}  # the first is an attribute; the second is prefill_logits at full length
    seen = {p.values[1] for p in BROKEN} | {name for *_, name in BROKEN_OPS + BROKEN_MATHS}
    assert set(CHECKS) - seen == unproven


def test_whole_backend_passes_where_broken_ones_fail():
    subject = Subject(open=lambda **options: open_backend("numpy", checkpoint(), **options))
    for name in CHECKS:
        CHECKS[name](subject)
