"""Which fonts write a text: matplotlib's own where it will do, others of the machine for other scripts.

Takes text, gives names of font families. The extra `fonts` brings fonts for every script, for machines without.
"""

from __future__ import annotations

import contextlib
import importlib.util
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

OWN = "DejaVu Sans"
"""Comes with matplotlib: Latin, Greek, Cyrillic, Arabic, Hebrew, Armenian, Georgian, Lao."""

PACKAGES = ("manimgx_fonts", "noto_cjk_sans_jp_regular")
"""The extra `fonts`: Noto Sans for the scripts of the world."""

# They claim every character and draw none.
_PLACEHOLDERS = ("Last Resort", "Adobe Blank", "Fallback")


def choose_fonts(text: str) -> tuple[list[str], set[str]]:
    """Give font families that together write `text`, and the characters that none of them has."""
    from matplotlib.font_manager import fontManager

    missing = {c for c in text if unicodedata.category(c)[0] not in "CZ" and not "\ufe00" <= c <= "\ufe0f"}
    families, missing = [OWN], missing - _characters(_own_path())
    if not missing:
        return families, missing
    _add_packages()
    candidates = [e for e in fontManager.ttflist if e.style == "normal" and not any(p in e.name for p in _PLACEHOLDERS)]
    for entry in sorted(candidates, key=_rank):
        if not missing:
            break
        if found := missing & _characters(entry.fname):
            families.append(entry.name)
            missing -= found
    return families, missing


@contextlib.contextmanager
def without_glyph_warnings() -> Iterator[None]:
    """Keep matplotlib from warning of every missing character: they are said once, by name."""
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"(?s).*missing from.*font")
        yield


def _rank(entry: Any) -> tuple[bool, bool, float, str]:
    """Noto Sans first, then other plain faces, in their normal weight."""
    weight = entry.weight if isinstance(entry.weight, (int, float)) else 400
    is_serif = "Serif" in entry.name or "Mono" in entry.name
    return not entry.name.startswith("Noto Sans"), is_serif, abs(weight - 400), entry.name


def _own_path() -> str:
    from matplotlib import get_data_path

    return str(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")


def _characters(path: str) -> set[str]:
    """Give what a font file can draw; nothing where it cannot be read."""
    from matplotlib.font_manager import get_font

    try:
        return {chr(code) for code in get_font(path).get_charmap()}
    except (OSError, RuntimeError):  # matplotlib's list of fonts may be older than the disk
        return set()


def _add_packages() -> None:
    from matplotlib.font_manager import fontManager

    known = {entry.fname for entry in fontManager.ttflist}
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            for path in sorted(p for p in Path(folder).iterdir() if p.suffix in (".ttf", ".otf")):
                if str(path) not in known:
                    fontManager.addfont(path)
