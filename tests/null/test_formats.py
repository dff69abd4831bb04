"""csv, lrc and ass, speakers in every format, and how formats are chosen."""

from __future__ import annotations

import csv
import io
import re

import av
import pysubs2
import pytest

from susurrus.errors import OptionError
from susurrus.options import SubtitleOptions
from susurrus.types import Segment, Transcript, Word
from susurrus.writers import FORMATS, check_subtitles, needs_words, parse_formats, render, wants_words

Timed = list[tuple[str, float, float]]


def a_segment(start: float, end: float, text: str, words: Timed | None = None, **known: str) -> Segment:
    timed = None if words is None else tuple(Word(*word, 0.5) for word in words)
    return Segment(0, 0, start, end, text, (), 0.0, 0.0, 1.0, 0.0, timed, **known)


def transcript(*segments: Segment) -> Transcript:
    return Transcript("".join(s.text for s in segments), "en", segments)


PLAIN = transcript(
    a_segment(0.0, 1.2, ' He said, "Yes".'),
    a_segment(1.2, 3.0, " Two\nlines"),
    a_segment(3661.5, 3664.25, "你好，世界。"),
)
WORDS = transcript(
    a_segment(0.5, 1.2, " Hello there.", [(" Hello", 0.5, 0.8), (" there.", 0.9, 1.2)]),
    a_segment(6.0, 8.0, "你好，世界。", [("你好，", 6.0, 7.0), ("世界。", 7.0, 8.0)]),
)
SPEAKERS = transcript(
    a_segment(0.0, 4.0, " It goes on.", [(" It", 0.0, 2.0), (" goes", 2.0, 3.0), (" on.", 3.0, 4.0)], speaker="left"),
    a_segment(1.0, 2.0, " Stop!", [(" Stop!", 1.0, 2.0)], speaker="right"),
    a_segment(4.5, 5.0, " No.", [(" No.", 4.5, 5.0)], speaker="left"),
)


def test_csv():
    assert render(PLAIN, "csv") == (
        'start,end,text\n0,1200,"He said, ""Yes""."\n1200,3000,"Two\nlines"\n3661500,3664250,你好，世界。\n'
    )


def test_csv_has_the_columns_that_are_known():
    given = transcript(a_segment(0, 1, " Hola", language="es", speaker="a, b"), a_segment(1, 2, " Yes"))
    rows = list(csv.DictReader(io.StringIO(render(given, "csv"))))
    assert rows[0] == {"start": "0", "end": "1000", "speaker": "a, b", "language": "es", "text": "Hola"}
    assert rows[1]["speaker"] == rows[1]["language"] == ""


def test_lrc():
    assert render(PLAIN, "lrc") == (
        '[00:00.00]He said, "Yes".\n[00:01.20]Two lines\n[00:03.00]\n[61:01.50]你好，世界。\n[61:04.25]\n'
    )


def test_lrc_with_words():
    assert render(WORDS, "lrc") == (
        "[00:00.50]<00:00.50>Hello <00:00.90>there.<00:01.20>\n"
        "[00:01.20]\n"
        "[00:06.00]<00:06.00>你好，<00:07.00>世界。<00:08.00>\n"
        "[00:08.00]\n"
    )


@pytest.mark.parametrize("given", [PLAIN, WORDS])
def test_ffmpeg_reads_lrc(given):
    with av.open(io.BytesIO(render(given, "lrc").encode()), format="lrc") as container:
        shown = [(packet.pts, bytes(packet).decode()) for packet in container.demux() if packet.size]
    lines = [(pts / 1e6, text) for pts, text in shown if text.strip()]
    assert [start for start, _ in lines] == [segment.start for segment in given.segments]
    for (_, text), segment in zip(lines, given.segments, strict=True):
        assert re.sub("<.*?>", "", text).strip() == " ".join(segment.text.split())


