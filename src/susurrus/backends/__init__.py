"""The seam between Whisper's decoding and the frameworks that run its network.

A backend is a folder here; its name is the folder's. It gives `open(checkpoint, device=, dtype=, threads=)` and
`availability()`, and passes `tests/contract`. Nothing registers it and nothing outside this folder imports a framework.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..errors import BackendUnavailable, OptionError
from ..types import Array, Checkpoint, ModelDimensions
from .ops import Ops

PREFERENCE = ("torch", "numpy")
"""The order in which `auto` looks for a backend that is installed."""


class Backend(Protocol):
    """A Whisper model on a device. Arrays it returns are its own; only NumPy goes in.

    B counts windows, R rows; the rows of a window are adjacent and every window has equally many.
    `audio_features` and `cache` are opaque values: what they hold is the backend's affair.
    """

    name: str
    device: str
    dtype: str
    dims: ModelDimensions
    ops: Ops

    def encode(self, mel: Array) -> Any:
        """Encode windows: f32[B, n_mels, 2 * n_audio_ctx] -> audio_features of B windows."""
        ...

    def pick(self, audio_features: Any, windows: Sequence[int]) -> Any:
        """Give the audio features of those windows, in that order."""
        ...

    def prefill(self, audio_features: Any, tokens: Array, lengths: Array, at: Array) -> tuple[Array, Any]:
        """Read the text before the first new token.

        tokens i32[B, T], padded on the right; lengths i32[B], each row's real length; at i32[B, P], the positions
        whose logits are wanted -> logits f32[B, P, n_vocab] and a cache of B rows.
        """
        ...

    def step(self, tokens: Array, cache: Any) -> tuple[Array, Any]:
        """Append one token to each row: i32[R] -> logits f32[R, n_vocab], cache. The cache given is consumed.

        A row that is already n_text_ctx long may be stepped on; its logits mean nothing then.
        """
        ...

    def select(self, cache: Any, rows: Sequence[int]) -> Any:
        """Give a cache with those rows in that order, repeated or left out: beams, best-of, rows that leave.

        The rows of one window stay adjacent, equally many for each window left. The cache given is consumed.
        """
        ...

    def join(self, cache: Any, rows: Sequence[int], other: Any) -> Any:
        """Give a cache in which `rows` are those of the cache `other`, in its order, with the sound they listen to.

        The rows are all those of some windows, or new ones that follow on the last; `other` has equally many for each
        of its windows. Both caches given are consumed; the audio features they were made from stay as they are.
        """
        ...

    def attend(self, audio_features: Any, tokens: Array, n_text_tokens: int) -> tuple[Any, Any]:
        """Read whole texts and give what word times are made of, as NumPy.

        tokens i32[B, T] -> next_probs f32[B, T - 1], the probability of tokens[:, t + 1] after t among the first
        n_text_tokens ids (0 for a token that is not one of them), and scores f32[B, n_alignment_heads, T, n_audio_ctx],
        the alignment heads' cross-attention before softmax, scaled.
        """
        ...

    def close(self) -> None:
        """Give the memory back. The backend cannot be used afterwards."""
        ...


@dataclass(frozen=True)
class Availability:
    """Whether a backend can run here: its devices, best first, and what is missing where there is none."""

    devices: tuple[str, ...] = ()
    version: str | None = None
    missing: str | None = None
    install: str | None = None
    dtypes: tuple[str, ...] = field(default=())


def backend_names() -> list[str]:
    """List the backend folders, installed or not.

    >>> "numpy" in backend_names()
    True
    """
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.ispkg)


def availability(name: str) -> Availability:
    """Say whether backend `name` can run here; never raises for a framework that is missing."""
    availability_of: Callable[[], Availability] = _folder(name).availability
    return availability_of()


def open_backend(
    name: str, checkpoint: Checkpoint, *, device: str = "auto", dtype: str = "auto", threads: int = 0
) -> Backend:
    """Put a checkpoint on a device. `auto` takes the first backend of `PREFERENCE` that is installed.

    Raises BackendUnavailable when the framework or the device is not here, OptionError for an unknown name.
    """
    if name == "auto":
        name = next(candidate for candidate in PREFERENCE if availability(candidate).devices)
    here = availability(name)
    if not here.devices:
        raise BackendUnavailable(f"backend {name!r} cannot run here: {here.missing}", hint=here.install)
    backend: Backend = _folder(name).open(checkpoint, device=device, dtype=dtype, threads=threads)
    return backend


def _folder(name: str) -> Any:
    if name not in backend_names():
        raise OptionError(f"backend={name!r}: unknown", hint=f"choose from auto, {', '.join(backend_names())}")
    return importlib.import_module(f"{__name__}.{name}")
