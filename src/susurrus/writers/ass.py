"""Cues -> Advanced SubStation Alpha, with karaoke where the words are timed.

Source: the Aegisub manual (ASS tags) and libass (ass_parse.c) for what is special in text.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..options import SubtitleOptions
from ..types import Transcript, Word
from .cues import Cue, cues
from .labels import is_right_to_left, one_line_name

# White words with a black edge; in karaoke they are yellow until they are sung. Colours are &HAABBGGRR.
# The size is 1/18 of the height, which leaves room for 42 letters in a line.
_HEADER = """\
[Script Info]
ScriptType: v4.00+
PlayResX: 1920
PlayResY: 1080
WrapStyle: 0
ScaledBorderAndShadow: yes

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,60,&H00FFFFFF,&H0000FFFF,&H00000000,&H80000000,0,0,0,0,100,100,0,0,1,3,1,2,96,96,54,{encoding}

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
_ANY_DIRECTION = -1  # libass then takes a line's direction from its first letter
_DEFAULT_CHARSET = 1


def ass(transcript: Transcript, options: SubtitleOptions) -> Iterator[str]:
    """Write a script; the speaker is the line's name (Actor)."""
    found = list(cues(transcript, options))
    turns = any(is_right_to_left(cue.text) for cue in found)
    yield _HEADER.format(encoding=_ANY_DIRECTION if turns else _DEFAULT_CHARSET)
    for cue in found:
        text = _escaped(cue.text) if cue.words is None else _karaoke(cue, cue.words)
        name = one_line_name((cue.speaker or "").replace(",", " "))
        yield f"Dialogue: 0,{_time(cue.start)},{_time(cue.end)},Default,{name},0,0,0,,{text}\n"


def _karaoke(cue: Cue, words: tuple[Word, ...]) -> str:
    r"""Give the text with how long each word lasts, `{\k50}` half a second, pauses too.

    Times are counted from the cue's start, so that rounding never adds up.
    """
    text = ""
    now = _hundredths(cue.start)
    for word in words:
        start, end = max(_hundredths(word.start), now), max(_hundredths(word.end), now)
        if start > now:
            text += rf"{{\k{start - now}}}"
        stripped = word.word.lstrip()
        lead = word.word[: len(word.word) - len(stripped)]
        text += rf"{_escaped(lead)}{{\k{end - start}}}{_escaped(stripped)}"
        now = end
    return text


def _escaped(text: str) -> str:
    r"""Give text that is shown as it stands: `{` begins a tag, `\N` a new line.

    >>> print(_escaped("a {b}\nC:\\New"))
    a \{b}\NC:\⁠New
    """
    word_joiner = "\u2060"  # invisible; libass knows no escape for the backslash itself
    return text.replace("\\", "\\" + word_joiner).replace("{", r"\{").replace("\n", r"\N").replace("\r", "")


def _hundredths(seconds: float) -> int:
    return round(100 * seconds)


def _time(seconds: float) -> str:
    minutes, hundredths = divmod(_hundredths(seconds), 6000)
    return f"{minutes // 60}:{minutes % 60:02d}:{hundredths // 100:02d}.{hundredths % 100:02d}"
