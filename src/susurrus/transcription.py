"""One recording on its way to text: its windows go to an engine, and what comes back becomes segments.

Takes an open recording and options; gives segments as they are made. A recording is walked in one stretch, window after
window, each with the text before it; or it is cut at pauses into stretches of a window each, which are decoded
together. What a stretch is, is the only difference.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from functools import partial
from types import TracebackType
from typing import Any

from .align import align
from .audio import Recording
from .cancel import Cancel, raise_if_cancelled
from .decoding import Request
from .errors import SusurrusError
from .features import FRAMES_PER_SECOND, N_FRAMES, LogMel
from .language import detect_in_file, detect_language, places_to_listen
from .languages import language_name
from .longform import LongForm, clips_in_frames
from .multilingual import WindowLanguage, most_spoken, window_language
from .options import TranscribeOptions
from .schedule import Engine, Sound
from .speech import speech_regions
from .stretches import Span, cut_into_stretches
from .tokenizer import Tokenizer
from .types import Decoded, Mark, ModelDimensions, Progress, Saved, Segment, Transcript, Window

logger = logging.getLogger(__name__)

N_AHEAD = 2
"""Windows whose mel is ready while all that are decoded together are under way."""


@dataclass(frozen=True)
class Voice:
    """What a transcription needs to know of a model besides its engine."""

    dims: ModelDimensions
    suppress_tokens: tuple[int, ...] | None = None

    def tokenizer(self, language: str | None = None, task: str = "transcribe") -> Tokenizer:
        """Give the model's tokenizer, set to a language and task where the model has several."""
        return Tokenizer.for_model(self.dims, language=language, task=task)


@dataclass
class _Stretch:
    """A part of the recording with a walk of its own, and the segments it has given."""

    walk: LongForm
    place: int
    segments: list[Segment] = field(default_factory=list)
    n_given: int = 0

    @property
    def is_over(self) -> bool:
        return self.walk.window() is None

    @property
    def frames_left(self) -> int:
        state, clips = self.walk.state, self.walk.clips[self.walk.state.clip :]
        return sum(end - max(start, state.seek) for start, end in clips if end > max(start, state.seek))


