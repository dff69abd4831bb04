"""The scheduler: many callers, the same texts as one after another; errors, closing and cancelling."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from test_batch import DIMS, N_WINDOWS, figures, requests_for

from susurrus.backends import open_backend
from susurrus.checkpoints import random_checkpoint
from susurrus.decoding import Request
from susurrus.errors import Cancelled, SusurrusError
from susurrus.options import DecodingOptions
from susurrus.schedule import Direct, Scheduler


@pytest.fixture(scope="module")
def backend():
    return open_backend("numpy", random_checkpoint(DIMS, seed=3))


@pytest.fixture(scope="module")
def mel():
    return np.random.default_rng(0).normal(size=(N_WINDOWS, 80, 200)).astype(np.float32)


@pytest.mark.parametrize("batch_size", [1, 3, 16])
@pytest.mark.parametrize("way", ["greedy", "beams"])
def test_many_callers_get_what_one_gets(backend, mel, way, batch_size):
    requests, direct = requests_for(way), Direct(backend)
    want = figures([direct.submit(mel[i], request).result()[1] for i, request in enumerate(requests)])
    with Scheduler(backend, batch_size) as scheduler, ThreadPoolExecutor(N_WINDOWS) as pool:
        engine = scheduler.for_caller(None, "test")

        def ask(i):
            sound = engine.encode(mel[i]) if i % 3 == 0 else mel[i]
            sound, decoded = engine.submit(sound, requests[i]).result(60)
            again = engine.call(lambda backend, features: backend.pick(features, [0]), sound)
            assert engine.submit(sound, requests[i]).result(60)[1].tokens == decoded.tokens
            assert again is not None
            return decoded

        assert figures(pool.map(ask, range(N_WINDOWS))) == want


def test_a_window_that_cannot_be_done_fails_alone(backend, mel):
    requests = requests_for("plain")
    with Scheduler(backend, 4) as scheduler:
        good = scheduler.submit(mel[0], requests[0])
        with pytest.raises(ValueError, match="mel has shape"):
            scheduler.submit(mel[1][:, :50], requests[1])
        broken = Request(requests[1].tokenizer, DecodingOptions(temperature=0.0), suppress_tokens=("no id",))
        bad = scheduler.submit(mel[1], broken)
        call = scheduler.call(lambda backend, features: 1 / 0, good.result(60)[0])
        with pytest.raises(TypeError):
            bad.result(60)
        with pytest.raises(ZeroDivisionError):
            call.result(60)
        assert scheduler.submit(mel[2], requests[2]).result(60)[1].tokens


def test_a_batch_that_breaks_tells_all_its_callers_and_goes_on(backend, mel, monkeypatch):
    requests = requests_for("plain")
    step = backend.step
    with Scheduler(backend, 4) as scheduler:
        with monkeypatch.context() as broken:
            broken.setattr(backend, "step", lambda *_: (_ for _ in ()).throw(MemoryError("no memory")))
            results = [scheduler.submit(mel[i], requests[i]) for i in range(3)]
            for result in results:
                with pytest.raises(MemoryError):
                    result.result(60)
        assert backend.step == step
        assert scheduler.submit(mel[0], requests[0]).result(60)


def test_a_caller_that_is_cancelled_stops_waiting(backend, mel, monkeypatch):
    started, go_on, cancel = threading.Event(), threading.Event(), threading.Event()
    step = backend.step

    def slow(tokens, cache):
        started.set()
        go_on.wait(60)
        return step(tokens, cache)

    monkeypatch.setattr(backend, "step", slow)
    with Scheduler(backend, 2) as scheduler, ThreadPoolExecutor(1) as pool:
        engine = scheduler.for_caller(cancel, "talk.mp3")
        under_way = engine.submit(mel[0], requests_for("plain")[0])
        assert started.wait(60)
        waiting = pool.submit(engine.encode, mel[1])
        cancel.set()
        with pytest.raises(Cancelled, match=r"talk\.mp3"):
            waiting.result(60)
        given_up = engine.submit(mel[2], requests_for("plain")[2])
        assert given_up.cancel()
        go_on.set()
        assert under_way.result(60)


def test_a_closed_scheduler_refuses_and_gives_up_what_it_has(backend, mel):
    scheduler = Scheduler(backend, 1)
    results = [scheduler.submit(mel[i], requests_for("plain")[i]) for i in range(3)]
    scheduler.close()
    assert any(isinstance(result.exception(60), SusurrusError) for result in results)
    with pytest.raises(SusurrusError, match="closed"):
        scheduler.submit(mel[0], requests_for("plain")[0])


def test_what_fails_while_a_batch_is_tidied_is_told_and_the_scheduler_goes_on(backend, mel, monkeypatch):
    # Three windows have less room to write in, so they end before the first, and their places are let go.
    options = DecodingOptions(temperature=0.0, logprob_threshold=None, compression_ratio_threshold=None)
    tokenizer = requests_for("plain")[0].tokenizer
    requests = [Request(tokenizer, options, tuple(range(n))) for n in (0, 223, 223, 223)]
    with Scheduler(backend, 4) as scheduler:
        with monkeypatch.context() as broken:
            broken.setattr(backend, "select", lambda *_: (_ for _ in ()).throw(MemoryError("no memory")))
            results = [scheduler.submit(mel[i], request) for i, request in enumerate(requests)]
            assert [type(result.exception(60)) for result in results] == [MemoryError, *[type(None)] * 3]
        assert scheduler.submit(mel[0], requests_for("plain")[0]).result(60)


@pytest.mark.parametrize("way", ["greedy", "beams"])
def test_windows_that_cannot_join_are_tried_one_by_one(backend, mel, monkeypatch, way):
    requests, direct = requests_for(way), Direct(backend)
    want = figures([direct.submit(mel[i], requests[i]).result()[1] for i in range(4)])
    started, go_on, join, step = threading.Event(), threading.Event(), backend.join, backend.step
    n_joined = 0

    def join_later(*given):
        nonlocal n_joined
        n_joined += 1
        if n_joined == 1:
            raise MemoryError("no memory")
        return join(*given)

    def held(tokens, cache):
        started.set()
        go_on.wait(60)
        return step(tokens, cache)

    monkeypatch.setattr(backend, "join", join_later)
    monkeypatch.setattr(backend, "step", held)
    with Scheduler(backend, 8) as scheduler:
        results = [scheduler.submit(mel[0], requests[0])]
        assert started.wait(60)
        results += [scheduler.submit(mel[i], requests[i]) for i in (1, 2, 3)]
        go_on.set()
        assert figures([result.result(60)[1] for result in results]) == want
    assert n_joined > 1
