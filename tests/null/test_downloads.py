"""URLs against a server of this machine that behaves as badly as servers do."""

import base64
import contextlib
import errno
import hashlib
import os
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from waves import tone, wav_bytes

from susurrus import downloads
from susurrus.downloads import download, identity
from susurrus.errors import AudioError, Cancelled
from susurrus.inputs import find_inputs

SOUND = wav_bytes(tone(30.0))
ETAG = '"one"'


class Handler(BaseHTTPRequestHandler):
    """Answers by what stands in the server's `answer`; remembers the requests."""

    def do_GET(self):
        self.server.requests.append(self)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the client has heard enough
            self.server.answer(self, len(self.server.requests))
        self.close_connection = True

    def send(self, body=b"", status=200, **headers):
        """Send a whole answer, or with another Content_Length than the body has, one that breaks off."""
        self.send_response(status)
        for key, value in {"Content_Length": str(len(body)), "Content_Type": "audio/wav", **headers}.items():
            if value is not None:
                self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def send_rest(self, body, **headers):
        """Answer the range that is asked for, as servers do that know ranges."""
        start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        place = f"bytes {start}-{len(body) - 1}/{len(body)}"
        self.send(body[start:], 206, **{"Content_Range": place, **headers})

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    """Give a function that starts a server with an answer, and gives its URL."""
    monkeypatch.setattr(downloads, "_PAUSES", (0, 0, 0))
    monkeypatch.setenv("no_proxy", "*")
    started = []

    def start(answer):
        http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        http.answer, http.requests = answer, []
        http.daemon_threads = True
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        started.append(http)
        start.requests = http.requests
        return f"http://127.0.0.1:{http.server_port}"

    yield start
    for http in started:
        http.shutdown()
        http.server_close()


def fetch(url, **options):
    with download(url, **options) as file:
        return file.read()


# --- what works ---


def test_a_url_is_an_input(server):
    url = server(lambda request, n: request.send(SOUND))
    (one,) = find_inputs([url + "/talk.wav"])
    seen, seconds = [], []
    with one.open(on_download=lambda *done: seen.append(done), on_progress=seconds.append) as recording:
        assert recording.name == url + "/talk.wav"
        np.testing.assert_array_equal(recording.read(0, 16000), tone(1.0).astype(np.float32) / 32768)
    assert seen[-1] == (len(SOUND), len(SOUND))
    assert seconds[-1].done == 30
    (mono,) = one.split()
    mono.close()


@pytest.mark.parametrize(
    "kind", ["audio/mpeg", "video/mp4", "application/octet-stream", "application/ogg", "text/plain; charset=x", None]
)
def test_types_that_may_be_sound(server, kind):
    url = server(lambda request, n: request.send(SOUND, Content_Type=kind))
    assert fetch(url) == SOUND


def test_an_answer_of_unknown_length(server):
    url = server(lambda request, n: request.send(SOUND, Content_Length=None))
    seen = []
    assert fetch(url, on_progress=lambda *done: seen.append(done)) == SOUND
    assert seen[-1] == (len(SOUND), None)


def test_redirects_are_followed(server):
    def answer(request, n):
        if request.path == "/from":
            request.send(status=302, Location="/to%20here")
        else:
            request.send(SOUND)

    assert fetch(server(answer) + "/from") == SOUND
    assert server.requests[-1].path == "/to%20here"


def test_letters_that_urls_may_not_have_are_quoted(server):
    url = server(lambda request, n: request.send(SOUND))
    assert fetch(url + "/ein Vortrag ü%20.mp3?näme=a b") == SOUND
    assert server.requests[-1].path == "/ein%20Vortrag%20%C3%BC%20.mp3?n%C3%A4me=a%20b"


def test_the_password_goes_to_its_own_host_only(server):
    elsewhere = server(lambda request, n: request.send(SOUND)).replace("127.0.0.1", "localhost")
    elsewhere_requests = server.requests
    url = server(lambda request, n: request.send(status=302, Location="/b" if n == 1 else elsewhere + "/x"))
    assert fetch(url.replace("://", "://me:p%40ss@") + "/a") == SOUND
    expected = "Basic " + base64.b64encode(b"me:p@ss").decode()
    assert [request.headers["Authorization"] for request in server.requests] == [expected, expected]
    assert "Authorization" not in elsewhere_requests[0].headers


