"""One input from its sound to its outputs, taken up where it was left.

A job opens the input, transcribes its channels, keeps a journal of each window, and writes the outputs. It tells a
`Report` what happens and draws nothing; what goes wrong is raised. Jobs know nothing of each other.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from .audio import Recording
from .cancel import Cancel
from .channels import merge_channels
from .errors import OutputError
from .inputs import Input
from .journal import FOLDER, Journal
from .options import SubtitleOptions, TranscribeOptions
from .stretches import BatchSize, settle
from .transcribe import Model
from .types import Progress, Segment, Transcript
from .writers import save

MOST_BYTES = 220
"""Of 255 that file systems allow for a name."""

logger = logging.getLogger(__name__)


class Report(Protocol):
    """What is told about a job; the command line shows it."""

    def start(self, name: str, duration: float, done: float) -> None:
        """A channel of `duration` seconds is about to be transcribed, from second `done` on."""

    def language(self, name: str, code: str, probability: float | None) -> None:
        """The language of a channel was detected."""

    def segment(self, segment: Segment) -> None:
        """A segment was transcribed."""

    def progress(self, progress: Progress) -> None:
        """So much of the channel is done."""

    def finish(self, name: str, outputs: Sequence[Path]) -> None:
        """All outputs of an input have been written."""

    def skip(self, name: str, reason: str) -> None:
        """Nothing had to be done for an input."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is to be done with every input."""

    options: TranscribeOptions
    folder: Path
    formats: tuple[str, ...]
    subtitles: SubtitleOptions = field(default_factory=SubtitleOptions)
    channel: int | Literal["split"] | None = None
    batch_size: BatchSize = "auto"
    resume: bool = True
    skip_existing: bool = False
    model: Any = None  # what tells that the model is the same as in another run

    @property
    def decodes_together(self) -> bool:
        """Say whether windows are decoded together, or one after another."""
        return settle(self.batch_size, self.options)[0]


def run_job(
    source: Input, task: Task, get_model: Callable[[], Model], report: Report, *, cancel: Cancel | None = None
) -> bool:
    """Carry one input to its outputs; say whether there was anything to do.

    The model is asked for only when something must be decoded. `cancel` ends it with `Cancelled`.
    Raises: SusurrusError, OSError. What had been transcribed until then is in the journal.
    """
    with _open_journal(source, task, cancel) as journal:
        if journal.is_delivered and not task.skip_existing:
            journal.restart()
        missing = _missing_outputs(source, task, journal)
        if not missing:
            report.skip(source.name, "its outputs are complete" if journal.was_kept else "its outputs are there")
            return False
        transcripts = journal.transcripts()
        if transcripts is None:
            transcripts = _transcribe(source, task, get_model(), report, journal, cancel)
        transcript = merge_channels(transcripts) if task.channel == "split" else transcripts[0]
        with _kept_safe(transcript, journal, source.name):
            for format in missing:
                path = _output(source, task, format)
                path.parent.mkdir(parents=True, exist_ok=True)
                save(transcript, format, path, task.subtitles)
                journal.wrote(format, asdict(task.subtitles))
            journal.deliver()
        report.finish(source.name, [_output(source, task, format) for format in missing])
        return True


def _transcribe(
    source: Input, task: Task, model: Model, report: Report, journal: Journal, cancel: Cancel | None
) -> list[Transcript]:
    """Transcribe the channels that are not in the journal yet, each from where the journal ends."""
    with contextlib.ExitStack() as stack:
        recordings = _open_channels(source, task, cancel)
        for recording in recordings:
            stack.callback(recording.close)
        for part, recording in enumerate(recordings):
            if journal.transcript(part) is None:
                _transcribe_part(part, len(recordings), recording, task, model, report, journal, cancel)
    transcripts = journal.transcripts()
    assert transcripts is not None
    return transcripts


def _transcribe_part(
    part: int,
    n_parts: int,
    recording: Recording,
    task: Task,
    model: Model,
    report: Report,
    journal: Journal,
    cancel: Cancel | None,
) -> None:
    saved = journal.saved(part)
    with model.stream(
        recording,
        batch_size=task.batch_size,
        on_progress=report.progress,
        on_mark=lambda mark: journal.mark(part, mark),
        saved=saved,
        cancel=cancel,
        **asdict(task.options),
    ) as segments:
        report.start(recording.name, segments.duration, segments.done if saved and saved.marks else 0.0)
        if saved is None:
            journal.begin(part, n_parts, segments.language, segments.language_probability)
        if segments.language_probability is not None:
            report.language(recording.name, segments.language, segments.language_probability)
        for segment in segments:
            report.segment(segment)
        journal.end(part, segments.transcript())


def _open_channels(source: Input, task: Task, cancel: Cancel | None) -> list[Recording]:
    if task.channel == "split":
        return source.split(cancel=cancel)
    return [source.open(channel=task.channel, cancel=cancel)]


def _open_journal(source: Input, task: Task, cancel: Cancel | None) -> Journal:
    identity = source.identity(cancel=cancel) if task.resume else None
    if identity is None:
        return Journal(None, {})
    key = {
        "input": identity,
        "channel": task.channel,
        "model": task.model,
        # How many are decoded together changes nothing; that they are cut at pauses for it does.
        "together": task.decodes_together,
        "options": asdict(task.options),
    }
    stem = _stem(source, task)
    journal = Journal(stem.parent / FOLDER / journal_name(stem.name), key)
    if journal.changed:
        logger.info("%s: begun anew, since %s changed", source.name, ", ".join(journal.changed))
    return journal


def journal_name(name: str) -> str:
    """Give the name of an output's journal: as long a name as file systems allow leaves no room for a suffix.

    >>> journal_name("talk"), len(journal_name("long " * 50).encode()) <= 255
    ('talk.jsonl', True)
    """
    data = name.encode("utf-8", "surrogateescape")
    if len(data) > MOST_BYTES:
        name = f"{data[:MOST_BYTES].decode('utf-8', 'ignore')}-{hashlib.sha256(data).hexdigest()[:16]}"
    return f"{name}.jsonl"


def _missing_outputs(source: Input, task: Task, journal: Journal) -> list[str]:
    """List the formats that are still to be written."""
    if not task.skip_existing:
        return list(task.formats)
    there = [format for format in task.formats if _output(source, task, format).exists()]
    if not journal.was_kept and not journal.changed:
        # What is there was written by another program, or without a journal: not ours to write over.
        return [format for format in task.formats if format not in there]
    how = asdict(task.subtitles)
    return [format for format in task.formats if format not in there or not journal.has_written(format, how)]


def _stem(source: Input, task: Task) -> Path:
    return task.folder / source.stem


def _output(source: Input, task: Task, format: str) -> Path:
    stem = _stem(source, task)
    return stem.with_name(f"{stem.name}.{format}")


@contextlib.contextmanager
def _kept_safe(transcript: Transcript, journal: Journal, name: str) -> Any:
    """See that the transcript is on a disk when an output cannot be written, and say where. Raises: OutputError."""
    try:
        yield
    except OSError as error:
        reason = f"{error.filename or name}: {error.strerror or error}"
        if journal.is_on_disk():
            hint = "the transcript is kept: when that is mended, run the same command again; nothing is decoded twice"
        else:
            with tempfile.NamedTemporaryFile(prefix="susurrus-", suffix=".json", delete=False) as rescue:
                pass
            save(transcript, "json", rescue.name)
            hint = f"the transcript is saved as {rescue.name}: susurrus render makes the other forms of it"
        raise OutputError(reason, hint=hint) from error
