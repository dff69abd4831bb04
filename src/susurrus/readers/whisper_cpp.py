"""`transcription`, with `offsets` in milliseconds: what whisper.cpp writes with -oj, and with tokens with -ojf.

Source: ggml-org/whisper.cpp, examples/cli/cli.cpp, output_json.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from ..types import Transcript
from ..writers.breaks import spans
from .fields import UNKNOWN_LANGUAGE, Fields
from .fill import Draft, DraftWord, Span, finished, segment_of


def read(fields: Fields) -> Transcript:
    """Give the transcript."""
    drafts = [_draft(one, i) for i, one in enumerate(fields.list_of("transcription"))]
    segments = finished(drafts)
    language = fields.inner("result").language("language") or UNKNOWN_LANGUAGE
    end = max((segment.end for segment in segments), default=0.0)
    return Transcript("".join(segment.text for segment in segments), language, segments, end)


def _draft(fields: Fields, i: int) -> Draft:
    segment = segment_of(fields.text("text"), id=i, speaker=fields.label("speaker"))
    tokens = [one for one in fields.list_of("tokens") if not one.text("text").startswith("[_")]
    ids = tuple(one.whole("id", -1) for one in tokens)
    words = _words(tokens, segment.text) if tokens else None
    return Draft(_span(fields), replace(segment, tokens=ids if min(ids, default=-1) >= 0 else ()), words)


def _span(fields: Fields) -> Span:
    offsets = fields.inner("offsets")
    start, end = (offsets.number(key, -1.0) for key in ("from", "to"))
    return tuple(fields.as_time(time / 1000, "offsets") if time >= 0 else None for time in (start, end))  # type: ignore[return-value]


def _words(tokens: list[Fields], text: str) -> list[DraftWord] | None:
    """Join tokens to words: each begins where a line may break. None where the tokens do not make up the text."""
    pieces = [token.text("text") for token in tokens]
    if "".join(pieces) != text:
        return None
    ends = [0]
    for piece in pieces:
        ends.append(ends[-1] + len(piece))
    starts = {0} | {end for (_, end) in list(spans(text))[:-1]}
    edges = [*sorted(starts.intersection(ends)), len(text)]
    words = []
    for start, end in pairwise(edges):
        own = [token for token, at, to in zip(tokens, ends, ends[1:], strict=False) if start <= at and to <= end]
        times = [_span(token) for token in own]
        known = next((time[0] for time in times if time[0] is not None), None)
        last = next((time[1] for time in reversed(times) if time[1] is not None), None)
        probability = sum(token.number("p", 0.0) for token in own) / max(len(own), 1)
        words.append(DraftWord(text[start:end], (known, last), probability))
    return [word for word in words if word.text]
