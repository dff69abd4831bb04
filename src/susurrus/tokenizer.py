"""Text <-> token ids, and the special ids that steer a Whisper model.

Takes a model's vocabulary size, gives a `Tokenizer` with exactly OpenAI's ids. It knows nothing of models or backends.
Source: openai/whisper, tokenizer.py.
"""

from __future__ import annotations

import codecs
import functools
import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from .errors import OptionError
from .languages import language_code
from .types import ModelDimensions
from .vocabulary import N_TIMESTAMPS, Vocabulary, load_vocabulary, vocabulary_of

_WITHOUT_SPACES = frozenset({"zh", "ja", "th", "lo", "my", "yue"})
"""Languages that are written without spaces between words."""

_REPLACEMENT = "\ufffd"


@dataclass(frozen=True)
class Tokenizer:
    """Text <-> ids for one language and task. Made by `Tokenizer.for_model`; special ids are attributes.

    `n_vocab` is the model's: ids up to it that this vocabulary does not have are never text.
    """

    vocabulary: Vocabulary
    n_vocab: int
    language: str
    task: str = "transcribe"

    @classmethod
    def for_model(
        cls, dims: ModelDimensions | int, *, language: str | None = None, task: str = "transcribe"
    ) -> Tokenizer:
        """Give the tokenizer of a model, known by its dimensions or by its `n_vocab` alone.

        `language` is a code or a name. Absent it is English, as with OpenAI: `with_language` once it was detected.

        Raises: CheckpointError for a vocabulary that is not Whisper's; OptionError for a language or task that this
        model does not have.

        >>> tokenizer = Tokenizer.for_model(51865, language="German")
        >>> tokenizer.sot_sequence
        (50258, 50261, 50359)
        >>> tokenizer.decode(tokenizer.encode(" Grüß Gott"))
        ' Grüß Gott'
        """
        n_vocab, n_mels = (dims.n_vocab, dims.n_mels) if isinstance(dims, ModelDimensions) else (dims, None)
        vocabulary = load_vocabulary(*vocabulary_of(n_vocab, n_mels))
        return cls(vocabulary, n_vocab, language_code("en" if language is None else language), task)

    def __post_init__(self) -> None:
        if self.task not in ("transcribe", "translate"):
            raise OptionError(f"task={self.task!r}: expected 'transcribe' or 'translate'")
        if not self.is_multilingual and (self.language, self.task) != ("en", "transcribe"):
            raise OptionError(
                f"language={self.language!r}, task={self.task!r}: all an .en model knows is 'en' and 'transcribe'",
                hint="take a multilingual model, the name without .en",
            )
        if self.language not in self.vocabulary.languages:
            raise OptionError(
                f"language={self.language!r}: expected one of the {len(self.vocabulary.languages)} of this model",
                hint="Cantonese came with large-v3; older models write it as 'zh'",
            )

    def with_language(self, language: str) -> Tokenizer:
        """Give the same tokenizer for another language, a code or a name; the vocabulary is shared.

        Raises: OptionError for a language that this model does not have.
        """
        return replace(self, language=language_code(language))

    # Special ids

    def special(self, name: str) -> int:
        """Give the id of a special token by its name without the brackets: `endoftext`, `en`, `1.08`.

        Raises: KeyError.
        """
        return self.vocabulary.specials[f"<|{name}|>"]

    @property
    def is_multilingual(self) -> bool:
        """Whether the model knows languages and tasks, that is, is not an `.en` one."""
        return self.vocabulary.is_multilingual

    @functools.cached_property
    def eot(self) -> int:
        """End of text; every id from here on is special, every one below is text."""
        return self.special("endoftext")

    @functools.cached_property
    def sot(self) -> int:
        """Start of transcript."""
        return self.special("startoftranscript")

    @functools.cached_property
    def translate(self) -> int:
        """The task of translating to English."""
        return self.special("translate")

    @functools.cached_property
    def transcribe(self) -> int:
        """The task of writing what was said."""
        return self.special("transcribe")

    @functools.cached_property
    def sot_lm(self) -> int:
        """Start of text without sound; unused by the released models."""
        return self.special("startoflm")

    @functools.cached_property
    def sot_prev(self) -> int:
        """Start of the prompt, the text before the window."""
        return self.special("startofprev")

    @functools.cached_property
    def no_speech(self) -> int:
        """The model's claim, in the place after sot, that nobody speaks."""
        return self.special("nospeech")

    @functools.cached_property
    def no_timestamps(self) -> int:
        """Asks for text without timestamps."""
        return self.special("notimestamps")

    @functools.cached_property
    def timestamp_begin(self) -> int:
        """The timestamp of 0.00 s; an id counts 0.02 s from it, and no id above it is text."""
        return self.special("0.00")

    def language_token(self, code: str) -> int:
        """Give the id of a language.

        Raises: OptionError for a language that this vocabulary does not have.
        """
        if code not in self.vocabulary.languages:
            raise OptionError(f"language={code!r}: expected one of the {len(self.vocabulary.languages)} of this model")
        return self.special(code)

    @property
    def all_language_codes(self) -> tuple[str, ...]:
        """The languages of the vocabulary in the order of their ids (an `.en` vocabulary has ids for 99, unused)."""
        return self.vocabulary.languages

    @functools.cached_property
    def all_language_tokens(self) -> tuple[int, ...]:
        """The ids of `all_language_codes`, in the same order."""
        return tuple(self.special(code) for code in self.vocabulary.languages)

    @functools.cached_property
    def sot_sequence(self) -> tuple[int, ...]:
        """What decoding begins with: (sot, language, task), or (sot,) with an `.en` model."""
        if not self.is_multilingual:
            return (self.sot,)
        return (self.sot, self.special(self.language), self.special(self.task))

    @functools.cached_property
    def sot_sequence_including_notimestamps(self) -> tuple[int, ...]:
        """The `sot_sequence` that asks for text without timestamps."""
        return (*self.sot_sequence, self.no_timestamps)

    @property
    def non_speech_tokens(self) -> tuple[int, ...]:
        """Ids of symbols that nobody speaks, ascending: notes, brackets, speaker dashes. Decoding suppresses them."""
        return _non_speech_tokens(self.vocabulary)

    # Text

    def encode(self, text: str) -> list[int]:
        """Give the ids of a text. All of it is text: `<|en|>` in a user's prompt does not become a special id."""
        return self.vocabulary.encoding.encode_ordinary(text)

    def decode(self, tokens: Iterable[int]) -> str:
        """Give the text of ids without timestamps. Other special ids show as their names, broken UTF-8 as U+FFFD."""
        return self.vocabulary.encoding.decode([t for t in tokens if t < self.timestamp_begin])

    def decode_with_timestamps(self, tokens: Iterable[int]) -> str:
        """Give the text of ids, timestamps shown as `<|1.08|>`. Ids of a fine-tuned model's own have no text."""
        end = self.timestamp_begin + N_TIMESTAMPS
        return self.vocabulary.encoding.decode([t for t in tokens if t < end])

    def token_bytes(self, token: int) -> bytes:
        """Give the UTF-8 of one id, which may be part of a character; nothing for a timestamp."""
        return b"" if token >= self.timestamp_begin else self.vocabulary.encoding.decode_single_token_bytes(token)

    def split_to_word_tokens(self, tokens: Sequence[int]) -> tuple[list[str], list[list[int]]]:
        """Cut ids into words; give the words and the ids of each. Every id is in some word.

        A word begins with a space; languages without spaces are cut at every character that ids make whole.
        """
        pieces = self._split_on_unicode(tokens)
        if self.language not in _WITHOUT_SPACES:
            pieces = self._join_on_spaces(pieces)
        return [text for text, _ in pieces], [ids for _, ids in pieces]

    def _split_on_unicode(self, tokens: Sequence[int]) -> list[tuple[str, list[int]]]:
        whole = self.decode_with_timestamps(tokens)
        pieces: list[tuple[str, list[int]]] = []
        current: list[int] = []
        offset = 0
        for i, token in enumerate(tokens):
            current.append(token)
            text = self.decode_with_timestamps(current)
            # A U+FFFD says that a character is not whole yet, unless the whole text has one there too. Where bytes are
            # broken the count of U+FFFD may differ from the whole's, so OpenAI's code reads past its end, or drops ids.
            broken_at = offset + text.find(_REPLACEMENT)
            is_partial = _REPLACEMENT in text and broken_at < len(whole) and whole[broken_at] != _REPLACEMENT
            if not is_partial or i == len(tokens) - 1:
                pieces.append((text, current))
                current = []
                offset += len(text)
        return pieces

    def _join_on_spaces(self, pieces: list[tuple[str, list[int]]]) -> list[tuple[str, list[int]]]:
        words: list[tuple[str, list[int]]] = []
        for text, ids in pieces:
            is_special = ids[0] >= self.eot
            # `in` is OpenAI's: it holds for "" and for runs of the ASCII table, such as "()", not for "..."
            is_punctuation = text.strip() in string.punctuation
            if is_special or text.startswith(" ") or is_punctuation or not words:
                words.append((text, ids))
            else:
                words[-1] = (words[-1][0] + text, words[-1][1] + ids)
        return words


