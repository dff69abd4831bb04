"""What of a recording is walked in one go: all of it, or a window at a time between two pauses.

It asks the speech regions where somebody speaks, and gives spans in mel frames. It knows of no model and no text. Which
of the two ways it is, and what the options mean in it, is decided here too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Literal

from .audio import Recording
from .cancel import Cancel
from .errors import OptionError
from .features import FRAMES_PER_SECOND
from .options import SpeechOptions, TranscribeOptions
from .speech import LONGEST, Region, cut_long, find_regions, pack, speech_activity
from .types import Skipped

Span = tuple[int, int]
"""First frame and the one behind the last."""

BatchSize = int | Literal["auto"]


def settle(batch_size: BatchSize, options: TranscribeOptions) -> tuple[bool, TranscribeOptions]:
    """Say whether windows are decoded together, and give the options with what follows from that.

    Raises: OptionError for a batch size that is none, and for options that this way cannot honour.
    """
    is_size = isinstance(batch_size, int) and not isinstance(batch_size, bool) and batch_size >= 0
    if not is_size and batch_size != "auto":
        raise OptionError(f"batch_size={batch_size!r}: expected 'auto' or a whole number, 0 or more")
    are_together = batch_size != 0
    if options.condition_on_previous_text and are_together:
        if batch_size != "auto":
            raise OptionError(
                f"condition_on_previous_text=True with batch_size={batch_size}: windows that are decoded together"
                " cannot each have the text before them",
                hint="leave one of the two out",
            )
        are_together = False
    conditions, filters = options.condition_on_previous_text, options.vad_filter
    options = replace(
        options,
        # Together, it is the text before a window in its own stretch: what was left unfinished there.
        condition_on_previous_text=True if conditions is None else conditions,
        vad_filter=are_together if filters is None else filters,
    )
    for field in fields(SpeechOptions):
        value = getattr(options, field.name)
        if value != field.default and not options.vad_filter:
            raise OptionError(f"{field.name}={value!r} without a filter for speech", hint="set vad_filter=True")
    return are_together, options


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
