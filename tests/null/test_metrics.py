"""Error rates on hand-made cases, whose counts can be checked by eye."""

from __future__ import annotations

import pytest

from susurrus.evaluation.manifest import Clip
from susurrus.evaluation.results import Result
from susurrus.evaluation.scoring import grouped, score, summarise

pytest.importorskip("jiwer", reason="the evaluate extra is not installed")

from susurrus.evaluation.metrics import Counts, Metrics, loops


@pytest.fixture(scope="module")
def metrics():
    return Metrics()


def scored(metrics, said, heard, *, language="en", heard_language=None, id="a", **columns):
    clip = Clip(id, f"{id}.wav", said, language, columns)
    return score(clip, Result(id, heard, heard_language or language, duration=2.0, seconds=1.0), metrics)


@pytest.mark.parametrize(
    ("said", "heard", "hits", "substitutions", "deletions", "insertions"),
    [
        ("the cat sat on the mat", "the cat sat on the mat", 6, 0, 0, 0),
        ("the cat sat on the mat", "the hat sat on the mat", 5, 1, 0, 0),
        ("the cat sat on the mat", "cat sat on the mat", 5, 0, 1, 0),
        ("the cat sat on the mat", "the cat sat down on the mat", 6, 0, 0, 1),
        ("a b c d e f", "a x c e f g h", 4, 1, 1, 2),
        ("one word", "", 0, 0, 2, 0),
        ("", "two words", 0, 0, 0, 2),
        ("", "", 0, 0, 0, 0),
    ],
)
def test_words_of_known_errors(metrics, said, heard, hits, substitutions, deletions, insertions):
    assert metrics.words(said, heard) == Counts(hits, substitutions, deletions, insertions)


def test_characters_count_the_space_between_words(metrics):
    assert metrics.characters("ab cd", "ab cd") == Counts(hits=5)
    assert metrics.characters("ab cd", "abcd") == Counts(hits=4, deletions=1)


@pytest.mark.parametrize(
    ("language", "text", "normalised"),
    [
        ("en", "It's TWENTY-five dollars, isn't it?", "it is $25 is not it"),
        ("en", "It’s", "it s"),  # so does OpenAI's code, which knows the straight apostrophe only
        ("en", "The colour [laughs] (coughs) uh of the cause", "the color of the cause"),
        ("en-GB", "colour", "color"),
        ("de", "Zwanzig Bäume, dreißig Straßen!", "zwanzig bäume dreißig straßen"),
        ("zh", "你好，世界 abc", "你 好 世 界 a b c"),
        ("ja", "カタカナ。", "カ タ カ ナ"),
        ("th", "ไทย", "ไ ท ย"),
        (None, "Colour, twenty", "colour twenty"),
    ],
)
def test_normalisation_is_whispers(metrics, language, text, normalised):
    assert metrics.normalise(text, language) == normalised


def test_letters_are_words_where_words_have_no_spaces(metrics):
    one = scored(metrics, "今天天气很好", "今天天很好。", language="zh").score
    assert one.words == one.characters == Counts(hits=5, deletions=1)


def test_the_manifests_language_decides_the_normalisation_not_the_one_heard(metrics):
    assert scored(metrics, "twenty colours", "20 colors", language="en", heard_language="de").score.words.errors == 0
    assert scored(metrics, "twenty colours", "20 colors", language=None, heard_language="en").score.words.errors == 0
    assert scored(metrics, "twenty colours", "20 colors", language="de", heard_language="en").score.words.errors == 2


def test_a_rate_is_that_of_the_sums_not_the_mean_of_the_clips(metrics):
    clips = [
        scored(metrics, "no", "yes"),
        scored(metrics, "the cat sat on the mat again today and", "the cat sat on the mat again today and"),
    ]
    assert summarise(clips)["words"]["rate"] == 1 / 10
    assert summarise(clips)["characters"]["rate"] == 3 / 40


