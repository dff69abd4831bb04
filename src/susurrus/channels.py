"""Channels of one recording, transcribed apart, put together as speakers. Pure: transcripts in, a transcript out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from .types import Transcript


def merge_channels(transcripts: Sequence[Transcript]) -> Transcript:
    """Give one transcript of all channels' segments in order of time, each with its channel, from 1, as the speaker.

    The text is that of the segments in this order. The language is that of the most segments.
    """
    are_mixed = len({transcript.language for transcript in transcripts}) > 1
    heard = [
        replace(
            segment,
            speaker=f"channel {channel}",
            language=segment.language or (transcript.language if are_mixed else None),
        )
        for channel, transcript in enumerate(transcripts, start=1)
        for segment in transcript.segments
    ]
    # Python's sort is stable: of two that begin together the lower channel comes first.
    heard.sort(key=lambda segment: segment.start)
    segments = tuple(replace(segment, id=i) for i, segment in enumerate(heard))
    spoken = Counter(segment.language for segment in segments if segment.text)
    language = next((code for code, _ in spoken.most_common(1) if code), transcripts[0].language)
    sure = [
        t.language_probability for t in transcripts if t.language == language and t.language_probability is not None
    ]
    return Transcript(
        text="".join(segment.text for segment in segments),
        language=language,
        segments=segments,
        duration=max(t.duration for t in transcripts),
        warnings=tuple(dict.fromkeys(warning for t in transcripts for warning in t.warnings)),
        language_probability=min((p for p in sure if p is not None), default=None),
        skipped=tuple(
            replace(skipped, reason=f"{skipped.reason} on channel {channel}")
            for channel, transcript in enumerate(transcripts, start=1)
            for skipped in transcript.skipped
        ),
    )
