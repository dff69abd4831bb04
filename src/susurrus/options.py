"""Every option of decoding, transcription and subtitles, written once; flags, docs and server fields derive from here.

Values are checked when the object is made, so nothing downstream checks again. `None` means absent.
Source of names, meanings and defaults: openai/whisper, decoding.py and transcribe.py; the rest says its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from .errors import OptionError
from .languages import language_code
from .presets import MIN_PRESET_LINE, PRESETS

TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
PREPEND_PUNCTUATIONS = "\"'“¿([{-"
APPEND_PUNCTUATIONS = "\"'.。,，!！?？:：”)]}、"

LANGUAGE_DETECTION_SEGMENTS = 4
LANGUAGE_DETECTION_THRESHOLD = 0.9

Options = TypeVar("Options")


def option(default: Any, help: str, kind: str, *, cli_default: Any = ..., choices: Sequence[str] | None = None) -> Any:
    """Declare an option. `kind` names how a command line reads it: str, int, float, bool, or ids; with `?` for None.

    `cli_default` is the command line's default where openai-whisper's differs from its API's.
    """
    metadata = {"help": help, "kind": kind, "choices": choices}
    metadata["cli_default"] = default if cli_default is ... else cli_default
    return field(default=default, metadata=metadata)


def _require(ok: bool, name: str, value: object, expected: str, hint: str | None = None) -> None:
    if not ok:
        raise OptionError(f"{name}={value!r}: expected {expected}", hint=hint)


def _require_number(options: object, name: str, low: float, high: float, expected: str, *, whole: bool = False) -> None:
    value = getattr(options, name)
    if value is None:
        return
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    _require(is_number and low <= value <= high and (not whole or value == int(value)), name, value, expected)


@dataclass(frozen=True, kw_only=True)
class DecodingOptions:
    """How one window becomes tokens."""

    task: str = option(
        "transcribe", "write what was said, or translate it to English", "str", choices=("transcribe", "translate")
    )
    language: str | None = option(None, "the language spoken, a code or a name; detected when absent", "str?")
    temperature: float | tuple[float, ...] = option(
        TEMPERATURES, "sampling temperature; several are tried in turn until the text passes the thresholds", "float"
    )
    best_of: int | None = option(None, "candidates to sample when the temperature is above zero", "int?", cli_default=5)
    beam_size: int | None = option(None, "beams, when the temperature is zero", "int?", cli_default=5)
    patience: float | None = option(
        None, "beam search goes on until beam_size * patience candidates have ended (arxiv 2204.05424)", "float?"
    )
    length_penalty: float | None = option(
        None, "Google's length penalty alpha (arxiv 1609.08144); simple length normalisation when absent", "float?"
    )
    sample_len: int | None = option(
        None, "at most this many tokens a window; half the text context when absent", "int?"
    )
    suppress_tokens: str | tuple[int, ...] = option(
        "-1", "comma-separated token ids never to write; -1 stands for the symbols that are not speech", "ids"
    )
    suppress_blank: bool = option(True, "do not begin a window with a blank or with nothing", "bool")
    without_timestamps: bool = option(False, "decode text only, without timestamp tokens", "bool")
    max_initial_timestamp: float | None = option(1.0, "the first timestamp is at most this, in seconds", "float?")
    prefix: str | None = option(None, "text that the transcription of each window begins with", "str?")
    hotwords: str | None = option(None, "words to expect, put before every window", "str?")
    repetition_penalty: float = option(1.0, "above 1: tokens already written in the window become less likely", "float")
    no_repeat_ngram_size: int = option(0, "never write the same n tokens twice in a window; 0: no such rule", "int")
    compression_ratio_threshold: float | None = option(
        2.4, "a window whose text compresses better than this has failed (it repeats itself)", "float?"
    )
    logprob_threshold: float | None = option(
        -1.0, "a window whose average log-probability is lower than this has failed", "float?"
    )
    no_speech_threshold: float | None = option(
        0.6,
        "a window is silent when the probability of no speech is higher than this and logprob_threshold is missed",
        "float?",
    )
    seed: int = option(0, "sampling with the same seed gives the same text again", "int")

    def __post_init__(self) -> None:
        put = lambda name, value: object.__setattr__(self, name, value)
        if self.language is not None:
            put("language", language_code(self.language))
        _require(self.task in ("transcribe", "translate"), "task", self.task, "'transcribe' or 'translate'")

        temperatures = self.temperature
        if isinstance(temperatures, (int, float)):
            temperatures = (temperatures,)
        put("temperature", tuple(float(t) for t in temperatures))
        _require(len(self.temperatures) > 0, "temperature", temperatures, "at least one temperature")
        for t in self.temperatures:
            _require(math.isfinite(t) and t >= 0, "temperature", t, "a finite number, zero or more")

        for name in ("best_of", "beam_size", "sample_len"):
            _require_number(self, name, 1, 1_000_000, "a whole number, 1 or more", whole=True)
        _require_number(self, "patience", 1e-6, math.inf, "a number above 0")
        _require(
            self.patience is None or self.beam_size is not None,
            "patience",
            self.patience,
            "a beam search",
            "set beam_size too",
        )
        _require_number(self, "length_penalty", 0, 1, "a number from 0 to 1")
        _require_number(self, "max_initial_timestamp", 0, 30, "seconds from 0 to 30")
        _require_number(self, "repetition_penalty", 1e-6, math.inf, "a number above 0")
        _require_number(self, "no_repeat_ngram_size", 0, 1_000_000, "a whole number, 0 or more", whole=True)
        _require_number(self, "compression_ratio_threshold", -math.inf, math.inf, "a number")
        _require_number(self, "logprob_threshold", -math.inf, math.inf, "a number")
        _require_number(self, "no_speech_threshold", -math.inf, math.inf, "a number")
        _require_number(self, "seed", 0, 2**63, "a whole number, 0 or more", whole=True)
        put("suppress_tokens", _parse_ids(self.suppress_tokens))

    @property
    def temperatures(self) -> tuple[float, ...]:
        """The temperatures in the order they are tried."""
        assert isinstance(self.temperature, tuple)
        return self.temperature


@dataclass(frozen=True, kw_only=True)
class SpeechOptions:
    """What counts as speech. Source of names: faster-whisper, vad.py, VadOptions."""

    vad_threshold: float = option(0.5, "speech begins where its probability reaches this", "float")
    vad_neg_threshold: float | None = option(
        None, "speech ends where its probability falls below this; vad_threshold - 0.15 when absent", "float?"
    )
    vad_min_speech_duration_ms: int = option(100, "drop speech shorter than this", "int")
    vad_max_speech_duration_s: float | None = option(
        None, "cut speech longer than this at its quietest point", "float?"
    )
    vad_min_silence_duration_ms: int = option(160, "silence shorter than this does not part speech", "int")
    vad_speech_pad_ms: int = option(400, "keep this much of the sound on both sides of speech", "int")

    def __post_init__(self) -> None:
        durations = ("vad_min_speech_duration_ms", "vad_min_silence_duration_ms", "vad_speech_pad_ms")
        for name in ("vad_threshold", *durations):
            _require(getattr(self, name) is not None, name, None, "a number")
        _require_number(self, "vad_threshold", 0, 1, "a probability from 0 to 1")
        _require_number(self, "vad_neg_threshold", 0, self.vad_threshold, "a probability up to vad_threshold")
        _require_number(self, "vad_max_speech_duration_s", 1, 30, "seconds from 1 to 30, a window's length")
        for name in durations:
            _require_number(self, name, 0, 1_000_000, "milliseconds, 0 or more", whole=True)

    @property
    def low_threshold(self) -> float:
        """The probability that speech lasts down to."""
        if self.vad_neg_threshold is not None:
            return self.vad_neg_threshold
        return max(self.vad_threshold - 0.15, 0.01)


@dataclass(frozen=True, kw_only=True)
class TranscribeOptions(DecodingOptions, SpeechOptions):
    """How a whole file becomes segments: decoding, where somebody speaks, and the walk over its windows."""

    languages: str | tuple[str, ...] | None = option(
        None, "comma-separated codes or names: detection chooses among these languages only", "str?"
    )
    multilingual: bool = option(False, "detect the language of each window anew, and say it in each segment", "bool")
    language_detection_segments: int = option(
        LANGUAGE_DETECTION_SEGMENTS,
        "detect the language in at most this many windows of 30 s that hold speech, spread over the file;"
        " 1: in the first 30 s, whatever they hold, as openai-whisper does",
        "int",
    )
    language_detection_threshold: float | None = option(
        LANGUAGE_DETECTION_THRESHOLD,
        "stop detecting as soon as a language is more probable than this; None: listen to all the windows",
        "float?",
    )
    initial_prompt: str | None = option(None, "text put before the first window", "str?")
    carry_initial_prompt: bool = option(False, "put initial_prompt before every window", "bool")
    condition_on_previous_text: bool | None = option(
        None,
        "put the text so far before each window; False: loops are rarer and windows less consistent; None: True for"
        " windows one after another, impossible for windows decoded together",
        "bool?",
    )
    vad_filter: bool | None = option(
        None, "leave out what is not speech; None: where windows are decoded together", "bool?"
    )
    word_timestamps: bool = option(False, "time every word, and refine the segments by the words", "bool")
    prepend_punctuations: str = option(
        PREPEND_PUNCTUATIONS, "with word_timestamps: these symbols go to the next word", "str"
    )
    append_punctuations: str = option(
        APPEND_PUNCTUATIONS, "with word_timestamps: these symbols go to the previous word", "str"
    )
    clip_timestamps: str | tuple[float, ...] = option(
        "0", "start,end,start,end,... in seconds: the clips to transcribe; the last end may be left out", "str"
    )
    hallucination_silence_threshold: float | None = option(
        None,
        "with word_timestamps: skip silence longer than this, in seconds, around text that looks invented",
        "float?",
    )

    def __post_init__(self) -> None:
        DecodingOptions.__post_init__(self)
        SpeechOptions.__post_init__(self)
        self._check_languages()
        object.__setattr__(self, "clip_timestamps", _parse_clips(self.clip_timestamps))
        _require_number(self, "hallucination_silence_threshold", 0, math.inf, "seconds, 0 or more")
        _require(
            self.hallucination_silence_threshold is None or self.word_timestamps,
            "hallucination_silence_threshold",
            self.hallucination_silence_threshold,
            "word times to judge by",
            "set word_timestamps too",
        )
        _require(
            not self.carry_initial_prompt or self.initial_prompt is not None,
            "carry_initial_prompt",
            self.carry_initial_prompt,
            "a prompt to carry",
            "set initial_prompt too",
        )

    def _check_languages(self) -> None:
        """Check what steers the detection of languages; none of it can be honoured when the language is given."""
        object.__setattr__(self, "languages", _parse_languages(self.languages))
        _require_number(self, "language_detection_segments", 1, 1_000_000, "a whole number, 1 or more", whole=True)
        _require_number(self, "language_detection_threshold", 0, 1, "a probability, from 0 to 1")
        if self.language is None:
            return
        _require(
            self.languages is None or self.language in self.languages,
            "language",
            self.language,
            f"one of languages={','.join(self.languages or ())}",
        )
        unused = {
            "multilingual": False,
            "language_detection_segments": LANGUAGE_DETECTION_SEGMENTS,
            "language_detection_threshold": LANGUAGE_DETECTION_THRESHOLD,
        }
        for name, default in unused.items():
            value = getattr(self, name)
            _require(value == default, name, value, "a language to detect", f"leave out language={self.language!r}")


@dataclass(frozen=True, kw_only=True)
class SubtitleOptions:
    """How segments with words are cut into lines. Source: openai/whisper, utils.py, SubtitlesWriter."""

    highlight_words: bool = option(False, "underline each word as it is spoken in srt and vtt", "bool")
    max_line_width: int | None = option(None, "at most this many characters in a line", "int?")
    max_line_count: int | None = option(None, "at most this many lines in a subtitle (with max_line_width)", "int?")
    max_words_per_line: int | None = option(
        None, "at most this many words in a subtitle (without max_line_width)", "int?"
    )
    subtitle_preset: str | None = option(
        None,
        "broadcast: lines, speed and times fit to show, cut at clauses, with or without word times;"
        " max_line_width and max_line_count then replace its 42 and 2",
        "str?",
    )

    def __post_init__(self) -> None:
        for name in ("max_line_width", "max_line_count", "max_words_per_line"):
            _require_number(self, name, 1, 1_000_000, "a whole number, 1 or more", whole=True)
        if self.subtitle_preset is not None:
            self._check_preset()
            return
        _require(
            self.max_line_count is None or self.max_line_width is not None,
            "max_line_count",
            self.max_line_count,
            "a line width to count lines of",
            "set max_line_width too",
        )
        _require(
            self.max_words_per_line is None or self.max_line_width is None,
            "max_words_per_line",
            self.max_words_per_line,
            "no max_line_width beside it",
            "choose one of the two",
        )

    def _check_preset(self) -> None:
        _require(
            self.subtitle_preset in PRESETS, "subtitle_preset", self.subtitle_preset, f"one of {', '.join(PRESETS)}"
        )
        for name in ("highlight_words", "max_words_per_line"):
            value = getattr(self, name)
            _require(not value, name, value, "no subtitle_preset beside it", "leave one of the two out")
        _require_number(self, "max_line_width", MIN_PRESET_LINE, 1_000_000, f"{MIN_PRESET_LINE} characters or more")
        most = PRESETS[str(self.subtitle_preset)].line_count
        _require_number(self, "max_line_count", 1, most, f"at most the preset's {most} lines")


def make_options(cls: type[Options], given: dict[str, Any]) -> Options:
    """Make `cls` from keyword arguments; an unknown name is an OptionError that suggests the nearest."""
    import difflib

    known = [f.name for f in fields(cls)]  # type: ignore[arg-type]
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise OptionError(
                f"unknown option {name!r}", hint=f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
            )
    return cls(**given)


def _parse_ids(value: str | Sequence[int] | None) -> tuple[int, ...]:
    """Read token ids: `"-1,50257"` or a sequence of numbers; None and "" are no ids."""
    parts: Sequence[Any] = [p for p in value.split(",") if p.strip()] if isinstance(value, str) else (value or ())
    try:
        return tuple(int(part) for part in parts)
    except (TypeError, ValueError):
        raise OptionError(
            f"suppress_tokens={value!r}: expected token ids", hint="for example '-1' or '-1,50257'"
        ) from None


def _parse_languages(value: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """Read languages: `"en,german"` or a sequence of codes or names; None for no restriction."""
    if value is None:
        return None
    parts = [p.strip() for p in value.split(",") if p.strip()] if isinstance(value, str) else value
    _require(isinstance(parts, Sequence) and len(parts) > 0, "languages", value, "languages", "for example 'en,de'")
    return tuple(dict.fromkeys(language_code(part) for part in parts))


def _parse_clips(value: str | Sequence[float]) -> tuple[float, ...]:
    """Read clip times: `"0,12.5,30"` or a sequence of seconds, never decreasing inside a clip."""
    parts: Sequence[Any] = [p for p in value.split(",") if p.strip()] if isinstance(value, str) else value
    hint = "seconds as start,end,start,end,...; for example '10,20,40'"
    try:
        times = tuple(float(part) for part in parts)
    except (TypeError, ValueError):
        raise OptionError(f"clip_timestamps={value!r}: expected seconds", hint=hint) from None
    for time in times:
        _require(math.isfinite(time) and time >= 0, "clip_timestamps", value, "finite seconds, 0 or more", hint)
    for start, end in zip(times[::2], times[1::2], strict=False):
        _require(start <= end, "clip_timestamps", value, f"each end after its start, not {start:g} to {end:g}", hint)
    return times
