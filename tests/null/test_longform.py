"""The walk over a file, fed with scripted windows; no sound and no model."""

from __future__ import annotations

import json

import pytest
from fakes import TOKENIZER

from susurrus.align import WordTiming
from susurrus.longform import LongForm
from susurrus.options import TranscribeOptions
from susurrus.types import Decoded, Mark, Window

BEGIN = TOKENIZER.timestamp_begin
HELLO, BYE = TOKENIZER.encode(" Hello."), TOKENIZER.encode(" Bye.")


def stamp(seconds):
    return BEGIN + round(seconds * 50)


def decoded(*tokens, **given):
    figures = {"temperature": 0.0, "avg_logprob": -0.2, "compression_ratio": 1.0, "no_speech_prob": 0.0}
    return Decoded(tokens=tuple(tokens), text="", language="en", **{**figures, **given})


def walk(n_frames, **options):
    return LongForm(n_frames, TOKENIZER, TranscribeOptions(**options))


def test_an_empty_file_has_no_window():
    assert walk(0).window() is None
    assert walk(0).text() == ""


def test_asking_twice_gives_the_same_window():
    work = walk(5000)
    assert work.window() == work.window() == Window(0, 3000)


def test_a_window_without_a_pair_of_timestamps_is_one_segment():
    work = walk(4000)
    [segment] = work.accept(decoded(BEGIN, *HELLO, stamp(7.5)))
    assert (segment.start, segment.end, segment.text) == (0.0, 7.5, " Hello.")
    assert work.window().seek == 3000
    assert work.window().n_frames == 1000


def test_what_follows_the_last_pair_is_left_to_the_next_window():
    work = walk(6000)
    segments = work.accept(decoded(BEGIN, *HELLO, stamp(2), stamp(2), *BYE))
    assert [(s.start, s.end, s.text) for s in segments] == [(0.0, 2.0, " Hello.")]
    assert work.window().seek == 200


def test_a_single_timestamp_at_the_end_finishes_the_window():
    work = walk(6000)
    segments = work.accept(decoded(BEGIN, *HELLO, stamp(2), stamp(3), *BYE, stamp(4)))
    assert [(s.id, s.start, s.end) for s in segments] == [(0, 0.0, 2.0), (1, 3.0, 4.0)]
    assert work.window().seek == 3000


def test_the_text_so_far_is_the_next_prompt():
    work = walk(9000)
    first = (BEGIN, *HELLO, stamp(2))
    work.accept(decoded(*first))
    assert work.window().prompt == first
    work.accept(decoded(BEGIN, *BYE, stamp(2)))
    assert work.window().prompt == (*first, BEGIN, *BYE, stamp(2))
    assert work.text() == " Hello. Bye."


def test_a_prompt_is_dropped_after_a_high_temperature_or_on_request():
    work = walk(9000)
    work.accept(decoded(BEGIN, *HELLO, stamp(2), temperature=0.6))
    assert work.window().prompt == ()
    work = walk(9000, condition_on_previous_text=False)
    work.accept(decoded(BEGIN, *HELLO, stamp(2)))
    assert work.window().prompt == ()


def test_an_initial_prompt_is_not_text():
    work = walk(9000, initial_prompt="Names: Ann")
    prompt = tuple(TOKENIZER.encode(" Names: Ann"))
    assert work.window().prompt == prompt
    work.accept(decoded(BEGIN, *HELLO, stamp(2)))
    assert work.window().prompt == (*prompt, BEGIN, *HELLO, stamp(2))
    assert work.text() == " Hello."


def test_an_initial_prompt_is_carried_and_old_text_gives_way():
    work = walk(10**6, initial_prompt="Names: Ann", carry_initial_prompt=True, condition_on_previous_text=True)
    prompt = tuple(TOKENIZER.encode(" Names: Ann"))
    for _ in range(40):
        work.accept(decoded(BEGIN, *HELLO * 4, stamp(2)))
    got = work.window().prompt
    assert got[: len(prompt)] == prompt
    assert len(got) == 223


@pytest.mark.parametrize(
    ("figures", "options", "is_skipped"),
    [
        ({"no_speech_prob": 0.7, "avg_logprob": -1.2}, {}, True),
        ({"no_speech_prob": 0.7, "avg_logprob": -0.9}, {}, False),
        ({"no_speech_prob": 0.5, "avg_logprob": -1.2}, {}, False),
        ({"no_speech_prob": 0.7, "avg_logprob": -0.9}, {"logprob_threshold": None}, True),
        ({"no_speech_prob": 0.7, "avg_logprob": -1.2}, {"no_speech_threshold": None}, False),
    ],
)
def test_a_silent_window_is_skipped(figures, options, is_skipped):
    work = walk(5000, **options)
    segments = work.accept(decoded(BEGIN, *HELLO, stamp(2), **figures))
    assert (segments == []) == is_skipped
    assert work.window().seek == 3000


