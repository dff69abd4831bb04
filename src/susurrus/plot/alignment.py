"""Draw where the decoder listens while it writes each token of one window, and the path that the word times come from.

Takes a `Model` and a `Recording`; gives the alignment of a window, and a figure of it. The times are those of `align`,
before words are joined with punctuation and mended (docs/concepts/word-times.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..align import TIMESTAMPS_PER_SECOND, Alignment, WordTiming, follow, word_timings
from ..decoding import Request, decode
from ..errors import OptionError
from ..features import FRAMES_PER_SECOND, N_FRAMES, LogMel
from ..language import detect_language
from ..languages import language_code
from ..segments import text_tokens
from ..tokenizer import Tokenizer
from ..types import Transcript
from .page import BLUE, DARK, GREY, MARGIN, ORANGE, PALE, SMALL, WIDTH, Page, clock, time_axis
from .sound import sound_drawer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..audio import Recording
    from ..transcribe import Model

# Between the path and a word beside it, in inches.
_SPACE = 0.12


@dataclass(frozen=True)
class WindowAlignment:
    """The text of one window followed through its sound. `start` and `end` are seconds of the file.

    `labels` are the tokens as text, one for each row of `alignment.matrix`, the end of the text last.
    """

    start: float
    end: float
    language: str
    labels: tuple[str, ...]
    words: tuple[WordTiming, ...]
    alignment: Alignment


def align_window(
    model: Model,
    recording: Recording,
    *,
    start: float = 0.0,
    end: float | None = None,
    transcript: Transcript | None = None,
    language: str | None = None,
) -> WindowAlignment:
    """Follow the text of the window at `start` (at most 30 s, or to `end`) with the model.

    With a transcript, the window and the text are those of its segment at `start`: what was written there, by whichever
    model. Without, the model writes the text, at temperature 0 and without a prompt; its language is detected where it
    is not given. Raises: OptionError where there is no sound, or no text.
    """
    segments = _window_of(transcript, start) if transcript is not None else ()
    seek = round((_window_start(segments) if segments else start) * FRAMES_PER_SECOND)
    mel = LogMel(recording, model.dims.n_mels)
    last = mel.n_frames if end is None else min(mel.n_frames, round(end * FRAMES_PER_SECOND))
    n_frames, first = min(N_FRAMES, last - seek), seek / FRAMES_PER_SECOND
    if n_frames <= 0:
        raise OptionError(
            f"{recording.name}: no sound at {clock(first)}", hint=f"it ends at {clock(recording.duration)}"
        )
    features = model.backend.encode(mel.window(seek, n_frames)[None])
    if not model.is_multilingual:
        language = "en"
    elif language is not None:
        language = language_code(language)
    elif transcript is not None and segments:
        language = segments[0].language or transcript.language
    else:
        language = next(iter(detect_language(model.backend, model.tokenizer(), features)))
    tokenizer = model.tokenizer(language)
    tokens = _tokens_of(tokenizer, segments) if segments else _write(model, features, tokenizer)
    if len(tokens) > model.dims.n_text_ctx - 8:
        raise OptionError(f"{len(tokens)} tokens at {clock(first)} are more than the model reads at a time")
    alignment = follow(model.backend, tokenizer, features, tokens, n_frames)
    if alignment is None:
        raise OptionError(f"{recording.name}: no text at {clock(first)}", hint="choose another start")
    return WindowAlignment(
        start=first,
        end=first + n_frames / FRAMES_PER_SECOND,
        language=language,
        labels=(*(token_label(tokenizer.token_bytes(token)) for token in tokens), "end"),
        words=tuple(word_timings(alignment, tokenizer, tokens)),
        alignment=alignment,
    )


def token_label(token: bytes) -> str:
    """Give a token as it can be read: a space as ␣, a part of a character as its bytes.

    >>> token_label(b" Ask"), token_label(bytes([0xE4, 0xB8])), token_label(" 你".encode())
    ('␣Ask', '<e4 b8>', '␣你')
    """
    try:
        return token.decode().replace(" ", "␣").replace("\n", "↵")
    except UnicodeDecodeError:
        return f"<{token.hex(' ')}>"


def draw_alignment(window: WindowAlignment, recording: Recording, *, title: str = "") -> Figure:
    """Draw the matrix (tokens down, time across), its path, and above it the sound and the words that result."""
    matrix, labels = window.alignment.matrix, window.labels
    page = Page("".join([title, *labels, *(word.word for word in window.words)]))
    left = max(MARGIN, 0.35 + max(page.text_width(label, SMALL) for label in labels))
    line = min(0.19, max(0.11, 24 / len(labels)))
    sound, header, axis = 0.8, 0.8, 0.3
    height = max(len(labels) * line, 1.5)
    page.set_height(header + sound + 0.05 + height + axis + 0.15)
    page.title(title, f"{clock(window.start)} to {clock(window.end)}, language {window.language}")
    color = page.probability_bar("probability of a word")

    above = page.axes(header, sound, left)
    time_axis(above, window.start, window.end)
    above.tick_params(axis="x", which="both", bottom=False, labelbottom=False)
    span = window.start, window.end
    sound_drawer(recording, "waveform", span)(above, span, (0.18, sound))
    _draw_words(above, window, color)

    below = page.axes(header + sound + 0.05, height, left)
    time_axis(below, window.start, window.end)
    end = window.start + matrix.shape[1] / TIMESTAMPS_PER_SECOND
    low, high = np.percentile(matrix, [20, 99.7])
    below.imshow(
        matrix,
        extent=(window.start, end, len(labels) - 0.5, -0.5),
        aspect="auto",
        cmap="Greys",
        vmin=low,
        vmax=high,
        interpolation="nearest",
    )
    below.set_xlim(window.start, window.end)
    below.set_ylim(len(labels) - 0.5, -0.5)
    below.set_yticks(range(len(labels)), labels, family=page.families, fontsize=SMALL, parse_math=False)
    below.tick_params(axis="y", length=0, pad=3)
    _draw_path(page, below, window, (WIDTH - left - MARGIN) / (window.end - window.start))
    _explain(page)
    return page.figure


def _draw_words(axes: Any, window: WindowAlignment, color: Any) -> None:
    """Draw the words as bars under the sound."""
    for word in window.words:
        start, end = window.start + word.start, window.start + word.end
        axes.fill_between([start, end], 0.04, 0.16, facecolor=color(word.probability), edgecolor="white", linewidth=0.5)
        axes.plot([start, start], [0.04, axes.get_ylim()[1]], color=PALE, linewidth=0.6, zorder=0)


def _draw_path(page: Page, axes: Any, window: WindowAlignment, per_second: float) -> None:
    """Draw the path, lines where each word begins (its first token, its time), and the word beside the path."""
    alignment = window.alignment
    times = window.start + (alignment.path_positions + 0.5) / TIMESTAMPS_PER_SECOND
    axes.plot(times, alignment.path_tokens, color="white", linewidth=2.6, solid_joinstyle="round", zorder=3)
    axes.plot(times, alignment.path_tokens, color=ORANGE, linewidth=1.3, solid_joinstyle="round", zorder=4)
    row = 0
    for word in window.words:
        start, end = window.start + word.start, window.start + word.end
        axes.axhline(row - 0.5, color=BLUE, linewidth=0.3, alpha=0.5, zorder=2)
        axes.plot([start, start], [-0.5, row + 0.5], color=BLUE, linewidth=0.4, alpha=0.5, zorder=2)
        text = f"{word.word.strip()}  {clock(start)}"
        space = _SPACE / per_second
        if (start - window.start) * per_second > page.text_width(text, SMALL) + 2 * _SPACE:
            page.write(axes, start - space, row, text, size=SMALL, ha="right")
        else:
            page.write(axes, end + space, row, text, size=SMALL, ha="left")
        row += len(word.tokens)
    axes.axhline(row - 0.5, color=BLUE, linewidth=0.3, alpha=0.5, zorder=2)


def _explain(page: Page) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    path = Line2D([], [], color=ORANGE, linewidth=1.6)
    word = Line2D([], [], color=BLUE, linewidth=0.8, alpha=0.6)
    page.legend(
        [Patch(color=GREY), Patch(color=DARK), path, word],
        ["listens a little", "listens most", "path of the text", "a word begins"],
    )


def _write(model: Model, features: Any, tokenizer: Tokenizer) -> list[int]:
    """Let the model write the window's text."""
    options = model.options(temperature=0.0, language=tokenizer.language)
    decoded = decode(model.backend, features, Request(tokenizer, options, suppress_tokens=model.suppress_tokens))
    return text_tokens(decoded.tokens, tokenizer.eot)


