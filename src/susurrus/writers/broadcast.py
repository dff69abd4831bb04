"""The cutter behind `subtitle_preset`: timed segments -> subtitles that keep a preset's limits.

Takes segments, with words or without (times inside a segment are then estimated from the number of characters), gives
cues. It is pure and knows nothing of formats. What a speaker says in one turn is cut together: of all ways to cut, the
cheapest is taken, where a cost stands for what disturbs a reader (see `_cue_cost`). Then the cues get their times.

A cue keeps its words' start. It is late only where so many words fall on so little time that there is no room for
`min_duration`; two cues are on the screen at once only where two speakers talk at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise

from ..presets import SubtitlePreset
from ..types import Segment
from .breaks import NARROW, width
from .pieces import BAD_END, Piece, fit, pieces, runs

_CUE_COST = 3.0  # fewer, fuller cues
_SENTENCE_INSIDE_COST = 1.5  # two sentences in a cue


@dataclass(frozen=True)
class Shown:
    """A cue: its text, the lines separated by newlines, and when it is on the screen, in hundredths of a second."""

    start_cs: int
    end_cs: int
    text: str
    speaker: str | None


def cut(
    segments: Sequence[Segment],
    preset: SubtitlePreset,
    *,
    language: str = "",
    label_width: Callable[[str | None], int] = lambda speaker: 0,
) -> list[Shown]:
    """Cut segments into cues, ordered by their start.

    `label_width` says how much of the first line the speaker's name takes, in units of `breaks.width`.

    >>> from ..presets import PRESETS
    >>> hello = Segment(0, 0, 1.0, 1.3, " Hello there.", (), 0.0, -0.1, 1.0, 0.0)
    >>> cut([hello], PRESETS["broadcast"])
    [Shown(start_cs=100, end_cs=180, text='Hello there.', speaker=None)]
    """
    cues: list[_Cue] = []
    spoken_until: dict[str | None, float] = {}
    for speaker, turn in groupby(segments, key=lambda segment: segment.speaker):
        found = pieces(list(turn), language, not_before=spoken_until.get(speaker, 0.0))
        layout = _Layout(preset.line_width * NARROW, preset.line_count, label_width(speaker))
        for run in runs(fit(found, layout.limit - layout.label)):
            cues += [_Cue(part, layout.lines(part), speaker) for part in _best_cut(run, layout, preset)]
        if found:
            spoken_until[speaker] = found[-1].end
    cues.sort(key=lambda cue: cue.start)
    return _timed(cues, preset)


@dataclass(frozen=True)
class _Layout:
    """How pieces become lines of at most `limit`, `label` of it taken in the first line."""

    limit: int
    n_lines: int
    label: int

    def lines(self, part: Sequence[Piece]) -> str:
        edges = list(accumulate((_room(piece) for piece in part), initial=0))
        _, ends = self.best(part, edges, 0, len(part), self.n_lines, self.label)
        lines, start = [], 0
        for end in ends:
            rest = "".join((" " if piece.has_space else "") + piece.text for piece in part[start + 1 : end])
            lines.append(part[start].text + rest)
            start = end
        return "\n".join(lines)

    def best(
        self, run: Sequence[Piece], edges: Sequence[int], i: int, j: int, n_lines: int, label: int
    ) -> tuple[float, list[int]]:
        """Give the cost of the best lines for the pieces from i to j, and where the lines end; inf: there are none.

        `edges` are the running widths of the pieces, each with the space before it.
        """
        first = edges[i] + (NARROW if run[i].has_space else 0)
        whole = label + edges[j] - first
        if whole <= self.limit or j - i == 1:
            return 0.0, [j]
        cost, ends = math.inf, [j]
        if n_lines == 1 or whole > n_lines * self.limit + NARROW * (n_lines - 1):
            return cost, ends
        for k in range(j - 1, i, -1):
            upper = label + edges[k] - first
            if upper > self.limit:
                continue
            below, lower_ends = self.best(run, edges, k, j, n_lines - 1, 0)
            if below == math.inf:  # a shorter first line leaves more for the rest
                break
            lower = whole - upper
            uneven = abs(upper - lower / (n_lines - 1)) / self.limit
            total = 0.3 + 0.5 * run[k - 1].cost + 2.0 * uneven + below
            if total < cost:
                cost, ends = total, [k, *lower_ends]
        return cost, ends


def _room(piece: Piece) -> int:
    return width(piece.text) + (NARROW if piece.has_space else 0)


def _best_cut(run: Sequence[Piece], layout: _Layout, preset: SubtitlePreset) -> Iterator[Sequence[Piece]]:
    """Cut pieces into cues so that the sum of the cues' costs is least."""
    n = len(run)
    edges = list(accumulate((_room(piece) for piece in run), initial=0))
    letters = list(accumulate((len(piece.text) + piece.has_space for piece in run), initial=0))
    waits = list(accumulate((_wait_cost(run[i], run[i + 1]) for i in range(n - 1)), initial=0.0))
    sentences = list(accumulate((piece.is_sentence_end for piece in run), initial=0))
    cost = [0.0, *[math.inf] * n]
    came_from = [0] * (n + 1)
    for i in range(n):
        if cost[i] == math.inf:
            continue
        for j, lines_cost in _ends(run, edges, i, layout, preset.max_duration):
            after = run[j].start if j < n else math.inf
            total = (
                cost[i]
                + lines_cost
                + waits[j - 1]
                - waits[i]
                + _SENTENCE_INSIDE_COST * (sentences[j - 1] - sentences[i])
                + _cue_cost(run[i], run[j - 1], letters[j] - letters[i], after, preset)
            )
            if total < cost[j]:
                cost[j], came_from[j] = total, i
    cuts = [n]
    while cuts[-1]:
        cuts.append(came_from[cuts[-1]])
    cuts.reverse()
    for start, end in pairwise(cuts):
        yield run[start:end]


