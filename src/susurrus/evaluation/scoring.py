"""Clips and results -> scores, and scores -> sums by group.

What counts: a clip with an exact reference counts for error rates. One in which nothing is said counts for the words
invented there, not for rates, as it has no words to divide by. A printed book's text lacks what the reader says before
and after it, so books are groups of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .manifest import Clip
from .metrics import LETTER_LANGUAGES, Counts, Metrics, base_language, loops, n_words
from .results import Result

GROUP_BY = ("kind", "category", "corpus", "language")


@dataclass(frozen=True)
class Score:
    """What is measured in one clip; the texts are normalised. None where the clip has no exact reference, or failed."""

    reference: str | None = None
    hypothesis: str | None = None
    words: Counts | None = None
    characters: Counts | None = None
    loops: tuple[tuple[str, int], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Give plain data."""
        counted = {
            name: counts and counts.to_dict()
            for name, counts in (("words", self.words), ("characters", self.characters))
        }
        return {**asdict(self), **counted}


@dataclass(frozen=True)
class Scored:
    """A clip, what was heard in it, and how good that is."""

    clip: Clip
    result: Result
    score: Score

    @property
    def is_silent(self) -> bool:
        """Whether nothing is said in the clip."""
        return self.score.reference is not None and not n_words(self.score.reference)

    @property
    def counts_for_rates(self) -> bool:
        """Whether the clip has words to find."""
        return self.score.reference is not None and n_words(self.score.reference) > 0

    @property
    def is_language_right(self) -> bool | None:
        """Whether the right language was detected; None where it was given, or is not known."""
        if not self.result.is_detected or self.clip.language is None or self.result.language is None:
            return None
        return base_language(self.clip.language) == base_language(self.result.language)

    def to_dict(self) -> dict[str, Any]:
        """Give plain data, from which `stored.read_stored` makes the clip and the result again."""
        result = {name: value for name, value in self.result.to_dict().items() if name != "id"}
        clip = {"path": self.clip.path, "text": self.clip.text, "language": self.clip.language}
        row = {**clip, **{name: value for name, value in self.clip.columns.items() if name != "id"}}
        return {"id": self.clip.id, "clip": row, "result": result, "score": self.score.to_dict()}


def score(clip: Clip, result: Result, metrics: Metrics) -> Scored:
    """Measure one clip. The manifest's language says how to normalise, the detected one where it says none."""
    if result.text is None:
        return Scored(clip, result, Score())
    language = base_language(clip.language or result.language)
    heard = metrics.normalise(result.text, language)
    if clip.reference is None:
        return Scored(clip, result, Score(hypothesis=heard, loops=tuple(loops(heard.split()))))
    said = metrics.normalise(clip.reference, language)
    words = metrics.words(said, heard)
    # letters that stand apart are counted as words already
    characters = words if language in LETTER_LANGUAGES else metrics.characters(said, heard)
    known = {phrase for phrase, _ in loops(said.split())}
    found = tuple(loop for loop in loops(heard.split()) if loop[0] not in known)
    return Scored(clip, result, Score(said, heard, words, characters, found))


def grouped(scored: Iterable[Scored], group_by: Sequence[str] = GROUP_BY) -> dict[str, dict[str, list[Scored]]]:
    """Give `{"total": {"all": [...]}, "kind": {"read": [...]}, ...}`; `kind+language` groups by both.

    A clip without the column is in no group of it; one group of all clips says no more than the total and is left out.
    Groups of books say so in their name.
    """
    scored = list(scored)
    groupings = {"total": _group(scored, ())}
    for columns in group_by:
        groups = _group(scored, columns.split("+"))
        is_total = len({name.removesuffix(_BOOK) for name in groups}) == 1
        if groups and not (is_total and sum(map(len, groups.values())) == len(scored)):
            groupings[columns] = groups
    return groupings


_BOOK = " (book)"


def _group(scored: Iterable[Scored], columns: Sequence[str]) -> dict[str, list[Scored]]:
    groups: dict[str, list[Scored]] = {}
    for one in scored:
        values = [one.clip.column(column) for column in columns]
        if all(values):
            name = (" ".join(values) or "all") + (_BOOK if one.clip.is_book else "")
            groups.setdefault(name, []).append(one)
    return dict(sorted(groups.items()))


def summarise(scored: Sequence[Scored]) -> dict[str, Any]:
    """Give the sums of a group. Rates are those of the sums, not means of the clips' rates."""
    rated = [one for one in scored if one.counts_for_rates]
    silent = [one for one in scored if one.is_silent]
    detected = [one for one in scored if one.is_language_right is not None]
    wrong = Counter(f"{one.clip.language} as {one.result.language}" for one in detected if not one.is_language_right)
    return {
        "n_clips": len(scored),
        "n_rated": len(rated),
        "words": _sum(one.score.words for one in rated).to_dict(),
        "characters": _sum(one.score.characters for one in rated).to_dict(),
        "silent": {
            "n_clips": len(silent),
            "n_clips_with_words": sum(n_words(one.score.hypothesis or "") > 0 for one in silent),
            "n_words": _sum(one.score.words for one in silent).insertions,
        },
        "n_empty": sum(not n_words(one.score.hypothesis or "") for one in rated),
        "n_with_loops": sum(bool(one.score.loops) for one in scored),
        "language": {"n": len(detected), "n_right": len(detected) - wrong.total(), "wrong": dict(wrong.most_common())},
        "n_failed": sum(one.result.error is not None for one in scored),
        **_speed(scored),
    }


def _speed(scored: Sequence[Scored]) -> dict[str, float | None]:
    """Give seconds of sound and of work, of the clips where both are known, and their ratios."""
    timed = [(one.result.duration, one.result.seconds) for one in scored]
    known = [(sound, work) for sound, work in timed if sound is not None and work is not None]
    sound, work = sum(s for s, _ in known), sum(w for _, w in known)
    has_both = sound > 0 and work > 0
    return {
        "sound_s": sound if known else None,
        "work_s": work if known else None,
        "real_time_factor": work / sound if has_both else None,
        "speed": sound / work if has_both else None,
    }


def _sum(counts: Iterable[Counts | None]) -> Counts:
    return sum((one for one in counts if one is not None), Counts())
