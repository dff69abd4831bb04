"""Which language is spoken: in one window, and in a whole file.

`detect_language` reads a window's probabilities off the model. Everything else here takes such probabilities and
touches neither sound nor model: where in a file to listen, and when that is enough.
Source: openai/whisper, decoding.py, detect_language, for one window. The figures behind the rest: bench/RESULTS.md.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .segments import FRAMES_PER_SECOND, N_FRAMES
from .tokenizer import Tokenizer

if TYPE_CHECKING:
    from .backends import Backend

FindSpeech = Callable[[float, float], Sequence[tuple[float, float]]]
"""Gives the regions between two times where somebody speaks; seconds from the file's start."""

LEAST = 1e-4
"""No window counts a language for less probable than this, so none can rule out what all others hear."""

MIN_SPEECH = 2.0
"""Seconds of speech that a window must hold to count for a file's language."""


def detect_language(
    backend: Backend, tokenizer: Tokenizer, audio_features: Any, languages: Sequence[str] | None = None
) -> dict[str, float]:
    """Give each language's probability in the one window of `audio_features`, likeliest first.

    `languages` are the codes to choose from; their probabilities add up to 1.
    """
    codes = languages or tokenizer.all_language_codes
    ids = np.array([tokenizer.language_token(code) for code in codes])
    sot = np.array([[tokenizer.sot]], dtype=np.int32)
    one, first = np.ones(1, dtype=np.int32), np.zeros((1, 1), dtype=np.int32)
    logits, _ = backend.prefill(audio_features, sot, one, first)
    of_languages = backend.ops.to_numpy(logits)[0, 0, ids].astype(np.float64)
    weights = np.exp(of_languages - of_languages.max())
    return _likeliest_first(dict(zip(codes, (weights / weights.sum()).tolist(), strict=True)))


def combine(windows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Give several windows' probabilities as one, likeliest first: their geometric mean, scaled to add up to 1.

    It found the language more often than the mean and the vote of windows, and its figure is right as often as it says;
    a product of the probabilities finds the same but is sure of what is wrong.

    >>> probs = combine([{"de": 0.5, "en": 0.5}, {"en": 0.8, "de": 0.2}])
    >>> {code: round(prob, 3) for code, prob in probs.items()}
    {'en': 0.667, 'de': 0.333}
    """
    means = {code: math.prod(max(p[code], LEAST) ** (1 / len(windows)) for p in windows) for code in windows[0]}
    total = sum(means.values())
    return _likeliest_first({code: mean / total for code, mean in means.items()})


def detect_in_file(
    listen: Callable[[int], Mapping[str, float]], places: Iterable[int], *, n_windows: int, threshold: float | None
) -> dict[str, float]:
    """Give each language's probability in a file, likeliest first.

    `listen(seek)` gives the probabilities in the 30 s from frame `seek` on; `places` say where to listen. It ends after
    `n_windows`, or as soon as a language is more probable than `threshold`.
    """
    heard: list[Mapping[str, float]] = []
    probs: dict[str, float] = {}
    for seek in itertools.islice(places, n_windows):
        heard.append(listen(seek))
        probs = combine(heard) if len(heard) > 1 else dict(heard[0])
        if threshold is not None and next(iter(probs.values())) > threshold:
            break
    return probs


def places_to_listen(
    clips: Sequence[tuple[int, int]], n_frames: int, find_speech: FindSpeech | None = None
) -> Iterator[int]:
    """Give the first frames of windows that hold speech, the file's head first, then spread over the clips.

    `clips` are the frames to be transcribed, of the file's `n_frames`. Speech is looked for as far as places are asked
    for. Without any speech, or where there is but one window, it is the head alone: so OpenAI does it.

    >>> list(places_to_listen([(0, 9000)], 9000, lambda start, stop: [(start + 1, stop)] if start else []))
    [6100, 3100]
    """
    windows = [
        (start, min(start + N_FRAMES, end, n_frames))
        for clip, end in clips
        for start in range(clip, min(end, n_frames), N_FRAMES)
    ]
    long_enough = [window for window in windows if window[1] - window[0] >= MIN_SPEECH * FRAMES_PER_SECOND]
    head = windows[0][0] if windows else 0
    if len(long_enough) < 2:
        yield head
        return
    is_silent = True
    for i in _spread(len(long_enough)):
        start, stop = long_enough[i]
        speech = [(0.0, (stop - start) / FRAMES_PER_SECOND)]
        if find_speech is not None:
            speech = list(find_speech(start / FRAMES_PER_SECOND, stop / FRAMES_PER_SECOND))
        if sum(end - begin for begin, end in speech) >= MIN_SPEECH:
            is_silent = False
            # The head is heard as it is: its features serve the first window too.
            yield start if start == head or find_speech is None else round(speech[0][0] * FRAMES_PER_SECOND)
    if is_silent:
        yield head


def _spread(n: int) -> list[int]:
    """Order 0 .. n - 1 so that wherever one stops, they are spread: by their bits read backwards (van der Corput).

    >>> _spread(6)
    [0, 4, 2, 1, 5, 3]
    """
    n_bits = max(n - 1, 1).bit_length()
    order = (int(f"{k:0{n_bits}b}"[::-1], 2) for k in range(2**n_bits))
    return [i for i in order if i < n]


def _likeliest_first(probs: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(probs.items(), key=lambda item: -item[1]))
