"""Ctrl-C that answers at once, whatever the processor is busy with.

The work runs in a thread of its own, so that the main thread, which alone gets signals, always waits. The work is asked
to stop and given a moment; where it is deep in a long computation the process ends under it. Nothing is lost: what is
done is in the journals already, and outputs appear whole or not at all.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from ..cancel import Cancel

T = TypeVar("T")

GRACE_S = 0.4
"""How long work that was asked to stop may take to do so."""


def run_interruptible(work: Callable[[Cancel], T], *, farewell: str = "stopped") -> T:
    """Give what `work` gives. Raises what it raises; after Ctrl-C KeyboardInterrupt with the farewell to print.

    After SIGTERM: SystemExit.
    """
    cancel = threading.Event()
    is_over = threading.Event()
    result: list[T] = []
    errors: list[BaseException] = []

    def target() -> None:
        try:
            result.append(work(cancel))
        except BaseException as error:
            errors.append(error)
        finally:
            is_over.set()

    thread = threading.Thread(target=target, name="susurrus-work", daemon=True)
    before = _on_sigterm(_terminate)
    try:
        thread.start()
        # Not `join`: interrupted by a signal it takes a thread that is running for one that has ended (Python 3.11).
        while not is_over.wait(0.1):  # without a time Windows would not answer to Ctrl-C
            pass
    except (KeyboardInterrupt, SystemExit) as stop:
        cancel.set()
        by_key = isinstance(stop, KeyboardInterrupt)
        if not _ends_soon(is_over):
            print(f"susurrus: {farewell}", file=sys.stderr)
            _leave(130 if by_key else 143)
        raise KeyboardInterrupt(farewell) if by_key else SystemExit(143) from None
    finally:
        _on_sigterm(before)
    if errors and isinstance(errors[0], KeyboardInterrupt):
        raise KeyboardInterrupt(farewell) from errors[0]
    if errors:
        raise errors[0]
    return result[0]


def _ends_soon(is_over: threading.Event) -> bool:
    try:
        return is_over.wait(GRACE_S)
    except KeyboardInterrupt:  # asked twice: at once
        return False


def _leave(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _terminate(signum: int, frame: Any) -> None:
    raise SystemExit(143)


def _on_sigterm(handler: Any) -> Any:
    """Set what SIGTERM does; give what it did. Threads other than the main one may not."""
    if handler is None or threading.current_thread() is not threading.main_thread():
        return None
    return signal.signal(signal.SIGTERM, handler)