def test_lrc_joins_lines():
    shown = render(WORDS, "lrc", SubtitleOptions(max_line_width=6, max_line_count=2))
    assert "Hello <00:00.90>there." in shown


def test_ass_karaoke():
    events = pysubs2.SSAFile.from_string(render(WORDS, "ass")).events
    assert [(event.start, event.end, event.text) for event in events] == [
        (500, 1200, r"{\k30}Hello{\k10} {\k30}there."),
        (6000, 8000, r"{\k100}你好，{\k100}世界。"),
    ]


def test_ass_karaoke_lasts_as_long_as_the_line():
    words = [(f" w{i}", i * 0.333333, (i + 1) * 0.333333) for i in range(50)]
    given = transcript(a_segment(0.0, 50 * 0.333333, "".join(word for word, _, _ in words), words))
    (event,) = pysubs2.SSAFile.from_string(render(given, "ass")).events
    assert 10 * sum(map(int, re.findall(r"\\k(\d+)", event.text))) == event.duration


def test_ass_is_not_karaoke_in_a_preset():
    (event, _) = pysubs2.SSAFile.from_string(render(WORDS, "ass", SubtitleOptions(subtitle_preset="broadcast"))).events
    assert (event.start, event.end, event.text) == (500, 1300, "Hello there.")


def test_ass_text_that_looks_like_tags():
    given = transcript(a_segment(0, 1, r" a {\b1} b C:\New" + "\nline, with a comma"))
    (event,) = pysubs2.SSAFile.from_string(render(given, "ass")).events
    assert event.text == "a \\{\\\u2060b1} b C:\\\u2060New\\Nline, with a comma"


def test_ass_takes_the_direction_from_the_text():
    def encoding(text: str) -> int:
        style = pysubs2.SSAFile.from_string(render(transcript(a_segment(0, 1, text)), "ass")).styles["Default"]
        return style.encoding

    assert (encoding(" مرحبا."), encoding(" Hello.")) == (-1, 1)


@pytest.mark.parametrize("format", ["ass", "srt", "vtt"])
@pytest.mark.parametrize("given", [PLAIN, WORDS, SPEAKERS])
def test_a_player_reads_what_is_said(format, given):
    events = pysubs2.SSAFile.from_string(render(given, format)).events
    assert [(event.start, event.end) for event in events] == sorted(
        (round(1000 * s.start), round(1000 * s.end)) for s in given.segments
    )
    for event, segment in zip(events, sorted(given.segments, key=lambda s: s.start), strict=True):
        assert event.plaintext.split()[-1] == segment.text.split()[-1]


def test_lt_is_not_lost_in_vtt():
    assert "a &lt;b> &c" in render(transcript(a_segment(0, 1, " a <b> &c")), "vtt")


# Speakers


@pytest.mark.parametrize(
    ("format", "expected"),
    [
        ("txt", "left: It goes on.\nright: Stop!\nleft: No.\n"),
        (
            "tsv",
            "start\tend\tspeaker\ttext\n0\t4000\tleft\tIt goes on.\n1000\t2000\tright\tStop!\n4500\t5000\tleft\tNo.\n",
        ),
        (
            "vtt",
            "WEBVTT\n\n00:00.000 --> 00:04.000\n<v left>It goes on.\n\n00:01.000 --> 00:02.000\n<v right>Stop!\n\n"
            "00:04.500 --> 00:05.000\n<v left>No.\n\n",
        ),
        (
            "srt",
            "1\n00:00:00,000 --> 00:00:04,000\n[left]: It goes on.\n\n"
            "2\n00:00:01,000 --> 00:00:02,000\n[right]: Stop!\n\n3\n00:00:04,500 --> 00:00:05,000\n[left]: No.\n\n",
        ),
    ],
)
def test_speakers(format, expected):
    assert render(SPEAKERS, format) == expected


def test_speakers_in_ass_and_lrc():
    events = pysubs2.SSAFile.from_string(render(SPEAKERS, "ass")).events
    assert [event.name for event in events] == ["left", "right", "left"]
    assert render(SPEAKERS, "lrc").splitlines()[1] == "[00:01.00]right: <00:01.00>Stop!<00:02.00>"


