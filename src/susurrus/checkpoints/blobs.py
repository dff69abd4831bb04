"""One large file from an address into a folder, whole and checked, or nothing under its name.

What has come is kept in a file beside it, so that a broken connection, a stop and a kill cost nothing: the next call
goes on where the last one ended. huggingface_hub starts anew, and Ctrl-C waits until it has all.
Source: huggingface_hub 2.4.0, file_download.py, _download_to_tmp_and_move.
"""

from __future__ import annotations

import http.client
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from ..errors import CheckpointError
from .stored import Blob

# Seconds that a server may be silent, and seconds before each new try; one that brought something does not count.
_TIMEOUT = 30.0
_PAUSES = (1.0, 3.0, 6.0)
_PIECE_BYTES = 1 << 18


def fetch_blob(
    locate: Callable[[], tuple[str, dict[str, str]]],
    target: Path,
    *,
    size: int,
    sha256: str,
    on_progress: Callable[[int], None] | None = None,
) -> None:
    """Fetch the file of this size and SHA-256 to `target`. `on_progress` gets the bytes that are here.

    `locate` gives its address anew for each try, and headers for that host alone. Two that fetch the same file at once
    write the same bytes to the same places.

    Raises CheckpointError where what came is not that file, OSError where it does not come whole or cannot be kept.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.incomplete")
    partial.touch()
    try:
        _complete(locate, partial, size, on_progress)
        found = Blob([partial])
        if found.size != size or found.sha256() != sha256:
            partial.unlink()
            raise CheckpointError(
                f"{target} came damaged: its SHA-256 is not {sha256}",
                hint="it was removed; run it again to fetch it anew",
            )
        os.replace(partial, target)
    except FileNotFoundError:
        if not target.exists():  # where it does, another process has just finished it
            raise


def _complete(
    locate: Callable[[], tuple[str, dict[str, str]]],
    partial: Path,
    size: int,
    on_progress: Callable[[int], None] | None,
) -> None:
    """Fetch what is missing, in as many tries as bring something."""
    tries = 0
    while (before := partial.stat().st_size) < size:
        try:
            _fetch_rest(*locate(), partial, on_progress)
        except (urllib.error.URLError, ConnectionError, TimeoutError, ssl.SSLError, http.client.HTTPException) as error:
            if isinstance(error, urllib.error.HTTPError) and error.code < 500:
                raise
            tries = 0 if partial.stat().st_size > before else tries + 1
            if tries >= len(_PAUSES):
                raise ConnectionError(f"{before} of {size} bytes came: {error}") from error
            time.sleep(_PAUSES[tries])


def _fetch_rest(url: str, headers: dict[str, str], partial: Path, on_progress: Callable[[int], None] | None) -> None:
    if urlsplit(url).scheme not in ("http", "https"):
        raise CheckpointError(f"{url}: not an address that is fetched from")
    with partial.open("r+b") as file:
        start = file.seek(0, os.SEEK_END)
        request = urllib.request.Request(url, headers={"Range": f"bytes={start}-", "User-Agent": "susurrus"})
        for name, value in headers.items():
            request.add_unredirected_header(name, value)
        with urllib.request.urlopen(request, timeout=_TIMEOUT, context=_certificates()) as response:
            if response.status != 206:  # the server sends all of it
                start = 0
                file.truncate(0)
            expected = response.headers.get("Content-Length")
            n_bytes = _copy(response, file, start, on_progress)
            if expected is not None and n_bytes < int(expected):
                raise ConnectionError("the connection was closed too early")


def _copy(
    response: http.client.HTTPResponse, file: IO[bytes], start: int, on_progress: Callable[[int], None] | None
) -> int:
    file.seek(start)
    n_bytes = 0
    while piece := response.read1(_PIECE_BYTES):
        file.write(piece)
        n_bytes += len(piece)
        if on_progress is not None:
            on_progress(start + n_bytes)
    return n_bytes


def _certificates() -> ssl.SSLContext:
    """Trust what the system does, and what certifi does where it is: some Pythons do not find the system's."""
    context = ssl.create_default_context()
    try:
        import certifi
    except ImportError:
        return context
    context.load_verify_locations(certifi.where())
    return context
