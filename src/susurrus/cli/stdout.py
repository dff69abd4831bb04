"""Results on stdout: neither a reader who leaves early nor a letter it has no bytes for is a fault."""

from __future__ import annotations

import json
import os
import sys
from typing import Any


def take_any_text() -> None:
    """Let letters that stdout has no bytes for become question marks, as on a terminal or a pipe of Windows."""
    if hasattr(sys.stdout, "reconfigure") and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="replace")


def show(text: str, *, end: str = "\n") -> None:
    """Print at once; after `susurrus ... | head` has seen enough, to nobody: the work goes on, its files are wanted."""
    try:
        print(text, end=end, flush=True)
    except BrokenPipeError:
        to_nobody()


def show_json(value: Any, *, indent: int | None = None) -> None:
    """Print a value as JSON that is whole in every encoding."""
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    show(json.dumps(value, ensure_ascii=not is_utf8, indent=indent))


def to_nobody() -> None:
    """Send what is still printed nowhere: its reader has gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
