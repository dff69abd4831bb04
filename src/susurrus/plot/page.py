"""A page to draw on, and files made of pages: what every picture shares. It knows nothing of transcripts."""

from __future__ import annotations

import io
import logging
import os
import secrets
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import OptionError, OutputError, SusurrusError
from .fonts import choose_fonts, without_glyph_warnings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "svg", "pdf")
WIDTH = 14.0
"""Inches."""
MARGIN = 0.55
DPI = 110
SMALL, NORMAL, LARGE = 7.0, 8.5, 11.0
"""Sizes of type, in points."""

# Okabe and Ito's colours, told apart by colour-blind readers too, and greys.
BLUE, ORANGE, DARK, GREY, PALE = "#0072B2", "#D55E00", "#222222", "#7f7f7f", "#d9d9d9"
PROBABILITY_COLORS = "cividis"

logger = logging.getLogger(__name__)


def need_matplotlib() -> None:
    """Raises: SusurrusError that says what to install, where matplotlib is not here."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise SusurrusError(f"a picture needs matplotlib: {error}", hint='pip install "susurrus[plot]"') from None


class Page:
    """A figure of the full width, with places counted in inches from its top left corner.

    `text` is what will be written on it, so that fonts for its scripts are found. Its height is set once it is known,
    before anything is drawn. Raises: SusurrusError without matplotlib.
    """

    def __init__(self, text: str) -> None:
        need_matplotlib()
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.height = 1.0
        self.figure: Figure = Figure(figsize=(WIDTH, self.height), dpi=DPI)
        self._canvas = FigureCanvasAgg(self.figure)
        self.families, _ = choose_fonts(text)

    def set_height(self, height: float) -> None:
        """Make the page `height` inches high."""
        self.height = height
        self.figure.set_size_inches(WIDTH, height)

    def axes(self, top: float, height: float, left: float = MARGIN, right: float = MARGIN) -> Any:
        """Give axes `top` inches from the top; inside, y counts inches from the axes' lower edge."""
        x, width = left / WIDTH, (WIDTH - left - right) / WIDTH
        axes: Any = self.figure.add_axes((x, 1 - (top + height) / self.height, width, height / self.height))
        axes.set_ylim(0, height)
        axes.set_yticks([])
        axes.tick_params(labelsize=SMALL, colors=DARK, length=3, width=0.6, pad=2)
        for side in ("top", "left", "right"):
            axes.spines[side].set_visible(False)
        axes.spines["bottom"].set(color=GREY, linewidth=0.6)
        return axes

    def write(self, axes: Any, x: float, y: float, text: str, *, size: float = NORMAL, **style: Any) -> Any:
        """Write text as it is: no `$` starts mathematics."""
        style = {"color": DARK, "va": "center", "clip_on": False, **style}
        return axes.text(x, y, text, fontsize=size, family=self.families, parse_math=False, **style)

    def title(self, text: str, detail: str) -> None:
        """Write the name of the picture at the top left and what it shows under it."""
        for y, size, line, color in ((0.2, LARGE, text, DARK), (0.42, NORMAL, detail, GREY)):
            self.figure.text(
                MARGIN / WIDTH,
                1 - y / self.height,
                line,
                fontsize=size,
                color=color,
                family=self.families,
                va="center",
                parse_math=False,
            )

    def text_width(self, text: str, size: float = NORMAL) -> float:
        """Give the width of a line of text in inches."""
        from matplotlib.font_manager import FontProperties

        font = FontProperties(family=self.families, size=size)
        with without_glyph_warnings():
            width, _, _ = self._canvas.get_renderer().get_text_width_height_descent(text, font, ismath=False)
        return float(width) / DPI

    def probability_bar(self, label: str) -> Any:
        """Draw the scale of the colours at the top right; give the colours: a probability -> a colour."""
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize

        colors = ScalarMappable(Normalize(0, 1), PROBABILITY_COLORS)
        place = (1 - (MARGIN + 2.2) / WIDTH, 1 - 0.3 / self.height, 2.2 / WIDTH, 0.13 / self.height)
        axes: Any = self.figure.add_axes(place)
        bar = self.figure.colorbar(colors, cax=axes, orientation="horizontal", ticks=[0, 0.25, 0.5, 0.75, 1])
        bar.outline.set_linewidth(0.4)  # type: ignore[operator]
        axes.tick_params(labelsize=SMALL, length=2, width=0.5, pad=1)
        axes.text(-0.03, 0.5, label, fontsize=NORMAL, color=DARK, ha="right", va="center", transform=axes.transAxes)
        return colors.to_rgba

    def legend(self, handles: Sequence[Any], labels: Sequence[str]) -> None:
        """Explain the marks, in one line under the scale of colours."""
        self.figure.legend(
            handles,
            labels,
            loc="upper right",
            bbox_to_anchor=(1 - (MARGIN - 0.1) / WIDTH, 1 - 0.46 / self.height),
            ncols=len(labels),
            fontsize=SMALL,
            frameon=False,
            borderpad=0,
            borderaxespad=0,
            handlelength=1.8,
            columnspacing=1.4,
        )


