"""Two systems on the same clips -> is the difference in their error rates more than chance?

Takes errors and words of each clip, gives an interval and a p-value. Paired bootstrap over clips: clips are drawn with
replacement, as often as there are clips, and both systems' rates are taken on the same draw.
Source: Bisani and Ney, Bootstrap estimates for confidence intervals in ASR performance evaluation, ICASSP 2004.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .scoring import GROUP_BY, Scored, grouped

N_RESAMPLES = 10_000
LEVEL = 0.05
_BLOCK = 500  # resamples counted at a time: memory stays below 500 * n_clips numbers


@dataclass(frozen=True)
class Difference:
    """Second minus first rate: below zero the second is better. `low` to `high` holds 95 % of the resamples.

    `p` is how often a difference so far from zero comes by chance, `n_differing` the clips with unequal errors.
    """

    n_clips: int
    n_differing: int
    n_words: int
    first: float
    second: float
    low: float
    high: float
    p: float

    @property
    def difference(self) -> float:
        """Second minus first rate."""
        return self.second - self.first

    @property
    def is_significant(self) -> bool:
        """Whether chance is an unlikely cause, at the level of 5 %."""
        return self.p < LEVEL

    def to_dict(self) -> dict[str, Any]:
        """Give plain data."""
        return {**self.__dict__, "difference": self.difference, "is_significant": self.is_significant}


def difference(
    first_errors: Sequence[int],
    second_errors: Sequence[int],
    n_words: Sequence[int],
    *,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> Difference:
    """Compare two systems' errors in the same clips of `n_words` words each, every one above zero.

    The p-value is two-sided: twice the smaller share of resamples on either side of zero, and no less than
    2 / 2^n for n clips that differ. So small is the chance that n coin tosses all fall alike: a few clips prove
    nothing, however alike their resamples are.

    >>> difference([5, 4, 6, 5], [5, 4, 6, 5], [10, 10, 10, 10]).p
    1.0
    """
    a, b, n = (np.asarray(values, dtype=np.int64) for values in (first_errors, second_errors, n_words))
    rng = np.random.default_rng(seed)
    drawn = np.full(len(n), 1 / len(n))
    gain = b - a
    blocks = []
    for begin in range(0, n_resamples, _BLOCK):
        times = rng.multinomial(len(n), drawn, size=min(_BLOCK, n_resamples - begin))  # [resamples, clips]
        blocks.append((times @ gain) / (times @ n))
    resamples = np.concatenate(blocks)
    low, high = np.quantile(resamples, [LEVEL / 2, 1 - LEVEL / 2])
    n_differing = int(np.count_nonzero(gain))
    n_beyond = min(np.count_nonzero(resamples <= 0), np.count_nonzero(resamples >= 0))
    p = max(2 * (n_beyond + 1) / (n_resamples + 1), 2.0 ** (1 - n_differing))
    total = int(n.sum())
    return Difference(
        len(n),
        n_differing,
        total,
        int(a.sum()) / total,
        int(b.sum()) / total,
        float(low),
        float(high),
        min(1.0, float(p)),
    )


@dataclass(frozen=True)
class Comparison:
    """Two reports' differences by group, and the clips that could not be compared."""

    groups: dict[str, dict[str, Difference]]
    only_first: list[str]
    only_second: list[str]
    unlike: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Give plain data."""
        groups = {by: {name: d.to_dict() for name, d in group.items()} for by, group in self.groups.items()}
        return {**self.__dict__, "groups": groups}


def compare(
    first: Sequence[Scored],
    second: Sequence[Scored],
    *,
    group_by: Sequence[str] = GROUP_BY,
    measure: str = "words",
    n_resamples: int = N_RESAMPLES,
) -> Comparison:
    """Compare two systems on the clips that both have; `measure` is words or characters.

    A clip whose normalised reference differs between the two is in `unlike` and does not count.
    """
    a, b = ({one.clip.id: one for one in scored if one.counts_for_rates} for scored in (first, second))
    common = [id for id in a if id in b]
    unlike = [id for id in common if a[id].score.reference != b[id].score.reference]
    kept = [a[id] for id in common if id not in set(unlike)]
    count: Callable[[Scored], Any] = lambda one: getattr(one.score, measure)
    groups: dict[str, dict[str, Difference]] = {}
    for columns, members_of in grouped(kept, group_by).items():
        for name, members in members_of.items():
            ids = [one.clip.id for one in members]
            groups.setdefault(columns, {})[name] = difference(
                [count(a[id]).errors for id in ids],
                [count(b[id]).errors for id in ids],
                [count(a[id]).n for id in ids],
                n_resamples=n_resamples,
            )
    return Comparison(groups, [id for id in a if id not in b], [id for id in b if id not in a], unlike)
