"""A benchmark's report as a picture: how fast each system is, and where Susurrus spends its time.

It needs matplotlib (the extra `plot`), which is imported when a picture is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..plot.page import BLUE, GREY, MARGIN, ORANGE, PALE, WIDTH, Page
from .table import described

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_HEADER, _ROW, _GAP, _LABELS = 0.75, 0.3, 0.45, 1.9


def draw_benchmark(report: Mapping[str, Any]) -> Figure:
    """Draw the report on one page. Raises: SusurrusError without matplotlib."""
    systems = [one for one in report["systems"] if one["speed"]]
    stages = {name: seconds for name, seconds in report["stages"]["seconds"].items() if seconds}
    if report["stages"]["other_s"]:
        stages["other"] = report["stages"]["other_s"]
    lines = described(report)
    page = Page(" ".join(lines))
    page.set_height(_HEADER + _ROW * (len(systems) + len(stages)) + 2 * _GAP + 0.2)
    page.title(lines[1], lines[0])

    top = _HEADER
    colors = [BLUE if one["name"] == "susurrus" else PALE for one in systems]
    names = [one["name"] for one in systems]
    _bars(page, top, "times real time", names, [one["speed"] for one in systems], colors, [*map(_beside, systems)])
    top += _ROW * len(systems) + _GAP + 0.1
    work = report["stages"]["work_s"]
    shares = [f"{seconds:.3f} s, {100 * seconds / work:.1f} %" for seconds in stages.values()] if work else []
    _bars(page, top, "susurrus: seconds busy", list(stages), list(stages.values()), [ORANGE] * len(stages), shares)
    return page.figure


def _bars(
    page: Page,
    top: float,
    title: str,
    names: Sequence[str],
    values: Sequence[float],
    colors: Sequence[str],
    texts: Sequence[str],
) -> None:
    """Draw a bar for each value, with its name to the left and its text to the right, and the scale below."""
    if not values:
        return
    axes = page.axes(top, _ROW * len(values), left=MARGIN + _LABELS)
    room = WIDTH - 2 * MARGIN - _LABELS
    # Each bar with its text beside it fits.
    axes.set_xlim(
        0,
        max(value * room / (room - page.text_width(f"  {text} ")) for value, text in zip(values, texts, strict=True))
        or 1,
    )
    for i, (name, value, color, text) in enumerate(zip(names, values, colors, texts, strict=True)):
        y = _ROW * (len(values) - i - 0.5)
        axes.barh(y, value, height=0.6 * _ROW, color=color)
        page.write(axes, 0, y, f"{name}  ", ha="right")
        page.write(axes, value, y, f"  {text}", ha="left")
    page.write(axes, 0, _ROW * len(values) + 0.06, title, color=GREY)


def _beside(one: Mapping[str, Any]) -> str:
    parts = [f"{one['speed']:.1f}x"]
    if one["times_as_fast"]:
        parts.append(f"susurrus is {one['times_as_fast']['median']:.2f} times as fast")
    if one["words"] and one["words"]["rate"] is not None:
        parts.append(f"WER {100 * one['words']['rate']:.2f} %")
    if one["peak_bytes"]:
        parts.append(f"{one['peak_bytes'] / 1e6:.0f} MB")
    return ", ".join(parts)
