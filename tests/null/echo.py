"""A model that writes what it was asked: the language, the task, the prompt. Its sound says how it behaves.

Each behaviour is the name of a scene, and has a pitch of its own. So a command line can be followed from its flags to
its files without weights, and what a flag does to a text is known exactly.
"""

from __future__ import annotations

import functools
import math
import zlib
from typing import NamedTuple

import numpy as np
from fakes import DIMS as ENGLISH_DIMS
from waves import tone, wav_bytes

from susurrus.backends.ops import NumpyOps
from susurrus.features import log_mel
from susurrus.tokenizer import Tokenizer
from susurrus.transcribe import Model
from susurrus.types import Checkpoint, Weights

DIMS = ENGLISH_DIMS.__class__(**{**vars(ENGLISH_DIMS), "n_vocab": 51865})
TOKENIZER = Tokenizer.for_model(DIMS, language="en")
SURE, UNSURE, SECOND = 20.0, 10.0, 15.0

SCENES = {
    "plain": "writes the language, the task, the prompt and the prefix",
    "late": "its first timestamp is 5 s",
    "bracket": "writes symbols that are not speech",
    "blank": "begins with a blank",
    "loop": "repeats itself; another word is second",
    "mumble": "is not sure of anything",
    "silent": "mumbles, and takes it for no speech",
    "fork": "the likelier first word leads nowhere",
    "wordy": "may end after each word; going on is likelier",
    "quoted": "writes punctuation before and after words",
    "ghost": "writes unlikely words in the middle of a silence",
    "german": "plain, in what is German",
    "denglish": "plain, in what is rather German than English",
}
_PITCHES = {scene: 2600.0 + 400.0 * i for i, scene in enumerate(SCENES)}


def wave_of(*scenes, seconds=5.0, speech=None):
    """Give a wave file in which the scenes follow each other; `speech` f32 is heard under them."""
    sound = np.concatenate([tone(seconds, hz=_PITCHES[scene]) for scene in scenes]).astype(np.float64)
    if speech is not None:
        sound = 0.05 * sound + 32000 * np.resize(speech, sound.shape)
    return wav_bytes(np.clip(sound, -32768, 32767).astype(np.int16))


@functools.cache
def _bins():
    return {scene: _loudest(log_mel(tone(hz=hz).astype(np.float32) / 32768)) for scene, hz in _PITCHES.items()}


def _loudest(mel):
    # Speech lies below; a window's padding is as quiet everywhere.
    return 40 + int(mel[40:].mean(axis=1).argmax())


class Row(NamedTuple):
    """A text under way: what stands before it, and what was written."""

    scene: str
    start: tuple[int, ...]
    written: tuple[int, ...] = ()


class EchoBackend:
    """`Backend` without a network."""

    name, device, dtype = "echo", "cpu", "float32"

    def __init__(self):
        self.dims, self.ops = DIMS, NumpyOps()

    def encode(self, mel):
        nearest = lambda found: min(_bins(), key=lambda scene: abs(_bins()[scene] - found))
        return [nearest(_loudest(window)) for window in mel]

    def pick(self, audio_features, windows):
        return [audio_features[window] for window in windows]

    def prefill(self, audio_features, tokens, lengths, at):
        starts = [tuple(row[:n]) for row, n in zip(tokens.tolist(), lengths.tolist(), strict=True)]
        rows = [Row(scene, start) for scene, start in zip(audio_features, starts, strict=True)]
        logits = [
            [_sot_logits(row.scene) if row.start[p] == TOKENIZER.sot else _logits(row) for p in places]
            for row, places in zip(rows, at.tolist(), strict=True)
        ]
        return np.array(logits), rows

    def step(self, tokens, cache):
        rows = [row._replace(written=(*row.written, int(t))) for row, t in zip(cache, tokens, strict=True)]
        return np.array([_logits(row) for row in rows]), rows

    def select(self, cache, rows):
        return [cache[row] for row in rows]

    def join(self, cache, rows, other):
        joined = dict(enumerate(cache)) | dict(zip(rows, other, strict=True))
        return [joined[row] for row in sorted(joined)]

    def attend(self, audio_features, tokens, n_text_tokens):
        """Hear a token every 0.2 s, the ghost's from 10 s on."""
        n_rows, n_tokens = tokens.shape
        scores = np.zeros((n_rows, 1, n_tokens, DIMS.n_audio_ctx), dtype=np.float32)
        probs = np.full((n_rows, n_tokens - 1), 0.9, dtype=np.float32)
        for row, scene in enumerate(audio_features):
            first = 500 if scene == "ghost" else 0
            probs[row] = 0.01 if scene == "ghost" else 0.9
            for t in range(n_tokens):
                scores[row, 0, t, first + 10 * t : first + 10 * (t + 1)] = 30.0
        return probs, scores

    def close(self):
        pass


