"""How long each stage of the line is busy, measured from outside: the code on the line knows nothing of it.

`watch_line` puts a clock around the functions of each stage. Where one calls another, the time is the inner one's.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

from .. import align, speech
from ..audio import Recording
from ..backends import Backend
from ..decoding import Batch, decode
from ..features import LogMel

Result = TypeVar("Result")

STAGES = ("decode audio", "VAD", "features", "encode", "decode", "rules", "align", "write")
"""In the order of the line. `decode` is the network's part of decoding, `rules` the rest of it: rules and choices."""

_OF_BACKEND = {
    "encode": "encode",
    "pick": "decode",
    "prefill": "decode",
    "step": "decode",
    "select": "decode",
    "join": "decode",
    "attend": "align",
}
_OF_CLASSES = (
    (Recording, "open", "decode audio"),
    (LogMel, "__init__", "features"),
    (LogMel, "mel", "features"),
    (LogMel, "window", "features"),
    (Batch, "put", "rules"),
    (Batch, "advance", "rules"),
)
_FUNCTIONS = (
    (speech.speech_activity, "VAD"),
    (speech.find_regions, "VAD"),
    (speech.cut_long, "VAD"),
    (speech.pack, "VAD"),
    (decode, "rules"),
    (align.align, "align"),
)


class Busy(NamedTuple):
    """Seconds of each stage, and how many threads they are of; of several, seconds may have passed side by side."""

    seconds: dict[str, float]
    n_threads: int


class StageClock:
    """Seconds that are spent in each stage, in all threads together, since they were last taken.

    >>> clock = StageClock()
    >>> with clock.stage("decode"), clock.stage("encode"):
    ...     pass
    >>> sorted(clock.take().seconds), clock.take()
    (['decode', 'encode'], Busy(seconds={}, n_threads=0))
    """

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._threads: set[int] = set()
        self._lock = threading.Lock()
        self._of_thread = threading.local()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time of the block for the stage, but for the blocks of stages inside."""
        stack: list[str] = self._of_thread.__dict__.setdefault("stack", [])
        self._count(stack)
        stack.append(name)
        try:
            yield
        finally:
            self._count(stack)
            stack.pop()

    def timed(self, name: str, function: Callable[..., Result]) -> Callable[..., Result]:
        """Give the function with its time counted."""

        def timed(*args: Any, **given: Any) -> Result:
            with self.stage(name):
                return function(*args, **given)

        return timed

    def take(self) -> Busy:
        """Give the seconds of each stage, and begin anew."""
        with self._lock:
            busy = Busy(self._seconds, len(self._threads))
            self._seconds, self._threads = {}, set()
            return busy

    def _count(self, stack: list[str]) -> None:
        """Count the time since the last change for the stage that is on top."""
        now = time.perf_counter()
        if stack:
            with self._lock:
                self._seconds[stack[-1]] = self._seconds.get(stack[-1], 0.0) + now - self._of_thread.since
                self._threads.add(threading.get_ident())
        self._of_thread.since = now


@contextmanager
def watch_line(backend: Backend) -> Iterator[StageClock]:
    """Count the stages of everything that is transcribed with this backend, until the block ends."""
    clock = StageClock()
    changed: list[tuple[Any, str, Any]] = []  # owner, attribute, what was there; None where it was its class's

    def watch(owner: Any, attribute: str, stage: str) -> None:
        changed.append((owner, attribute, vars(owner).get(attribute)))
        is_bound = isinstance(changed[-1][2], classmethod)
        timed = clock.timed(stage, getattr(owner, attribute))
        setattr(owner, attribute, staticmethod(timed) if is_bound else timed)

    try:
        for name, stage in _OF_BACKEND.items():
            watch(backend, name, stage)
        for owner, name, stage in _OF_CLASSES:
            watch(owner, name, stage)
        for function, stage in _FUNCTIONS:
            for module, name in _places(function):
                watch(module, name, stage)
        yield clock
    finally:
        for owner, name, before in reversed(changed):
            if before is None:
                delattr(owner, name)
            else:
                setattr(owner, name, before)


def _places(function: Any) -> list[tuple[Any, str]]:
    """Find every name in the package's modules that stands for the function."""
    modules = [
        module for name, module in sys.modules.items() if name.partition(".")[0] == __package__.partition(".")[0]
    ]
    return [(module, name) for module in modules for name, value in list(vars(module).items()) if value is function]
