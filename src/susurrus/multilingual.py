"""A language for each window: when it changes, and where within a window another one begins.

It takes the probabilities of languages in a window and in stretches of it, and gives languages and frames. It touches
neither sound nor model: a caller listens for it. All that it remembers is two codes (`LongFormState`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from .types import Segment, Window

Probs = Mapping[str, float]
"""Code -> probability, likeliest first."""

Listen = Callable[[int, int], Probs]
"""Gives the probabilities in the `n_frames` from frame `seek` on."""

SURE = 0.8
"""A stretch as sure as this of another language changes the language at once."""

MARGIN = 2.0
"""Two windows in a row change it too, where each finds the other language so many times as probable as the present."""

STRETCH_FRAMES = 500
"""Frames that are enough to tell a language by, 5 s."""

LEAST_FRAMES = 100
"""A window is not cut shorter than this, 1 s: in scraps the model hears what nobody said."""


@dataclass(frozen=True)
class WindowLanguage:
    """A window's language, where it ends (a frame; before the window does), and what the next window should know."""

    language: str
    end: int | None = None
    heard: str | None = None


def next_language(language: str, heard: str | None, probs: Probs) -> tuple[str, str | None]:
    """Give a window's language, and what to hand on as `heard` to the next window.

    `language` is the window before's. A neighbour that is barely likelier for one window (Norwegian and Nynorsk, Hindi
    and Urdu) changes nothing; a sure window does, or two that agree.

    >>> next_language("en", None, {"de": 0.9, "en": 0.1})
    ('de', None)
    >>> next_language("en", None, {"de": 0.6, "en": 0.2})
    ('en', 'de')
    >>> next_language("en", "de", {"de": 0.6, "en": 0.2})
    ('de', None)
    """
    likeliest = _likeliest(probs)
    if likeliest == language or probs[likeliest] < MARGIN * probs.get(language, 0.0):
        return language, None
    if probs[likeliest] >= SURE or likeliest == heard:
        return likeliest, None
    return language, likeliest


def window_language(
    window: Window,
    language: str,
    heard: str | None,
    probs: Probs,
    *,
    is_first: bool,
    speech: Sequence[tuple[int, int]],
    listen: Listen,
) -> WindowLanguage:
    """Give a window's language, and where in it another one begins.

    A window holds one language token, so one that goes from English to German comes out in English alone: its head and
    tail are heard apart, and where they differ it ends at the pause between. `language` and `heard` are handed on from
    the window before; with `is_first` the language is the file's, that this window need not begin with. `probs` are
    those of the whole window, `speech` the regions of it in frames: between two of them a sentence may end.
    """
    if not speech:  # noise is in no language, and may sound much like one
        return WindowLanguage(language, heard=heard)
    here, heard = next_language(language, heard, probs)
    begin, end = max(window.seek, speech[0][0]), min(window.seek + window.n_frames, speech[-1][1])
    inside = [start for start, _ in speech[1:] if begin + LEAST_FRAMES <= start <= end - LEAST_FRAMES]
    heads = [start for start in inside if start >= begin + STRETCH_FRAMES]
    tails = [start for start in inside if start <= end - STRETCH_FRAMES]
    if not heads or not tails:
        return WindowLanguage(here, heard=heard)

    if is_first or _likeliest(probs) != language:
        head = listen(begin, heads[0] - begin)
        if head[_likeliest(head)] >= SURE:
            here, heard = _likeliest(head), None
        elif head[language] >= head[here]:
            here = language
    tail = listen(tails[-1], end - tails[-1])
    after = _likeliest(tail)
    if after != here and max(tail[after], probs[after]) >= SURE:
        return WindowLanguage(here, _find_change(here, end, inside[: inside.index(tails[-1]) + 1], listen), heard)
    return WindowLanguage(here, heard=heard)


def _find_change(language: str, end: int, pauses: Sequence[int], listen: Listen) -> int:
    """Give the first pause after which `language` is not spoken; after the last one, to frame `end`, it is not."""
    low, high = 0, len(pauses) - 1
    while low < high:
        middle = (low + high) // 2
        probs = listen(pauses[middle], min(STRETCH_FRAMES, end - pauses[middle]))
        if probs[_likeliest(probs)] >= MARGIN * probs[language]:
            high = middle
        else:
            low = middle + 1
    return pauses[high]


def most_spoken(segments: Iterable[Segment], default: str) -> str:
    """Give the language that the segments speak longest; `default` where they say nothing."""
    seconds: dict[str, float] = {}
    for segment in segments:
        if segment.language is not None and segment.text:
            seconds[segment.language] = seconds.get(segment.language, 0.0) + segment.end - segment.start
    return max(seconds, key=lambda code: seconds[code], default=default)


def _likeliest(probs: Probs) -> str:
    return next(iter(probs))
