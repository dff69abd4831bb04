"""Draw the words of a transcript over the sound, in rows of some seconds, each a bar coloured by its probability.

Takes a `Transcript` and, where it is at hand, its `Recording`; gives a figure. It knows of no model.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import OptionError
from ..types import Segment, Transcript
from .page import BLUE, GREY, MARGIN, PALE, SMALL, WIDTH, Page, clock, time_axis
from .sound import sound_drawer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..audio import Recording

VIEWS = ("waveform", "mel")
ROWS = 12
"""Rows of a page."""
LONGEST_GAP = 0.5
"""Seconds without a word; what is longer is shown as a gap."""
UNSURE = 0.5
"""A word less probable than this has its probability written beside it."""

_HEADER, _SEGMENT_LANE, _SOUND, _BAR, _LINE, _AXIS = 0.78, 0.2, 0.75, 0.13, 0.165, 0.3
_MAX_LINES = 6
# Between two labels of one line, in inches.
_SPACE = 0.06


@dataclass(frozen=True)
class _Item:
    """What is drawn as a bar with text: a word, or a segment that has no words. None: its probability is not known."""

    start: float
    end: float
    probability: float | None
    text: str


@dataclass(frozen=True)
class _Label:
    """Text at its place in a row: where it begins (seconds), which line it is on, and the middle of its bar."""

    text: str
    x: float
    line: int
    middle: float


def page_spans(start: float, end: float, row_seconds: float = 10.0) -> list[tuple[float, float]]:
    """Cut a stretch of a file into pages of `ROWS` rows. Raises: OptionError for a row too short or nothing to cut.

    >>> page_spans(0, 300)
    [(0.0, 120.0), (120.0, 240.0), (240.0, 300)]
    """
    _check(start, end, row_seconds)
    page = ROWS * row_seconds
    n = max(1, math.ceil((end - start) / page - 1e-9))
    cuts = [start + i * page for i in range(n)]
    return list(zip(cuts, [*cuts[1:], end], strict=True))


def draw_words(
    transcript: Transcript,
    recording: Recording | None = None,
    *,
    start: float = 0.0,
    end: float | None = None,
    view: str = "waveform",
    row_seconds: float = 10.0,
    title: str = "",
) -> Figure:
    """Draw the words (or the segments, where there are no words) from `start` to `end` on one page.

    `end` is the file's when absent. Raises: OptionError for an empty stretch, one too long for a page, or an unknown
    view; SusurrusError without matplotlib.
    """
    end = transcript_length(transcript, recording) if end is None else end
    _check(start, end, row_seconds)
    if view not in VIEWS or (view == "mel" and recording is None):
        raise OptionError(f"view={view!r}: expected 'waveform', or 'mel' with the sound")
    if end - start > ROWS * row_seconds * (1 + 1e-9):
        raise OptionError(
            f"{end - start:g} s are more than the {ROWS} rows of {row_seconds:g} s that fit a page",
            hint="draw a page for each of page_spans(start, end)",
        )
    rows = _rows(start, end, row_seconds)
    items, has_words = _items(transcript)
    page = Page(title + transcript.text + "".join(item.text for item in items))
    labels = [_labels(page, items, row, has_words) for row in rows]
    lines = [max((label.line + 1 for label in row), default=1) * _LINE + 0.04 for row in labels]
    sound = _SOUND if recording is not None else 0.2
    page.set_height(_HEADER + sum(lines) + len(rows) * (_SEGMENT_LANE + sound + _BAR + _AXIS))

    page.title(title, f"{clock(start)} to {clock(end)}, language {transcript.language}")
    color = page.probability_bar("probability of a word" if has_words else "mean probability of a segment's tokens")
    draw_sound = sound_drawer(recording, view, (start, end))
    top = _HEADER
    for row, row_labels, text in zip(rows, labels, lines, strict=True):
        low, high = text + _BAR, text + _BAR + sound
        axes = page.axes(top, high + _SEGMENT_LANE)
        time_axis(axes, *row)
        _draw_gaps(page, axes, _gaps(items, start, end), row, (low, high))
        draw_sound(axes, row, (low, high))
        _draw_segments(page, axes, transcript, row, (low, high))
        _draw_bars(axes, items, row, text, color)
        _draw_labels(page, axes, row_labels, text)
        top += high + _SEGMENT_LANE + _AXIS
    _explain(page)
    return page.figure


def transcript_length(transcript: Transcript, recording: Recording | None = None) -> float:
    """Give the seconds of the file: the sound's, or the transcript's, or where its last segment ends."""
    if recording is not None:
        return recording.duration
    return max([transcript.duration, *(segment.end for segment in transcript.segments)])


def _check(start: float, end: float, row_seconds: float) -> None:
    if not 0.1 <= row_seconds < math.inf:
        raise OptionError(f"row_seconds={row_seconds:g}: expected 0.1 or more")
    if not 0 <= start < end < math.inf:
        raise OptionError(f"there is nothing to draw from {start:g} to {end:g} s", hint="begin before the end")


def _rows(start: float, end: float, row_seconds: float) -> list[tuple[float, float]]:
    """Cut a page into rows; what is hardly longer than one row is one row."""
    if end - start <= 1.25 * row_seconds:
        return [(start, end)]
    n = math.ceil((end - start) / row_seconds - 1e-9)
    return [(start + i * row_seconds, start + (i + 1) * row_seconds) for i in range(n)]


def _items(transcript: Transcript) -> tuple[list[_Item], bool]:
    """Give what is drawn as bars, and whether they are words. A segment without words stands for itself.

    Files of programs that know no probabilities have 0 in all words and in avg_logprob.
    """
    words = [word for segment in transcript.segments for word in segment.words or ()]
    is_known = any(word.probability > 0 for word in words)
    items = [_Item(word.start, word.end, word.probability if is_known else None, word.word.strip()) for word in words]
    for segment in transcript.segments:
        if not segment.words and (text := segment.text.strip()):
            probability = math.exp(min(0.0, segment.avg_logprob)) if segment.avg_logprob else None
            items.append(_Item(segment.start, segment.end, probability, text))
    return sorted(items, key=lambda item: item.start), bool(words)


def _labels(page: Page, items: Sequence[_Item], row: tuple[float, float], has_words: bool) -> list[_Label]:
    """Place the row's texts so that none lies on another. A word is written in the row that its middle is in."""
    start, end = row
    per_second = _per_second(row)
    if not has_words:
        return [label for item in items for label in _paragraph(page, item, row, per_second)]
    labels, taken = [], [-math.inf] * _MAX_LINES
    for item in items:
        middle = (item.start + item.end) / 2
        if not (start <= middle < end or middle == end == items[-1].end):
            continue
        is_unsure = item.probability is not None and item.probability < UNSURE
        text = f"{item.text} ({item.probability:.2f})" if is_unsure else item.text
        width = page.text_width(text) / per_second
        x = min(max(middle - width / 2, start), max(end - width, start))
        # A label may stand a third of its width to the right of its bar's middle before it goes to the next line.
        line = next((i for i, right in enumerate(taken) if right <= x + width / 3), None)
        if line is None:  # more text than room
            line = min(range(_MAX_LINES), key=lambda i: taken[i])
        x = max(x, taken[line])
        taken[line] = x + width + _SPACE / per_second
        labels.append(_Label(text, x, line, min(max(middle, start), end)))
    return labels


