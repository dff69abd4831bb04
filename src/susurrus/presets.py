"""What subtitles of a kind have to keep to, by the kind's name. Plain data; `writers/broadcast.py` cuts by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True)
class SubtitlePreset:
    """Limits of a subtitle. Seconds; characters as `writers.breaks.width` counts them."""

    line_width: int
    line_count: int
    chars_per_second: float
    min_duration: float
    max_duration: float
    gap: float
    """Between two subtitles, so that the eye sees the change."""
    linger: float
    """A pause shorter than this is not left empty: the subtitle before it stays, less the gap."""


MIN_PRESET_LINE = 10
"""Characters. Shorter lines would have to cut most words."""

PRESETS: Mapping[str, SubtitlePreset] = MappingProxyType(
    {
        # Line length, speed, longest time and the gap of two frames (at 25 a second): Netflix, Timed Text Style Guide,
        # General Requirements and English. It has 5/6 s as the shortest time, the BBC 0.3 s a word.
        "broadcast": SubtitlePreset(
            line_width=42,
            line_count=2,
            chars_per_second=20.0,
            min_duration=0.8,
            max_duration=7.0,
            gap=0.08,
            linger=0.5,
        )
    }
)
