"""The frozen values that travel the line. They know nothing of files, models or frameworks.

Units: times are seconds from the file's start; names that end in `_frames` count mel frames of 10 ms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

Array = Any
"""An array of some backend (NumPy, torch, ...); docstrings give its shape."""


@dataclass(frozen=True)
class ModelDimensions:
    """Sizes of a Whisper model, with OpenAI's names. Source: openai/whisper, model.py, ModelDimensions."""

    n_mels: int
    n_audio_ctx: int
    n_audio_state: int
    n_audio_head: int
    n_audio_layer: int
    n_vocab: int
    n_text_ctx: int
    n_text_state: int
    n_text_head: int
    n_text_layer: int

    @property
    def is_multilingual(self) -> bool:
        """The `.en` vocabulary has 51,864 entries, the multilingual ones 51,865 and 51,866."""
        return self.n_vocab >= 51865


class Weights(Mapping[str, Array]):
    """Canonical names -> tensors, read one at a time, so that a large model never lies in memory twice.

    `shapes` is known without reading. `weights[name]` reads: f32 or f16 NumPy (bfloat16 is widened to f32,
    scaled integers are multiplied out to f32).
    """

    def __init__(self, entries: Mapping[str, tuple[tuple[int, ...], Callable[[], Array]]]) -> None:
        self._entries = dict(entries)
        self.shapes: dict[str, tuple[int, ...]] = {name: tuple(shape) for name, (shape, _) in entries.items()}

    def __getitem__(self, name: str) -> Array:
        return self._entries[name][1]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


@dataclass(frozen=True)
class Checkpoint:
    """A model as loaded from any format: sizes, weights with OpenAI's names, and what decoding must know of it.

    `alignment_heads` are (layer, head) pairs of the decoder's cross-attention that follow the sound;
    `suppress_tokens` is the checkpoint's own list of ids that are not speech, None where it has none.
    """

    name: str
    dims: ModelDimensions
    weights: Weights
    alignment_heads: tuple[tuple[int, int], ...]
    suppress_tokens: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Window:
    """One model call that `LongForm` asks for: where to listen, and what text goes before it.

    `seek` is the first mel frame, counted from the file's start; `n_frames` of the 3000 are sound, the rest padding.
    """

    seek: int
    n_frames: int
    prompt: tuple[int, ...] = ()


@dataclass(frozen=True)
class Decoded:
    """What the decoder made of one window. `tokens` stand after the sot_sequence and before eot."""

    tokens: tuple[int, ...]
    text: str
    language: str
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float


@dataclass(frozen=True)
class Word:
    """A timed word, with the space before it where the language has one."""

    word: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True)
class Segment:
    """A timed piece of text. The keys and their order are openai-whisper's; the last two are ours, None where unknown.

    `language` is the code of the language the segment is in, where languages are told apart window by window;
    `speaker` a label, such as the channel it was heard on.
    """

    id: int
    seek: int
    start: float
    end: float
    text: str
    tokens: tuple[int, ...]
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float
    words: tuple[Word, ...] | None = None
    language: str | None = None
    speaker: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Give the dict openai-whisper gives: words, language and speaker are there only where they are known."""
        d = {name: value for name, value in asdict(self).items() if value is not None}
        d["tokens"] = list(self.tokens)
        if self.words is not None:
            d["words"] = [asdict(word) for word in self.words]
        return d

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> Segment:
        """Give the segment whose `to_dict` is `d`.

        >>> segment = Segment(0, 0, 0.0, 1.5, " Hi", (1, 2), 0.0, -0.1, 1.0, 0.0, (Word(" Hi", 0.0, 1.5, 0.9),))
        >>> Segment.from_dict(segment.to_dict()) == segment
        True
        """
        words = tuple(Word(**word) for word in d["words"]) if "words" in d else None
        return cls(**{**d, "tokens": tuple(d["tokens"]), "words": words})


@dataclass(frozen=True)
class Skipped:
    """What was left out of a transcript, from `start` to `end` seconds: sound that was not decoded, or text dropped."""

    start: float
    end: float
    reason: str
    text: str = ""


@dataclass(frozen=True)
class Transcript:
    """A whole file: its text, its language (a code), its segments, and how long it is in seconds.

    `language_probability` says how sure the detection was; None where the language was given. `skipped` is what was
    left out on purpose.
    """

    text: str
    language: str
    segments: tuple[Segment, ...]
    duration: float = 0.0
    warnings: tuple[str, ...] = field(default=())
    language_probability: float | None = None
    skipped: tuple[Skipped, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Give openai-whisper's result: `text`, `segments`, `language`; after them what we know besides."""
        d: dict[str, Any] = {
            "text": self.text,
            "segments": [segment.to_dict() for segment in self.segments],
            "language": self.language,
        }
        if self.language_probability is not None:
            d["language_probability"] = self.language_probability
        if self.skipped:
            d["skipped"] = [asdict(skipped) for skipped in self.skipped]
        return d


@dataclass(frozen=True)
class Mark:
    """Where a walk stood after a window: what the window gave, and the walk's state but for the text so far.

    All marks of a walk, in order, are enough to take it up again (`LongForm.take_up`). `stretch` says which walk it is,
    where a recording has several.
    """

    segments: tuple[Segment, ...]
    walk: Mapping[str, Any]
    stretch: int = 0


@dataclass(frozen=True)
class Saved:
    """An interrupted transcription: what its beginning found out about the language, and its marks."""

    language: str
    language_probability: float | None = None
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True)
class Progress:
    """How far a file is: seconds of sound finished, of seconds in all (None while that is not known)."""

    done: float
    total: float | None
