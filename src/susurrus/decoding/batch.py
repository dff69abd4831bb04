"""Many windows decoded at once, each with all that one alone has: prompts, candidates, the fallback to a temperature.

Windows go in with what is asked of them, and come out decoded, whichever is finished first. A window whose text fails
the thresholds goes back at its next temperature and holds up no other. `decode` is the definition of what comes out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from ..backends import Backend
from ..options import DecodingOptions
from ..types import Decoded
from .decode import Request, n_max, needs_fallback, prefill
from .lanes import Ask, BeamLane, Lane, SamplingLane
from .rules import make_rules


@dataclass(frozen=True)
class _Try:
    """A window at one of its temperatures."""

    request: Request
    features: Any  # of one or more windows
    window: int  # which of them
    i: int = 0  # which temperature
    no_speech_prob: float = 0.0

    @property
    def temperature(self) -> float:
        return self.request.options.temperatures[self.i]


@dataclass(frozen=True)
class _Kind:
    """What windows of one lane have in common."""

    options: DecodingOptions
    suppress_tokens: tuple[int, ...] | None
    n_candidates: int
    has_beams: bool


MANY = 1_000_000


class Batch:
    """Windows that are decoded together, at most `n_windows` of a kind; a key names each.

    Texts do not depend on what else is in the batch, but for the rounding of products of other shapes.
    """

    def __init__(self, backend: Backend, n_windows: int) -> None:
        self.n_windows = n_windows
        self._backend = backend
        self._lanes: dict[_Kind, Lane] = {}
        self._tries: dict[Hashable, _Try] = {}
        self._retries: deque[Hashable] = deque()

    def __len__(self) -> int:
        return len(self._tries)

    @property
    def n_free(self) -> int:
        """How many windows may be put."""
        return self.n_windows - len(self._tries)

    def put(self, keys: Sequence[Hashable], audio_features: Any, requests: Sequence[Request]) -> None:
        """Take windows in; the features are kept until the last of them is decoded."""
        for window, (key, request) in enumerate(zip(keys, requests, strict=True)):
            self._tries[key] = _Try(request, audio_features, window)
        try:
            self._begin(keys)
        except BaseException:
            for key in keys:
                del self._tries[key]
            for lane in self._lanes.values():
                lane.drop(keys)
            raise

    def advance(self, n_steps: int | None = None) -> list[tuple[Hashable, Decoded]]:
        """Decode until a window has finished, or for some `n_steps` tokens; give those that have finished."""
        done: list[tuple[Hashable, Decoded]] = []
        while self._tries and not done:
            self._begin_retries()
            for key, candidates in self._next_lane().advance(n_steps or MANY):
                attempt = self._tries[key]
                decoded = attempt.request.decoded(candidates, attempt.temperature, attempt.no_speech_prob)
                is_last = attempt.i + 1 == len(attempt.request.options.temperatures)
                if is_last or not needs_fallback(decoded, attempt.request.options):
                    del self._tries[key]
                    done.append((key, decoded))
                else:
                    self._tries[key] = replace(attempt, i=attempt.i + 1)
                    self._retries.append(key)
            if n_steps is not None:
                break
        return done

    def tidy(self) -> None:
        """Let go of free places where they are half of a lane: for when no window is here to take them."""
        for lane in self._lanes.values():
            if 2 * lane.n_live <= len(lane.keys):
                lane.shrink()

    def _next_lane(self) -> Lane:
        """Choose the fullest lane: windows on their second try wait until they are many, or have waited long."""
        lanes = [lane for lane in self._lanes.values() if lane.n_live]
        chosen = max(lanes, key=lambda lane: lane.n_live + lane.n_passed_over)
        for lane in lanes:
            lane.n_passed_over += 1
        chosen.n_passed_over = 0
        return chosen

    def _begin_retries(self) -> None:
        keys = list(self._retries)
        self._retries.clear()
        for key in keys:
            attempt = self._tries[key]
            features = self._backend.pick(attempt.features, [attempt.window])
            self._tries[key] = replace(attempt, features=features, window=0)
            self._begin([key])

    def _begin(self, keys: Sequence[Hashable]) -> None:
        """Prefill windows that share their features, and put each kind of them on its lane."""
        tries = [self._tries[key] for key in keys]
        ready = []
        for kind, members in _by_kind(tries):
            features = tries[0].features
            if len(members) < len(tries):
                features = self._backend.pick(features, [tries[m].window for m in members])
            starts = [tries[m].request.start(self._backend.dims) for m in members]
            lane = self._lane(kind, tries[members[0]].request)
            logits, no_speech, cache = prefill(self._backend, features, starts, tries[0].request.tokenizer)
            asks = []
            for m, start, prob in zip(members, starts, no_speech, strict=True):
                self._tries[keys[m]] = replace(tries[m], no_speech_prob=prob)
                uniforms = tries[m].request.uniforms(tries[m].i, self._backend.dims)
                asks.append(Ask(keys[m], start.most, tries[m].temperature, uniforms))
            ready.append((lane, asks, logits, cache))
        # Only now, when nothing of it can be refused any more.
        for lane, asks, logits, cache in ready:
            lane.put(asks, logits, cache)

    def _lane(self, kind: _Kind, request: Request) -> Lane:
        if kind not in self._lanes:
            backend, options = self._backend, request.options
            rules = make_rules(backend.ops, request.tokenizer, options, backend.dims.n_vocab, request.suppress_tokens)
            room = n_max(options, backend.dims)
            lane: Lane
            if kind.has_beams:
                lane = BeamLane(backend, rules, kind.n_candidates, room, options.patience)
            else:
                lane = SamplingLane(backend, rules, kind.n_candidates, room)
            self._lanes[kind] = lane
        return self._lanes[kind]


def _by_kind(tries: Sequence[_Try]) -> Iterable[tuple[_Kind, list[int]]]:
    found: dict[_Kind, list[int]] = {}
    for i, attempt in enumerate(tries):
        request, temperature = attempt.request, attempt.temperature
        kind = _Kind(
            options=_of_lane(request.options),
            suppress_tokens=request.suppress_tokens,
            n_candidates=request.n_candidates(temperature),
            has_beams=temperature == 0 and request.options.beam_size is not None,
        )
        found.setdefault(kind, []).append(i)
    return found.items()


def _of_lane(options: DecodingOptions) -> DecodingOptions:
    """Leave out what only stands before the text: windows in several languages, or after other words, share a lane."""
    given = {field.name: getattr(options, field.name) for field in fields(DecodingOptions)}
    return DecodingOptions(**{**given, "language": None, "prefix": None, "hotwords": None})
