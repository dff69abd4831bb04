"""`segments`, each with `start`, `end`, `text` and perhaps `words`: the form openai-whisper gave the field.

faster-whisper's are the same beside an `info`; whisperX's words have a `score` for a probability, and no times where
alignment failed; the HTTP API names the language in English.
"""

from __future__ import annotations

from dataclasses import replace

from ..types import Skipped, Transcript
from .fields import UNKNOWN_LANGUAGE, Fields
from .fill import Draft, DraftWord, finished, segment_of


def read(fields: Fields) -> Transcript:
    """Give the transcript."""
    info = fields.inner("info")
    duration = fields.time("duration") or info.time("duration")
    segments = finished([_draft(one, i) for i, one in enumerate(fields.list_of("segments"))], duration)
    probability = fields.number("language_probability", info.number("language_probability", -1.0))
    return Transcript(
        fields.text("text") if fields.has("text") else "".join(segment.text for segment in segments),
        fields.language("language") or info.language("language") or UNKNOWN_LANGUAGE,
        segments,
        duration or max((segment.end for segment in segments), default=0.0),
        language_probability=probability if probability >= 0 else None,
        skipped=tuple(map(_skipped, fields.list_of("skipped"))),
    )


def _skipped(fields: Fields) -> Skipped:
    """Take what only Susurrus writes: what was left out."""
    text = fields.text("text") if fields.has("text") else ""
    return Skipped(fields.time("start") or 0.0, fields.time("end") or 0.0, fields.label("reason") or "", text)


def _draft(fields: Fields, i: int) -> Draft:
    words = None
    if fields.has("words"):
        words = [
            DraftWord(
                word.text("word", "text"),
                (word.time("start"), word.time("end")),
                word.number("probability", word.number("score", 0.0)),
            )
            for word in fields.list_of("words")
        ]
    text = "".join(word.text for word in words) if words and not fields.has("text") else fields.text("text")
    segment = segment_of(
        text, id=fields.whole("id", i), language=fields.language("language"), speaker=fields.label("speaker")
    )
    segment = replace(
        segment,
        seek=fields.whole("seek", 0),
        tokens=fields.ids("tokens"),
        temperature=fields.number("temperature", segment.temperature),
        avg_logprob=fields.number("avg_logprob", segment.avg_logprob),
        compression_ratio=fields.number("compression_ratio", segment.compression_ratio),
        no_speech_prob=fields.number("no_speech_prob", segment.no_speech_prob),
    )
    return Draft((fields.time("start"), fields.time("end")), segment, words)
