"""Text that looks invented and stands in silence: where to listen again.

Takes the segments of one window with their words; gives the frame to go on at. No sound, no model.
Source: openai/whisper, transcribe.py, `hallucination_silence_threshold`.
"""

from __future__ import annotations

from dataclasses import dataclass

from .align import frames
from .segments import FRAMES_PER_SECOND, N_FRAMES, SegmentDraft, WordDraft
from .types import Window

PUNCTUATION = "\"'“¿([{-\"'.。,，!！?？:：”)]}、"


@dataclass(frozen=True)
class Skip:
    """Go on at frame `seek` and keep the first `n_kept` segments. `is_leading`: nothing of the window counts."""

    seek: int
    n_kept: int
    is_leading: bool = False


def find_skip(
    segments: list[SegmentDraft],
    window: Window,
    *,
    threshold: float,
    last_speech_end: float,
    n_frames: int,
) -> Skip | None:
    """Find silence of more than `threshold` seconds to skip, around segments that look invented; None without any.

    `n_frames` is the length of the whole file's sound, `last_speech_end` the end of the last word before the window.
    """
    start = window.seek / FRAMES_PER_SECOND
    window_end = (window.seek + N_FRAMES) / FRAMES_PER_SECOND
    first = _next_with_words(segments)
    if first is not None and is_anomaly(first):
        gap = first.start - start
        if gap > threshold:
            return Skip(window.seek + frames(gap), 0, is_leading=True)

    previous_end = last_speech_end
    for i, segment in enumerate(segments):
        if not segment.words:
            continue
        if is_anomaly(segment):
            following = _next_with_words(segments[i + 1 :])
            next_start = following.words[0].start if following else start + window.n_frames / FRAMES_PER_SECOND
            is_silent_before = (
                segment.start - previous_end > threshold or segment.start < threshold or segment.start - start < 2.0
            )
            is_silent_after = (
                next_start - segment.end > threshold or is_anomaly(following) or window_end - segment.end < 2.0
            )
            if is_silent_before and is_silent_after:
                is_file_end = n_frames / FRAMES_PER_SECOND - segment.end < threshold
                return Skip(n_frames if is_file_end else frames(max(start + 1, segment.start)), i)
        previous_end = segment.end
    return None


def is_anomaly(segment: SegmentDraft | None) -> bool:
    """Say whether the first words are very short, very long or improbable, most of them."""
    if segment is None or not segment.words:
        return False
    words = [word for word in segment.words if word.word not in PUNCTUATION][:8]
    score = sum(_anomaly_score(word) for word in words)
    return score >= 3 or score + 0.01 >= len(words)


def _anomaly_score(word: WordDraft) -> float:
    duration = word.end - word.start
    score = 1.0 if word.probability < 0.15 else 0.0
    if duration < 0.133:
        score += (0.133 - duration) * 15
    if duration > 2.0:
        score += duration - 2.0
    return score


def _next_with_words(segments: list[SegmentDraft]) -> SegmentDraft | None:
    return next((segment for segment in segments if segment.words), None)
