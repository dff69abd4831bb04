"""Draw the sound along a row: its waveform or its log-mel.

Takes a `Recording` and reads pieces of it, so that a long file is never whole in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..features import FRAMES_PER_SECOND, LogMel
from ..samples import SAMPLE_RATE
from .page import DPI, GREY, MARGIN, WIDTH

if TYPE_CHECKING:
    from ..audio import Recording

Span = tuple[float, float]

# Columns of a whole row: one for each dot.
_COLUMNS = int((WIDTH - 2 * MARGIN) * DPI)
_PIECE = 60 * SAMPLE_RATE


def sound_drawer(recording: Recording | None, view: str, span: Span) -> Callable[[Any, Span, Span], None]:
    """Give what draws a row's sound (axes, the row's seconds, between which heights), no further than `span`.

    A waveform is as high as its lane at the loudest moment of `span`. Without a recording nothing is drawn.
    """
    if recording is None:
        return lambda axes, row, lane: None
    if view == "mel":
        log_mel = LogMel(recording, 80)
        return lambda axes, row, lane: _draw_mel(axes, log_mel, (row[0], min(row[1], span[1])), lane)
    _, lows, highs = _envelope(recording, span, _COLUMNS)
    loudest = float(max(highs.max(), -lows.min())) or 1.0

    def draw_waveform(axes: Any, row: Span, lane: Span) -> None:
        end = min(row[1], span[1])
        n_columns = max(1, round(_COLUMNS * (end - row[0]) / (row[1] - row[0])))
        times, lows, highs = _envelope(recording, (row[0], end), n_columns)
        middle, scale = sum(lane) / 2, (lane[1] - lane[0]) / 2 * 0.95 / loudest
        axes.fill_between(times, middle + lows * scale, middle + highs * scale, color=GREY, linewidth=0.3, zorder=1)

    return draw_waveform


def _draw_mel(axes: Any, log_mel: LogMel, span: Span, lane: Span) -> None:
    first, last = (round(time * FRAMES_PER_SECOND) for time in span)
    mel = log_mel.mel(first, max(last - first, 1))
    x, y = axes.get_xlim(), axes.get_ylim()
    extent = (first / FRAMES_PER_SECOND, (first + mel.shape[1]) / FRAMES_PER_SECOND, *lane)
    axes.imshow(mel, extent=extent, origin="lower", aspect="auto", cmap="Greys", vmin=-0.7, vmax=1.4, zorder=0)
    axes.set_xlim(x)
    axes.set_ylim(y)


def _envelope(recording: Recording, span: Span, n: int) -> tuple[Any, Any, Any]:
    """Give at most n times, and the lowest and the highest sample about each: f32[n] three times."""
    first, last = (round(time * SAMPLE_RATE) for time in span)
    n = max(1, min(n, last - first))
    edges = first + np.arange(n + 1) * max(last - first, 1) // n
    columns = [(samples.min(), samples.max()) for samples in _columns(recording, edges)]
    lows, highs = np.array(columns, np.float32).T
    return (edges[:-1] + edges[1:]) / (2 * SAMPLE_RATE), lows, highs


def _columns(recording: Recording, edges: Any) -> Iterator[Any]:
    """Give the samples between each two edges, read a piece of many columns at a time."""
    per_piece = max(1, _PIECE * (len(edges) - 1) // int(edges[-1] - edges[0]))
    for i in range(0, len(edges) - 1, per_piece):
        piece = edges[i : i + per_piece + 1]
        samples = recording.read(int(piece[0]), int(piece[-1]))
        yield from np.split(samples, piece[1:-1] - piece[0])
