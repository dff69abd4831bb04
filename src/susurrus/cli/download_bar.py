"""What the command line shows while a model is fetched."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .table import megabytes


@contextmanager
def download_bar(name: str) -> Iterator[Callable[[int, int], None]]:
    """Draw a progress bar on a terminal; elsewhere say once that something is being fetched."""
    from tqdm import tqdm

    bar: Any = None

    def show(done: int, total: int) -> None:
        nonlocal bar
        if bar is None:
            bar = tqdm(
                total=total,
                initial=done,
                desc=name,
                unit="B",
                unit_scale=True,
                leave=False,
                file=sys.stderr,
                disable=not sys.stderr.isatty(),
            )
            if bar.disable:
                print(f"{name}: fetching {megabytes(total)}", file=sys.stderr)
        bar.update(done - bar.n)

    try:
        yield show
    finally:
        if bar is not None:
            bar.close()
