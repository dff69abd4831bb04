"""Stored tensors and results of openai-whisper 20250625 for examples/jfk.mp3 and tiny.en.

`bench/make_golden.py` made them.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import susurrus
from susurrus.audio import load
from susurrus.backends import availability, backend_names
from susurrus.features import LogMel, Recording, log_mel

HERE = Path(__file__).parent
JFK = HERE.parents[1] / "examples" / "jfk.mp3"
FRAMES = slice(0, 1100, 11)


@pytest.fixture(scope="module")
def stored():
    with np.load(HERE / "jfk.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def results():
    return json.loads((HERE / "jfk.json").read_text())


@pytest.fixture(scope="module", params=backend_names())
def model(request):
    here = availability(request.param)
    if not here.devices:
        pytest.skip(f"{request.param}: {here.missing}")
    try:
        with susurrus.load("tiny.en", backend=request.param, device="cpu", dtype="float32", offline=True) as model:
            yield model
    except susurrus.CheckpointError as error:
        pytest.skip(f"no weights of tiny.en here: {error.message}")


@pytest.mark.parametrize("n_mels", [80, 128])
def test_log_mel(stored, n_mels):
    mel = log_mel(load(JFK), n_mels)
    assert mel.shape == (n_mels, stored["n_frames"])
    assert np.abs(mel[:, FRAMES] - stored[f"mel_{n_mels}"]).max() < 1e-4


def test_logits(stored, model):
    with Recording.open(JFK) as recording:
        mel = LogMel(recording, 80).window(0, int(stored["n_frames"]))
    tokens = stored["tokens"]
    every = np.arange(tokens.shape[1], dtype=np.int32)[None]
    features = model.backend.encode(mel[None])
    logits, _ = model.backend.prefill(features, tokens, np.array([tokens.shape[1]], dtype=np.int32), every)
    logits = model.backend.ops.to_numpy(logits)[0]
    assert np.abs(logits[:, ::97] - stored["logits"]).max() < 5e-3  # of values up to some 30
    assert (logits.argmax(-1) == stored["top"]).all()


@pytest.mark.parametrize(
    ("kind", "options"), [("plain", {}), ("words", {"word_timestamps": True}), ("beam", {"beam_size": 5})]
)
def test_transcript(results, model, kind, options):
    ours, theirs = model.transcribe(JFK, batch_size=0, temperature=0.0, **options).to_dict(), results[kind]
    assert (ours["text"], ours["language"]) == (theirs["text"], theirs["language"])
    assert len(ours["segments"]) == len(theirs["segments"])
    for a, b in zip(ours["segments"], theirs["segments"], strict=True):
        assert list(a) == list(b)
        for key in ("id", "seek", "text", "tokens", "temperature"):
            assert a[key] == b[key]
        for key in ("start", "end", "avg_logprob", "compression_ratio", "no_speech_prob"):
            assert a[key] == pytest.approx(b[key], abs=2e-4)
        for word, expected in zip(a.get("words", []), b.get("words", []), strict=True):
            assert word["word"] == expected["word"]
            assert (word["start"], word["end"]) == (expected["start"], expected["end"])
            assert word["probability"] == pytest.approx(expected["probability"], abs=1e-3)