def echo_model(name="echo"):
    """Give a model whose network is an echo."""
    return Model(Checkpoint(name, DIMS, Weights({}), ()), EchoBackend())


def _sot_logits(scene):
    """Say which language is spoken, and whether anything is."""
    logits = np.full(DIMS.n_vocab, -30.0, dtype=np.float32)
    probs = {"german": {"de": 0.97, "fr": 0.02}, "denglish": {"de": 0.6, "en": 0.4}}.get(
        scene, {"en": 0.99, "fr": 0.01}
    )
    for code, prob in probs.items():
        logits[TOKENIZER.language_token(code)] = math.log(prob)
    if scene == "silent":
        logits[TOKENIZER.no_speech] = 10.0
    return logits


def _logits(row):
    """Give the logits of the next token."""
    logits = np.zeros(DIMS.n_vocab, dtype=np.float32)
    if row.scene in ("mumble", "silent"):
        rng = np.random.default_rng(zlib.crc32(np.array(row.start + row.written, dtype=np.int32).tobytes()))
        return (3 * rng.normal(size=DIMS.n_vocab)).astype(np.float32)
    words = [token for token in row.written if token < TOKENIZER.eot]
    if row.scene == "wordy" and 1 <= len(words) < 12:
        logits[_id(" and")], logits[TOKENIZER.eot] = SURE + math.log(0.8), SURE + math.log(0.2)
        return logits
    if row.scene == "fork" and len(words) == 0:
        logits[_id(" trap")], logits[_id(" path")] = SURE + math.log(0.6), SURE + math.log(0.4)
    if row.scene == "fork" and words[:1] == [_id(" trap")]:
        logits[:1000] = SURE
    logits[_id(" um")] = UNSURE
    if row.scene == "loop":
        logits[_id(" yes")] = SECOND
    script = _script(row.scene, row.start)
    if row.scene != "fork" or words:
        logits[script[len(row.written)] if len(row.written) < len(script) else TOKENIZER.eot] = SURE
    elif not row.written and script[0] >= TOKENIZER.timestamp_begin:
        logits[script[0]] = 2 * SURE
    return logits


@functools.cache
def _script(scene, start):
    """Give the tokens that a scene writes after `start`."""
    text = {
        "plain": _echo(start),
        "bracket": " so [laughs] ♪",
        "blank": "  well",
        "loop": " no" * 40,
        "quoted": " ¿ so yes.",
        "ghost": " thanks for watching",
        "wordy": " and" * 12,
        "fork": " path to the end",
    }.get(scene, _echo(start))
    if TOKENIZER.no_timestamps in start:
        return tuple(TOKENIZER.encode(text))
    first, last = _timestamp(5.0 if scene == "late" else 0.0), _timestamp(9.0)
    return (first, *TOKENIZER.encode(text), last)


def _echo(start):
    """Say in words what stands before the text."""
    sot = start.index(TOKENIZER.sot)
    language = next(code for code in TOKENIZER.all_language_codes if TOKENIZER.language_token(code) == start[sot + 1])
    task = "translate" if start[sot + 2] == TOKENIZER.translate else "transcribe"
    before, prefix = (
        TOKENIZER.decode([token for token in part if token < TOKENIZER.eot]) for part in (start[:sot], start[sot:])
    )
    return f" {language} {task}." + f" After{before}." * bool(before) + f" From{prefix}." * bool(prefix)


def _id(word):
    [token] = TOKENIZER.encode(word)
    return token


def _timestamp(seconds):
    return TOKENIZER.timestamp_begin + round(seconds / 0.02)