def _paragraph(page: Page, item: _Item, row: tuple[float, float], per_second: float) -> Iterator[_Label]:
    """Break a segment's text into lines that fit under its bar, in the row that has the longest piece of the bar."""
    start, end = max(item.start, row[0]), min(item.end, row[1])
    if end <= start:
        return
    room = (end - start) * per_second - _SPACE
    n_seconds = row[1] - row[0]
    pieces = [start - item.start, item.end - end]  # the bar before this row, and after
    longest = max(min(piece, n_seconds) for piece in pieces)
    is_here = end - start > longest or (end - start == longest and pieces[0] < n_seconds)
    lines = _break(page, item.text, room) if is_here else ["…"] if room > 0.2 else []
    for i, line in enumerate(lines):
        yield _Label(line, start, i, start)


def _break(page: Page, text: str, width: float) -> list[str]:
    """Break text into at most _MAX_LINES lines of `width` inches, at spaces where there are any."""
    pieces = text.split(" ") if " " in text else list(text)
    joint = " " if " " in text else ""
    lines = [pieces[0]]
    for piece in pieces[1:]:
        if page.text_width(lines[-1] + joint + piece) <= width:
            lines[-1] += joint + piece
        elif len(lines) == _MAX_LINES or page.text_width(piece) > width:
            lines[-1] += "…"
            break
        else:
            lines.append(piece)
    return lines


