"""Plain tables and sizes, as the commands print them."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def print_table(rows: Sequence[Sequence[str]], *, right: Collection[int] = ()) -> None:
    """Print rows in columns; those numbered in `right` are flush right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())


def megabytes(n_bytes: float) -> str:
    """Give a size in the largest unit that leaves no fraction of less than a tenth.

    >>> megabytes(151_042_560), megabytes(3_086_981_120), megabytes(2_000)
    ('151 MB', '3.1 GB', '0 MB')
    """
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.0f} MB"