def time_axis(axes: Any, start: float, end: float) -> None:
    """Count the seconds of the file along the x axis, in steps that suit the span."""
    from matplotlib.ticker import FuncFormatter, MultipleLocator

    steps = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300)
    step = next((step for step in steps if (end - start) / step <= 16), 600)
    axes.set_xlim(start, end)
    axes.xaxis.set_major_locator(MultipleLocator(step))
    axes.xaxis.set_minor_locator(MultipleLocator(step / 5))
    axes.tick_params(axis="x", which="minor", length=1.5, width=0.4)
    decimals = 0 if step >= 1 else 1 if step >= 0.1 else 2
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: clock(x, decimals)))


def clock(seconds: float, decimals: int = 2) -> str:
    """Give minutes and seconds, hours where there are any.

    >>> clock(7.5), clock(3723.456), clock(59.999, 0)
    ('0:07.50', '1:02:03.46', '1:00')
    """
    scale = 10**decimals
    whole, part = divmod(round(seconds * scale), scale)
    minutes, whole = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{part:0{decimals}}" if decimals else ""
    return f"{hours}:{minutes:02}:{whole:02}{fraction}" if hours else f"{minutes}:{whole:02}{fraction}"


def save_figures(figures: Iterable[Figure], path: str | os.PathLike[str]) -> list[Path]:
    """Write figures in the form that the suffix names; give the files' paths.

    A pdf holds them all; of several in png or svg each is a file with a number: words-001.png, words-002.png. Each is
    written as soon as it is given, whole or not at all; the same figures give the same bytes.
    Raises: OptionError for another suffix, OutputError.
    """
    import matplotlib

    target = Path(path)
    paths: list[Path] = []
    format = picture_format(target)
    # Text in an svg stays text: to be searched, and set by the viewer with its own fonts.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "susurrus"}), without_glyph_warnings():
        if format == "pdf":
            _write(target, _pdf(figures))
            return [target]
        rest = iter(figures)
        page, following = next(rest, None), next(rest, None)
        is_alone = following is None
        while page is not None:
            if format == "png":
                _replace_missing(page)
            data = io.BytesIO()
            page.savefig(data, format=format, metadata={"Date": None} if format == "svg" else None)
            paths.append(target if is_alone else target.with_stem(f"{target.stem}-{len(paths) + 1:03}"))
            _write(paths[-1], data.getvalue())
            page, following = following, next(rest, None)
    return paths


def picture_format(path: Path) -> str:
    """Give the form that a file's suffix names. Raises: OptionError for one that is not in `FORMATS`."""
    format = path.suffix.lower().lstrip(".")
    if format not in FORMATS:
        raise OptionError(f"{path}: no picture ends in {path.suffix!r}", hint=f"end it in .{', .'.join(FORMATS)}")
    return format


def _write(path: Path, data: bytes) -> None:
    """Write a file that appears whole or not at all."""
    unfinished = path.with_name(f".susurrus-{secrets.token_hex(8)}")
    try:
        unfinished.write_bytes(data)
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise OutputError(f"{path} cannot be written: {error.strerror}", hint="name a place you may write to") from None


def _pdf(figures: Iterable[Figure]) -> bytes:
    from matplotlib.backends.backend_pdf import PdfPages

    document = io.BytesIO()
    with PdfPages(document, metadata={"CreationDate": None}) as pages:
        for figure in figures:
            _replace_missing(figure)
            pages.savefig(figure)
    return document.getvalue()


def _replace_missing(figure: Figure) -> None:
    """Write a square for each character that no font here has, and say so."""
    from matplotlib.text import Text

    texts = [text for text in figure.findobj(Text) if isinstance(text, Text)]
    _, missing = choose_fonts("".join(text.get_text() for text in texts))
    if not missing:
        return
    squares = str.maketrans(dict.fromkeys(missing, "□"))
    for text in texts:
        text.set_text(text.get_text().translate(squares))
    scripts = sorted({unicodedata.name(c, "unknown").split()[0].split("-")[0].capitalize() for c in missing})
    logger.warning(
        'no font here has these characters, squares stand for them: %s; pip install "susurrus[fonts]" brings fonts, '
        "and an svg is shown with the viewer's own",
        ", ".join(scripts),
    )
