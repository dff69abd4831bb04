"""Which formats there are, how a command line names several, and which options each can honour."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields

from ..errors import OptionError
from ..options import SubtitleOptions

WHISPER_FORMATS = ("txt", "vtt", "srt", "tsv", "json")
"""openai-whisper's: what `all` stands for."""

FORMATS = (*WHISPER_FORMATS, "csv", "lrc", "ass")
"""The formats, named by their file name extension."""

_SHOWN = frozenset({"vtt", "srt", "lrc", "ass"})
_UNDERLINED = frozenset({"vtt", "srt"})


def parse_formats(text: str) -> tuple[str, ...]:
    """Read a list of formats: `all` stands for openai-whisper's five, and none comes twice.

    Raises: OptionError for a name that is no format.

    >>> parse_formats("all"), parse_formats("srt,ass")
    (('txt', 'vtt', 'srt', 'tsv', 'json'), ('srt', 'ass'))
    """
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    chosen: dict[str, None] = {}
    for name in names:
        if name != "all" and name not in FORMATS:
            raise OptionError(
                f"output format {name!r}: expected one of {', '.join(FORMATS)}, or all",
                hint="several are parted by commas: srt,json",
            )
        chosen.update(dict.fromkeys(WHISPER_FORMATS if name == "all" else (name,)))
    if not chosen:
        raise OptionError(f"output format {text!r}: expected one of {', '.join(FORMATS)}, or all")
    return tuple(chosen)


def wants_words(options: SubtitleOptions) -> bool:
    """Say whether subtitles become better when words are timed, although that was not asked for."""
    return options.subtitle_preset is not None


def needs_words(options: SubtitleOptions) -> str | None:
    """Give the first option that cannot be honoured without word times.

    A preset estimates the times inside a segment, and so do the limits that go with it.
    """
    given = (field.name for field in fields(options) if getattr(options, field.name))
    return next(given, None) if options.subtitle_preset is None else None


def check_subtitles(options: SubtitleOptions, formats: Collection[str], *, has_words: bool) -> None:
    """Refuse options that none of the formats can honour, or that need words to be timed where they are not.

    Raises: OptionError naming the option.
    """
    for name in (field.name for field in fields(options) if getattr(options, field.name)):
        able = _UNDERLINED if name == "highlight_words" else _SHOWN
        if not able.intersection(formats):
            raise OptionError(
                f"--{name} changes nothing in {', '.join(formats)}",
                hint=f"it is for {', '.join(one for one in FORMATS if one in able)}",
            )
    needing = needs_words(options)
    if needing is not None and not has_words:
        raise OptionError(
            f"--{needing} needs word times",
            hint="add --word_timestamps True, or take --subtitle_preset broadcast, which does without",
        )
