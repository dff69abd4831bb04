"""Transcript -> txt, tsv, csv and json: what is read by people and programs, not shown over a picture.

txt, tsv and json have the bytes openai-whisper writes, unless a segment says its speaker.
"""

from __future__ import annotations

import csv as csv_module
import io
import json as json_module
from collections.abc import Iterator

from ..options import SubtitleOptions
from ..types import Transcript
from .labels import one_line_name


def txt(transcript: Transcript, options: SubtitleOptions) -> Iterator[str]:
    """Write a line for each segment."""
    for segment in transcript.segments:
        name = "" if segment.speaker is None else f"{one_line_name(segment.speaker)}: "
        yield f"{name}{segment.text.strip()}\n"


def tsv(transcript: Transcript, options: SubtitleOptions) -> Iterator[str]:
    """Write integer milliseconds, as no locale can read them differently; `speaker` is a column where one is known."""
    has_speaker = any(segment.speaker is not None for segment in transcript.segments)
    yield "start\tend\tspeaker\ttext\n" if has_speaker else "start\tend\ttext\n"
    for segment in transcript.segments:
        name = one_line_name(segment.speaker or "") + "\t" if has_speaker else ""
        text = segment.text.strip().replace("\t", " ")
        yield f"{round(1000 * segment.start)}\t{round(1000 * segment.end)}\t{name}{text}\n"


def csv(transcript: Transcript, options: SubtitleOptions) -> Iterator[str]:
    """Write integer milliseconds under whisper.cpp's header; `speaker` and `language` are columns where known.

    Quotes are doubled, as spreadsheets read them (RFC 4180), where whisper.cpp puts backslashes.
    """
    known = [
        name
        for name in ("speaker", "language")
        if any(getattr(segment, name) is not None for segment in transcript.segments)
    ]
    line = io.StringIO()
    table = csv_module.writer(line, lineterminator="\n")
    table.writerow(["start", "end", *known, "text"])
    for segment in transcript.segments:
        extra = [getattr(segment, name) or "" for name in known]
        table.writerow([round(1000 * segment.start), round(1000 * segment.end), *extra, segment.text.strip()])
    yield line.getvalue()


def json(transcript: Transcript, options: SubtitleOptions) -> Iterator[str]:
    """Write openai-whisper's result."""
    yield json_module.dumps(transcript.to_dict())
