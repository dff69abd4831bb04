"""The whole line on small random models of every form: the text is noise, the plumbing is not."""

from __future__ import annotations

import numpy as np
import pytest

from susurrus.backends import open_backend
from susurrus.checkpoints import random_checkpoint
from susurrus.errors import AudioError, OptionError, SusurrusError
from susurrus.transcribe import Model
from susurrus.types import ModelDimensions

FORMS = {"english": (80, 51864), "multilingual": (80, 51865), "large-v3": (128, 51866)}
OPTIONS = {"batch_size": 0, "temperature": 0.0, "sample_len": 12, "no_speech_threshold": None}


@pytest.fixture(scope="module", params=FORMS)
def model(request):
    n_mels, n_vocab = FORMS[request.param]
    checkpoint = random_checkpoint(ModelDimensions(n_mels, 1500, 64, 1, 1, n_vocab, 448, 64, 1, 2))
    with Model(checkpoint, open_backend("numpy", checkpoint)) as model:
        yield model


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(0).normal(scale=0.1, size=16000 * 35).astype(np.float32)


@pytest.mark.parametrize(
    "given", [{}, {"beam_size": 2}, {"word_timestamps": True}, {"without_timestamps": True}, {"hotwords": "Susurrus"}]
)
def test_every_form_of_model_walks_a_file_to_its_end(model, noise, given):
    seen = []
    transcript = model.transcribe(noise, on_progress=seen.append, **OPTIONS, **given)
    assert transcript.duration == 35.0
    assert seen[-1].done == 35.0
    assert [segment.id for segment in transcript.segments] == list(range(len(transcript.segments)))
    assert all(0 <= segment.start <= segment.end <= 60 for segment in transcript.segments)
    for segment in transcript.segments:
        for word in segment.words or ():
            assert word.start <= word.end


def test_the_language_is_detected_where_there_are_several(model, noise):
    noise = noise[:16000]
    probs = model.detect_language(noise)
    n = {51864: 1, 51865: 99, 51866: 100}[model.dims.n_vocab]
    assert len(probs) == n
    assert list(probs.values()) == sorted(probs.values(), reverse=True)
    assert model.transcribe(noise, **OPTIONS).language == next(iter(probs))


def test_the_transcript_is_openais_dict(model, noise):
    result = model.transcribe(noise[:16000], language="en", **OPTIONS).to_dict()
    assert list(result) == ["text", "segments", "language"]


def test_what_cannot_be_done_is_refused_before_the_work(model, noise):
    with pytest.raises(OptionError, match="beam_width"):
        model.transcribe(noise, beam_width=5)
    with pytest.raises(AudioError, match="NaN"):
        model.transcribe(np.full(100, np.nan, dtype=np.float32))
    if model.dims.n_mels == 80:
        with pytest.raises(OptionError):
            model.transcribe(noise, language="yue", task="translate")


def test_a_stream_left_early_lets_go_of_its_sound(model, noise):
    stream = model.stream(noise, **OPTIONS)
    with stream as segments:
        next(iter(segments), None)
    assert list(stream) == []


def test_a_stream_left_early_has_no_transcript(model, noise):
    with model.stream(noise, **OPTIONS) as segments:
        pass
    with pytest.raises(SusurrusError, match=r"no transcript.* at 0\.0 s"):
        segments.transcript()


@pytest.mark.parametrize("batch_size", [0, 2])
@pytest.mark.parametrize("vad_filter", [False, True])
def test_clips_beyond_the_end_are_none(model, noise, batch_size, vad_filter):
    given = {**OPTIONS, "batch_size": batch_size, "vad_filter": vad_filter, "language": "en"}
    seen = []
    transcript = model.transcribe(noise, clip_timestamps="20,90,100,200", on_progress=seen.append, **given)
    assert all(skipped.end <= 35.0 for skipped in transcript.skipped)
    assert all(progress.done >= 20.0 for progress in seen)
    assert model.transcribe(noise, clip_timestamps="100,200", **given).segments == ()


def test_a_loop_over_many_that_is_left_stops_those_under_way(model, noise):
    sources = [noise[:16000], np.tile(noise, 60)]
    windows, encode = [], model.backend.encode

    def counted(mel):
        windows.append(len(mel))
        return encode(mel)

    model.backend.encode = counted
    try:
        outcomes = model.transcribe_many(sources, **{**OPTIONS, "batch_size": 2}, language="en", vad_filter=False)
        assert next(outcomes).error is None
        outcomes.close()
    finally:
        del model.backend.encode
    assert sum(windows) < 35