def test_names_cannot_break_a_format():
    given = transcript(a_segment(0, 1, " Hi", speaker="a,b\n<c>&\t--> d"))
    assert "<v a,b &lt;c&gt;&amp; -&gt; d>Hi" in render(given, "vtt")
    assert pysubs2.SSAFile.from_string(render(given, "ass")).events[0].plaintext == "Hi"
    assert len(render(given, "tsv").splitlines()) == 2
    srt = render(given, "srt").splitlines()
    assert len(srt) == 4
    assert srt[2].count("-->") == 0
    assert len(render(given, "lrc").splitlines()) == 2
    assert len(render(given, "txt").splitlines()) == 1


@pytest.mark.parametrize("preset", [None, "broadcast"])
@pytest.mark.parametrize("limits", [{}, {"max_line_width": 42, "max_line_count": 2}])
def test_speakers_never_share_a_cue(preset, limits):
    shown = render(SPEAKERS, "srt", SubtitleOptions(subtitle_preset=preset, **limits))
    for block in shown.strip().split("\n\n"):
        assert len(re.findall(r"\[(left|right)\]", block)) == 1
        assert ("Stop!" in block) == ("[right]" in block)


def test_a_name_in_latin_letters_leaves_arabic_its_direction():
    line = render(transcript(a_segment(0, 1, " مرحبا.", speaker="left")), "srt").splitlines()[2]
    assert line == "\u200f[left]: مرحبا."


# The choice of formats


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("srt", ("srt",)),
        ("all", ("txt", "vtt", "srt", "tsv", "json")),
        (" SRT, json,ass,srt ", ("srt", "json", "ass")),
        ("ass,all", ("ass", "txt", "vtt", "srt", "tsv", "json")),
    ],
)
def test_lists_of_formats(text, expected):
    assert parse_formats(text) == expected


@pytest.mark.parametrize("text", ["docx", "srt,docx", "", ","])
def test_what_is_no_format_is_refused(text):
    with pytest.raises(OptionError, match="expected one of txt, vtt, srt, tsv, json, csv, lrc, ass"):
        parse_formats(text)


@pytest.mark.parametrize("format", FORMATS)
def test_silence_has_no_text(format):
    assert render(transcript(), format).count("Hello") == 0
    assert len(render(transcript(), format, SubtitleOptions(subtitle_preset="broadcast"))) < 800


@pytest.mark.parametrize(
    ("options", "formats", "has_words", "is_refused"),
    [
        ({}, ["json"], False, False),
        ({"max_line_width": 40}, ["srt"], True, False),
        ({"max_line_width": 40}, ["srt"], False, True),
        ({"max_line_width": 40}, ["json", "csv"], True, True),
        ({"highlight_words": True}, ["ass", "lrc"], True, True),
        ({"highlight_words": True}, ["ass", "vtt"], True, False),
        ({"subtitle_preset": "broadcast"}, ["ass"], False, False),
        ({"subtitle_preset": "broadcast", "max_line_width": 35}, ["lrc"], False, False),
        ({"subtitle_preset": "broadcast"}, ["txt"], True, True),
    ],
)
def test_options_that_change_nothing_are_refused(options, formats, has_words, is_refused):
    options = SubtitleOptions(**options)
    if is_refused:
        with pytest.raises(OptionError):
            check_subtitles(options, formats, has_words=has_words)
    else:
        check_subtitles(options, formats, has_words=has_words)


def test_only_a_preset_does_without_word_times():
    broadcast = SubtitleOptions(subtitle_preset="broadcast", max_line_width=35)
    assert (wants_words(broadcast), needs_words(broadcast)) == (True, None)
    narrow = SubtitleOptions(max_line_width=35)
    assert (wants_words(narrow), needs_words(narrow)) == (False, "max_line_width")