class Transcription:
    """A transcription under way: iterate over it for segments; `transcript()` gives the whole when it has ended.

    `language` is known from the start, `language_probability` where it was detected. With `multilingual` the
    transcript's language is the one spoken longest, which may be another. Leaving it early (`close`, or a `with` block)
    gives its memory back.
    """

    def __init__(
        self,
        voice: Voice,
        engine: Engine,
        recording: Recording,
        options: TranscribeOptions,
        *,
        n_together: int = 0,
        on_progress: Callable[[Progress], None] | None = None,
        on_mark: Callable[[Mark], None] | None = None,
        saved: Saved | None = None,
        cancel: Cancel | None = None,
        on_close: Callable[[], None] | None = None,
    ) -> None:
        self.duration = recording.duration
        self._voice, self._engine, self._recording, self._options = voice, engine, recording, options
        self._n_together = n_together
        self._on_progress, self._on_mark, self._cancel, self._on_close = on_progress, on_mark, cancel, on_close
        self._encoded: tuple[Window, Sound] | None = None
        try:
            self._mel = LogMel(recording, voice.dims.n_mels, cancel=cancel)
            self.language, self.language_probability = self._find_language(saved)
            spans, self.skipped = cut_into_stretches(
                recording, options, clips_in_frames(options, self._mel.n_frames), n_together > 0, cancel
            )
            self._stretches = self._make_stretches(spans, saved)
        except BaseException:
            self._let_go()
            raise
        self._steps = self._run()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was wrong with the sound and did not stop the transcription."""
        return self._recording.warnings

    @property
    def done(self) -> float:
        """Seconds of sound that are behind it."""
        left = sum(stretch.frames_left for stretch in self._stretches) / FRAMES_PER_SECOND
        return max(self.duration - left, 0.0)

    def __iter__(self) -> Iterator[Segment]:
        return self._steps

    def transcript(self) -> Transcript:
        """Finish, and give the whole transcript. Raises: SusurrusError where it ended before its time."""
        for _ in self._steps:
            pass
        if not all(stretch.is_over for stretch in self._stretches):
            raise SusurrusError(
                f"{self._recording.name}: no transcript: the transcription was closed, or failed, at {self.done:.1f} s",
                hint="ask for the transcript before closing it",
            )
        made = [segment for stretch in self._stretches for segment in stretch.segments]
        segments = tuple(replace(segment, id=i) for i, segment in enumerate(made))
        language = most_spoken(segments, self.language)
        return Transcript(
            "".join(stretch.walk.text() for stretch in self._stretches),
            language,
            segments,
            self.duration,
            self.warnings,
            self.language_probability if language == self.language else None,
            self.skipped,
        )

    def close(self) -> None:
        """Stop here and let go of the sound."""
        self._steps.close()
        self._let_go()

    def __enter__(self) -> Transcription:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _let_go(self) -> None:
        self._recording.close()
        if self._on_close is not None:
            self._on_close()

    def _find_language(self, saved: Saved | None) -> tuple[str, float | None]:
        """Give the language, and how sure it is where it has to be detected."""
        if saved is not None:
            return saved.language, saved.language_probability
        if self._options.language is not None:
            return self._options.language, None
        probs, self._encoded = listen(
            self._voice, self._engine, self._mel, self._recording, self._options, self._cancel
        )
        return next(iter(probs.items()))

    def _make_stretches(self, spans: Sequence[Sequence[Span]], saved: Saved | None) -> list[_Stretch]:
        tokenizer = self._voice.tokenizer(self.language, self._options.task)
        stretches = []
        for place, clips in enumerate(spans):
            options = self._options
            if place > 0 and not options.carry_initial_prompt:
                options = replace(options, initial_prompt=None)
            walk = LongForm(
                self._mel.n_frames,
                tokenizer,
                options,
                clips=clips,
                last_speech_end=spans[place - 1][-1][1] / FRAMES_PER_SECOND if place else 0.0,
                n_text_ctx=self._voice.dims.n_text_ctx,
            )
            marks = [mark for mark in saved.marks if mark.stretch == place] if saved else []
            walk.take_up(marks)
            segments = [segment for mark in marks for segment in mark.segments]
            stretches.append(_Stretch(walk, place, segments, len(segments)))
        return stretches

    def _run(self) -> Any:
        waiting = deque(stretch for stretch in self._stretches if not stretch.is_over)
        under_way: dict[Future[tuple[Sound, Decoded]], tuple[_Stretch, Window]] = {}
        n_most = self._n_together + N_AHEAD if self._n_together else 1
        try:
            while waiting or under_way:
                raise_if_cancelled(self._cancel, self._recording.name)
                while waiting and len(under_way) < n_most:
                    stretch = waiting.popleft()
                    result, window = self._begin(stretch.walk)
                    under_way[result] = stretch, window
                finished = wait(under_way, 0.1, FIRST_COMPLETED).done
                for result in sorted(finished, key=lambda result: under_way[result][0].place):
                    stretch, window = under_way.pop(result)
                    self._finish(stretch, window, *result.result())
                    if not stretch.is_over:
                        waiting.appendleft(stretch)
                    yield from self._ready()
                    if self._on_progress is not None:
                        self._on_progress(Progress(self.done, self.duration))
        finally:
            for result in under_way:
                result.cancel()
            self._let_go()

    def _ready(self) -> Iterator[Segment]:
        """Give the segments that no earlier one can come before any more."""
        n_before = 0
        for stretch in self._stretches:
            for segment in stretch.segments[stretch.n_given :]:
                yield replace(segment, id=n_before + stretch.n_given)
                stretch.n_given += 1
            n_before += len(stretch.segments)
            if not stretch.is_over:
                return

    def _begin(self, walk: LongForm) -> tuple[Future[tuple[Sound, Decoded]], Window]:
        """Send the walk's next window down the line."""
        window = walk.window()
        assert window is not None
        sound = self._encoded_before(window)
        if walk.wants_language:
            sound = sound or self._encode(window)
            walk.hear(self._window_language(walk, window, sound))
            heard = walk.window()
            assert heard is not None
            if heard.n_frames < window.n_frames:
                sound = self._encode(heard)
            window = heard
        request = Request(walk.tokenizer, walk.options, window.prompt, self._voice.suppress_tokens, seed=(window.seek,))
        return self._engine.submit(sound or self._mel.window(window.seek, window.n_frames), request), window

    def _finish(self, stretch: _Stretch, window: Window, sound: Sound, decoded: Decoded) -> None:
        """Take what was decoded in a window."""
        walk = stretch.walk
        timings = None
        if walk.options.word_timestamps:
            tokens = walk.text_to_align(decoded)
            follow = partial(_align, walk.tokenizer, tokens, window.n_frames)
            timings = self._engine.call(follow, sound) if tokens else []
        segments = walk.accept(decoded, timings)
        stretch.segments += segments
        if self._on_mark is not None:
            self._on_mark(replace(walk.mark(segments), stretch=stretch.place))

    def _window_language(self, walk: LongForm, window: Window, sound: Sound) -> WindowLanguage:
        """Give the language of an encoded window, and where in it another one begins."""
        probs_of = partial(_probs, self._engine, walk.tokenizer, self._options.languages)
        start, stop = window.seek / FRAMES_PER_SECOND, (window.seek + window.n_frames) / FRAMES_PER_SECOND
        speech = speech_regions(self._recording, self._options, start, stop, cancel=self._cancel)
        return window_language(
            window,
            walk.tokenizer.language,
            walk.state.heard_language,
            probs_of(sound),
            is_first=walk.state.language is None,
            speech=[(round(r.start * FRAMES_PER_SECOND), round(r.end * FRAMES_PER_SECOND)) for r in speech],
            listen=lambda seek, n_frames: probs_of(self._encode(Window(seek, n_frames))),
        )

    def _encode(self, window: Window) -> Sound:
        return self._engine.encode(self._mel.window(window.seek, window.n_frames))

    def _encoded_before(self, window: Window) -> Sound | None:
        """Give a window's sound where the language detection has just encoded it."""
        if self._encoded is None:
            return None
        (first, sound), self._encoded = self._encoded, None
        return sound if (first.seek, first.n_frames) == (window.seek, window.n_frames) else None


