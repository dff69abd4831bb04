"""Where in a recording somebody speaks: cheap enough to ask of every file.

    activity = speech_activity(recording)                    # probability and loudness, every 32 ms
    regions = find_regions(activity, SpeechOptions())        # stretches of speech
    windows = pack(cut_long(regions, activity), activity)    # model calls of up to 30 s, cut at pauses

It takes sound and gives times. It knows of no Whisper model, no tokens and no text.
"""

from __future__ import annotations

import math

from ..audio import Cancel, Recording
from ..options import SpeechOptions
from .activity import Activity, speech_activity
from .regions import LONGEST, Region, SpeechWindow, cut_long, find_regions, pack, pauses, quietest

__all__ = [
    "LONGEST",
    "Activity",
    "Region",
    "SpeechOptions",
    "SpeechWindow",
    "cut_long",
    "find_regions",
    "pack",
    "pauses",
    "quietest",
    "speech_activity",
    "speech_regions",
]


def speech_regions(
    recording: Recording,
    options: SpeechOptions | None = None,
    start: float = 0.0,
    end: float = math.inf,
    *,
    cancel: Cancel | None = None,
) -> tuple[Region, ...]:
    """Give the regions of speech in [start, end) seconds of an open recording, ordered and disjoint.

    They may reach out of the span by their padding. Raises: Cancelled.
    """
    return find_regions(speech_activity(recording, start, end, cancel=cancel), options)
