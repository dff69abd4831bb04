"""What of a recording is walked in one go: all of it, or a window at a time between two pauses.

It asks the speech regions where somebody speaks, and gives spans in mel frames. It knows of no model and no text.
"""

from __future__ import annotations

from collections.abc import Sequence

from .audio import Recording
from .cancel import Cancel
from .features import FRAMES_PER_SECOND
from .options import TranscribeOptions
from .speech import LONGEST, Region, cut_long, find_regions, pack, speech_activity
from .types import Skipped

Span = tuple[int, int]
"""First frame and the one behind the last."""


def cut_into_stretches(
    recording: Recording,
    options: TranscribeOptions,
    clips: Sequence[Span],
    are_together: bool,
    cancel: Cancel | None = None,
) -> tuple[list[list[Span]], tuple[Skipped, ...]]:
    """Give the stretches, each a list of spans to walk one after another, and what is left out for holding no speech.

    One stretch of all clips; or, `are_together`, one for each window of speech, which are decoded side by side. With
    `vad_filter` what is no speech is left out, else the clips are cut at their quietest moments. Raises: Cancelled.
    """
    if not are_together and not options.vad_filter:
        return [list(clips)], ()
    spans: list[Span] = []
    skipped: list[Skipped] = []
    for start, end in clips:
        if start >= end:
            continue
        clip = Region(start / FRAMES_PER_SECOND, end / FRAMES_PER_SECOND)
        activity = speech_activity(recording, clip.start, clip.end, cancel=cancel)
        regions = [clip]
        if options.vad_filter:
            regions = [inside for region in find_regions(activity, options) if (inside := _within(region, clip))]
        longest = min(options.vad_max_speech_duration_s or LONGEST, LONGEST)
        windows = [Region(w.start, w.end) for w in pack(cut_long(regions, activity, longest), activity, longest)]
        spans += [(_frames(window.start), _frames(window.end)) for window in windows]
        edges = [clip.start, *(time for window in windows for time in (window.start, window.end)), clip.end]
        skipped += [
            Skipped(before, after, "no speech")
            for before, after in zip(edges[::2], edges[1::2], strict=True)
            if before < after
        ]
    if not are_together:
        return ([spans] if spans else []), tuple(skipped)
    return [[span] for span in spans], tuple(skipped)


def _within(region: Region, clip: Region) -> Region | None:
    start, end = max(region.start, clip.start), min(region.end, clip.end)
    return Region(start, end) if start < end else None


def _frames(seconds: float) -> int:
    return round(seconds * FRAMES_PER_SECOND)
