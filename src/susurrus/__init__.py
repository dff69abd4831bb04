"""Susurrus: Whisper models on any machine. Speech in; text, subtitles and word times out.

    import susurrus
    model = susurrus.load("base")
    print(model.transcribe("talk.mp3").text)

Importing the package imports no framework; `load` does, when it opens a backend.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import (
    AudioError,
    BackendUnavailable,
    Cancelled,
    CheckpointError,
    OptionError,
    OutputError,
    SusurrusError,
    TranscriptError,
)

if TYPE_CHECKING:
    from .options import DecodingOptions, SubtitleOptions, TranscribeOptions
    from .transcribe import Model, Transcription, load
    from .types import Progress, Segment, Transcript, Word

__all__ = [
    "AudioError",
    "BackendUnavailable",
    "Cancelled",
    "CheckpointError",
    "DecodingOptions",
    "Model",
    "OptionError",
    "OutputError",
    "Progress",
    "Segment",
    "SubtitleOptions",
    "SusurrusError",
    "TranscribeOptions",
    "Transcript",
    "TranscriptError",
    "Transcription",
    "Word",
    "load",
]

_HOMES = {
    "transcribe": ("Model", "Transcription", "load"),
    "options": ("DecodingOptions", "SubtitleOptions", "TranscribeOptions"),
    "types": ("Progress", "Segment", "Transcript", "Word"),
}


def __getattr__(name: str) -> Any:
    """Import the public names when they are first used, so that `susurrus --help` is quick."""
    import importlib

    if name == "__version__":
        from importlib.metadata import version

        return version("susurrus")
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
