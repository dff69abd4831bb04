"""PyTorch's recorded steps and loops, without a GPU: every check of the contract, on a stand-in for a CUDA graph.

`Tape` runs kernels again as a graph does; `Never` runs the same code with nothing recorded, as where a graph fails.
"""

from __future__ import annotations

import gc
import weakref
from contextlib import nullcontext

import decoding_checks  # noqa: F401 - registers its checks
import numpy as np
import pytest
from checks import CHECKS
from decoding_checks import EOT, rules_on
from subject import DIMS, TOLERANCES, Subject, checkpoint, text

from susurrus.decoding.lanes import Ask, SamplingLane
from susurrus.decoding.loop import sample
from susurrus.errors import OptionError

torch = pytest.importorskip("torch")
tape = pytest.importorskip("tape")
model = pytest.importorskip("susurrus.backends.torch.model")
recording = pytest.importorskip("susurrus.backends.torch.recording")


class Never:
    def record(self, work):
        work()
        return work


def subject_of(recorder, dtype="float32"):
    def open(**options):
        return model.TorchBackend(checkpoint(), **{"device": "cpu", "dtype": dtype, **options}, recorder=recorder)

    return Subject(open=open, tolerance=TOLERANCES[dtype])


@pytest.fixture(scope="module", params=["tape-float32", "tape-bfloat16", "never-float32"])
def subject(request):
    recorder, dtype = request.param.split("-")
    return subject_of(tape.Tape() if recorder == "tape" else Never(), dtype)


@pytest.mark.parametrize("name", CHECKS)
def test_contract(subject, name):
    CHECKS[name](subject)


N_WINDOWS, N_TOKENS = 7, 24


@pytest.fixture(scope="module")
def mel():
    return np.random.default_rng(9).normal(size=(N_WINDOWS, DIMS.n_mels, 2 * DIMS.n_audio_ctx)).astype(np.float32)


def starts(backend, mel, windows):
    """Prefill prompts of different lengths: logits of the first token, and a cache."""
    lengths = np.array([2 + 5 * w for w in windows], dtype=np.int32)
    tokens = np.zeros((len(windows), lengths.max()), dtype=np.int32)
    for row, w, n in zip(tokens, windows, lengths, strict=True):
        row[:n] = [151, 152, *text(60 + w, n - 2)]
    logits, cache = backend.prefill(backend.encode(mel[list(windows)]), tokens, lengths, lengths[:, None] - 1)
    return logits[:, 0], cache


def lane_texts(backend, mel, rules, group, is_sampled):
    """Decode windows on a lane, three at once: when some have finished, others take their places."""
    lane = SamplingLane(backend, rules, group, N_TOKENS)
    waiting, texts = list(range(N_WINDOWS)), {}
    while waiting or lane.n_live:
        new = [waiting.pop(0) for _ in range(min(3 - lane.n_live, len(waiting)))]
        if new:
            uniforms = np.random.default_rng(3).random((N_WINDOWS, N_TOKENS, group), dtype=np.float32)
            asks = [Ask(w, 3 + 3 * w, 0.8 if is_sampled else 0.0, uniforms[w] if is_sampled else None) for w in new]
            lane.put(asks, *starts(backend, mel, new))
        else:
            lane.shrink()
        texts |= dict(lane.advance(5))
    return {w: [c.tokens for c in candidates] for w, candidates in texts.items()}


@pytest.mark.parametrize("n_unchecked", [1, 4])
@pytest.mark.parametrize(("group", "is_sampled"), [(1, False), (1, True), (3, True)])
def test_lanes_are_recorded_and_write_the_same(mel, group, is_sampled, n_unchecked):
    plain = model.TorchBackend(checkpoint(), device="cpu", dtype="float32")
    want = lane_texts(plain, mel, rules_on(plain.ops, no_repeat_ngram_size=3), group, is_sampled)
    assert len({tuple(texts[0]) for texts in want.values()}) > 3
    recorder = tape.Tape()
    backend = model.TorchBackend(checkpoint(), device="cpu", dtype="float32", recorder=recorder)
    backend.ops.n_unchecked = n_unchecked
    rules = rules_on(backend.ops, no_repeat_ngram_size=3)
    for _ in range(4):
        assert lane_texts(backend, mel, rules, group, is_sampled) == want
        assert len(backend._still._free) == 1
    before = recorder.n_recorded, recorder.n_replayed
    assert lane_texts(backend, mel, rules, group, is_sampled) == want
    assert recorder.n_recorded == before[0]
    assert recorder.n_replayed - before[1] >= 10


