"""What every backend asks of its arguments, so that a wrong one is the same clear error everywhere.

Takes NumPy arrays and plain values; knows no framework.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from ..errors import OptionError, SusurrusError
from ..types import Array, ModelDimensions


def check_mel(mel: Array, dims: ModelDimensions) -> None:
    """Raise OptionError unless mel is [B, n_mels, 2 * n_audio_ctx] with B >= 1."""
    window = (dims.n_mels, 2 * dims.n_audio_ctx)
    if mel.ndim != 3 or mel.shape[0] == 0 or mel.shape[1:] != window:
        raise OptionError(
            f"mel has shape {tuple(mel.shape)}, expected (n_windows, {window[0]}, {window[1]})",
            hint="pad or trim every window to its full length before encoding",
        )


def check_texts(tokens: Array, n_windows: int, dims: ModelDimensions) -> None:
    """Raise OptionError unless tokens is [n_windows, T], T fits the context and every id is in the vocabulary."""
    if tokens.ndim != 2 or tokens.shape[0] != n_windows or tokens.shape[1] == 0:
        raise OptionError(f"tokens have shape {tuple(tokens.shape)}, expected ({n_windows}, T) with T of at least 1")
    if tokens.shape[1] > dims.n_text_ctx:
        raise OptionError(
            f"the text is {tokens.shape[1]} tokens long, the model reads at most {dims.n_text_ctx}",
            hint="shorten the prompt",
        )
    if tokens.min() < 0 or tokens.max() >= dims.n_vocab:
        raise OptionError(
            f"token ids run from {tokens.min()} to {tokens.max()}, the vocabulary from 0 to {dims.n_vocab - 1}"
        )


def check_prefill(tokens: Array, lengths: Array, at: Array, n_windows: int, dims: ModelDimensions) -> None:
    """Raise OptionError unless the arguments of `prefill` fit each other."""
    check_texts(tokens, n_windows, dims)
    if lengths.shape != (n_windows,) or lengths.min() < 1 or lengths.max() > tokens.shape[1]:
        raise OptionError(f"lengths are {lengths.tolist()}, expected {n_windows} from 1 to {tokens.shape[1]}")
    if at.ndim != 2 or at.shape[0] != n_windows or (at < 0).any() or (at >= lengths[:, None]).any():
        raise OptionError(f"at is {at.tolist()}, expected positions within lengths {lengths.tolist()}")


def check_next(tokens: Array, n_rows: int) -> None:
    """Raise OptionError unless tokens is [n_rows]. Their ids are trusted: to look at them would wait for the device."""
    if tuple(tokens.shape) != (n_rows,):
        raise OptionError(f"tokens have shape {tuple(tokens.shape)}, expected ({n_rows},), one for each row")


def check_windows(windows: Sequence[int], n_windows: int) -> list[int]:
    """Give the windows as plain numbers. Raise OptionError unless each is one of the n_windows."""
    chosen = [int(window) for window in windows]
    if not chosen or min(chosen) < 0 or max(chosen) >= n_windows:
        raise OptionError(f"windows are {chosen}, expected at least one, from 0 to {n_windows - 1}")
    return chosen


def check_threads(threads: int) -> None:
    """Raise OptionError for a negative count; 0 leaves the number of threads as it is."""
    if threads < 0:
        raise OptionError(f"threads={threads}: expected 0 or more", hint="0 leaves the number as it is")


def closed(name: str) -> SusurrusError:
    """Give the error for a backend that is used after `close`."""
    return SusurrusError(f"this {name} backend was closed", hint="open the model again")


def windows_of(rows: Sequence[int], n_rows: int, group: int) -> tuple[list[int], int]:
    """Give the windows that selected rows belong to, in order, and how many rows each has now.

    n_rows rows of `group` a window go in. Raises OptionError where a window's rows are apart or unequally many.

    >>> windows_of([1, 0, 5, 5], n_rows=6, group=2)
    ([0, 2], 2)
    """
    if len(rows) == 0 or min(rows) < 0 or max(rows) >= n_rows:
        raise OptionError(f"rows are {list(rows)}, expected at least one, from 0 to {n_rows - 1}")
    runs = [(window, len(list(run))) for window, run in groupby(int(row) // group for row in rows)]
    windows = [window for window, _ in runs]
    sizes = {size for _, size in runs}
    if len(set(windows)) < len(windows) or len(sizes) > 1:
        raise OptionError(
            f"rows {list(rows)} belong to windows {[int(row) // group for row in rows]}",
            hint="keep the rows of a window together, and as many for each window",
        )
    return windows, sizes.pop()


def windows_to_replace(rows: Sequence[int], n_rows: int, group: int, other_rows: int, other_group: int) -> list[int]:
    """Give the windows whose rows another cache's take; those that are new follow on the last.

    n_rows rows of `group` a window are there. Raises OptionError unless `rows` are all those of some windows, each in
    order, and the other cache has as many of the same kind.

    >>> windows_to_replace([4, 5, 0, 1, 6, 7], n_rows=6, group=2, other_rows=6, other_group=2)
    [2, 0, 3]
    """
    windows = [int(row) // group for row in rows[::group]]
    whole = [window * group + i for window in windows for i in range(group)]
    n_windows = n_rows // group
    new = sorted(window for window in windows if window >= n_windows)
    is_sound = bool(whole) and min(whole) >= 0 and len(set(windows)) == len(windows)
    is_sound &= new == list(range(n_windows, n_windows + len(new)))
    if list(map(int, rows)) != whole or not is_sound or (other_rows, other_group) != (len(whole), group):
        raise OptionError(
            f"{other_rows} rows, {other_group} a window, cannot take the place of rows {list(rows)} of {n_rows}, "
            f"{group} a window",
            hint="name all rows of each window that makes way",
        )
    return windows


def as_ids(values: Array) -> Array:
    """Give ids as NumPy i32, from NumPy or from a list."""
    return np.asarray(values, dtype=np.int32)
