"""Two systems' results -> are they the same: texts, segment times, word times.

Takes `Result`s of both, gives shares and the differences clip by clip. References play no part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from difflib import SequenceMatcher
from typing import Any

from .results import Result

WORD_TOLERANCE_S = 0.02
"""One position of Whisper's encoder, the step in which its word times are counted."""


@dataclass
class Likeness:
    """How many clips have the same text and the same segment times, how many words the same time."""

    n_clips: int = 0
    n_same_text: int = 0
    n_same_times: int = 0
    n_words: int = 0
    n_same_words: int = 0
    differences: list[dict[str, Any]] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Say it in lines."""
        lines = [
            f"identical text           {_share(self.n_same_text, self.n_clips)} clips",
            f"identical segment times  {_share(self.n_same_times, self.n_clips)} clips",
        ]
        if self.n_words:
            lines.append(f"words within {WORD_TOLERANCE_S} s      {_share(self.n_same_words, self.n_words)} words")
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Give plain data."""
        return asdict(self)


def likeness(ours: Mapping[str, Result], theirs: Mapping[str, Result]) -> Likeness:
    """Compare the clips that both have and neither failed in. Words count where the other system timed them."""
    found = Likeness()
    for id, mine in ours.items():
        other = theirs.get(id)
        if other is None or mine.text is None or other.text is None:
            continue
        same_text, same_times = mine.text == other.text, segment_times(mine) == segment_times(other)
        n_words, n_same = same_words(mine, other)
        found.n_clips += 1
        found.n_same_text += same_text
        found.n_same_times += same_times
        found.n_words += n_words
        found.n_same_words += n_same
        if not (same_text and same_times and n_same == n_words):
            row: dict[str, Any] = {"id": id, "text": same_text, "times": same_times, "words": [n_same, n_words]}
            if not same_text:
                row |= {"ours": mine.text, "theirs": other.text}
            found.differences.append(row)
    return found


def segment_times(result: Result) -> list[tuple[float, float]]:
    """Give the segments' times to the hundredth of a second, the precision of a subtitle's timestamp."""
    return [(round(segment["start"], 2), round(segment["end"], 2)) for segment in result.segments]


def same_words(ours: Result, theirs: Result) -> tuple[int, int]:
    """Count their words, and those of them that we have too, in the same order and at the same time."""
    mine, others = ours.words, theirs.words
    blocks = SequenceMatcher(None, [w["word"] for w in mine], [w["word"] for w in others], autojunk=False)
    pairs = (
        (mine[block.a + i], others[block.b + i]) for block in blocks.get_matching_blocks() for i in range(block.size)
    )
    return len(others), sum(_is_near(a, b) for a, b in pairs)


def _is_near(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    return all(abs(a[key] - b[key]) <= WORD_TOLERANCE_S + 1e-6 for key in ("start", "end"))


def _share(same: int, n: int) -> str:
    return f"{same} of {n} ({100 * same / max(n, 1):.2f} %)"
