"""Files against those of openai-whisper 20250625, which wrote the expectations below from the same segments."""

from __future__ import annotations

import io
import json

import pytest

from susurrus.errors import OptionError
from susurrus.options import SubtitleOptions
from susurrus.types import Segment, Transcript, Word
from susurrus.writers import WHISPER_FORMATS, render, write


def segment(
    id: int, start: float, end: float, text: str, words: list[tuple[str, float, float]] | None = None
) -> Segment:
    timed = None if words is None else tuple(Word(*word, 0.5) for word in words)
    return Segment(id, 0, start, end, text, (1, id), 0.0, -0.25, 1.0, 0.01, timed)


def transcript(*segments: Segment) -> Transcript:
    return Transcript("".join(s.text for s in segments), "en", segments)


PLAIN = transcript(
    segment(0, 0.0, 1.2, " Hello there,\tworld."),
    segment(1, 1.2, 1.2, ""),
    segment(2, 5.0, 6.0, " A --> B"),
    segment(3, 3661.5, 3664.25, "你好，世界。"),
)
WORDS = transcript(
    segment(0, 0.0, 1.2, " Hello there, world.", [(" Hello", 0.0, 0.5), (" there,", 0.5, 0.5), (" world.", 0.9, 1.2)]),
    segment(1, 1.2, 1.2, "", []),
    segment(
        2, 5.0, 6.5, " So it goes on.", [(" So", 5.0, 5.2), (" it", 5.2, 5.4), (" goes", 5.4, 6.0), (" on.", 6.1, 6.5)]
    ),
    segment(3, 3661.5, 3664.25, "你好，世界。", [("你好，", 3661.5, 3662.0), ("世界。", 3662.0, 3664.25)]),
)

# fmt: off
CASES = [
    (PLAIN, "txt", SubtitleOptions(), """\
Hello there,\tworld.

A --> B
你好，世界。
"""),
    (PLAIN, "vtt", SubtitleOptions(), """\
WEBVTT

00:00.000 --> 00:01.200
Hello there,\tworld.

00:01.200 --> 00:01.200


00:05.000 --> 00:06.000
A -> B

01:01:01.500 --> 01:01:04.250
你好，世界。

"""),
    (PLAIN, "srt", SubtitleOptions(), """\
1
00:00:00,000 --> 00:00:01,200
Hello there,\tworld.

2
00:00:01,200 --> 00:00:01,200


3
00:00:05,000 --> 00:00:06,000
A -> B

4
01:01:01,500 --> 01:01:04,250
你好，世界。

"""),
    (PLAIN, "tsv", SubtitleOptions(), """\
start\tend\ttext
0\t1200\tHello there, world.
1200\t1200\t
5000\t6000\tA --> B
3661500\t3664250\t你好，世界。
"""),
    (PLAIN, "vtt", SubtitleOptions(highlight_words=True, max_line_width=4), """\
WEBVTT

00:00.000 --> 00:01.200
Hello there,\tworld.

00:01.200 --> 00:01.200


00:05.000 --> 00:06.000
A -> B

01:01:01.500 --> 01:01:04.250
你好，世界。

"""),
    (WORDS, "srt", SubtitleOptions(), """\
1
00:00:00,000 --> 00:00:01,200
Hello there, world.

2
00:00:05,000 --> 00:00:06,500
So it goes on.

3
01:01:01,500 --> 01:01:04,250
你好，世界。

"""),
    (WORDS, "vtt", SubtitleOptions(), """\
WEBVTT

00:00.000 --> 00:01.200
Hello there, world.

00:05.000 --> 00:06.500
So it goes on.

01:01:01.500 --> 01:01:04.250
你好，世界。

"""),
    (WORDS, "vtt", SubtitleOptions(highlight_words=True), """\
WEBVTT

00:00.000 --> 00:00.500
<u>Hello</u> there, world.

00:00.500 --> 00:00.500
Hello <u>there,</u> world.

00:00.500 --> 00:00.900
Hello there, world.

00:00.900 --> 00:01.200
Hello there, <u>world.</u>

00:05.000 --> 00:05.200
<u>So</u> it goes on.

00:05.200 --> 00:05.400
So <u>it</u> goes on.

00:05.400 --> 00:06.000
So it <u>goes</u> on.

00:06.000 --> 00:06.100
So it goes on.

00:06.100 --> 00:06.500
So it goes <u>on.</u>

01:01:01.500 --> 01:01:02.000
<u>你好，</u>世界。

01:01:02.000 --> 01:01:04.250
你好，<u>世界。</u>

"""),
    (WORDS, "srt", SubtitleOptions(max_line_width=12), """\
1
00:00:00,000 --> 00:00:01,200
Hello there,
world.

2
00:00:05,000 --> 00:00:06,500
So it goes
on.

3
01:01:01,500 --> 01:01:04,250
你好，世界。

"""),
    (WORDS, "srt", SubtitleOptions(max_line_width=12, max_line_count=2), """\
1
00:00:00,000 --> 00:00:01,200
Hello there,
world.

2
00:00:05,000 --> 00:00:06,500
So it goes
on.

3
01:01:01,500 --> 01:01:04,250
你好，世界。

"""),
    (WORDS, "srt", SubtitleOptions(max_line_width=6, max_line_count=1), """\
1
00:00:00,000 --> 00:00:00,500
Hello

2
00:00:00,500 --> 00:00:00,500
there,

3
00:00:00,900 --> 00:00:01,200
world.

4
00:00:05,000 --> 00:00:05,400
So it

5
00:00:05,400 --> 00:00:06,000
goes

6
00:00:06,100 --> 00:00:06,500
on.

7
01:01:01,500 --> 01:01:04,250
你好，世界。

"""),
    (WORDS, "vtt", SubtitleOptions(max_words_per_line=2), """\
WEBVTT

00:00.000 --> 00:00.500
Hello there,

00:00.900 --> 00:01.200
world.

00:05.000 --> 00:05.400
So it

00:05.400 --> 00:06.500
goes on.

01:01:01.500 --> 01:01:04.250
你好，世界。

"""),
    (WORDS, "srt", SubtitleOptions(highlight_words=True, max_line_width=12), """\
1
00:00:00,000 --> 00:00:00,500
<u>Hello</u> there,
world.

2
00:00:00,500 --> 00:00:00,500
Hello <u>there,</u>
world.

3
00:00:00,500 --> 00:00:00,900
Hello there,
world.

4
00:00:00,900 --> 00:00:01,200
Hello there,
<u>world.</u>

5
00:00:05,000 --> 00:00:05,200
<u>So</u> it goes
on.

6
00:00:05,200 --> 00:00:05,400
So <u>it</u> goes
on.

7
00:00:05,400 --> 00:00:06,000
So it <u>goes</u>
on.

8
00:00:06,000 --> 00:00:06,100
So it goes
on.

9
00:00:06,100 --> 00:00:06,500
So it goes
<u>on.</u>

10
01:01:01,500 --> 01:01:02,000
<u>你好，</u>世界。

11
01:01:02,000 --> 01:01:04,250
你好，<u>世界。</u>

"""),
]
# fmt: on