def _gaps(items: Sequence[_Item], start: float, end: float) -> list[tuple[float, float]]:
    """Find what is longer than LONGEST_GAP and has no word.

    >>> _gaps([_Item(1.0, 2.0, 1.0, "a"), _Item(2.2, 3.0, 1.0, "b")], 0.0, 3.1)
    [(0.0, 1.0)]
    """
    gaps, reached = [], start
    for item in items:
        if item.start - reached > LONGEST_GAP:
            gaps.append((reached, min(item.start, end)))
        reached = max(reached, item.end)
    if end - reached > LONGEST_GAP:
        gaps.append((reached, end))
    return [(left, right) for left, right in gaps if left < end]


def _draw_gaps(
    page: Page,
    axes: Any,
    gaps: Sequence[tuple[float, float]],
    row: tuple[float, float],
    lane: tuple[float, float],
) -> None:
    """Hatch what has no words, and write how long it is under each piece that is long enough."""
    for left, right in gaps:
        start, end = max(left, row[0]), min(right, row[1])
        if end <= start:
            continue
        style = {"facecolor": "none", "edgecolor": PALE, "hatch": "////", "linewidth": 0, "zorder": 0}
        axes.fill_between([start, end], *lane, **style)
        if (end - start) * _per_second(row) > 0.3:
            middle, y = (start + end) / 2, lane[0] - _BAR / 2
            page.write(axes, middle, y, f"{right - left:.1f} s", ha="center", color=GREY, size=SMALL)


def _draw_segments(
    page: Page, axes: Any, transcript: Transcript, row: tuple[float, float], lane: tuple[float, float]
) -> None:
    """Draw a bracket over each segment, its number and times where there is room, and its edges through the sound."""
    low, y = lane[0], lane[1] + 0.04
    style = {"color": BLUE, "clip_on": False, "zorder": 3}
    for segment in transcript.segments:
        start, end = max(segment.start, row[0]), min(segment.end, row[1])
        if end <= start:
            continue
        axes.plot([start, end], [y, y], linewidth=1.2, solid_capstyle="butt", **style)
        for edge, line in ((segment.start, "-"), (segment.end, ":")):
            if row[0] <= edge <= row[1]:
                axes.plot([edge, edge], [low, y], linewidth=0.9, linestyle=line, **style)
        room = (end - start) * _per_second(row)
        texts = (text for text in _segment_texts(segment, transcript.language) if page.text_width(text, SMALL) <= room)
        page.write(axes, start, y + 0.02, next(texts, ""), size=SMALL, color=BLUE, va="bottom")


def _segment_texts(segment: Segment, language: str) -> list[str]:
    """Give what may be written over a segment, longest first."""
    beside = [segment.speaker, segment.language if segment.language != language else None]
    name = " ".join([str(segment.id), *(text for text in beside if text)])
    return [f"{name}   {clock(segment.start)} to {clock(segment.end)}", name, str(segment.id)]


def _draw_bars(axes: Any, items: Sequence[_Item], row: tuple[float, float], low: float, color: Any) -> None:
    for item in items:
        start, end = max(item.start, row[0]), min(item.end, row[1])
        fill = PALE if item.probability is None else color(min(max(item.probability, 0.0), 1.0))
        if end > start:
            axes.fill_between([start, end], low, low + _BAR, facecolor=fill, edgecolor="white", linewidth=0.6, zorder=2)
        elif item.start == item.end and row[0] <= start <= row[1]:  # no length: seen as a line
            axes.plot([start, start], [low, low + _BAR], color=fill, linewidth=1.2, zorder=2)


def _draw_labels(page: Page, axes: Any, labels: Sequence[_Label], height: float) -> None:
    for label in labels:
        y = height - 0.04 - (label.line + 0.5) * _LINE
        page.write(axes, label.x, y, label.text, ha="left")
        if label.line > 0 and label.middle != label.x:
            line = [y + _LINE * 0.45, height]
            axes.plot([label.middle, label.middle], line, color=PALE, linewidth=0.6, zorder=0)


def _per_second(row: tuple[float, float]) -> float:
    """Give the inches of a second."""
    return (WIDTH - 2 * MARGIN) / (row[1] - row[0])


def _explain(page: Page) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    start, end = (Line2D([], [], color=BLUE, linewidth=1, linestyle=style) for style in ("-", ":"))
    gap = Patch(facecolor="none", edgecolor=GREY, hatch="//////", linewidth=0)
    texts = ["segment starts", "ends", f"no words for over {LONGEST_GAP:g} s"]
    page.legend([start, end, gap], texts)