class TextStream:
    """Text as ids arrive, for showing it live: a character is held back until its last byte is there.

    What `push` and `close` gave, joined, equals `decode` of all the ids.

    >>> tokenizer = Tokenizer.for_model(51865)
    >>> stream = TextStream(tokenizer)
    >>> [stream.push(token) for token in tokenizer.encode("Ok🙂")], stream.close()
    (['Ok', '', '', '🙂'], '')
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token: int) -> str:
        """Give the text that this id makes whole, perhaps none."""
        return self._decoder.decode(self._tokenizer.token_bytes(token))

    def close(self) -> str:
        """Give what was held back, as U+FFFD, and begin anew."""
        return self._decoder.decode(b"", final=True)


@functools.cache
def _non_speech_tokens(vocabulary: Vocabulary) -> tuple[int, ...]:
    # Source: openai/whisper, tokenizer.py, non_speech_tokens
    encode = vocabulary.encoding.encode_ordinary
    symbols = [*'"#()*+/:;<=>@[\\]^_`{|}~「」『』']
    symbols += [
        "<<",
        ">>",
        "<<<",
        ">>>",
        "--",
        "---",
        "-(",
        "-[",
        "('",
        '("',
        "((",
        "))",
        "(((",
        ")))",
        "[[",
        "]]",
        "{{",
        "}}",
        "♪♪",
        "♪♪♪",
    ]
    # Notes are one token or several; then the first is enough, as U+2640 to U+267F share their first two bytes.
    notes = [*"♩♪♫♬♭♮♯"]
    # Hyphens and single quotes are speech within a word, not before one.
    tokens = {encode(" -")[0], encode(" '")[0]}
    for symbol in symbols + notes:
        for ids in (encode(symbol), encode(" " + symbol)):
            if len(ids) == 1 or symbol in notes:
                tokens.add(ids[0])
    return tuple(sorted(tokens))
