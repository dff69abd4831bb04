"""The public driver: a model, and what it makes of one sound or of many.

Takes any sound and options; gives segments as they are made, or whole transcripts. The work is done elsewhere
(`transcription.py` walks a recording, `schedule.py` lets windows of several be decoded together).
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any

from .audio import Recording
from .backends import Backend, open_backend
from .cancel import AnyOf, Cancel
from .checkpoints import load_checkpoint
from .errors import OptionError
from .features import LogMel
from .languages import language_name
from .options import TranscribeOptions, make_options
from .schedule import Direct, Engine, Scheduler
from .stretches import BatchSize, settle
from .tokenizer import Tokenizer
from .transcription import Transcription, Voice, listen
from .types import Checkpoint, Mark, ModelDimensions, Progress, Saved, Segment, Transcript

logger = logging.getLogger(__name__)

AUTO_BATCH = {"cpu": 8}
AUTO_BATCH_ELSEWHERE = 32
"""Windows decoded together where nobody says how many. The figures behind it: bench/RESULTS.md."""


def load(
    name: str | PathLike[str] = "turbo",
    *,
    backend: str = "auto",
    device: str = "auto",
    dtype: str = "auto",
    model_dir: str | PathLike[str] | None = None,
    offline: bool | None = None,
    threads: int = 0,
    on_download: Callable[[int, int], None] | None = None,
) -> Model:
    """Load a model by name ("base"), hub id ("openai/whisper-base") or path, onto a backend and device.

    `threads` is the number of CPU threads, 0 for the backend's own choice. `on_download` gets the bytes that have come,
    and those of the whole, where the weights must be fetched first. Raises CheckpointError when the weights are
    not to be had, BackendUnavailable when the backend or device is not here.
    """
    checkpoint = load_checkpoint(name, cache_dir=model_dir, offline=offline, on_progress=on_download)
    return Model(checkpoint, open_backend(backend, checkpoint, device=device, dtype=dtype, threads=threads))


class Model:
    """A loaded model. It holds no state of a transcription, so one model serves many files.

    Calls come one at a time, but inside of `together`, where any number of threads may transcribe.
    """

    def __init__(self, checkpoint: Checkpoint, backend: Backend) -> None:
        self.name = checkpoint.name
        self.dims: ModelDimensions = checkpoint.dims
        self.backend = backend
        self.suppress_tokens = checkpoint.suppress_tokens
        self._voice = Voice(checkpoint.dims, checkpoint.suppress_tokens)
        self._scheduler: Scheduler | None = None

    @property
    def is_multilingual(self) -> bool:
        """Say whether the model knows more than English."""
        return self.dims.is_multilingual

    def transcribe(
        self,
        source: Any,
        *,
        sample_rate: int | None = None,
        batch_size: BatchSize = "auto",
        on_segment: Callable[[Segment], None] | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        cancel: Cancel | None = None,
        **options: Any,
    ) -> Transcript:
        """Transcribe a path, bytes, a file object, or an array with its `sample_rate` (16 kHz when not given).

        An open `Recording` will do too; it is closed at the end. `batch_size` windows are cut at pauses and decoded
        together; 0 is openai-whisper's way, one after another, each with the text before it. `options` are the fields
        of `TranscribeOptions`. `on_segment` gets each segment, `on_progress` the seconds done after each window; when
        `cancel` is set, the call ends with `Cancelled`.
        """
        with self.stream(
            source,
            sample_rate=sample_rate,
            batch_size=batch_size,
            on_progress=on_progress,
            cancel=cancel,
            **options,
        ) as segments:
            for segment in segments:
                if on_segment is not None:
                    on_segment(segment)
            return segments.transcript()

    def stream(
        self,
        source: Any,
        *,
        sample_rate: int | None = None,
        batch_size: BatchSize = "auto",
        on_progress: Callable[[Progress], None] | None = None,
        on_mark: Callable[[Mark], None] | None = None,
        saved: Saved | None = None,
        cancel: Cancel | None = None,
        **options: Any,
    ) -> Transcription:
        """Transcribe as `transcribe` does, and give each segment as soon as none can come before it any more.

        `on_mark` gets a mark after each window. What it got of an interrupted transcription of the same sound with the
        same model and options is `saved`: only what comes after it is decoded and given; `transcript()` has it all.
        """
        n_together, made = self.plan(batch_size, **options)
        self._warn_of(TranscribeOptions(**options))
        recording = source
        if not isinstance(source, Recording):
            recording = Recording.open(source, sample_rate=sample_rate, cancel=cancel)
        engine, close = self._engine(n_together, cancel, recording.name)
        return Transcription(
            self._voice,
            engine,
            recording,
            made,
            n_together=n_together,
            on_progress=on_progress,
            on_mark=on_mark,
            saved=saved,
            cancel=cancel,
            on_close=close,
        )

    def transcribe_many(
        self,
        sources: Iterable[Any],
        *,
        batch_size: BatchSize = "auto",
        cancel: Cancel | None = None,
        **options: Any,
    ) -> Iterator[Outcome]:
        """Transcribe several sounds, windows of all of them together; give an outcome for each, in their order.

        What goes wrong with one is in its outcome and stops no other. Leaving the loop early stops those under way.
        Options as in `transcribe`.
        """
        n_together, _ = self.plan(batch_size, **options)  # refuses what cannot be before the work
        is_left = threading.Event()
        stop = AnyOf(cancel, is_left)

        def run(source: Any) -> Outcome:
            try:
                return Outcome(source, self.transcribe(source, batch_size=n_together, cancel=stop, **options), None)
            except Exception as error:
                return Outcome(source, None, error)

        with self.together(n_together), ThreadPoolExecutor(max(n_together, 1)) as pool:
            try:
                yield from pool.map(run, sources)
            finally:
                is_left.set()

    @contextlib.contextmanager
    def together(self, batch_size: BatchSize = "auto") -> Iterator[None]:
        """Let threads share the model: inside, the windows of all transcriptions are decoded together."""
        if self._scheduler is not None:
            raise OptionError("this model is shared already", hint="leave the inner `together` out")
        n_together = self._n_together(batch_size)
        with Scheduler(self.backend, max(n_together, 1)) as self._scheduler:
            try:
                yield
            finally:
                self._scheduler = None

    def plan(self, batch_size: BatchSize, **given: Any) -> tuple[int, TranscribeOptions]:
        """Give how many windows are decoded together, 0 for one after another, and the options that hold then.

        Raises: OptionError for options that this model, or this way, cannot honour.
        """
        are_together, options = settle(batch_size, self.options(**given))
        return self._n_together(batch_size) if are_together else 0, options

    def detect_language(
        self, source: Any, *, sample_rate: int | None = None, cancel: Cancel | None = None, **options: Any
    ) -> dict[str, float]:
        """Give each language's probability, likeliest first, as a transcription with these `options` would find it.

        `source` is what `transcribe` takes. An English-only model is sure of English.
        """
        made = self.options(**options)
        if made.language is not None:
            return {made.language: 1.0}
        recording = source
        if not isinstance(source, Recording):
            recording = Recording.open(source, sample_rate=sample_rate, cancel=cancel)
        with recording:
            mel = LogMel(recording, self.dims.n_mels, cancel=cancel)
            engine, _ = self._engine(0, cancel, recording.name)
            return listen(self._voice, engine, mel, recording, made, cancel)[0]

    def options(self, **given: Any) -> TranscribeOptions:
        """Make options that this model can honour; what it cannot is an OptionError."""
        options = make_options(TranscribeOptions, given)
        if not self.is_multilingual:
            if options.task == "translate":
                raise OptionError(f"task='translate': {self.name} knows only English", hint="load a multilingual model")
            try:
                return replace(options, language="en")
            except OptionError as error:  # what steers the detection of a language
                message = f"{self.name} knows only English: {error.message}"
                raise OptionError(message, hint="load a multilingual model") from None
        for language in options.languages or ():
            self.tokenizer(language)  # refuses those of later models
        return options

    def _warn_of(self, given: TranscribeOptions) -> None:
        """Warn of what is harmless and cannot be meant."""
        if not self.is_multilingual and given.language not in (None, "en"):
            logger.warning(
                "%s knows only English: language %r is taken for English", self.name, language_name(given.language)
            )
        if given.word_timestamps and given.task == "translate":
            logger.warning("word times of a translation are not reliable: the words are not those that are spoken")

    def tokenizer(self, language: str | None = None, task: str = "transcribe") -> Tokenizer:
        """Give the model's tokenizer, set to a language and task where the model has several."""
        return self._voice.tokenizer(language, task)

    def _engine(self, n_together: int, cancel: Cancel | None, name: str) -> tuple[Engine, Callable[[], None] | None]:
        """Give an engine, and what closes it if it is nobody else's."""
        if self._scheduler is not None:
            return self._scheduler.for_caller(cancel, name), None
        if n_together == 0:
            return Direct(self.backend), None
        scheduler = Scheduler(self.backend, n_together)
        return scheduler.for_caller(cancel, name), scheduler.close

    def _n_together(self, batch_size: BatchSize) -> int:
        return AUTO_BATCH.get(self.backend.device, AUTO_BATCH_ELSEWHERE) if batch_size == "auto" else batch_size

    def close(self) -> None:
        """Give the memory back. The model cannot be used afterwards."""
        self.backend.close()

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


@dataclass(frozen=True)
class Outcome:
    """What became of one of several sources: its transcript, or what went wrong."""

    source: Any
    transcript: Transcript | None
    error: Exception | None
