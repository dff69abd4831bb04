"""A Hugging Face hub of one's own on this machine, as far as huggingface_hub asks it; it can fail as a network does."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class HubServer:
    """Serves folders as repositories.

    `cut_after`: each answer with a large file ends after so many bytes, or stays silent then where `stall` is set.
    `damage`: so many answers with a large file have one wrong bit. `knows_ranges` False: all answers are whole files.
    `store` is another server, to which requests for large files are sent on.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, Path] = {}
        self.cut_after: int | None = None
        self.damage = 0
        self.knows_ranges = True
        self.stall = threading.Event()
        self.end = threading.Event()
        self.asked: list[str] = []
        self.tokens: list[str | None] = []
        self.store: HubServer | None = None
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_HEAD(self):
                hub.answer(self, with_body=False)

            def do_GET(self):
                hub.answer(self, with_body=True)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.end.set()
        self.server.shutdown()
        self.server.server_close()

    def answer(self, request, *, with_body):
        path = urlsplit(request.path).path
        self.tokens.append(request.headers.get("Authorization"))
        self.asked.append(f"{request.command} {path} {request.headers.get('Range', '')}".strip())
        if match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/[^/]+/(.+)", path):
            return self.send_file(request, self.repositories.get(match[1]), match[2], with_body)
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/[^/]+", path):
            return self.send_json(request, self.files(match[1]))
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(/revision/[^/]+)?", path):
            siblings = [
                {"rfilename": one["path"], "size": one["size"], "blobId": one["oid"], "lfs": one.get("lfs")}
                for one in self.files(match[1])
            ]
            if match[1] not in self.repositories:
                return self.send_missing(request)
            return self.send_json(request, {"id": match[1], "sha": COMMIT, "siblings": siblings, "private": False})
        return self.send_missing(request)

    def files(self, repo_id):
        files = []
        for path in sorted(self.repositories.get(repo_id, Path("none")).glob("*")):
            data = path.read_bytes()
            one = {"type": "file", "path": path.name, "size": len(data), "oid": git_sha1(data)}
            if is_large(path.name):
                sha256 = hashlib.sha256(data).hexdigest()
                one["lfs"] = {"oid": sha256, "sha256": sha256, "size": len(data), "pointerSize": 130}
            files.append(one)
        return files

    def send_json(self, request, value):
        body = json.dumps(value).encode()
        request.send_response(200)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def send_missing(self, request):
        request.send_response(404)
        request.send_header("X-Error-Code", "RepoNotFound")
        request.send_header("Content-Length", "0")
        request.end_headers()

    def send_file(self, request, folder, name, with_body):
        if folder is None or not (folder / name).is_file():
            return self.send_missing(request)
        data = (folder / name).read_bytes()
        large = is_large(name)
        if large and self.store is not None:
            request.send_response(302)
            request.send_header("Location", self.store.endpoint + request.path)
            request.send_header("X-Linked-ETag", f'"{hashlib.sha256(data).hexdigest()}"')
            request.send_header("X-Linked-Size", str(len(data)))
            request.send_header("X-Repo-Commit", COMMIT)
            request.send_header("Content-Length", "0")
            return request.end_headers()
        start = int(re.match(r"bytes=(\d+)-", request.headers.get("Range", "bytes=0-"))[1]) * self.knows_ranges
        request.send_response(206 if start else 200)
        request.send_header("ETag", f'"{hashlib.sha256(data).hexdigest() if large else git_sha1(data)}"')
        request.send_header("X-Repo-Commit", COMMIT)
        request.send_header("Content-Length", str(len(data) - start))
        request.send_header("Accept-Ranges", "bytes")
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        request.end_headers()
        if not with_body:
            return None
        body = data[start:]
        if large and self.damage:
            self.damage -= 1
            body = body[:-1] + bytes([body[-1] ^ 1])
        if large and self.cut_after is not None:
            request.wfile.write(body[: self.cut_after])
            request.wfile.flush()
            if self.stall.is_set():
                self.end.wait()
            request.close_connection = True
            return request.connection.close()
        return request.wfile.write(body)


def is_large(name: str) -> bool:
    return name.endswith((".safetensors", ".bin"))


def git_sha1(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