def test_a_loop_runs_without_its_python(mel):
    recorder = tape.Tape()
    backend = model.TorchBackend(checkpoint(), device="cpu", dtype="float32", recorder=recorder)
    n_stepped = 0
    real_step = backend.step

    def step(tokens, cache):
        nonlocal n_stepped
        n_stepped += 1
        return real_step(tokens, cache)

    backend.step = step
    rules = rules_on(backend.ops, never=backend.ops.asarray(np.arange(DIMS.n_vocab) == EOT))
    made = []
    for _ in range(4):
        n_before = n_stepped
        logits, cache = starts(backend, mel, [0, 1, 2])
        made.append(sample(backend, logits, cache, rules, n_max=N_TOKENS))
        n_in_python = n_stepped - n_before
        del cache
    assert made[0] == made[1] == made[2] == made[3]
    assert n_in_python == 0
    assert recorder.n_replayed > 2 * N_TOKENS


def test_caches_do_not_share_slots_while_both_live(mel):
    backend = model.TorchBackend(checkpoint(), device="cpu", dtype="float32", recorder=tape.Tape())
    plain = model.TorchBackend(checkpoint(), device="cpu", dtype="float32")
    caches = {b: [starts(b, mel, [w, 1])[1] for w in (0, 2, 3)] for b in (backend, plain)}
    for token in range(6):
        for i in range(3):
            tokens = np.array([token, token + i], dtype=np.int32)
            logits = {}
            for b, kept in caches.items():
                logits[b], kept[i] = b.step(tokens, kept[i])
            np.testing.assert_allclose(logits[backend], logits[plain], rtol=0, atol=1e-5)
    first = backend._still._free
    assert not first
    caches.clear()
    kept.clear()
    assert len(first) == 3


def test_slots_that_are_too_small_are_gone_at_once(mel):
    backend = model.TorchBackend(checkpoint(), device="cpu", dtype="float32", recorder=tape.Tape())
    _, cache = starts(backend, mel, [0])
    for _ in range(4):
        _, cache = backend.step(np.array([1], dtype=np.int32), cache)
    small = weakref.ref(cache.slots)
    gc.disable()
    try:
        cache = backend.join(cache, [1, 2], starts(backend, mel, [1, 2])[1])
        assert cache.slots.n_windows == 3
        assert small() is None
    finally:
        gc.enable()


def test_slots_are_used_again(mel):
    recorder = tape.Tape()
    backend = model.TorchBackend(checkpoint(), device="cpu", dtype="float32", recorder=recorder)
    for _ in range(4):
        _, cache = starts(backend, mel, [0, 1])
        for _ in range(3):
            _, cache = backend.step(np.array([1, 2], dtype=np.int32), cache)
        del cache
        assert len(backend._still._free) == 1
    assert recorder.n_recorded == 1


def test_tape_refuses_what_a_graph_cannot_hold():
    x = torch.ones(3)
    works = (
        lambda: x.sum().item(),
        lambda: bool(x.sum() > 1),
        lambda: x.numpy(force=True),
        lambda: x.add_(torch.tensor([1.0, 2.0, 3.0])),
        lambda: torch.where(x > 0, 1.0, x),
        lambda: x[x > 0],
    )
    for work in works:
        with torch.inference_mode(), pytest.raises(AssertionError, match="cannot be recorded"):
            tape.Tape().record(work)


def test_tape_keeps_kernels_and_not_python():
    x, steps = torch.zeros(2), iter((1.0, 100.0))
    again = tape.Tape().record(lambda: x.add_(torch.full((2,), next(steps)) * 2))
    again(), again()
    assert x.tolist() == [6.0, 6.0]


class BrokenGraph:
    def __init__(self, *given, **options):
        pass

    def __enter__(self):
        raise RuntimeError("operation not permitted when stream is capturing")

    def __exit__(self, *error):
        return None


def test_a_graph_that_fails_is_done_without(monkeypatch, caplog):
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: (0, 0))
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: None)
    monkeypatch.setattr(torch.cuda, "graph", BrokenGraph)
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: None)
    recorder, x = recording.GraphRecorder(torch.device("cuda")), torch.zeros(1)
    works = [recording.Recorded(lambda: x.add_(1), recorder) for _ in range(2)]
    for _ in range(5):
        for work in works:
            work()
    assert x.item() == 10
    assert caplog.text.count("CUDA graphs are off") == 1


def test_recorded_work_is_done_once_each_time():
    recorder, x = tape.Tape(), torch.zeros(1)
    work = recording.Recorded(lambda: x.add_(1), recorder)
    for n in range(1, 6):
        work()
        assert x.item() == n
    assert (recorder.n_recorded, recorder.n_replayed) == (1, 2)


def test_the_switch(monkeypatch):
    monkeypatch.setattr(recording, "GraphRecorder", lambda device: "records")
    monkeypatch.delenv(recording.SWITCH, raising=False)
    assert recording.recorder_for(torch.device("cuda")) == "records"
    assert recording.recorder_for(torch.device("cpu")) is None
    monkeypatch.setenv(recording.SWITCH, "0")
    assert recording.recorder_for(torch.device("cuda")) is None
    monkeypatch.setenv(recording.SWITCH, "yes")
    with pytest.raises(OptionError, match="hint: "):
        recording.recorder_for(torch.device("cuda"))
