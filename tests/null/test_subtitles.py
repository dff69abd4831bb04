"""The broadcast preset: whatever is said, the limits hold and no word is lost."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from susurrus.errors import OptionError
from susurrus.options import SubtitleOptions
from susurrus.presets import PRESETS
from susurrus.types import Segment, Transcript, Word
from susurrus.writers import render, subtitles
from susurrus.writers.breaks import NARROW, clusters, width
from susurrus.writers.broadcast import cut

BROADCAST = PRESETS["broadcast"]
WORDS = {
    "en": [
        "the",
        "a",
        "of",
        "and",
        "when",
        "stone",
        "cutter",
        "mountain,",
        "spirit.",
        "incomprehensibilities!",
        "he",
        "had",
        "Mr.",
        "e-mail",
        "25",
    ],
    "de": [
        "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichenverordnung",
        "die",
        "der",
        "und,",
        "war.",
        "Haus",
    ],
    "ar": ["السلام", "عليكم،", "في", "القاهرة.", "من"],
    "hi": ["क्षेत्र", "में", "है।", "और", "लोग"],
    "ja": ["今日", "は", "スーパー", "へ、", "行き", "ました。", "「テレビ」", "と", "お茶", "を"],
    "th": ["สวัสดี", "ครับ", "เก้าแก้ว", "น้ำ"],
    "ko": ["안녕하세요", "여러분,", "오늘은", "그리고"],
    "xx": ["👨‍👩‍👧‍👦", "x" * 100, "é" * 50, "—", ".", "世" * 40],
}
NO_SPACES = ("ja", "th")


def a_segment(start: float, end: float, text: str, words: list[Word] | None = None, speaker: str | None = None):
    return Segment(
        0, 0, start, end, text, (), 0.0, 0.0, 1.0, 0.0, None if words is None else tuple(words), None, speaker
    )


def random_segments(rng: random.Random, language: str, *, speaker: str | None = None) -> list[Segment]:
    """Speech at a random rate with random pauses; at times words without length, or times that go backwards."""
    segments, now = [], rng.random() * 3
    rate = rng.choice([0.0, 0.02, 0.06, 0.12])  # seconds a character
    for _ in range(rng.randint(1, 8)):
        words = []
        for _ in range(rng.randint(1, 20)):
            text = ("" if language in NO_SPACES else " ") + rng.choice(WORDS[language])
            start, now = now, now + rate * len(text)
            words.append(Word(text, round(start, 2), round(now, 2), 0.5))
            now += rng.choice([0, 0, 0, 0.1, 0.7, 2.5]) * (rate > 0)
        text = "".join(word.word for word in words)
        has_words = rng.random() < 0.5
        segments.append(a_segment(words[0].start, words[-1].end, text, words if has_words else None, speaker))
        now += rng.choice([0, 0, 0.3, 5, -1])
        now = max(now, 0.0)
    return segments


def bare(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize("language", WORDS)
@pytest.mark.parametrize("seed", range(25))
def test_limits_hold_and_no_word_is_lost(language, seed):
    rng = random.Random(f"{language} {seed}")
    segments = random_segments(rng, language)
    found = cut(segments, BROADCAST, language=language)
    assert bare("".join(one.text for one in found)) == bare("".join(segment.text for segment in segments))
    for one in found:
        lines = one.text.split("\n")
        assert len(lines) <= 2
        assert all(line == line.strip() and 0 < width(line) <= 42 * NARROW for line in lines)
        assert 80 <= one.end_cs - one.start_cs <= 700
    for one, after in pairwise(found):
        assert after.start_cs - one.end_cs >= 8
    whole = [cluster for segment in segments for cluster in clusters(bare(segment.text))]
    assert [cluster for one in found for cluster in clusters(bare(one.text))] == whole


@pytest.mark.parametrize("seed", range(25))
def test_words_that_fit_are_never_cut(seed):
    segments = random_segments(random.Random(seed), "en")
    said = [word for segment in segments for word in segment.text.split()]
    assert [word for one in cut(segments, BROADCAST, language="en") for word in one.text.split()] == said


@pytest.mark.parametrize("seed", range(40))
def test_cues_of_two_speakers_meet_only_where_they_speak_at_once(seed):
    rng = random.Random(seed)
    both = [random_segments(rng, "en", speaker=name) for name in ("left", "right")]
    segments = sorted((segment for own in both for segment in own), key=lambda segment: segment.start)
    found = cut(segments, BROADCAST)
    assert [one.start_cs for one in found] == sorted(one.start_cs for one in found)
    for name in ("left", "right"):
        own = [segment for segment in segments if segment.speaker == name]
        shown = [one for one in found if one.speaker == name]
        assert bare("".join(one.text for one in shown)) == bare("".join(segment.text for segment in own))
        assert all(b.start_cs - a.end_cs >= 8 for a, b in pairwise(shown))


def test_speakers_in_turn_do_not_overlap():
    turns = [a_segment(i * 0.3, i * 0.3 + 0.3, " Yes.", None, "ab"[i % 2]) for i in range(6)]
    found = cut(turns, BROADCAST)
    assert len(found) == 6
    assert all(b.start_cs - a.end_cs >= 8 for a, b in pairwise(found))


def test_speakers_at_once_are_shown_at_once():
    found = cut([a_segment(0, 4, " It goes on and on.", None, "a"), a_segment(1, 2, " Stop!", None, "b")], BROADCAST)
    assert [(one.start_cs, one.end_cs, one.speaker) for one in found] == [(0, 400, "a"), (100, 200, "b")]


def test_cues_keep_their_words_start():
    segments = [a_segment(float(i), i + 0.9, f" Number {i}, it goes.") for i in range(0, 20, 2)]
    assert [one.start_cs for one in cut(segments, BROADCAST)] == [100 * i for i in range(0, 20, 2)]


def test_a_cue_stays_until_it_can_be_read():
    text = " This is said much faster than anybody could ever read it here."
    (one,) = cut([a_segment(0, 1, text)], BROADCAST)
    assert one.end_cs == -(-100 * len(one.text) // 20)
    first, _ = cut([a_segment(0, 1, text), a_segment(2.0, 4.0, " Then there is more.")], BROADCAST)
    assert first.end_cs == 192, "the next one comes, less the gap"


def test_a_short_pause_is_not_left_empty_and_a_long_one_is():
    one, other = (
        " It goes on and on without an end in sight for us.",
        " It does so for a long time and then it is over.",
    )
    first, *_ = cut([a_segment(0, 3, one), a_segment(3.4, 6, other)], BROADCAST)
    assert first.end_cs == 332
    first, *_ = cut([a_segment(0, 3, one), a_segment(4.4, 7, other)], BROADCAST)
    assert first.end_cs == 300


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        (
            " At the sound of it the stone cutter looked round, but could see nobody.",
            "en",
            "At the sound of it the stone cutter\nlooked round, but could see nobody.",
        ),
        (
            " He had seen the house of a very rich man in a town.",
            "en",
            "He had seen the house\nof a very rich man in a town.",
        ),
        (" Short enough for one line.", "en", "Short enough for one line."),
        (
            "今日はスーパーへ行きました、そして卵を買って家に帰りました",
            "ja",
            "今日はスーパーへ行きました、\nそして卵を買って家に帰りました",
        ),
        ("我们今天去超市买了很多东西，然后就回家做饭了", "zh", "我们今天去超市买了很多东西，\n然后就回家做饭了"),
    ],
)
def test_lines_break_at_clauses(text, language, expected):
    (one,) = cut([a_segment(0, 6, text)], BROADCAST, language=language)
    assert one.text == expected


def test_a_sentence_is_not_begun_at_the_end_of_a_cue():
    text = " The first sentence is here and it takes nearly all of the room there is. It is over."
    first, second = cut([a_segment(0, 7, text)], BROADCAST, language="en")
    assert first.text.endswith("is.")
    assert second.text == "It is over."


def test_a_pause_parts_cues():
    words = [Word(" So", 0, 0.5, 1), Word(" then", 0.5, 1, 1), Word(" there", 4, 4.5, 1), Word(" was", 4.5, 5, 1)]
    found = cut([a_segment(0, 5, " So then there was", words)], BROADCAST)
    assert [one.text for one in found] == ["So then", "there was"]
    assert found[1].start_cs == 400


@pytest.mark.parametrize(
    "text", ["我们今天去超市买了很多东西然后回家", "It is said so slowly that nobody would wait for its end."]
)
def test_slow_speech_is_shown_as_it_comes(text):
    found = cut([a_segment(0, 24, text)], BROADCAST)
    assert len(found) >= 4
    assert all(after.start_cs - one.end_cs <= 50 for one, after in pairwise(found))


def test_segments_without_spaces_or_marks_are_parted_by_a_space():
    (one,) = cut([a_segment(0, 1, "我们走了"), a_segment(1, 2, "他们来了")], BROADCAST, language="zh")
    assert one.text == "我们走了 他们来了"


def test_the_name_of_a_speaker_takes_its_place_in_the_line():
    text = " This line would fit without the name before it."[:43]
    given = Transcript(text, "en", (a_segment(0, 3, text, None, "left"),))
    shown = render(given, "srt", SubtitleOptions(subtitle_preset="broadcast")).splitlines()[2:]
    assert shown[0].startswith("[left]: This")
    assert all(len(line) <= 42 for line in shown)
    long = Transcript(text, "en", (a_segment(0, 3, text, None, "a name that is far too long for a line " * 3),))
    assert all(
        len(line) <= 42 for line in render(long, "srt", SubtitleOptions(subtitle_preset="broadcast")).splitlines()
    )


# Options


def test_a_preset_takes_the_limits_given_beside_it():
    text = " one two three four five six seven eight nine ten"
    given = Transcript(text, "en", (a_segment(0, 10, text),))
    options = SubtitleOptions(subtitle_preset="broadcast", max_line_width=12, max_line_count=1)
    cues = [block.splitlines()[2:] for block in render(given, "srt", options).split("\n\n") if block]
    assert all(len(lines) == 1 and len(lines[0]) <= 12 for lines in cues)


@pytest.mark.parametrize(
    "given",
    [
        {"subtitle_preset": "cinema"},
        {"subtitle_preset": "broadcast", "highlight_words": True},
        {"subtitle_preset": "broadcast", "max_words_per_line": 3},
        {"subtitle_preset": "broadcast", "max_line_width": 3},
        {"subtitle_preset": "broadcast", "max_line_count": 3},
    ],
)
def test_a_preset_that_cannot_be_honoured_is_refused(given):
    with pytest.raises(OptionError):
        SubtitleOptions(**given)


# openai-whisper's own limits, with words that are longer than a line


def test_long_words_without_spaces_are_cut_by_the_rules_of_their_script():
    text = "そうしましたら、大変お手数を掛けします。"
    found = list(subtitles([a_segment(0, 20, text, [Word(text, 0, 20, 1)])], SubtitleOptions(max_line_width=8)))
    lines = "".join(word.word for words in found for word in words).split("\n")
    assert "".join(lines) == text
    assert all(len(line) <= 8 and line[0] not in "、。っょ" for line in lines)
    times = [time for words in found for word in words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert (times[0], times[-1]) == (0, 20)


def test_untimed_text_among_words_is_cut_at_spaces():
    segments = [a_segment(0, 1, " Yes", [Word(" Yes", 0, 1, 1)]), a_segment(2, 4, " Thank you very much.")]
    found = list(subtitles(segments, SubtitleOptions(max_line_width=10)))
    assert ["".join(word.word for word in words) for words in found] == ["Yes", "Thank you\nvery much."]


def test_a_long_word_with_letters_stays_whole():
    word = Word(" " + "x" * 30, 0, 1, 1)
    (found,) = subtitles([a_segment(0, 1, word.word, [word])], SubtitleOptions(max_line_width=8))
    assert [one.word for one in found] == ["x" * 30]
