"""The two vocabularies of Whisper, `gpt2` (the `.en` models) and `multilingual`, with their special tokens.

Takes a model's vocabulary size, gives the byte-pair encoding and the ids of the special tokens.

A file `NAME.z` is zlib over: the 256 single bytes in rank order, then the other tokens in rank order with 0xFF between
them, a byte that UTF-8 never contains. 1.6 MB of base64 become 0.4 MB that load in 10 ms.

Source of the data: openai/whisper, whisper/assets/*.tiktoken (MIT; see NOTICE).
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import tiktoken

from ..errors import CheckpointError
from ..languages import LANGUAGES

N_TIMESTAMPS = 1501
"""Timestamp tokens stand for 0.00, 0.02, ... 30.00 seconds."""

# How text falls into pieces before byte pairs are merged. Source: openai/whisper, tokenizer.py, get_encoding (GPT-2's).
_PIECES = r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""

_SIZES = {51864: ("gpt2", 99), 51865: ("multilingual", 99), 51866: ("multilingual", 100)}
"""n_vocab -> vocabulary, number of languages."""

_SEPARATOR = b"\xff"


def pack(tokens: Sequence[bytes]) -> bytes:
    """Give the bytes of a vocabulary file; the first 256 tokens are the single bytes."""
    return zlib.compress(b"".join(tokens[:256]) + _SEPARATOR.join(tokens[256:]), level=9)


def unpack(packed: bytes) -> list[bytes]:
    """Give the tokens of a vocabulary file in the order of their ranks.

    >>> singles = [bytes([i]) for i in range(256)]
    >>> unpack(pack([*singles, b"th", b"the"]))[-2:]
    [b'th', b'the']
    """
    data = zlib.decompress(packed)
    return [data[i : i + 1] for i in range(256)] + data[256:].split(_SEPARATOR)


def read_tokens(name: str) -> list[bytes]:
    """Give the tokens of `gpt2` (50,256 of them) or `multilingual` (50,257) in the order of their ranks."""
    return unpack(Path(__file__).with_name(f"{name}.z").read_bytes())


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """What tokenizers of all languages and tasks of a model share. `specials` maps names such as `<|en|>` to ids."""

    encoding: tiktoken.Encoding = field(repr=False)
    specials: Mapping[str, int] = field(repr=False)
    languages: tuple[str, ...]
    is_multilingual: bool


def special_names(n_languages: int) -> list[str]:
    """Give the names of the special tokens in the order of their ids; the first id follows the last of the text.

    >>> names = special_names(99)
    >>> names[:3], names[100:108], names[-1], len(names)  # doctest: +NORMALIZE_WHITESPACE
    (['<|endoftext|>', '<|startoftranscript|>', '<|en|>'],
     ['<|su|>', '<|translate|>', '<|transcribe|>', '<|startoflm|>', '<|startofprev|>', '<|nospeech|>',
      '<|notimestamps|>', '<|0.00|>'],
     '<|30.00|>', 1608)
    """
    languages = list(LANGUAGES)[:n_languages]
    tasks = ["translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps"]
    timestamps = [f"{i * 0.02:.2f}" for i in range(N_TIMESTAMPS)]
    return [f"<|{name}|>" for name in ["endoftext", "startoftranscript", *languages, *tasks, *timestamps]]


@functools.cache
def load_vocabulary(name: str, n_languages: int) -> Vocabulary:
    """Load `gpt2` or `multilingual` with the special tokens of so many languages (about 40 ms, the first time)."""
    ranks = {token: rank for rank, token in enumerate(read_tokens(name))}
    specials = {special: id for id, special in enumerate(special_names(n_languages), start=len(ranks))}
    encoding = tiktoken.Encoding(
        f"whisper-{name}-{n_languages}", pat_str=_PIECES, mergeable_ranks=ranks, special_tokens=specials
    )
    languages = tuple(LANGUAGES)[:n_languages]
    return Vocabulary(encoding, MappingProxyType(specials), languages, is_multilingual=name == "multilingual")


def vocabulary_of(n_vocab: int, n_mels: int | None = None) -> tuple[str, int]:
    """Tell which vocabulary a model of this size has, and for how many languages.

    A model larger than large-v3's was fine-tuned with tokens of its own, or padded; what it added lies above the
    timestamps and is not text. What it grew from shows in `n_mels`: only the large-v3 family, with 100 languages,
    hears 128.

    Raises: CheckpointError where a vocabulary is smaller than any of Whisper's.

    >>> vocabulary_of(51864), vocabulary_of(51866), vocabulary_of(51968, n_mels=80)
    (('gpt2', 99), ('multilingual', 100), ('multilingual', 99))
    """
    if n_vocab in _SIZES:
        return _SIZES[n_vocab]
    if n_vocab > max(_SIZES):
        return "multilingual", 99 if n_mels == 80 else 100
    raise CheckpointError(
        f"n_vocab={n_vocab}: expected {', '.join(map(str, _SIZES))}, or more", hint="is this a Whisper model?"
    )
