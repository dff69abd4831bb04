"""Word times: the warping and the median against slow twins, and the repairs on hand-made words."""

from __future__ import annotations

import numpy as np
import pytest

from susurrus.align import WordTiming, attention_matrix, dtw, median_filter, merge_punctuations, place_words
from susurrus.segments import SegmentDraft


def naive_dtw(x):
    """The recurrence as it stands in the book, ties as in openai/whisper."""
    n, m = x.shape
    cost = np.full((n + 1, m + 1), np.inf)
    trace = np.full((n + 1, m + 1), -1)
    cost[0, 0] = 0
    for j in range(1, m + 1):
        for i in range(1, n + 1):
            c = [cost[i - 1, j - 1], cost[i - 1, j], cost[i, j - 1]]
            t = 0 if c[0] < c[1] and c[0] < c[2] else 1 if c[1] < c[0] and c[1] < c[2] else 2
            cost[i, j] = x[i - 1, j - 1] + c[t]
            trace[i, j] = t
    i, j, path = n, m, []
    while i > 0 or j > 0:
        path.append((i - 1, j - 1))
        i, j = {0: (i - 1, j - 1), 1: (i - 1, j), 2: (i, j - 1)}[int(trace[i, j])]
    return [p[0] for p in path[::-1]], [p[1] for p in path[::-1]]


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (3, 9), (9, 3), (20, 70)])
@pytest.mark.parametrize("kind", ["random", "ties"])
def test_dtw_equals_the_twin(shape, kind):
    rng = np.random.default_rng(sum(shape))
    x = rng.normal(size=shape) if kind == "random" else rng.integers(0, 3, size=shape).astype(float)
    rows, columns = dtw(x)
    assert (rows.tolist(), columns.tolist()) == naive_dtw(x)


@pytest.mark.parametrize("n", [1, 3, 4, 5, 50])
def test_median_filter_equals_sorting(n):
    x = np.random.default_rng(n).normal(size=(3, n)).astype(np.float32)
    ours = median_filter(x, 7)
    if n <= 3:
        assert np.array_equal(ours, x)
        return
    padded = np.pad(x, ((0, 0), (3, 3)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 7, axis=-1)
    assert np.array_equal(ours, np.sort(windows, axis=-1)[..., 3])


def test_attention_matrix_finds_the_diagonal():
    scores = np.zeros((2, 6, 60), dtype=np.float32)
    for token in range(6):
        scores[:, token, token * 10 : token * 10 + 10] = 8.0
    matrix = attention_matrix(scores, 60)
    assert matrix.argmax(axis=1).tolist() == pytest.approx([5, 15, 25, 35, 45, 55], abs=5)
    assert attention_matrix(scores, 30).shape == (6, 30)


def test_attention_that_never_varies_is_not_divided_by_zero():
    assert np.isfinite(attention_matrix(np.zeros((1, 4, 20), dtype=np.float32), 20)).all()


def timings(*words):
    return [WordTiming(word, [i], start, end, 0.9) for i, (word, start, end) in enumerate(words)]


def test_punctuation_goes_to_its_word():
    words = timings((' "', 0, 0.1), ("Hi", 0.1, 0.5), (",", 0.5, 0.5), (" you", 0.6, 1.0), ("!", 1.0, 1.0))
    merge_punctuations(words, "\"'“¿([{-", "\"'.。,，!！?？:：”)]}、")
    assert [w.word for w in words] == ["", ' "Hi,', "", " you!", ""]
    assert [w.tokens for w in words] == [[], [0, 1, 2], [], [3, 4], []]


def place(segments, words, last_speech_end=0.0, offset=0.0):
    place_words(
        segments,
        words,
        offset=offset,
        eot=1000,
        last_speech_end=last_speech_end,
        prepend_punctuations="\"'“¿([{-",
        append_punctuations="\"'.。,，!！?？:：”)]}、",
    )
    return segments


def test_words_go_to_their_segments_and_move_their_times():
    words = timings((" one", 0.2, 0.5), (" two", 0.5, 0.9), (" three", 1.2, 1.5))
    first, second = place(
        [SegmentDraft(10.0, 11.0, [2000, 0, 1, 2050]), SegmentDraft(11.0, 12.0, [2050, 2, 2100])], words, 10.0, 10.0
    )
    assert [(w.word, w.start, w.end) for w in first.words] == [(" one", 10.2, 10.5), (" two", 10.5, 10.9)]
    assert [w.word for w in second.words] == [" three"]
    assert (first.start, first.end, second.start, second.end) == (10.2, 10.9, 11.2, 11.5)


def test_a_first_word_that_reaches_into_the_pause_is_shortened():
    words = timings((" one", 0.0, 9.0), (" two", 9.0, 9.4), (" three", 9.4, 9.8))
    [segment] = place([SegmentDraft(0.0, 10.0, [0, 1, 2])], words)
    assert segment.words[0].start == pytest.approx(8.2)  # twice the median of 0.4 s
    assert segment.start == segment.words[0].start


def test_a_word_at_a_sentence_end_does_not_keep_the_pause():
    words = timings((" a", 0.0, 0.2), (" b", 0.2, 0.4), (".", 0.4, 5.0), (" c", 5.0, 5.2))
    [segment] = place([SegmentDraft(0.0, 5.2, [0, 1, 2, 3])], words)
    assert [w.word for w in segment.words] == [" a", " b.", " c"]
    assert words[2].end == pytest.approx(0.8)


def test_no_words_leave_a_segment_as_it_is():
    [segment] = place([SegmentDraft(1.0, 2.0, [])], [])
    assert (segment.start, segment.end, segment.words) == (1.0, 2.0, [])
