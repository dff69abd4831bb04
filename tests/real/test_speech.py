"""Real weights on real speech. The expected values are openai-whisper 20250625's in float32 on a CPU."""

from __future__ import annotations

import io
import threading
import wave

import numpy as np
import pytest

import susurrus
from susurrus.audio import load as load_audio

JFK_TEXT = " And so my fellow Americans ask not what your country can do for you ask what you can do for your country"


def test_the_text_is_openais(tiny_en, jfk):
    transcript = tiny_en.transcribe(jfk, batch_size=0, temperature=0.0)
    assert transcript.text == JFK_TEXT
    assert transcript.language == "en"
    assert transcript.duration == pytest.approx(11.0, abs=0.1)


def test_every_word_has_a_time_in_order(tiny_en, jfk):
    transcript = tiny_en.transcribe(jfk, temperature=0.0, word_timestamps=True)
    words = [word for segment in transcript.segments for word in segment.words]
    assert "".join(word.word for word in words) == JFK_TEXT
    times = [time for word in words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert 0 <= times[0] < 1
    assert 10 < times[-1] <= 11.1


@pytest.mark.parametrize("given", [{"beam_size": 5}, {"temperature": 0.4, "best_of": 3}, {"without_timestamps": True}])
def test_other_ways_of_decoding_hear_the_same_speech(tiny_en, jfk, given):
    text = tiny_en.transcribe(jfk, **{"temperature": 0.0, **given}).text
    for word in ("fellow Americans", "ask not", "your country"):
        assert word in text


def test_sampling_is_repeated_by_its_seed(any_tiny_en, jfk):
    run = lambda seed: any_tiny_en.transcribe(jfk, temperature=1.0, seed=seed, logprob_threshold=None).text
    assert run(3) == run(3)


def test_a_prompt_changes_how_words_are_written(any_tiny_en, jfk):
    plain = any_tiny_en.transcribe(jfk, temperature=0.0).text
    prompted = any_tiny_en.transcribe(jfk, temperature=0.0, initial_prompt="AND SO MY FELLOW AMERICANS!").text
    assert prompted != plain


def test_a_suppressed_token_is_not_written(any_tiny_en, jfk):
    tokenizer = any_tiny_en.tokenizer()
    [country] = tokenizer.encode(" country")
    transcript = any_tiny_en.transcribe(jfk, temperature=0.0, suppress_tokens=(-1, country))
    assert country not in [token for segment in transcript.segments for token in segment.tokens]


def test_silence_has_no_words(any_tiny_en):
    silence = np.zeros(16000 * 3, dtype=np.float32)
    transcript = any_tiny_en.transcribe(silence)
    assert (transcript.text, transcript.segments) == ("", ())
    assert [(s.start, s.end, s.reason) for s in transcript.skipped] == [(0.0, 3.0, "no speech")]
    assert any_tiny_en.transcribe(silence, batch_size=0).text.strip(" .") in ("", "you")


def test_many_at_once_are_what_each_is_alone(any_tiny_en, jfk):
    speech = load_audio(jfk)
    sources = [speech, np.zeros(16000, np.float32), "no-such-file.wav", speech[: 16000 * 5], np.tile(speech, 4), jfk]
    outcomes = list(any_tiny_en.transcribe_many(sources, batch_size=3, temperature=0.0))
    assert [outcome.source is source for outcome, source in zip(outcomes, sources, strict=True)] == [True] * 6
    assert isinstance(outcomes[2].error, susurrus.AudioError)
    for outcome in outcomes:
        if outcome.error is None:
            alone = any_tiny_en.transcribe(outcome.source, temperature=0.0)
            assert outcome.transcript.text == alone.text
            times = [[(s.start, s.end) for s in t.segments] for t in (outcome.transcript, alone)]
            assert times[0] == times[1]


def test_a_long_file_is_cut_at_pauses_and_loses_no_words(any_tiny_en, jfk):
    speech = np.concatenate([load_audio(jfk), np.zeros(16000 * 3, np.float32)] * 6)
    transcript = any_tiny_en.transcribe(speech, temperature=0.0, word_timestamps=True)
    assert transcript.text.lower().count("fellow americans") == 6
    words = [word for segment in transcript.segments for word in segment.words]
    assert len(words) == 6 * len(JFK_TEXT.split())
    starts = [word.start for word in words if word.word.strip().lower() == "fellow"]
    assert np.diff(starts) == pytest.approx(14.0, abs=0.15)
    assert [segment.id for segment in transcript.segments] == list(range(len(transcript.segments)))


def test_text_before_each_window_and_windows_together_exclude_each_other(any_tiny_en, jfk):
    with pytest.raises(susurrus.OptionError, match="batch_size"):
        any_tiny_en.transcribe(jfk, batch_size=4, condition_on_previous_text=True)
    assert any_tiny_en.plan("auto", condition_on_previous_text=True)[0] == 0
    with pytest.raises(susurrus.OptionError, match="vad_filter"):
        any_tiny_en.transcribe(jfk, batch_size=0, vad_threshold=0.3)


def test_nothing_at_all_is_an_empty_transcript(any_tiny_en):
    transcript = any_tiny_en.transcribe(np.zeros(1, dtype=np.float32))
    assert (transcript.text, transcript.segments) == ("", ())


def test_path_bytes_file_and_array_give_the_same_text(any_tiny_en, jfk):
    samples = load_audio(jfk)
    as_wav = io.BytesIO()
    with wave.open(as_wav, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16000)
        out.writeframes((samples * 32768).astype("<i2").tobytes())
    texts = [
        any_tiny_en.transcribe(source, temperature=0.0).text
        for source in (str(jfk), jfk.read_bytes(), io.BytesIO(as_wav.getvalue()), samples)
    ]
    assert texts == [JFK_TEXT] * 4


def test_an_array_of_another_rate_needs_only_its_rate(any_tiny_en, jfk):
    at_8_khz = load_audio(jfk)[::2]
    assert "country" in any_tiny_en.transcribe(at_8_khz, sample_rate=8000, temperature=0.0).text


def test_a_clip_has_the_times_of_the_file(any_tiny_en, jfk):
    transcript = any_tiny_en.transcribe(jfk, temperature=0.0, clip_timestamps="5,11")
    assert transcript.segments[0].start >= 5
    assert "fellow" not in transcript.text


def test_a_stream_gives_what_transcribe_gives_and_progress_reaches_the_end(any_tiny_en, jfk):
    speech = np.tile(load_audio(jfk), 4)
    seen = []
    segments = list(any_tiny_en.stream(speech, temperature=0.0, on_progress=seen.append))
    heard = []
    transcript = any_tiny_en.transcribe(speech, temperature=0.0, on_segment=heard.append)
    assert tuple(segments) == transcript.segments == tuple(heard)
    assert seen[-1].done == pytest.approx(seen[-1].total, abs=0.02)
    assert len(seen) >= 2


def test_cancel_ends_with_cancelled(any_tiny_en, jfk):
    stop = threading.Event()
    speech = np.tile(load_audio(jfk), 4)
    with pytest.raises(susurrus.Cancelled):
        any_tiny_en.transcribe(speech, temperature=0.0, on_segment=lambda _: stop.set(), cancel=stop)


def test_an_english_model_takes_other_languages_for_english_and_does_not_translate(any_tiny_en, jfk, caplog):
    assert any_tiny_en.transcribe(jfk, temperature=0.0, language="fr").text == JFK_TEXT
    assert "knows only English" in caplog.text
    with pytest.raises(susurrus.OptionError, match="translate"):
        any_tiny_en.transcribe(jfk, task="translate")


def test_base_hears_which_language_is_spoken(base, jfk):
    probs = base.detect_language(jfk)
    assert next(iter(probs)) == "en"
    assert sum(probs.values()) == pytest.approx(1)
    assert len(probs) == 99
    transcript = base.transcribe(jfk, temperature=0.0)
    assert transcript.language == "en"
    assert "ask what you can do for your country" in transcript.text


def test_base_translates_and_writes_in_the_language_it_is_told(base, jfk):
    assert base.transcribe(jfk, temperature=0.0, language="German").language == "de"
    assert "country" in base.transcribe(jfk, temperature=0.0, task="translate", language="en").text


def test_closing_a_model_gives_its_memory_back(jfk):
    model = susurrus.load("tiny.en", backend="numpy", offline=True)
    model.close()
    with pytest.raises(susurrus.SusurrusError):
        model.transcribe(jfk)
