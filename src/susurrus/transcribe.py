"""The line for one file: sound in, segments out, one window after another.

Takes any sound and options; gives segments as they are made, or the whole transcript. The work is done elsewhere
(recording, features, backend, decoding, long form); this module carries between them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from os import PathLike
from types import TracebackType
from typing import Any

import numpy as np

from .align import align
from .audio import Cancel, Recording, raise_if_cancelled
from .backends import Backend, open_backend
from .checkpoints import load_checkpoint
from .decoding import Request, decode
from .errors import OptionError
from .features import FRAMES_PER_SECOND, N_FRAMES, LogMel
from .language import detect_in_file, detect_language, places_to_listen
from .languages import language_name
from .longform import LongForm, clips_in_frames
from .multilingual import WindowLanguage, most_spoken, window_language
from .options import TranscribeOptions, make_options
from .speech import speech_regions
from .tokenizer import Tokenizer
from .types import Checkpoint, Mark, ModelDimensions, Progress, Saved, Segment, Transcript, Window

logger = logging.getLogger(__name__)


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
    """A loaded model. It holds no state of a transcription, so one model serves many files, one call at a time."""

    def __init__(self, checkpoint: Checkpoint, backend: Backend) -> None:
        self.name = checkpoint.name
        self.dims: ModelDimensions = checkpoint.dims
        self.backend = backend
        self.suppress_tokens = checkpoint.suppress_tokens

    @property
    def is_multilingual(self) -> bool:
        """Say whether the model knows more than English."""
        return self.dims.is_multilingual

    def transcribe(
        self,
        source: Any,
        *,
        sample_rate: int | None = None,
        on_segment: Callable[[Segment], None] | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        cancel: Cancel | None = None,
        **options: Any,
    ) -> Transcript:
        """Transcribe a path, bytes, a file object, or an array with its `sample_rate` (16 kHz when not given).

        An open `Recording` will do too; it is closed at the end.

        `options` are the fields of `TranscribeOptions`. `on_segment` gets each segment, `on_progress` the seconds done
        after each window; when `cancel` is set, the call ends with `Cancelled`.
        """
        with self.stream(
            source, sample_rate=sample_rate, on_progress=on_progress, cancel=cancel, **options
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
        on_progress: Callable[[Progress], None] | None = None,
        on_mark: Callable[[Mark], None] | None = None,
        saved: Saved | None = None,
        cancel: Cancel | None = None,
        **options: Any,
    ) -> Transcription:
        """Transcribe as `transcribe` does, and give each segment as soon as its window is decoded.

        `on_mark` gets a mark after each window. What it got of an interrupted transcription of the same sound with the
        same model and options is `saved`: only what comes after it is decoded and given; `transcript()` has it all.
        """
        made = self.options(**options)
        if isinstance(source, Recording):
            recording = source
        else:
            recording = Recording.open(source, sample_rate=sample_rate, cancel=cancel)
        return Transcription(
            self, recording, made, on_progress=on_progress, on_mark=on_mark, saved=saved, cancel=cancel
        )

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
            probs, _ = self._listen(mel, recording, made, cancel)
            return probs

    def _listen(
        self, mel: LogMel, recording: Recording, options: TranscribeOptions, cancel: Cancel | None
    ) -> tuple[dict[str, float], tuple[Window, Any] | None]:
        """Detect the language; give its probabilities, and the first window's features where it is a whole one.

        Silence after the end of a short file is heard here, as OpenAI does it.
        """
        tokenizer = self.tokenizer()
        encoded: list[tuple[Window, Any]] = []

        def listen(seek: int) -> dict[str, float]:
            raise_if_cancelled(cancel, recording.name)
            features = self.backend.encode(mel.mel(seek, N_FRAMES)[None])
            if not encoded and seek + N_FRAMES <= mel.n_frames:
                encoded.append((Window(seek, N_FRAMES), features))
            return detect_language(self.backend, tokenizer, features, options.languages)

        n_windows = options.language_detection_segments
        places = iter([0])
        if n_windows > 1:
            find_speech = lambda start, stop: [
                (region.start, region.end) for region in speech_regions(recording, None, start, stop, cancel=cancel)
            ]
            places = places_to_listen(clips_in_frames(options, mel.n_frames), mel.n_frames, find_speech)
        probs = detect_in_file(listen, places, n_windows=n_windows, threshold=options.language_detection_threshold)
        language, prob = next(iter(probs.items()))
        logger.info("%s: detected language: %s (%.0f %%)", recording.name, language_name(language), 100 * prob)
        return probs, encoded[0] if encoded else None

    def options(self, **given: Any) -> TranscribeOptions:
        """Make options that this model can honour; what it cannot is an OptionError, a warning where harmless."""
        options = make_options(TranscribeOptions, given)
        if not self.is_multilingual:
            if options.task == "translate":
                raise OptionError(f"task='translate': {self.name} knows only English", hint="load a multilingual model")
            if options.language not in (None, "en"):
                logger.warning(
                    "%s knows only English: language %r is taken for English",
                    self.name,
                    language_name(options.language),
                )
            try:
                return replace(options, language="en")
            except OptionError as error:  # what steers the detection of a language
                message = f"{self.name} knows only English: {error.message}"
                raise OptionError(message, hint="load a multilingual model") from None
        for language in options.languages or ():
            self.tokenizer(language)  # refuses those of later models
        if options.word_timestamps and options.task == "translate":
            logger.warning("word times of a translation are not reliable: the words are not those that are spoken")
        return options

    def tokenizer(self, language: str | None = None, task: str = "transcribe") -> Tokenizer:
        """Give the model's tokenizer, set to a language and task where the model has several."""
        return Tokenizer.for_model(self.dims, language=language, task=task)

    def close(self) -> None:
        """Give the memory back. The model cannot be used afterwards."""
        self.backend.close()

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Transcription:
    """A transcription under way: iterate over it for segments; `transcript()` gives the whole when it has ended.

    `language` is known from the start, `language_probability` where it was detected. With `multilingual` the
    transcript's language is the one spoken longest, which may be another. Leaving it early (`close`, or a `with` block)
    gives its memory back.
    """

    def __init__(
        self,
        model: Model,
        recording: Recording,
        options: TranscribeOptions,
        *,
        on_progress: Callable[[Progress], None] | None = None,
        on_mark: Callable[[Mark], None] | None = None,
        saved: Saved | None = None,
        cancel: Cancel | None = None,
    ) -> None:
        self.duration = recording.duration
        self._model, self._recording = model, recording
        self._on_progress, self._on_mark, self._cancel = on_progress, on_mark, cancel
        self._segments: list[Segment] = [segment for mark in saved.marks for segment in mark.segments] if saved else []
        self._encoded: tuple[Window, Any] | None = None
        try:
            self._mel = LogMel(recording, model.dims.n_mels, cancel=cancel)
            self.language, self.language_probability = self._find_language(options, saved)
            tokenizer = model.tokenizer(self.language, options.task)
            self._work = LongForm(self._mel.n_frames, tokenizer, options, n_text_ctx=model.dims.n_text_ctx)
            self._work.take_up(saved.marks if saved else ())
        except BaseException:
            recording.close()
            raise
        self._steps = self._run()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was wrong with the sound and did not stop the transcription."""
        return self._recording.warnings

    @property
    def done(self) -> float:
        """Seconds of sound that are behind it."""
        return min(self._work.state.seek, self._mel.n_frames) / FRAMES_PER_SECOND

    def __iter__(self) -> Iterator[Segment]:
        return self._steps

    def transcript(self) -> Transcript:
        """Finish, and give the whole transcript."""
        for _ in self._steps:
            pass
        language = most_spoken(self._segments, self.language)
        return Transcript(
            self._work.text(),
            language,
            tuple(self._segments),
            self.duration,
            self.warnings,
            self.language_probability if language == self.language else None,
        )

    def close(self) -> None:
        """Stop here and let go of the sound."""
        self._steps.close()
        self._recording.close()

    def __enter__(self) -> Transcription:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _find_language(self, options: TranscribeOptions, saved: Saved | None) -> tuple[str, float | None]:
        """Give the language, and how sure it is where it has to be detected."""
        if saved is not None:
            return saved.language, saved.language_probability
        if options.language is not None:
            return options.language, None
        probs, self._encoded = self._model._listen(self._mel, self._recording, options, self._cancel)
        return next(iter(probs.items()))

    def _run(self) -> Any:
        try:
            while (window := self._work.window()) is not None:
                raise_if_cancelled(self._cancel, self._recording.name)
                segments = self._decode(window)
                self._segments += segments
                if self._on_mark is not None:
                    self._on_mark(self._work.mark(segments))
                yield from segments
                if self._on_progress is not None:
                    self._on_progress(Progress(self.done, self.duration))
        finally:
            self._recording.close()

    def _decode(self, window: Window) -> list[Segment]:
        """Carry one window down the line."""
        model, work = self._model, self._work
        features = self._encode(window)
        if work.wants_language:
            work.hear(self._window_language(window, features))
            heard = work.window()
            assert heard is not None
            if heard.n_frames < window.n_frames:
                features = self._encode(heard)
            window = heard
        request = Request(work.tokenizer, work.options, window.prompt, model.suppress_tokens, seed=(window.seek,))
        decoded = decode(model.backend, features, request)
        if not work.options.word_timestamps:
            return work.accept(decoded)
        tokens = work.text_to_align(decoded)
        return work.accept(decoded, align(model.backend, work.tokenizer, features, tokens, window.n_frames))

    def _window_language(self, window: Window, features: Any) -> WindowLanguage:
        """Give the language of a window whose features are here, and where in it another one begins."""
        work, model = self._work, self._model
        probs_of = partial(detect_language, model.backend, work.tokenizer, languages=work.options.languages)
        start, stop = window.seek / FRAMES_PER_SECOND, (window.seek + window.n_frames) / FRAMES_PER_SECOND
        speech = speech_regions(self._recording, None, start, stop, cancel=self._cancel)
        return window_language(
            window,
            work.tokenizer.language,
            work.state.heard_language,
            probs_of(features),
            is_first=work.state.language is None,
            speech=[(round(r.start * FRAMES_PER_SECOND), round(r.end * FRAMES_PER_SECOND)) for r in speech],
            listen=lambda seek, n_frames: probs_of(self._encode(Window(seek, n_frames))),
        )

    def _encode(self, window: Window) -> Any:
        """Encode a window, unless language detection has just done it."""
        if self._encoded is not None:
            first, features = self._encoded
            self._encoded = None
            if (first.seek, first.n_frames) == (window.seek, window.n_frames):
                return features
        mel: np.ndarray = self._mel.window(window.seek, window.n_frames)
        return self._model.backend.encode(mel[None])
