"""Who may use the backend when: one caller at once, or many whose windows are decoded together.

A transcription asks an `Engine` for what only the backend can do, and waits for it. `Direct` does it on the spot.
`Scheduler` has a thread that owns the backend: transcriptions in other threads hand it windows; it keeps the batch
full, lets finished windows go and new ones take their place, and does what else is asked for in between. Neither knows
anything of files.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, TypeVar, cast

import numpy as np

from .backends import Backend
from .backends.inputs import check_mel
from .cancel import Cancel, raise_if_cancelled
from .decoding import Batch, Request, decode
from .errors import SusurrusError
from .types import Array, Decoded

T = TypeVar("T")

N_STEPS = 8
"""Tokens written between two looks for new windows while there is room for them."""


@dataclass(frozen=True)
class Sound:
    """An encoded window: one of those that `features` holds."""

    features: Any
    window: int = 0
    n_windows: int = 1

    def alone(self, backend: Backend) -> Any:
        """Give the audio features of this window alone."""
        return self.features if self.n_windows == 1 else backend.pick(self.features, [self.window])


class Engine(Protocol):
    """What a transcription needs of a backend. `encode` and `call` return when their result is there."""

    def encode(self, mel: Array) -> Sound:
        """Encode a window f32[n_mels, n_frames]."""
        ...

    def submit(self, sound: Sound | Array, request: Request) -> Future[tuple[Sound, Decoded]]:
        """Have a window decoded, encoded or still a mel; it comes back encoded, with its text."""
        ...

    def call(self, function: Callable[[Backend, Any], T], sound: Sound) -> T:
        """Give what a function makes of the backend and a window's audio features."""
        ...