def listen(
    voice: Voice,
    engine: Engine,
    mel: LogMel,
    recording: Recording,
    options: TranscribeOptions,
    cancel: Cancel | None = None,
) -> tuple[dict[str, float], tuple[Window, Sound] | None]:
    """Detect the language; give its probabilities, and the first window's sound where it is a whole one.

    Silence after the end of a short file is heard here, as OpenAI does it.
    """
    tokenizer = voice.tokenizer()
    encoded: list[tuple[Window, Sound]] = []

    def probs_at(seek: int) -> dict[str, float]:
        raise_if_cancelled(cancel, recording.name)
        sound = engine.encode(mel.mel(seek, N_FRAMES))
        if not encoded and seek + N_FRAMES <= mel.n_frames:
            encoded.append((Window(seek, N_FRAMES), sound))
        return _probs(engine, tokenizer, options.languages, sound)

    def find_speech(start: float, stop: float) -> list[tuple[float, float]]:
        regions = speech_regions(recording, options, start, stop, cancel=cancel)
        return [(region.start, region.end) for region in regions]

    n_windows = options.language_detection_segments
    places = iter([0])
    if n_windows > 1:
        places = places_to_listen(clips_in_frames(options, mel.n_frames), mel.n_frames, find_speech)
    probs = detect_in_file(probs_at, places, n_windows=n_windows, threshold=options.language_detection_threshold)
    language, prob = next(iter(probs.items()))
    logger.info("%s: detected language: %s (%.0f %%)", recording.name, language_name(language), 100 * prob)
    return probs, encoded[0] if encoded else None


def _probs(engine: Engine, tokenizer: Tokenizer, languages: Any, sound: Sound) -> dict[str, float]:
    return engine.call(lambda backend, features: detect_language(backend, tokenizer, features, languages), sound)


def _align(tokenizer: Tokenizer, tokens: list[int], n_frames: int, backend: Any, features: Any) -> Any:
    return align(backend, tokenizer, features, tokens, n_frames)