def test_groups_add_up_to_the_total(metrics):
    clips = [
        scored(metrics, "a b c", "a x c", id="1", kind="read"),
        scored(metrics, "a b c d", "a c d e f", id="2", kind="hard"),
        scored(metrics, "eins zwei", "zwei", id="3", kind="hard", language="de"),
        scored(metrics, "vier", "vier fünf", id="4", language="de"),
    ]
    groups = grouped(clips, ["kind", "language", "kind+language"])
    total = summarise(groups["total"]["all"])["words"]
    by_language = [summarise(members)["words"] for members in groups["language"].values()]
    for key in ("hits", "substitutions", "deletions", "insertions", "n", "errors"):
        assert total[key] == sum(part[key] for part in by_language)
    assert (total["n"], total["substitutions"], total["deletions"], total["insertions"]) == (10, 1, 2, 3)
    assert {name: len(members) for name, members in groups["kind"].items()} == {"hard": 2, "read": 1}
    assert list(groups["kind+language"]) == ["hard de", "hard en", "read en"]


def test_words_where_nothing_is_said_are_counted_apart(metrics):
    clips = [scored(metrics, "", "thank you"), scored(metrics, "", "..."), scored(metrics, "a b", "a b")]
    group = summarise(clips)
    assert group["silent"] == {"n_clips": 2, "n_clips_with_words": 1, "n_words": 2}
    assert (group["words"]["n"], group["words"]["errors"], group["n_rated"]) == (2, 0, 1)
    assert summarise(clips[:2])["words"]["rate"] is None


def test_references_that_are_not_exact_do_not_count_and_books_count_apart(metrics):
    clips = [
        scored(metrics, "a b", "x y", id="1", ref_quality="approx"),
        scored(metrics, None, "x y", id="2"),
        scored(metrics, "a b", "x y", id="3", ref_quality="none"),
        scored(metrics, "a b", "a y", id="4", ref_quality="gold"),
        scored(metrics, "a b", "x a b y", id="5", ref_quality="book"),
    ]
    total = {name: summarise(members) for name, members in grouped(clips, [])["total"].items()}
    assert total["all"]["n_clips"] == 4
    assert (total["all"]["n_rated"], total["all"]["words"]["rate"]) == (1, 0.5)
    assert total["all (book)"]["words"]["insertions"] == 2


def test_what_failed_is_neither_scored_nor_timed(metrics):
    failed = score(Clip("a", "a.wav", "a b", "en"), Result("a", None, error="broken"), metrics)
    group = summarise([failed, scored(metrics, "a", "a")])
    assert (group["n_failed"], group["n_rated"], group["words"]["n"]) == (1, 1, 1)
    assert (group["sound_s"], group["work_s"], group["speed"], group["real_time_factor"]) == (2.0, 1.0, 2.0, 0.5)


def test_empty_outputs_are_counted(metrics):
    assert (
        summarise([scored(metrics, "a b", " ... "), scored(metrics, "a", "a"), scored(metrics, "", "")])["n_empty"] == 1
    )


def test_language_detection_is_judged_where_a_language_was_detected(metrics):
    right = scored(metrics, "a", "a", language="zh-CN", heard_language="zh")
    wrong = scored(metrics, "a", "a", language="en", heard_language="de")
    unknown = scored(metrics, "a", "a", language=None, heard_language="de")
    given = score(Clip("a", "a.wav", "a", "en"), Result("a", "a", "en", is_detected=False), metrics)
    assert summarise([right, wrong, unknown, given])["language"] == {"n": 2, "n_right": 1, "wrong": {"en as de": 1}}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("no no no no", []),
        ("ha ha ha ha ha ha", [("ha", 6)]),
        ("i know it i know it i know it", [("i know it", 3)]),
        ("i know it i know it", []),
        ("well and so and so and so it is it is it is not", [("and so", 3), ("it is", 3)]),
        ("a b c d e f g h i j k l m " * 3, []),
        ("", []),
    ],
)
def test_loops(text, found):
    assert loops(text.split()) == found


def test_what_the_reference_repeats_too_is_no_loop(metrics):
    song = "la la la la la la la"
    assert scored(metrics, song, song).score.loops == ()
    assert scored(metrics, "la", song).score.loops == (("la", 7),)


def test_changes_join_what_stands_side_by_side(metrics):
    changes = metrics.changes("a b c d", "a x y c")
    assert [tuple(change) for change in changes] == [
        (("a",), ("a",), True),
        (("b",), ("x", "y"), False),
        (("c",), ("c",), True),
        (("d",), (), False),
    ]
    assert [tuple(change) for change in metrics.changes("", "a")] == [((), ("a",), False)]
    assert metrics.changes("", "") == []