@pytest.mark.parametrize(("given", "format", "options", "expected"), CASES)
def test_bytes_are_openais(given, format, options, expected):
    assert render(given, format, options) == expected
    file = io.StringIO()
    write(given, format, file, options)
    assert file.getvalue() == expected


@pytest.mark.parametrize(
    ("format", "expected"),
    [("txt", ""), ("vtt", "WEBVTT\n\n"), ("srt", ""), ("tsv", "start\tend\ttext\n")],
)
def test_silence(format, expected):
    assert render(transcript(), format) == expected


def test_json_is_openais():
    given = transcript(
        segment(0, 0.0, 0.5, " Hi\t好", [(" Hi", 0.0, 0.25), ("\t好", 0.25, 0.5)]), segment(1, 0.5, 1.0, "", [])
    )
    assert render(given, "json") == (
        r'{"text": " Hi\t\u597d", "segments": [{"id": 0, "seek": 0, "start": 0.0, "end": 0.5, "text": " Hi\t\u597d", '
        r'"tokens": [1, 0], "temperature": 0.0, "avg_logprob": -0.25, "compression_ratio": 1.0, '
        r'"no_speech_prob": 0.01, "words": [{"word": " Hi", "start": 0.0, "end": 0.25, "probability": 0.5}, '
        r'{"word": "\t\u597d", "start": 0.25, "end": 0.5, "probability": 0.5}]}, '
        r'{"id": 1, "seek": 0, "start": 0.5, "end": 1.0, "text": "", '
        r'"tokens": [1, 1], "temperature": 0.0, "avg_logprob": -0.25, "compression_ratio": 1.0, '
        r'"no_speech_prob": 0.01, "words": []}], "language": "en"}'
    )


def test_json_has_words_only_where_they_were_asked_for():
    assert '"words"' not in render(PLAIN, "json")


def test_json_reads_back_as_the_result():
    assert json.loads(render(WORDS, "json")) == WORDS.to_dict()


def test_arrow_among_words_does_not_read_as_times():
    given = transcript(segment(0, 0.0, 1.0, " a --> b", [(" a", 0.0, 0.3), (" -->", 0.3, 0.6), (" b", 0.6, 1.0)]))
    for options in (SubtitleOptions(), SubtitleOptions(highlight_words=True)):
        for line in render(given, "srt", options).splitlines():
            assert "-->" not in line or line.startswith("00:00:0")


@pytest.mark.parametrize("untimed", [None, []])
def test_text_without_words_among_words_is_not_lost(untimed):
    given = transcript(segment(0, 0.0, 1.0, " Yes", [(" Yes", 0.0, 1.0)]), segment(1, 2.0, 3.0, " Thank you.", untimed))
    assert render(given, "srt").endswith("2\n00:00:02,000 --> 00:00:03,000\nThank you.\n\n")


def test_unknown_format():
    with pytest.raises(OptionError, match="expected one of txt, vtt, srt, tsv, json"):
        render(PLAIN, "docx")
    assert WHISPER_FORMATS == ("txt", "vtt", "srt", "tsv", "json")