def _ends(
    run: Sequence[Piece], edges: Sequence[int], i: int, layout: _Layout, max_duration: float
) -> list[tuple[int, float]]:
    """Give where a cue from piece i may end, with the cost of its lines.

    Where a good end is far enough, and in time, bad ones are left out: text without spaces has one at each character.
    """
    room = layout.limit * layout.n_lines + NARROW * layout.n_lines - layout.label
    fitting: list[tuple[int, float]] = []
    for j in range(i + 1, len(run) + 1):
        if edges[j] - edges[i] > room:
            break
        cost = layout.best(run, edges, i, j, layout.n_lines, layout.label)[0]
        if cost < math.inf:
            fitting.append((j, cost))
    good = [(j, cost) for j, cost in fitting if j == len(run) or run[j - 1].cost < BAD_END]
    in_time = [j for j, _ in good if run[j - 1].end - run[i].start <= max_duration]
    is_far = bool(in_time) and edges[in_time[-1]] - edges[i] >= room // 3
    return good if is_far else fitting


def _wait_cost(piece: Piece, after: Piece) -> float:
    """A pause inside a cue."""
    return 4.0 * max(0.0, after.start - piece.end - 0.4)


def _cue_cost(first: Piece, last: Piece, n_letters: int, after: float, preset: SubtitlePreset) -> float:
    """Add up what disturbs a reader: a bad end, a short or a long time, more characters a second than can be read."""
    room = min(after - preset.gap - first.start, preset.max_duration)
    cost = _CUE_COST + last.cost
    if room < preset.min_duration:
        cost += 10.0 + 20.0 * (preset.min_duration - room)
    if last.end - first.start > preset.max_duration:
        cost += 5.0 + 10.0 * (last.end - first.start - preset.max_duration)
    excess = n_letters / preset.chars_per_second - room
    if excess > 0:
        cost += 5.0 + 10.0 * excess
    return cost


class _Cue:
    """Laid out, not yet timed."""

    def __init__(self, part: Sequence[Piece], text: str, speaker: str | None) -> None:
        self.start, self.end, self.text, self.speaker = part[0].start, part[-1].end, text, speaker


def _timed(cues: Sequence[_Cue], preset: SubtitlePreset) -> list[Shown]:
    """Give cues, ordered by their words' start, their times on the screen.

    Hundredths, which every format can write, so that no limit is lost by rounding.
    """
    shortest, longest = round(100 * preset.min_duration), round(100 * preset.max_duration)
    gap, linger = round(100 * preset.gap), round(100 * preset.linger)
    starts = [math.ceil(100 * cue.start - 1e-6) for cue in cues]
    shown: list[Shown] = []
    before: list[tuple[_Cue, int]] = []  # cues that may still be on the screen, and when they go
    for i, cue in enumerate(cues):
        before = [(one, end) for one, end in before if end + gap > starts[i]]
        blocking = [end + gap for one, end in before if one.speaker == cue.speaker or one.end <= cue.start]
        start = max([starts[i], *blocking])
        spoken = math.ceil(100 * cue.end - 1e-6)
        readable = start + math.ceil(100 * len(cue.text) / preset.chars_per_second)
        limit = _next_start(cues, starts, i)
        end = min(max(spoken, readable, start + shortest), start + longest)
        if limit is not None:
            end = min(end, limit - gap)
            if limit - gap - end < linger:
                end = min(limit - gap, start + longest)
        end = max(end, start + shortest)
        shown.append(Shown(start, end, cue.text, cue.speaker))
        before.append((cue, end))
    return sorted(shown, key=lambda one: one.start_cs)


def _next_start(cues: Sequence[_Cue], starts: Sequence[int], i: int) -> int | None:
    """Give when the next cue comes, one that begins while this one is spoken not counting if another speaks it."""
    for j in range(i + 1, len(cues)):
        if cues[j].speaker == cues[i].speaker or cues[j].start >= cues[i].end:
            return starts[j]
    return None
