"""A few recordings of the labelled set that lies beside the repository, against openai-whisper's stored results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[3] / "shared"
CLIPS = [
    ("tiny.en", "derived-pcm-24"),
    ("tiny.en", "derived-one-sample"),
    ("tiny.en", "format-webm"),
    ("tiny.en", "telephone-en-tt-allbusy"),
    ("base", "video-nasa"),
    ("base", "watson-de-DE_NarrowbandModel_sample2"),
    ("base", "ja-whisperkit"),
    ("base", "silence-leopard"),
]


@pytest.fixture(scope="module")
def golden():
    if not (SHARED / "golden").is_dir():
        pytest.skip("the labelled recordings are not beside the repository")
    lines = {name: (SHARED / "golden" / f"S.{name}.jsonl").read_text().splitlines() for name in ("tiny.en", "base")}
    return {name: {row["id"]: row for row in map(json.loads, rows)} for name, rows in lines.items()}


@pytest.mark.parametrize(("name", "clip"), CLIPS)
def test_recording(golden, name, clip, any_tiny_en, base):
    row = golden[name][clip]
    model = any_tiny_en if name == "tiny.en" else base
    transcript = model.transcribe(SHARED / "audio" / row["path"], batch_size=0, temperature=0.0)
    assert transcript.language == row["language"]
    assert transcript.text == row["text"]
    ours = [round(t, 2) for segment in transcript.segments for t in (segment.start, segment.end)]
    assert ours == [round(t, 2) for segment in row["segments"] for t in (segment["start"], segment["end"])]
