"""The language of real recordings of the labelled set that lies beside the repository, with base."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest

from susurrus import audio

SHARED = Path(__file__).parents[3] / "shared" / "audio"


@pytest.fixture(scope="module")
def clips():
    if not (SHARED / "manifest.jsonl").is_file():
        pytest.skip("the labelled recordings are not beside the repository")
    rows = map(json.loads, (SHARED / "manifest.jsonl").read_text().splitlines())
    return {row["id"]: SHARED / row["path"] for row in rows}


def test_an_accent_is_not_german(base, clips):
    """English, but its first 30 s are German for base; openai-whisper writes a whole chapter of it in German."""
    book = clips["crimson-29"]
    assert next(iter(base.detect_language(book))) == "en"
    assert next(iter(base.detect_language(book, language_detection_segments=1))) == "de"


def test_silence_at_the_head_does_not_decide(base, clips):
    waveform = np.concatenate(
        [np.zeros(40 * 16000, np.float32), audio.load(clips["watson-de-DE_NarrowbandModel_sample2"])]
    )
    assert next(iter(base.detect_language(waveform))) == "de"
    assert next(iter(base.detect_language(waveform, language_detection_segments=1))) != "de"


def test_each_language_is_written_in_its_own_words(base, clips):
    ids = ["watson-fr-FR_Broadband_sample2", "kennedy", "watson-de-DE_NarrowbandModel_sample2"]
    pause = np.zeros(16000, np.float32)
    parts = [part for clip in ids for part in (audio.load(clips[clip]), pause)]
    transcript = base.transcribe(np.concatenate(parts), multilingual=True, temperature=0.0, word_timestamps=True)
    ends = np.cumsum([len(part) / 16000 for part in parts])[1::2]
    spans = {code: list(group) for code, group in groupby(transcript.segments, lambda segment: segment.language)}
    assert list(spans) == ["fr", "en", "de"]
    for segments, end in zip(spans.values(), ends, strict=True):
        assert segments[-1].end == pytest.approx(end - 1, abs=2.0)
    assert "landing a man on the moon" in "".join(segment.text for segment in spans["en"]).lower()
    assert all(segment.words for segment in transcript.segments if segment.text)