# --- what breaks ---


def test_a_broken_connection_is_taken_up_where_it_broke(server):
    def answer(request, n):
        if n == 1:
            request.send(SOUND[:300_000], Content_Length=str(len(SOUND)), ETag=ETAG)
        elif n == 2:
            # An answer of its own length, and it breaks again.
            request.send_rest(SOUND[:500_000], Content_Range=f"bytes 300000-{len(SOUND) - 1}/{len(SOUND)}", ETag=ETAG)
        else:
            request.send_rest(SOUND, ETag=ETAG)

    assert hashlib.sha256(fetch(server(answer))).digest() == hashlib.sha256(SOUND).digest()
    first, second, third = server.requests
    assert "Range" not in first.headers
    assert (second.headers["Range"], second.headers["If-Range"]) == ("bytes=300000-", ETAG)
    assert third.headers["Range"] == "bytes=500000-"


@pytest.mark.parametrize("ranges", ["ignored", "changed", "misplaced", "of another size", "unsatisfiable"])
def test_where_nothing_can_be_taken_up_it_begins_anew(server, ranges):
    other = SOUND[::-1]

    def answer(request, n):
        if n == 1:
            request.send(SOUND[:300_000], Content_Length=str(len(SOUND)), Last_Modified="Mon, 01 Jan 2024 00:00:00 GMT")
        elif ranges == "ignored" or "Range" not in request.headers:
            request.send(SOUND)
        elif ranges == "changed":
            request.send(other, ETag='"two"')
        elif ranges == "misplaced":
            request.send_rest(SOUND, Content_Range=f"bytes 5-{len(SOUND) - 1}/{len(SOUND)}")
        elif ranges == "of another size":
            request.send_rest(SOUND[:-1])
        else:
            request.send(status=416)

    assert fetch(server(answer)) == (other if ranges == "changed" else SOUND)
    assert server.requests[1].headers["If-Range"] == "Mon, 01 Jan 2024 00:00:00 GMT"


def test_a_truncated_download_is_no_short_recording(server):
    url = server(lambda request, n: request.send(SOUND[:300_000], Content_Length=str(len(SOUND)), ETag='W/"weak"'))
    with pytest.raises(AudioError, match=f"300000 of {len(SOUND)} bytes came: the connection was closed") as info:
        find_inputs([url])[0].open()
    assert info.value.hint
    assert len(server.requests) == 4
    assert "If-Range" not in server.requests[1].headers


def test_many_breaks_are_borne_while_much_comes(server, monkeypatch):
    monkeypatch.setattr(downloads, "_WORTH_BYTES", 100_000)

    def answer(request, n):
        end = min(100_000 * n, len(SOUND))
        if n == 1:
            request.send(SOUND[:end], Content_Length=str(len(SOUND)))
        else:
            start = 100_000 * (n - 1)
            request.send(SOUND[start:end], 206, Content_Range=f"bytes {start}-{len(SOUND) - 1}/{len(SOUND)}")

    assert fetch(server(answer)) == SOUND
    assert len(server.requests) == 10


def test_a_server_that_is_busy_is_asked_again(server):
    url = server(lambda request, n: request.send(SOUND, status=503 if n < 3 else 200))
    assert fetch(url) == SOUND


@pytest.mark.parametrize("status", [404, 403, 401, 410])
def test_a_refusal_is_not(server, status):
    url = server(lambda request, n: request.send(b"no", status=status))
    with pytest.raises(AudioError, match=f"the server answered {status} "):
        fetch(url)
    assert len(server.requests) == 1


def test_nobody_there(monkeypatch):
    monkeypatch.setattr(downloads, "_PAUSES", (0,))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(AudioError, match="nothing came: Connection refused"):
        fetch(f"http://u:secret@127.0.0.1:{port}/a?token=hidden")


def test_a_silent_server(server, monkeypatch):
    monkeypatch.setattr(downloads, "_TIMEOUT", 0.05)
    quiet = threading.Event()
    url = server(lambda request, n: quiet.wait(5))
    with pytest.raises(AudioError, match=r"nothing came: no answer for 0\.05 s"):
        fetch(url)
    quiet.set()