def test_clips_are_walked_one_by_one():
    work = walk(10000, clip_timestamps="10,20,50")
    assert work.window() == Window(1000, 1000)
    [segment] = work.accept(decoded(BEGIN, *HELLO, stamp(2)))
    assert (segment.start, segment.end) == (10.0, 12.0)
    assert work.window().seek == 5000
    work.accept(decoded(BEGIN, *HELLO))
    assert work.window().seek == 8000
    work.accept(decoded(BEGIN, *HELLO))
    assert work.window() is None


def test_clips_beyond_the_end_are_empty():
    assert walk(1000, clip_timestamps="50,60").window() is None
    assert walk(1000, clip_timestamps="5,60").window() == Window(500, 500)


def test_segments_without_length_or_text_are_emptied_as_openai_does():
    work = walk(6000)
    segments = work.accept(decoded(BEGIN, *HELLO, BEGIN, BEGIN, *TOKENIZER.encode(" "), stamp(4), stamp(4)))
    assert [(s.text, s.tokens, s.words) for s in segments] == [("", (), ()), ("", (), ())]
    assert work.text() == ""


def test_accepting_after_the_end_is_an_error():
    with pytest.raises(ValueError, match="over"):
        walk(0).accept(decoded())


def words(*given):
    return [WordTiming(word, [0], start, end, p) for word, start, end, p in given]


def test_words_say_where_to_go_on():
    work = walk(6000, word_timestamps=True)
    n = len(HELLO)
    timing = WordTiming(" Hello.", HELLO, 0.5, 1.7, 0.9)
    [segment] = work.accept(decoded(BEGIN, *HELLO, stamp(2), stamp(2), *BYE), [timing])
    assert n == len(timing.tokens)
    assert (segment.start, segment.end) == (0.5, 1.7)
    assert work.window().seek == 170
    assert work.state.last_speech_end == 1.7


def test_words_are_asked_for_of_finished_segments_only():
    work = walk(6000, word_timestamps=True)
    tokens = decoded(BEGIN, *HELLO, stamp(2), stamp(2), *BYE)
    assert work.text_to_align(tokens) == HELLO
    silent = decoded(BEGIN, *HELLO, stamp(2), no_speech_prob=0.9, avg_logprob=-2.0)
    assert work.text_to_align(silent) == []
    with pytest.raises(ValueError, match="timings"):
        work.accept(tokens)


def test_a_walk_always_moves_on():
    work = walk(6000, word_timestamps=True)
    timing = WordTiming(" Hello.", HELLO, 0.0, 0.0, 0.9)
    timing.end = 0.001
    work.accept(decoded(BEGIN, *HELLO, stamp(2), stamp(2), *BYE), [timing])
    assert work.window().seek > 0


def test_an_invented_word_after_leading_silence_is_listened_to_again():
    work = walk(6000, word_timestamps=True, hallucination_silence_threshold=2.0)
    timing = WordTiming(" Hello.", HELLO, 10.0, 10.01, 0.01)
    assert work.accept(decoded(BEGIN, *HELLO, stamp(12)), [timing]) == []
    assert work.window().seek == 1000
    assert work.text() == ""


def test_an_invented_segment_between_silences_is_dropped():
    work = walk(6000, word_timestamps=True, hallucination_silence_threshold=2.0)
    good = WordTiming(" Hello.", HELLO, 0.1, 0.9, 0.9)
    bad = WordTiming(" Bye.", BYE, 20.0, 20.01, 0.01)
    segments = work.accept(decoded(BEGIN, *HELLO, stamp(1), stamp(20), *BYE, stamp(21)), [good, bad])
    assert [s.text for s in segments] == [" Hello."]
    assert work.window().seek == 2000


@pytest.mark.parametrize(
    "options", [{}, {"initial_prompt": "So"}, {"condition_on_previous_text": False}, {"clip_timestamps": "1,40,50"}]
)
def test_a_marked_walk_is_taken_up_where_it_was(options):
    work, marks = walk(9000, **options), []
    for window in (HELLO, BYE):
        marks.append(work.mark(work.accept(decoded(BEGIN, *window, stamp(2)))))
    again = walk(9000, **options)
    again.take_up([Mark(m.segments, json.loads(json.dumps(m.walk))) for m in marks])
    assert again.state == work.state
    assert again.window() == work.window()
    later = decoded(BEGIN, *BYE, stamp(2))
    assert again.accept(later) == work.accept(later)
    assert again.text() == work.text()
