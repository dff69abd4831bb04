"""How a caller stops work that is under way: a token that the work asks now and then."""

from __future__ import annotations

from typing import Protocol

from .errors import Cancelled


class Cancel(Protocol):
    """Anything that can be asked whether to stop; `threading.Event` is one."""

    def is_set(self) -> bool: ...


class AnyOf:
    """Is set as soon as one of several is."""

    def __init__(self, *cancels: Cancel | None) -> None:
        self._cancels = [cancel for cancel in cancels if cancel is not None]

    def is_set(self) -> bool:
        """Say whether to stop."""
        return any(cancel.is_set() for cancel in self._cancels)


def raise_if_cancelled(cancel: Cancel | None, name: str) -> None:
    """Raises: Cancelled, when the caller asked to stop."""
    if cancel is not None and cancel.is_set():
        raise Cancelled(f"{name}: cancelled")
