"""Saved transcripts of every program: shapes as they write them, with what may be missing."""

from __future__ import annotations

import copy
import io
import json
import random
from typing import Any

import pytest

from susurrus.errors import SusurrusError, TranscriptError
from susurrus.options import SubtitleOptions
from susurrus.readers import read_transcript
from susurrus.types import Segment, Skipped, Transcript, Word
from susurrus.writers import FORMATS, render

TIMED = (Word(" Hello", 0.0, 0.5, 0.9), Word(" there.", 0.5, 1.2, 0.8))
OURS = Transcript(
    " Hello there. Hola.",
    "en",
    (
        Segment(0, 0, 0.0, 1.2, " Hello there.", (50364, 1), 0.2, -0.25, 1.1, 0.01, TIMED),
        Segment(1, 120, 1.5, 2.0, " Hola.", (50365,), 0.0, -0.5, 0.9, 0.02, (), "es", "left"),
    ),
    2.0,
    language_probability=0.75,
)

FASTER_WHISPER = [
    {
        "id": 1, "seek": 0, "start": 0.0, "end": 1.5, "text": " And so.", "tokens": [50363, 843], "avg_logprob": -0.3,
        "compression_ratio": 1.2, "no_speech_prob": 0.01, "temperature": 0.0,
        "words": [
            {"start": 0.0, "end": 0.7, "word": " And", "probability": 0.9},
            {"start": 0.7, "end": 1.5, "word": " so.", "probability": 0.8},
        ],
    }
]  # fmt: skip
WHISPERX = {
    "segments": [
        {
            "start": 0.5, "end": 4.0, "text": " In 1999, we met.", "speaker": "SPEAKER_00",
            "words": [
                {"word": "In", "start": 0.5, "end": 1.0, "score": 0.9, "speaker": "SPEAKER_00"},
                {"word": "1999,"},
                {"word": "we", "start": 2.0, "end": 3.0, "score": 0.7},
                {"word": "met.", "start": float("nan"), "end": float("nan"), "score": float("nan")},
            ],
        },
        {"start": 5.0, "end": 6.0, "text": "你好", "words": [{"word": "你", "start": 5.0, "end": 5.5}, {"word": "好"}]},
    ],
    "word_segments": [{"word": "In", "start": 0.5, "end": 1.0, "score": 0.9}],
    "language": "en",
}  # fmt: skip
WHISPER_CPP = {
    "systeminfo": "AVX = 1", "model": {"type": "tiny"}, "params": {"language": "auto"}, "result": {"language": "de"},
    "transcription": [
        {
            "timestamps": {"from": "00:00:00,000", "to": "00:00:02,500"}, "offsets": {"from": 0, "to": 2500},
            "text": " Guten Morgen.", "speaker": "0",
            "tokens": [
                {"text": "[_BEG_]", "offsets": {"from": 0, "to": 0}, "id": 50364, "p": 0.9, "t_dtw": -1},
                {"text": " Gut", "offsets": {"from": 0, "to": 400}, "id": 11, "p": 0.9},
                {"text": "en", "offsets": {"from": 400, "to": 900}, "id": 12, "p": 0.7},
                {"text": " Morgen", "offsets": {"from": 900, "to": 2400}, "id": 13, "p": 0.6},
                {"text": ".", "offsets": {"from": 2400, "to": 2500}, "id": 14, "p": 0.8},
                {"text": "[_TT_125]", "offsets": {"from": 2500, "to": 2500}, "id": 50489, "p": 0.1},
            ],
        },
        {"offsets": {"from": 2500, "to": 4000}, "text": " Ja."},
    ],
}  # fmt: skip
CHUNKS = {
    "text": " So it is. You",
    "chunks": [{"timestamp": [0.0, 1.5], "text": " So it is."}, {"timestamp": [2.0, None], "text": " You"}],
}
ALL = [
    OURS.to_dict(),
    FASTER_WHISPER,
    {"segments": FASTER_WHISPER, "info": {"language": "en"}},
    WHISPERX,
    WHISPER_CPP,
    CHUNKS,
]


def spans(items: Any) -> list[tuple[float, float]]:
    return [(item.start, item.end) for item in items]