class Direct:
    """An engine that does everything on the spot, for one caller."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def encode(self, mel: Array) -> Sound:
        return Sound(self._backend.encode(mel[None]))

    def submit(self, sound: Sound | Array, request: Request) -> Future[tuple[Sound, Decoded]]:
        encoded = sound if isinstance(sound, Sound) else self.encode(sound)
        result: Future[tuple[Sound, Decoded]] = Future()
        result.set_result((encoded, decode(self._backend, encoded.alone(self._backend), request)))
        return result

    def call(self, function: Callable[[Backend, Any], T], sound: Sound) -> T:
        return function(self._backend, sound.alone(self._backend))


@dataclass(frozen=True, eq=False)
class _Wish:
    """A window that waits to be decoded, or is being decoded."""

    sound: Sound | Array
    request: Request
    result: Future[tuple[Sound, Decoded]]


class Scheduler:
    """An engine for many callers, each in a thread of its own; at most `batch_size` windows are decoded at once.

    Windows are taken in the order they come, so no file waits for another's end. Close it; a caller that waits then
    gets a SusurrusError.
    """

    def __init__(self, backend: Backend, batch_size: int) -> None:
        self._backend = backend
        self._batch = Batch(backend, batch_size)
        self._calls: deque[Callable[[], None]] = deque()
        self._waiting: deque[_Wish] = deque()
        self._under_way: dict[_Wish, Sound] = {}
        self._ready = threading.Condition()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="susurrus-scheduler", daemon=True)
        self._thread.start()

    def for_caller(self, cancel: Cancel | None, name: str) -> Engine:
        """Give the engine as a caller sees it, whose waiting ends when `cancel` is set."""
        return _Caller(self, cancel, name)

    def encode(self, mel: Array) -> Future[Sound]:
        """Encode a window between two steps of the others."""
        return self._ask(lambda: Sound(self._backend.encode(mel[None])))

    def call(self, function: Callable[[Backend, Any], T], sound: Sound) -> Future[T]:
        """Call a function between two steps of the others."""
        return self._ask(lambda: function(self._backend, sound.alone(self._backend)))

    def submit(self, sound: Sound | Array, request: Request) -> Future[tuple[Sound, Decoded]]:
        """Decode a window among the others. Raises: OptionError for a mel of another shape than the model's."""
        if not isinstance(sound, Sound):
            check_mel(sound[None], self._backend.dims)
        wish = _Wish(sound, request, Future())
        with self._ready:
            self._refuse_if_closed()
            self._waiting.append(wish)
            self._ready.notify()
        return wish.result

    def close(self) -> None:
        """Stop; what is under way is given up."""
        with self._ready:
            self._is_closed = True
            self._ready.notify()
        self._thread.join()

    def __enter__(self) -> Scheduler:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, work: Callable[[], T]) -> Future[T]:
        result: Future[T] = Future()

        def run() -> None:
            try:
                result.set_result(work())
            except BaseException as error:
                result.set_exception(error)

        with self._ready:
            self._refuse_if_closed()
            self._calls.append(run)
            self._ready.notify()
        return result

    def _refuse_if_closed(self) -> None:
        if self._is_closed:
            raise SusurrusError("this scheduler was closed", hint="make a new one")

    def _run(self) -> None:
        """Do what is asked for, until closed. Only this thread touches the backend."""
        while True:
            with self._ready:
                while not (self._calls or self._waiting or self._under_way or self._is_closed):
                    self._ready.wait()
                if self._is_closed:
                    break
                calls, self._calls = self._calls, deque()
                wishes = [self._waiting.popleft() for _ in range(min(self._batch.n_free, len(self._waiting)))]
                wishes = [wish for wish in wishes if wish.result.set_running_or_notify_cancel()]
            for call in calls:
                call()
            if wishes:
                self._begin(wishes)
            self._advance()
        closed = SusurrusError("the scheduler was closed before this was done")
        waiting = [wish for wish in self._waiting if wish.result.set_running_or_notify_cancel()]
        for wish in [*self._under_way, *waiting]:
            wish.result.set_exception(closed)
        for call in self._calls:
            call()

    def _begin(self, wishes: list[_Wish]) -> None:
        """Put windows into the batch, those together that are encoded together."""
        new = [wish for wish in wishes if not isinstance(wish.sound, Sound)]
        groups = [[wish] for wish in wishes if isinstance(wish.sound, Sound)]
        for group in ([new] if new else []) + groups:
            try:
                self._put(group)
            except BaseException as error:  # a worker's door: the caller gets it, and would wait for ever else
                if len(group) > 1:
                    for wish in group:
                        self._begin([wish])
                else:
                    group[0].result.set_exception(error)

    def _put(self, wishes: list[_Wish]) -> None:
        first = wishes[0].sound
        if isinstance(first, Sound):
            features, encoded = first.alone(self._backend), [first]
        else:
            features = self._backend.encode(np.stack([np.asarray(wish.sound) for wish in wishes]))
            encoded = [Sound(features, window, len(wishes)) for window in range(len(wishes))]
        self._batch.put(wishes, features, [wish.request for wish in wishes])
        self._under_way.update(zip(wishes, encoded, strict=True))

    def _advance(self) -> None:
        if not self._under_way:
            return
        has_room = self._batch.n_free > 0
        try:
            if has_room and not self._waiting:
                self._batch.tidy()
            finished = self._batch.advance(N_STEPS if has_room else None)
        except BaseException as error:  # a worker's door: what is in the batch is lost, and its callers told
            under_way, self._under_way = self._under_way, {}
            self._batch = Batch(self._backend, self._batch.n_windows)
            for wish in under_way:
                wish.result.set_exception(error)
            return
        for key, decoded in finished:
            wish = cast(_Wish, key)
            wish.result.set_result((self._under_way.pop(wish), decoded))


class _Caller:
    """A scheduler as one of its callers sees it."""

    def __init__(self, scheduler: Scheduler, cancel: Cancel | None, name: str) -> None:
        self._scheduler, self._cancel, self._name = scheduler, cancel, name

    def encode(self, mel: Array) -> Sound:
        return self._wait(self._scheduler.encode(mel))

    def submit(self, sound: Sound | Array, request: Request) -> Future[tuple[Sound, Decoded]]:
        return self._scheduler.submit(sound, request)

    def call(self, function: Callable[[Backend, Any], T], sound: Sound) -> T:
        return self._wait(self._scheduler.call(function, sound))

    def _wait(self, result: Future[T]) -> T:
        while True:
            raise_if_cancelled(self._cancel, self._name)
            try:
                return result.result(timeout=None if self._cancel is None else 0.1)
            except NotYet:
                if result.done():  # the work itself timed out
                    raise
