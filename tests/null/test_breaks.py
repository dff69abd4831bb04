"""Where text of many scripts may be cut."""

from __future__ import annotations

import pytest
import regex

from susurrus.writers.breaks import NARROW, WIDE, Quality, needs_space, on_one_line, quality, spans, width
from susurrus.writers.leaning import LEANING


def cut(text: str) -> list[str]:
    return [text[start:end] for start, end in spans(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n ", []),
        (" Hello there,  world.\n", ["Hello", "there,", "world."]),
        ("twenty-five e-mails don’t", ["twenty-five", "e-mails", "don’t"]),
        ("« Bien sûr ! »", ["« Bien", "sûr ! »"]),
        ("50\u00a0% now", ["50\u00a0%", "now"]),
        ("yes—no", ["yes—", "no"]),
        # kinsoku: no mark that closes, small kana or long vowel at the start of a line, none that opens at its end
        ("きょう、「スーパー」へ。", ["きょ", "う、", "「スー", "パー」", "へ。"]),
        ("在2024年，GPT4说", ["在", "2024", "年，", "GPT4", "说"]),
        ("２０２４年", ["２０２４", "年"]),
        # Korean has spaces; a full-width mark ends a word all the same
        ("안녕하세요 여러분", ["안녕하세요", "여러분"]),
        # Thai: a vowel that is written first stays with its consonant, one that follows too
        ("เก้าแก้วจะ", ["เก้า", "แก้", "ว", "จะ"]),
        ("สวัสดี ครับ", ["ส", "วั", "ส", "ดี", "ค", "รั", "บ"]),
        ("مرحبا بكم في القاهرة", ["مرحبا", "بكم", "في", "القاهرة"]),
        ("می‌خواهم بروم", ["می‌خواهم", "بروم"]),
        ("क्षेत्र में", ["क्षेत्र", "में"]),
        ("👨‍👩‍👧‍👦👍🏽🇩🇪", ["👨‍👩‍👧‍👦", "👍🏽", "🇩🇪"]),
        ("Cafe\u0301 noe\u0308l", ["Cafe\u0301", "noe\u0308l"]),
    ],
)
def test_pieces(text, expected):
    assert cut(text) == expected


def test_no_cut_falls_into_a_cluster():
    text = "กำนี้ ក្ខស្រី မြန်မာ क्षे 👨‍👩‍👧‍👦 é한국어 ｶﾞ「が」"
    starts = {match.start() for match in regex.finditer(r"\X", text)}
    assert all(start in starts for start, _ in spans(text))


def test_width_of_a_line():
    assert width("x" * 42) == width("世" * 16) == 42 * NARROW
    assert width("한ａx") == 2 * WIDE + NARROW
    assert width("กี") == 2 * NARROW, "marks count, so that a line is never longer by any count"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("done.", "Then", Quality.SENTENCE),
        ("done.”", "Then", Quality.SENTENCE),
        ("了。", "他", Quality.SENTENCE),
        ("هكذا؟", "نعم", Quality.SENTENCE),
        ("है।", "वह", Quality.SENTENCE),
        ("well,", "yes", Quality.CLAUSE),
        ("啊，", "是", Quality.CLAUSE),
        ("fond", "of", Quality.BEFORE_LEANING),
        ("rock", "stone", Quality.WORD),
        ("of", "the", Quality.AFTER_LEANING),
        ("Mr.", "Smith", Quality.AFTER_LEANING),
        ("J.", "Smith", Quality.AFTER_LEANING),
        ("No.", "Never.", Quality.SENTENCE),
    ],
)
def test_quality_at_a_space(before, after, expected):
    assert quality(before, after, True, LEANING["en"]) == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("は", "本", Quality.BEFORE_LEANING),
        ("本", "当", Quality.INSIDE),
        ("お", "手", Quality.IN_WORD),
        ("テ", "レ", Quality.IN_WORD),
    ],
)
def test_quality_without_spaces(before, after, expected):
    assert quality(before, after, False) == expected


def test_lines_join_as_their_script_does():
    assert on_one_line("你好，\n世界。") == "你好，世界。"
    assert on_one_line("Hello\nworld") == "Hello world"
    assert on_one_line("안녕\n여러분") == "안녕 여러분"
    assert not needs_space("", "a")


def test_leaning_words_are_as_they_are_looked_up():
    for language, words in LEANING.items():
        assert all(word == word.casefold() and word.strip() == word for word in words), language