def test_ours_and_openais_read_back_as_they_were():
    assert read_transcript(OURS.to_dict()) == OURS
    assert render(read_transcript(OURS.to_dict()), "json") == render(OURS, "json")


def test_faster_whispers_segments_alone_and_with_info():
    alone = read_transcript(FASTER_WHISPER)
    assert (alone.text, alone.language, alone.duration) == (" And so.", "und", 1.5)
    assert alone.segments[0].words == (Word(" And", 0.0, 0.7, 0.9), Word(" so.", 0.7, 1.5, 0.8))
    info = {"language": "French", "language_probability": 0.5, "duration": 9.0}
    with_info = read_transcript({"segments": FASTER_WHISPER, "info": info})
    assert (with_info.language, with_info.language_probability, with_info.duration) == ("fr", 0.5, 9.0)
    assert with_info.segments == alone.segments


def test_whisperx_words_get_their_spaces_and_times():
    first, second = read_transcript(WHISPERX).segments
    assert first.words is not None
    assert [word.word for word in first.words] == [" In", " 1999,", " we", " met."]
    assert spans(first.words) == [(0.5, 1.0), (1.0, 2.0), (2.0, 3.0), (3.0, 4.0)]
    assert [word.probability for word in first.words] == [0.9, 0.0, 0.7, 0.0]
    assert (first.speaker, second.speaker) == ("SPEAKER_00", None)
    assert second.words == (Word("你", 5.0, 5.5, 0.0), Word("好", 5.5, 6.0, 0.0))


def test_whisper_cpp_tokens_become_words():
    transcript = read_transcript(WHISPER_CPP)
    first, second = transcript.segments
    assert (transcript.language, first.text, second.text) == ("de", " Guten Morgen.", " Ja.")
    assert spans(transcript.segments) == [(0.0, 2.5), (2.5, 4.0)]
    assert first.words is not None
    assert [(word.word, word.start, word.end) for word in first.words] == [(" Guten", 0.0, 0.9), (" Morgen.", 0.9, 2.5)]
    assert first.words[0].probability == pytest.approx(0.8)
    assert (first.tokens, first.speaker, second.words) == ((11, 12, 13, 14), "0", None)


def test_whisper_cpp_tokens_that_are_not_the_text_are_left_out():
    given = copy.deepcopy(WHISPER_CPP)
    given["transcription"][0]["tokens"][1]["text"] = " G\ufffd"
    assert read_transcript(given).segments[0].words is None


def test_whisper_cpp_writes_broken_letters_and_bare_control_characters():
    raw = b'{"transcription": [{"offsets": {"from": 0, "to": 1000}, "text": " a\tb \xe4\xbd"}]}'
    assert read_transcript(io.BytesIO(raw)).text == " a\tb \ufffd"


def test_chunks():
    transcript = read_transcript(CHUNKS)
    assert spans(transcript.segments)[0] == (0.0, 1.5)
    start, end = spans(transcript.segments)[1]
    assert start == 2.0 < end < 3.0
    assert transcript.segments[0].words is None


def test_chunks_that_are_words():
    texts = [" So", " it", " is.", " You", " know."]
    chunks = [{"timestamp": [i, i + 1], "text": text} for i, text in enumerate(texts)]
    segments = read_transcript({"text": "".join(texts), "chunks": chunks}).segments
    assert [segment.text for segment in segments] == [" So it is.", " You know."]
    assert spans(segments) == [(0, 3), (3, 5)]
    assert [word.word for segment in segments for word in segment.words or ()] == texts


@pytest.mark.parametrize("texts", [["你好，世界。", "再见。"], [" Yes.", " No."], [" A line.", " Another"]])
def test_chunks_that_are_not_words(texts):
    chunks = [{"timestamp": [i, i + 1], "text": text} for i, text in enumerate(texts)]
    assert [segment.text for segment in read_transcript({"chunks": chunks}).segments] == texts


def test_times_that_are_missing_lie_between_those_that_are_known():
    given = {"segments": [{"text": "aa"}, {"text": "bbbb", "start": 2.0}, {"text": "cccc"}, {"text": "d", "end": 7.0}]}
    times = spans(read_transcript(given).segments)
    assert times[0] == (0.0, 2.0)
    assert times[3][1] == 7.0
    flat = [time for span in times for time in span]
    assert flat == sorted(flat)
    assert all(start < end for start, end in times)