# --- what is refused ---


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Content_Type": "text/html; charset=utf-8"}, "a web page, not audio"),
        ({"Content_Type": "application/xhtml+xml"}, "a web page, not audio"),
        ({"Content_Type": "application/vnd.apple.mpegurl"}, "a playlist"),
        ({"Content_Type": "audio/x-mpegurl"}, "a playlist"),
        ({"Content_Type": "application/json"}, "application/json, not audio"),
        ({"Content_Type": "image/png"}, "image/png, not audio"),
        ({"Content_Type": "application/rss+xml"}, "rss"),
        ({"Content_Encoding": "gzip"}, "packed"),
    ],
)
def test_what_is_no_sound(server, headers, expected):
    url = server(lambda request, n: request.send(SOUND, **headers))
    with pytest.raises(AudioError, match=expected) as info:
        fetch(url)
    assert info.value.hint
    assert len(server.requests) == 1


@pytest.mark.parametrize("length", [str(len(SOUND)), None])
def test_what_is_too_large(server, length):
    url = server(lambda request, n: request.send(SOUND, Content_Length=length))
    (one,) = find_inputs([url], max_download_mb=0.5)
    seen = []
    with pytest.raises(AudioError, match=r"larger than the 0\.5 MB") as info:
        one.open(on_download=lambda done, total: seen.append(done))
    assert "max_download_mb" in info.value.hint
    assert max(seen) <= 500_000
    (same,) = find_inputs([url], max_download_mb=None)
    same.open().close()


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/a.mp3", "data:audio/wav;base64,AAAA"])
def test_redirects_to_other_schemes(server, target):
    url = server(lambda request, n: request.send(status=302, Location=target))
    with pytest.raises(AudioError, match="only http and https are followed") as info:
        fetch(url)
    assert "passwd" not in str(info.value)


def test_a_redirect_in_a_circle(server):
    url = server(lambda request, n: request.send(status=302, Location="/again"))
    with pytest.raises(AudioError, match="10 steps"):
        fetch(url)


def test_an_empty_file(server):
    url = server(lambda request, n: request.send(b""))
    with pytest.raises(AudioError, match=r"is empty \(0 bytes\)"):
        find_inputs([url])[0].open()


def test_secrets_are_never_shown(server):
    url = server(lambda request, n: request.send(status=404)).replace("://", "://me:secret@") + "/a.mp3?token=hidden"
    (one,) = find_inputs([url])
    with pytest.raises(AudioError) as info:
        one.open()
    for text in (str(info.value), one.name, str(one.identity()), str(one.stem), repr(one)):
        assert "secret" not in text
        assert "hidden" not in text


def test_a_full_disk(server, monkeypatch):
    class Full:
        def __enter__(self):
            return self

        def __exit__(self, *exc):
            pass

        def seek(self, place):
            pass

        def truncate(self):
            pass

        def write(self, data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(downloads.tempfile, "TemporaryFile", Full)
    url = server(lambda request, n: request.send(SOUND))
    with pytest.raises(AudioError, match=r"could not be kept in .*\(No space left") as info:
        fetch(url)
    assert "TMPDIR" in info.value.hint
    assert len(server.requests) == 1


# --- cancel and identity ---


def test_cancel_does_not_wait_for_the_server(server):
    cancel, quiet = threading.Event(), threading.Event()

    def answer(request, n):
        request.send(SOUND[:300_000], Content_Length=str(len(SOUND)))
        cancel.set()
        quiet.wait(5)

    url = server(answer)
    began = time.monotonic()
    with pytest.raises(Cancelled):
        fetch(url, cancel=cancel)
    assert time.monotonic() - began < 2
    quiet.set()


def test_identity_is_what_the_server_says(server):
    headers = {"ETag": ETAG, "Last_Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}
    url = server(lambda request, n: request.send(SOUND, **headers))
    (one,) = find_inputs([url + "/a.wav"])
    expected = {"url": url + "/a.wav", "size": len(SOUND), "etag": ETAG, "last_modified": headers["Last_Modified"]}
    assert one.identity() == expected
    headers["ETag"] = '"two"'
    assert one.identity() != expected


def test_no_identity(server):
    url = server(lambda request, n: request.send(SOUND, Content_Length=None))
    assert identity(url) is None
    assert identity(server(lambda request, n: request.send(status=500))) is None
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        identity(url, cancel=cancel)
