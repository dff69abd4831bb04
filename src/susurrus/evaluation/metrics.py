"""Two texts -> hits, substitutions, deletions, insertions, after Whisper's own normalisation.

Takes strings, gives counts. It knows nothing of clips, files or models.
Source: the paper, appendix C; openai/whisper, normalizers/.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any, NamedTuple

from ..errors import OptionError, SusurrusError
from ..languages import language_code

LETTER_LANGUAGES = frozenset({"zh", "yue", "ja", "ko", "th", "lo", "my", "km"})
"""Languages whose words are not set apart by spaces, or not by all writers alike: every letter counts as a word."""

# whisper-normalizer expands these since 0.1.10, OpenAI's own code does not; "the cause" must not become "the because".
_NOT_OPENAIS = (r"\bkinda\b", r"\bsorta\b", r"\bdunno\b", r"\bcause\b")

MIN_LOOP_TIMES, MIN_LOOP_WORDS, MAX_PHRASE_WORDS = 3, 6, 12
"""A phrase of up to 12 words is a loop when it stands 3 times in a row and makes up 6 words: "no, no, no" is none."""


@dataclass(frozen=True)
class Counts:
    """How a text fits its reference. Counts of several texts are added, so that long texts weigh more than short ones.

    >>> total = Counts(hits=1) + Counts(hits=7, substitutions=2, insertions=1)
    >>> total.n, total.errors, total.rate
    (10, 3, 0.3)
    """

    hits: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(a + b for a, b in zip(asdict(self).values(), asdict(other).values(), strict=True)))

    @property
    def n(self) -> int:
        """How many words (or characters) the reference has."""
        return self.hits + self.substitutions + self.deletions

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float | None:
        """Errors for each word of the reference; None where it has none."""
        return self.errors / self.n if self.n else None

    def to_dict(self) -> dict[str, Any]:
        """Give the counts and what follows from them."""
        return {**asdict(self), "n": self.n, "errors": self.errors, "rate": self.rate}


class Change(NamedTuple):
    """A stretch of an alignment: what was said there, what was heard instead, or the same."""

    said: tuple[str, ...]
    heard: tuple[str, ...]
    is_equal: bool = False


class Metrics:
    """Whisper's text normalisation and jiwer's alignment, loaded once.

    Raises: SusurrusError where whisper-normalizer or jiwer is not installed.
    """

    def __init__(self) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # its docstrings hold what newer Pythons warn of on first import
                import jiwer
                from whisper_normalizer.basic import BasicTextNormalizer
                from whisper_normalizer.english import EnglishTextNormalizer
        except ImportError as error:
            raise SusurrusError(
                f"evaluation needs {error.name or error}, which is not installed",
                hint='pip install "susurrus[evaluate]"',
            ) from error
        self._jiwer = jiwer
        self._english = EnglishTextNormalizer()
        for pattern in _NOT_OPENAIS:
            self._english.replacers.pop(pattern, None)
        self._basic = BasicTextNormalizer()
        self._letters = BasicTextNormalizer(split_letters=True)

    @property
    def versions(self) -> dict[str, str]:
        """The packages' versions, as another one may count otherwise."""
        from importlib.metadata import version

        return {name: version(name) for name in ("whisper-normalizer", "jiwer")}

    def normalise(self, text: str, language: str | None) -> str:
        """Give words with single spaces between them: by the English rules, or by the basic ones for the rest.

        In `LETTER_LANGUAGES` each letter is a word.
        """
        code = base_language(language)
        normaliser = self._letters if code in LETTER_LANGUAGES else self._english if code == "en" else self._basic
        return " ".join(normaliser(text).split())

    def words(self, reference: str, hypothesis: str) -> Counts:
        """Count words of normalised texts; where the reference has none, each word is an insertion."""
        if not n_words(reference):
            return Counts(insertions=n_words(hypothesis))
        return _counts(self._jiwer.process_words(reference, hypothesis))

    def characters(self, reference: str, hypothesis: str) -> Counts:
        """Count characters of normalised texts, the space between two words among them."""
        if not n_words(reference):
            return Counts(insertions=len(hypothesis))
        return _counts(self._jiwer.process_characters(reference, hypothesis))

    def changes(self, reference: str, hypothesis: str) -> list[Change]:
        """Give the alignment that the counts of words come from, stretch by stretch: what agrees, what does not."""
        if not n_words(reference):
            return [Change((), tuple(hypothesis.split()))] if hypothesis else []
        out = self._jiwer.process_words(reference, hypothesis)
        said, heard = out.references[0], out.hypotheses[0]
        changes: list[Change] = []
        for is_equal, chunks in groupby(out.alignments[0], lambda chunk: chunk.type == "equal"):
            stretch = list(chunks)
            first, last = stretch[0], stretch[-1]
            words = said[first.ref_start_idx : last.ref_end_idx], heard[first.hyp_start_idx : last.hyp_end_idx]
            changes.append(Change(tuple(words[0]), tuple(words[1]), is_equal))
        return changes


def base_language(tag: str | None) -> str | None:
    """Give a code for a language's tag or name; one that Whisper does not know stays as it is.

    >>> [base_language(tag) for tag in ("en-US", "German", "zh_CN", "tlh", None)]
    ['en', 'de', 'zh', 'tlh', None]
    """
    if not tag:
        return None
    first = tag.replace("_", "-").split("-")[0].strip().lower()
    try:
        return language_code(first)
    except OptionError:
        return first


def n_words(text: str) -> int:
    """Count the words with a letter or digit: of "..." Whisper's English normalisation leaves a dot.

    >>> n_words(". well 20 %"), n_words(".")
    (2, 0)
    """
    return sum(any(character.isalnum() for character in word) for word in text.split())


def loops(words: Sequence[str]) -> list[tuple[str, int]]:
    """Give the phrases that a text says again and again in direct succession, and how often.

    >>> loops("and so and so and so and so on it went".split())
    [('and so', 4)]
    >>> loops("no no no no it is very very good".split())
    []
    """
    found, i = [], 0
    while i < len(words):
        length, times = _loop_at(words, i)
        if times:
            found.append((" ".join(words[i : i + length]), times))
            i += length * times
        else:
            i += 1
    return found


def _loop_at(words: Sequence[str], i: int) -> tuple[int, int]:
    """Give the shortest phrase that loops from i on, as its length and how often; 0, 0 where none does."""
    for length in range(1, MAX_PHRASE_WORDS + 1):
        times = 1
        while words[i : i + length] == words[i + times * length : i + (times + 1) * length]:
            times += 1
        if times >= MIN_LOOP_TIMES and length * times >= MIN_LOOP_WORDS:
            return length, times
    return 0, 0


def _counts(out: Any) -> Counts:
    return Counts(out.hits, out.substitutions, out.deletions, out.insertions)