def test_a_segment_takes_its_times_from_its_words():
    words = [{"word": " a", "start": 1.0, "end": 2.0}, {"word": " b", "start": 2.0, "end": 3.0}]
    (segment,) = read_transcript({"segments": [{"words": words}]}).segments
    assert (segment.text, segment.start, segment.end) == (" a b", 1.0, 3.0)


def test_the_apis_language_is_a_name():
    assert read_transcript({"task": "transcribe", "language": "english", "segments": []}).language == "en"
    assert read_transcript({"language": "Klingon", "segments": []}).language == "Klingon"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_files_in_any_unicode_encoding(tmp_path, encoding):
    path = tmp_path / "talk.json"
    path.write_text(json.dumps(WHISPERX, ensure_ascii=False), encoding=encoding)
    assert read_transcript(path).segments[1].text == "你好"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not JSON"),
        (b"WEBVTT\n\n", "not JSON"),
        (b"\x00\xff\xfe\x89PNG", "not JSON"),
        (b"[" * 100_000, "brackets"),
        (b"3", "not a transcript, but int"),
        (b'"segments"', "not a transcript"),
        (b"{}", "an empty object"),
        (b'{"text": "no times"}', "no segments in it, but an object with the keys text"),
        (b'{"segments": {"start": 1}}', "no segments"),
        (b"[[0, 1]]", r"segments\[0\]: expected an object"),
        (b'{"segments": [{"start": 0, "end": 1}]}', r"segments\[0\]: no text"),
        (b'{"segments": [{"start": "0:01", "text": ""}]}', r"\[0\]: start: expected seconds, got '0:01'"),
        (b'{"segments": [{"start": 1e300, "text": ""}]}', "expected seconds"),
        (b'{"segments": [{"start": ' + b"9" * 5000 + b', "text": ""}]}', "not JSON|expected seconds"),
        (b'{"segments": [{"text": ["a"]}]}', "expected a text"),
        (b'{"chunks": [{"text": "a", "timestamp": 3}]}', "expected a list of two"),
    ],
)
def test_what_is_no_transcript_is_refused_with_its_place(tmp_path, content, reason):
    path = tmp_path / "talk.json"
    path.write_bytes(content)
    with pytest.raises(TranscriptError, match=reason) as caught:
        read_transcript(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(TranscriptError, match=r"gone\.json: No such file"):
        read_transcript(tmp_path / "gone.json")
    with pytest.raises(TranscriptError):
        read_transcript(tmp_path)


# Any JSON is read or refused, and what is read can be written

ODD = [
    None,
    True,
    -1,
    0,
    1e308,
    -0.5,
    float("nan"),
    float("inf"),
    10**400,
    "",
    "a",
    "\ud800",
    "\x00 -->\n",
    [],
    [[]],
    {},
    {"a": 1},
]


def mutated(value: Any, rng: random.Random) -> Any:
    if rng.random() < 0.04:
        return rng.choice(ODD)
    if isinstance(value, dict):
        return {key: mutated(one, rng) for key, one in value.items() if rng.random() > 0.04}
    if isinstance(value, list):
        return [mutated(one, rng) for one in value if rng.random() > 0.04] * rng.choice([1, 1, 1, 2])
    return value


@pytest.mark.parametrize("seed", range(300))
def test_any_json_is_read_or_refused(seed):
    rng = random.Random(seed)
    given = mutated(rng.choice(ALL), rng)
    try:
        transcript = read_transcript(io.BytesIO(json.dumps(given).encode()))
    except SusurrusError:
        return
    assert all(0 <= segment.start <= segment.end for segment in transcript.segments)
    for format in FORMATS:
        render(transcript, format).encode()
    for format in ("srt", "ass"):
        render(transcript, format, SubtitleOptions(subtitle_preset="broadcast")).encode()
        render(transcript, format, SubtitleOptions(max_line_width=20, max_line_count=2)).encode()


def test_what_was_left_out_is_read_again():
    skipped = (Skipped(1.5, 40.0, "no speech"), Skipped(50.0, 51.0, "invented", " Thanks."))
    transcript = Transcript(" Hi", "en", (), skipped=skipped)
    assert read_transcript(transcript.to_dict()).skipped == skipped
