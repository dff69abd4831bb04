"""Systems in processes of their own: each has its own memory, its model loaded, and waits for the next file.

A worker is asked and answers in lines of JSON, as `peers.serve` says. One that crashes or hangs is an error, not the
end of the others. Nothing is known here of models and of what is measured.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import IO, Any

from ..errors import SusurrusError

CLOSE_S = 5.0
"""How long a worker that nobody asks any more may take to end by itself."""


class Worker:
    """A process that loads a system and then runs it on one file after another. Close it.

    `name` is for messages. No answer may take longer than `timeout` seconds.
    """

    def __init__(self, name: str, command: Sequence[str], *, env: Mapping[str, str], timeout: float) -> None:
        self.name = name
        self.info: dict[str, Any] = {}
        self._command, self._env, self._timeout = list(command), {**os.environ, **env}, timeout
        self._log: IO[str] | None = None
        self._answers: queue.Queue[str | None] = queue.Queue()
        self._process: subprocess.Popen[str] | None = None

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, and wait until it is loaded; `info` is then what it says of itself. Raises: SusurrusError."""
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 (see close)
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                encoding="utf-8",
                errors="replace",
                env=self._env,
            )
        except OSError as error:
            raise SusurrusError(f"{self.name}: {self._command[0]} cannot be started: {error.strerror}") from None
        threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True).start()
        answer = self._answer("loading")
        self.info = {**answer["ready"], "load_s": answer["load_s"]}

    def run(self, files: Sequence[str]) -> dict[str, Any]:
        """Run it on files; give what it found. Raises: SusurrusError; it may be alive then, or not."""
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it has ended: `_answer` says so
            self._process.stdin.write(json.dumps({"run": files}) + "\n")
            self._process.stdin.flush()
        return self._answer("a run")

    def close(self) -> None:
        """End it, where it runs."""
        if self._process is not None:
            assert self._process.stdin is not None
            with contextlib.suppress(OSError):
                self._process.stdin.close()
            try:
                self._process.wait(CLOSE_S)
            except subprocess.TimeoutExpired:
                self._kill()
        if self._log is not None:
            self._log.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._kill()
        self.close()

    def _listen(self, stdout: IO[str]) -> None:
        with stdout as lines:
            for line in lines:
                self._answers.put(line)
        self._answers.put(None)

    def _answer(self, what: str) -> dict[str, Any]:
        try:
            line = self._answers.get(timeout=self._timeout)
        except queue.Empty:
            self._kill()
            raise SusurrusError(f"{self.name}: {what} took more than {self._timeout:g} s") from None
        try:
            answer: dict[str, Any] = json.loads(line) if line is not None else self._ended()
        except ValueError:
            self._kill()
            raise SusurrusError(f"{self.name}: no answer but {line!r}") from None
        if "error" in answer:
            raise SusurrusError(f"{self.name}: {answer['error']}")
        return answer

    def _ended(self) -> dict[str, str]:
        """Say how it ended, with the last that it wrote."""
        assert self._process is not None
        assert self._log is not None
        code = self._process.wait()
        self._log.seek(0)
        last = next((line.strip() for line in reversed(self._log.readlines()) if line.strip()), "it said nothing")
        return {"error": f"it ended with {code}: {last}"}

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
