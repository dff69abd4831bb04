"""Is a difference more than chance? Against cases that can be enumerated, and against common sense."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from susurrus.evaluation.likeness import likeness
from susurrus.evaluation.manifest import Clip
from susurrus.evaluation.metrics import Counts
from susurrus.evaluation.results import Result
from susurrus.evaluation.scoring import Score, Scored
from susurrus.evaluation.significance import compare, difference


def enumerated(a, b, n):
    """Give the difference of rates of every way to draw as many clips as there are."""
    rows = [list(draw) for draw in product(range(len(n)), repeat=len(n))]
    a, b, n = map(np.array, (a, b, n))
    return np.array([(b[row].sum() - a[row].sum()) / n[row].sum() for row in rows])


def test_identical_systems_do_not_differ():
    found = difference([3, 0, 2, 5] * 20, [3, 0, 2, 5] * 20, [10, 4, 20, 30] * 20)
    assert (found.difference, found.low, found.high, found.p, found.n_differing) == (0, 0, 0, 1, 0)
    assert not found.is_significant


def test_a_clear_difference_is_significant_and_its_mirror_image_too():
    rng = np.random.default_rng(1)
    n = rng.integers(5, 30, size=100)
    a, b = rng.binomial(n, 0.3), rng.binomial(n, 0.1)
    found, mirrored = difference(a, b, n), difference(b, a, n)
    assert found.is_significant
    assert found.high < 0 < mirrored.low
    assert found.difference == pytest.approx(b.sum() / n.sum() - a.sum() / n.sum())
    assert (mirrored.low, mirrored.high, mirrored.p) == pytest.approx((-found.high, -found.low, found.p))


def test_noise_is_seldom_called_a_difference():
    rng = np.random.default_rng(2)
    n_called = 0
    for _ in range(200):
        n = rng.integers(5, 30, size=40)
        rate = rng.uniform(0, 0.5, size=40)  # hard clips are hard for both
        n_called += difference(rng.binomial(n, rate), rng.binomial(n, rate), n, n_resamples=1000).is_significant
    assert 2 <= n_called <= 24  # 5 % of 200 are 10


def test_the_resamples_are_those_of_the_enumeration():
    a, b, n = [4, 0, 3, 2, 5], [1, 1, 2, 0, 6], [5, 10, 4, 8, 6]
    every = enumerated(a, b, n)
    found = difference(a, b, n, n_resamples=50_000)
    low, high = np.quantile(every, [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.01)
    share = 2 * min((every <= 0).mean(), (every >= 0).mean())
    assert share > 2 ** (1 - 5)
    assert found.p == pytest.approx(share, abs=0.01)


def test_a_few_clips_prove_nothing_however_alike():
    assert difference([5] * 5, [1] * 5, [10] * 5).p == 2**-4
    assert not difference([5] * 5, [1] * 5, [10] * 5).is_significant
    assert difference([5] * 6, [1] * 6, [10] * 6).is_significant
    assert not difference([5] * 3 + [2] * 50, [1] * 3 + [2] * 50, [10] * 53).is_significant


def test_the_same_seed_gives_the_same_interval():
    cases = [5, 1, 3, 0, 7], [4, 2, 0, 1, 5], [9, 9, 9, 9, 9]
    assert difference(*cases) == difference(*cases)
    assert difference(*cases, seed=1) != difference(*cases)


def clip(id, errors, n, *, reference="x", kind="read"):
    words = Counts(n - errors, errors)
    return Scored(
        Clip(id, f"{id}.wav", reference, "en", {"kind": kind}), Result(id, "y"), Score(reference, "y", words, words)
    )


def test_only_clips_with_the_same_reference_in_both_are_compared():
    first = [clip("a", 1, 4), clip("b", 2, 4), clip("c", 3, 4), clip("e", 0, 4, kind="hard")]
    second = [clip("b", 1, 4), clip("c", 0, 4, reference="z"), clip("d", 0, 4), clip("e", 4, 4, kind="hard")]
    found = compare(first, second, group_by=["kind"])
    assert (found.only_first, found.only_second, found.unlike) == (["a"], ["d"], ["c"])
    assert {name: (d.n_clips, d.first, d.second) for name, d in found.groups["kind"].items()} == {
        "read": (1, 0.5, 0.25),
        "hard": (1, 0.0, 1.0),
    }
    assert found.groups["total"]["all"].n_words == 8


def result(id, *segments):
    made = [
        {
            "start": words[0][1],
            "end": words[-1][2],
            "words": [dict(zip(("word", "start", "end"), w, strict=True)) for w in words],
        }
        for words in segments
    ]
    return Result(id, "".join(word[0] for words in segments for word in words), segments=tuple(made))


def test_likeness_of_texts_segments_and_words():
    ours = result("a", [(" a", 0.0, 0.5), (" b", 0.5, 1.0)], [(" c", 1.0, 1.5)])
    moved = result("a", [(" a", 0.0, 0.52), (" b", 0.53, 1.0)], [(" c", 1.0, 1.5)])
    longer = result("a", [(" z", 0.0, 0.0), (" a", 0.0, 0.5), (" b", 0.5, 1.0)], [(" c", 1.0, 1.5)])

    same = likeness({"a": ours, "b": ours}, {"a": ours, "c": ours})
    assert (same.n_clips, same.n_same_text, same.n_same_times, same.n_words, same.n_same_words) == (1, 1, 1, 3, 3)
    assert same.differences == []

    late = likeness({"a": ours}, {"a": moved})
    assert (late.n_same_text, late.n_same_times, late.n_same_words) == (1, 1, 2)
    assert late.differences == [{"id": "a", "text": True, "times": True, "words": [2, 3]}]

    other = likeness({"a": ours}, {"a": longer})
    assert (other.n_same_text, other.n_words, other.n_same_words) == (0, 4, 3)
    assert other.differences[0]["ours"] == " a b c"
