"""A sound from an http or https URL, in a temporary file.

Takes a URL; gives a file with all of it, or an error: never a part. It does not know what becomes of the bytes.

A thread of its own does the work, so that a caller who cancels, or presses Ctrl-C, does not wait for a silent server.
A connection that breaks is taken up again where it broke, if the server still has the same version.
Source: RFC 9110, sections 13.1.5 (If-Range) and 14 (range requests).
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import re
import ssl
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import IO, Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from .cancel import Cancel, raise_if_cancelled
from .errors import AudioError
from .urls import url_name

# Seconds that a server may be silent, and seconds before each new try.
_TIMEOUT = 30.0
_PAUSES = (0.5, 2.0, 5.0)

# A try that brought this much does not count as one: a long file over a bad line is worth many.
_WORTH_BYTES = 1 << 20
_PIECE_BYTES = 1 << 16

# Answers that may be another one a little later.
_PASSING = {408, 416, 425, 429, 500, 502, 503, 504}

_WEB_PAGE = re.compile(r"text/html|application/xhtml\+xml")
_PLAYLIST = re.compile(r".*(mpegurl|scpls|dash\+xml)")
# text/plain and application/octet-stream are what servers call a suffix they do not know.
_OTHER = re.compile(r"(text/(?!plain)|image/|font/|multipart/).*|.*(json|xml|pdf|zip|javascript)")


@contextlib.contextmanager
def download(
    url: str,
    *,
    max_bytes: int | None = None,
    cancel: Cancel | None = None,
    on_progress: Callable[[int, int | None], object] | None = None,
) -> Iterator[IO[bytes]]:
    """Give what is at `url` as a file that stands at its start, and is gone afterwards.

    `on_progress` gets the bytes that have come and the bytes there will be, None where the server does not say.
    Raises: AudioError for what is no sound, larger than `max_bytes`, or did not come whole. Cancelled.
    """
    name = url_name(url)
    with contextlib.ExitStack() as stack:
        with _kept(name):
            file = stack.enter_context(tempfile.TemporaryFile())
        fetch = _Fetch(url, file, max_bytes)

        def tick() -> None:
            if on_progress is not None:
                on_progress(fetch.done, fetch.total)
            raise_if_cancelled(cancel, name)

        try:
            _apart(fetch.run, tick)
        finally:
            fetch.stop.set()
        file.seek(0)
        yield file


def identity(url: str, *, cancel: Cancel | None = None) -> dict[str, Any] | None:
    """Give what a server says of the version it would send now; None where it says nothing. Raises: Cancelled."""
    found: dict[str, Any] = {}

    def ask() -> None:
        # Not HEAD, which many a signed URL refuses.
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException), _open(url, {}) as response:
            found.update(_version(response))

    _apart(ask, lambda: raise_if_cancelled(cancel, url_name(url)))
    return {"url": url_name(url), **found} if any(value is not None for value in found.values()) else None


class _Fetch:
    """A download under way. `done` and `total` count bytes; `stop` makes it end soon."""

    def __init__(self, url: str, file: IO[bytes], max_bytes: int | None) -> None:
        self.name = url_name(url)
        self.done = 0
        self.total: int | None = None
        self.stop = threading.Event()
        self._url, self._file, self._max_bytes = url, file, max_bytes
        self._version: dict[str, Any] = {}

    def run(self) -> None:
        """Fetch all of it. Raises: AudioError."""
        tries = 0
        while not self.stop.is_set():
            before = self.done
            try:
                return self._try()
            except (OSError, ValueError, http.client.HTTPException) as error:
                reason = _reason(error)
                if getattr(error, "code", None) == 416:  # it has become shorter than what is here
                    self.done = 0
                if not _may_pass(error):
                    raise AudioError(f"{self.name}: {reason}", hint="try the URL in a browser") from error
            tries = 0 if self.done - before >= _WORTH_BYTES else tries + 1
            if tries > len(_PAUSES):
                held = f"{self.done} of {self.total} bytes came" if self.done else "nothing came"
                raise AudioError(f"{self.name}: the download failed, {held}: {reason}", hint="try it again later")
            self.stop.wait(_PAUSES[max(tries, 1) - 1])

    def _try(self) -> None:
        with _open(self._url, self._range()) as response:
            if response.status != 206:
                self._begin(response)
            elif not self._continues(response):
                self.done = 0
                raise ConnectionError("the server sent another part than it was asked for")
            while data := response.read1(_PIECE_BYTES):
                if self.stop.is_set():
                    return
                self._check_size(self.done + len(data))
                with _kept(self.name):
                    self._file.write(data)
                self.done += len(data)
        if self.total is not None and self.done < self.total:
            raise ConnectionError("the connection was closed too early")

    def _range(self) -> dict[str, str]:
        """Ask for the rest of what has come in part, or for all if that is no longer the same."""
        if self.done == 0:
            return {}
        etag = self._version["etag"]
        # A weak tag may stand for other bytes of the same meaning.
        same = etag if etag and not etag.startswith("W/") else self._version["last_modified"]
        return {"Range": f"bytes={self.done}-", **({"If-Range": same} if same else {})}

    def _begin(self, response: Any) -> None:
        self._version = _version(response)
        self.total = self._version["size"]
        self.done = 0
        _check_type(response, self.name)
        self._check_size(self.total or 0)
        self._file.seek(0)
        self._file.truncate()

    def _continues(self, response: Any) -> bool:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if found is None or int(found[1]) != self.done:
            return False
        if self.total is None and found[2] != "*":
            self.total = int(found[2])
        return found[2] in ("*", str(self.total))

    def _check_size(self, size: int) -> None:
        if self._max_bytes is not None and size > self._max_bytes:
            raise AudioError(
                f"{self.name}: larger than the {self._max_bytes / 1e6:g} MB that are allowed",
                hint="raise max_download_mb, or fetch it first and give the file",
            )


def _apart(work: Callable[[], None], tick: Callable[[], None]) -> None:
    """Do `work` in a thread and call `tick` here while it lasts; raise what either raises."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="download", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.1)
        tick()
    tick()
    if errors:
        raise errors[0]


