"""The walk over a long file, window by window, without touching sound or model.

`LongForm.window()` says which window comes next, `LongForm.accept(decoded)` takes what was decoded there and gives
segments. Its state is plain data, so a walk can be marked after each window, and taken up again.
Source: openai/whisper, transcribe.py, `transcribe`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from .align import WordTiming, frames, place_words
from .multilingual import WindowLanguage
from .options import TranscribeOptions
from .segments import FRAMES_PER_SECOND, N_FRAMES, Cut, SegmentDraft, cut, text_tokens
from .silence import find_skip
from .tokenizer import Tokenizer
from .types import Decoded, Mark, Segment, Window, Word

HIGH_TEMPERATURE = 0.5
"""Text sampled above this is not trusted as a prompt."""


@dataclass
class LongFormState:
    """Where a walk stands. `tokens` is the text so far, the initial prompt before it.

    With a language for each window (`multilingual.WindowLanguage`): `language` is the last window's, `heard_language`
    another that it seemed to be in, `language_end` the frame where another one begins.
    """

    clip: int = 0
    seek: int = 0
    tokens: list[int] = field(default_factory=list)
    prompt_reset_since: int = 0
    n_segments: int = 0
    last_speech_end: float = 0.0
    language: str | None = None
    heard_language: str | None = None
    language_end: int = 0


class LongForm:
    """OpenAI's sequential long form over a file of `n_frames` mel frames, or over some `clips` of it, in frames."""

    def __init__(
        self,
        n_frames: int,
        tokenizer: Tokenizer,
        options: TranscribeOptions,
        *,
        clips: Sequence[tuple[int, int]] | None = None,
        last_speech_end: float = 0.0,
        n_text_ctx: int = 448,
    ) -> None:
        self.n_frames = n_frames
        self.tokenizer = tokenizer
        self.options = options
        self.n_text_ctx = n_text_ctx
        self.clips = clips_in_frames(options, n_frames) if clips is None else clips
        prompt = options.initial_prompt
        self.initial_prompt = tokenizer.encode(" " + prompt.strip()) if prompt is not None else []
        self.state = LongFormState(
            seek=self.clips[0][0], tokens=list(self.initial_prompt), last_speech_end=last_speech_end
        )

    def window(self) -> Window | None:
        """Give the next window to decode, None when the file is done. Asking twice gives the same."""
        state = self.state
        while state.clip < len(self.clips):
            start, end = self.clips[state.clip]
            state.seek = max(state.seek, start)
            if state.seek < state.language_end:
                end = min(end, state.language_end)
            n_frames = min(N_FRAMES, self.n_frames - state.seek, end - state.seek)
            if n_frames > 0:
                return Window(state.seek, n_frames, tuple(self._prompt()))
            state.clip += 1
            if state.clip < len(self.clips):
                state.seek = self.clips[state.clip][0]
        return None

    @property
    def wants_language(self) -> bool:
        """Say whether `window()` wants its language heard: with `multilingual`, unless it was before it was cut."""
        return self.options.multilingual and self.state.seek >= self.state.language_end

    def hear(self, found: WindowLanguage) -> None:
        """Take the language of `window()`: the window may become shorter, and a prompt in another language is dropped.

        What a translation has written so far is English whatever was spoken: that stays the prompt.
        """
        state = self.state
        if found.language != self.tokenizer.language:
            self.tokenizer = self.tokenizer.with_language(found.language)
            has_written = len(state.tokens) > len(self.initial_prompt)
            if has_written and self.options.task == "transcribe":
                state.prompt_reset_since = len(state.tokens)
        state.language, state.heard_language, state.language_end = found.language, found.heard, found.end or 0

    def accept(self, decoded: Decoded, timings: list[WordTiming] | None = None) -> list[Segment]:
        """Take what was decoded in `window()`; give its segments, and move on.

        `timings` are the words of `text_to_align(decoded)`; they are needed when the options ask for word times.
        """
        window = self.window()
        if window is None:
            raise ValueError("the walk is over: there is no window to accept anything for")
        if self._is_silent(decoded):
            self.state.seek += window.n_frames
            return []
        made = self._cut(decoded, window)
        segments, seek = made.segments, window.seek + made.n_frames
        if self.options.word_timestamps:
            if timings is None:
                raise ValueError("word_timestamps: accept() needs the timings of the window's words")
            kept = self._place_words(made, window, timings)
            if kept is None:
                return []
            segments, seek = kept
        # A window whose words end where it began would be asked for again and again.
        self.state.seek = seek if seek > window.seek else window.seek + max(made.n_frames, 1)
        return self._finish(segments, decoded, window)

    def text_to_align(self, decoded: Decoded) -> list[int]:
        """Give the text tokens whose words `accept` wants timed: those of finished segments; none of silence."""
        window = self.window()
        if window is None or self._is_silent(decoded):
            return []
        segments = self._cut(decoded, window).segments
        return [token for segment in segments for token in text_tokens(segment.tokens, self.tokenizer.eot)]

    def mark(self, segments: Sequence[Segment]) -> Mark:
        """Give where the walk stands after `accept` gave `segments`."""
        walk = asdict(self.state)
        del walk["tokens"]  # the segments of all marks hold them: an hour's would be written again for each window
        return Mark(tuple(segments), walk)

    def take_up(self, marks: Sequence[Mark]) -> None:
        """Go on where a walk over the same file with the same options stood after the last of its marks."""
        if marks:
            written = [token for mark in marks for segment in mark.segments for token in segment.tokens]
            self.state = LongFormState(**marks[-1].walk, tokens=[*self.initial_prompt, *written])
            if self.state.language is not None:
                self.tokenizer = self.tokenizer.with_language(self.state.language)

    def text(self) -> str:
        """Give the text so far."""
        return self.tokenizer.decode(self.state.tokens[len(self.initial_prompt) :])

    def _prompt(self) -> Sequence[int]:
        """Give the text before the window; what is too long for the context is the decoder's to cut."""
        state, n_initial = self.state, len(self.initial_prompt)
        if not self.options.carry_initial_prompt:
            return state.tokens[state.prompt_reset_since :][-self.n_text_ctx :]
        room = self.n_text_ctx // 2 - 1 - n_initial
        since = max(n_initial, state.prompt_reset_since)
        return [*self.initial_prompt, *(state.tokens[since:][-room:] if room > 0 else [])]

    def _cut(self, decoded: Decoded, window: Window) -> Cut:
        return cut(decoded.tokens, window, self.tokenizer.timestamp_begin)

    def _is_silent(self, decoded: Decoded) -> bool:
        """Say whether nothing is said: the model says so, and is not sure of its words."""
        options = self.options
        if options.no_speech_threshold is None or not decoded.no_speech_prob > options.no_speech_threshold:
            return False
        return options.logprob_threshold is None or not decoded.avg_logprob > options.logprob_threshold

    def _place_words(
        self, made: Cut, window: Window, timings: list[WordTiming]
    ) -> tuple[list[SegmentDraft], int] | None:
        """Place the words and let them say where to go on; None when the window only showed leading silence."""
        options, state, segments = self.options, self.state, made.segments
        offset = window.seek / FRAMES_PER_SECOND
        place_words(
            segments,
            timings,
            offset=offset,
            eot=self.tokenizer.eot,
            last_speech_end=state.last_speech_end,
            prepend_punctuations=options.prepend_punctuations,
            append_punctuations=options.append_punctuations,
        )
        seek = window.seek + made.n_frames
        end = _last_word_end(segments)
        threshold = options.hallucination_silence_threshold
        if not made.is_finished and end > offset:
            seek = frames(end)
            if threshold is not None and (window.seek + N_FRAMES) / FRAMES_PER_SECOND - end <= threshold:
                seek = window.seek + window.n_frames
        if threshold is not None:
            skip = find_skip(
                segments,
                window,
                threshold=threshold,
                last_speech_end=state.last_speech_end,
                n_frames=self.n_frames,
            )
            if skip is not None:
                seek, segments = skip.seek, segments[: skip.n_kept]
                if skip.is_leading:
                    state.seek = seek
                    return None
        if segments:
            state.last_speech_end = _last_word_end(segments)
        return segments, seek

    def _finish(self, drafts: list[SegmentDraft], decoded: Decoded, window: Window) -> list[Segment]:
        """Number the segments, empty those without length or text, and keep their tokens as the next prompt."""
        state, segments = self.state, []
        for draft in drafts:
            text = self.tokenizer.decode(text_tokens(draft.tokens, self.tokenizer.eot))
            is_empty = draft.start == draft.end or not text.strip()
            words = tuple(Word(w.word, w.start, w.end, w.probability) for w in draft.words)
            segment = Segment(
                id=state.n_segments,
                seek=window.seek,
                start=draft.start,
                end=draft.end,
                text="" if is_empty else text,
                tokens=() if is_empty else tuple(draft.tokens),
                temperature=decoded.temperature,
                avg_logprob=decoded.avg_logprob,
                compression_ratio=decoded.compression_ratio,
                no_speech_prob=decoded.no_speech_prob,
                words=() if is_empty else words if self.options.word_timestamps else None,
                language=decoded.language if self.options.multilingual else None,
            )
            state.n_segments += 1
            state.tokens.extend(segment.tokens)
            segments.append(segment)
        if self.options.condition_on_previous_text is False or decoded.temperature > HIGH_TEMPERATURE:
            state.prompt_reset_since = len(state.tokens)
        return segments


def _last_word_end(segments: list[SegmentDraft]) -> float:
    """Give the end of the last word, or of the last segment where no segment has a word."""
    words = [word for segment in segments for word in segment.words]
    return words[-1].end if words else segments[-1].end


def clips_in_frames(options: TranscribeOptions, n_frames: int) -> list[tuple[int, int]]:
    """Give the clips in frames, none beyond the file; the last one ends with it when its end was left out."""
    assert isinstance(options.clip_timestamps, tuple)
    points = [min(frames(time), n_frames) for time in options.clip_timestamps] or [0]
    if len(points) % 2 == 1:
        points.append(n_frames)
    return list(zip(points[::2], points[1::2], strict=True))
