"""The exception tree: what went wrong, what was expected, and a hint how to mend it.

SusurrusError
├── AudioError                     a file that cannot be read as sound
├── CheckpointError                weights that cannot be found or do not fit
├── OptionError (ValueError)       an option that cannot be honoured
├── OutputError                    an output that cannot be written
├── TranscriptError                a file that cannot be read as a transcript
├── BackendUnavailable (ImportError)  a framework or device that is not here
└── Cancelled                      the caller asked to stop
"""

from __future__ import annotations


class SusurrusError(Exception):
    """Everything Susurrus raises on purpose. `hint` ends the message on a line of its own."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(f"{message}\nhint: {hint}" if hint else message)
        self.message = message
        self.hint = hint


class AudioError(SusurrusError):
    """The input cannot be read as sound; the message names it and says why."""


class CheckpointError(SusurrusError):
    """Weights are missing, broken, or do not fit; the message lists every name that is wrong."""


class OptionError(SusurrusError, ValueError):
    """An option has a value that cannot be honoured."""


class OutputError(SusurrusError):
    """An output cannot be written; the message says where what was transcribed is kept."""


class TranscriptError(SusurrusError):
    """A saved transcript cannot be read; the message names the file and the place in it."""


class BackendUnavailable(SusurrusError, ImportError):
    """A backend or device is not available on this machine."""


class Cancelled(SusurrusError):
    """The caller's cancel token was set; what had been transcribed until then was already handed over."""