class _Redirects(urllib.request.HTTPRedirectHandler):
    max_redirections = 10

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """Give the next request; None, which makes the redirect an error, where it leads out of the web."""
        if urlsplit(newurl).scheme not in ("http", "https"):
            return None
        made = super().redirect_request(req, fp, code, msg, headers, newurl)
        password = req.get_header("Authorization")
        if made is not None and password and (made.type, made.host) == (req.type, req.host):
            made.add_unredirected_header("Authorization", password)
        return made


def _open(url: str, headers: dict[str, str]) -> Any:
    """Open a URL. Only http and https are known, so that no redirect leads to a file of this machine."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
        _Redirects,
    ):
        opener.add_handler(handler())
    split = urlsplit(url)
    host = split.netloc.rpartition("@")[2]
    path, query = quote(split.path, safe="/%:@!$&'()*+,;=~"), quote(split.query, safe="/%:@!$&'()*+,;=~?")
    request = urllib.request.Request(urlunsplit((split.scheme, host, path, query, "")))
    request.add_header("User-Agent", "susurrus")
    for key, value in headers.items():
        request.add_header(key, value)
    if split.username is not None:
        pair = f"{unquote(split.username)}:{unquote(split.password or '')}".encode()
        # Unredirected: no other host may get the password.
        request.add_unredirected_header("Authorization", "Basic " + base64.b64encode(pair).decode())
    return opener.open(request, timeout=_TIMEOUT)


def _version(response: Any) -> dict[str, Any]:
    """Give what the headers say of the version that is sent: size, etag, last_modified."""
    length = response.headers.get("Content-Length", "")
    size = int(length) if length.isdecimal() else None
    return {"size": size, "etag": response.headers.get("ETag"), "last_modified": response.headers.get("Last-Modified")}


def _check_type(response: Any, name: str) -> None:
    """Raises: AudioError when the headers say that it is no sound."""
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    packing = response.headers.get("Content-Encoding", "identity")
    if _WEB_PAGE.fullmatch(kind):
        raise AudioError(f"{name}: a web page, not audio", hint="give the URL of the audio file itself")
    if _PLAYLIST.fullmatch(kind):
        raise AudioError(f"{name}: a playlist ({kind}), not audio", hint="give the URL of one audio file")
    if _OTHER.fullmatch(kind):
        raise AudioError(f"{name}: {kind}, not audio", hint="give the URL of an audio or video file")
    if packing != "identity":
        raise AudioError(f"{name}: the server sends it packed ({packing})", hint="fetch it first and give the file")


def _may_pass(error: Exception) -> bool:
    """Say whether the same request may succeed a little later."""
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        return error.code in _PASSING
    if isinstance(error, urllib.error.URLError):
        return isinstance(error.reason, OSError) and not isinstance(error.reason, ssl.SSLCertVerificationError)
    return not isinstance(error, ValueError)


def _reason(error: Exception) -> str:
    """Say why a request failed, with nothing of the URL in it."""
    if isinstance(error, urllib.error.HTTPError):
        if error.code in (301, 302, 303, 307, 308):
            return "leads to where it may not: only http and https are followed, 10 steps far"
        return f"the server answered {error.code} {http.client.responses.get(error.code, '')}".rstrip()
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return f"no answer for {_TIMEOUT:g} s"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({cause.verify_message})"
    if isinstance(cause, OSError):
        return str(cause.strerror or cause)
    return "the connection broke" if isinstance(cause, http.client.HTTPException) else "not a URL that can be opened"


@contextlib.contextmanager
def _kept(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise AudioError(
            f"{name}: the download could not be kept in {tempfile.gettempdir()} ({error.strerror or error})",
            hint="free some space there, or set TMPDIR to a folder with more room",
        ) from error