def _window_of(transcript: Transcript, start: float) -> Sequence[Any]:
    """Give the segments with text that were decoded in one window with the one that is spoken at `start`, or after."""
    spoken = [segment for segment in transcript.segments if segment.text.strip()]
    first = next((segment for segment in spoken if segment.end > start), None)
    if first is None:
        raise OptionError(f"the transcript has no text after {clock(start)}", hint="choose an earlier start")
    window = [s for s in spoken if (s.seek, s.speaker) == (first.seek, first.speaker) and s.end > s.start]
    if _is_whole(window):
        return window
    # No seek (another program's file): what ends within 30 s makes a window.
    return [s for s in spoken if s.start >= first.start and s.end <= first.start + N_FRAMES / FRAMES_PER_SECOND]


def _window_start(segments: Sequence[Any]) -> float:
    return segments[0].seek / FRAMES_PER_SECOND if _is_whole(segments) else segments[0].start


def _is_whole(segments: Sequence[Any]) -> bool:
    """Say whether the segments' `seek` can be the window they were decoded in."""
    seconds = segments[0].seek / FRAMES_PER_SECOND
    return segments[0].start >= seconds - 0.5 and segments[-1].end <= seconds + N_FRAMES / FRAMES_PER_SECOND + 0.5


def _tokens_of(tokenizer: Tokenizer, segments: Sequence[Any]) -> list[int]:
    """Give the segments' own tokens where they are this model's, else those of their text."""
    tokens: list[int] = []
    for segment in segments:
        own = text_tokens(segment.tokens, tokenizer.eot)
        is_own = bool(own) and tokenizer.decode(own).strip() == segment.text.strip()
        tokens += own if is_own else tokenizer.encode(" " + segment.text.strip())
    return tokens
