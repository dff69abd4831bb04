"""What a case of a flag is, and how it is run: two command lines whose outcomes differ as the flag promises.

Commands run in this process. A command line that names no model gets the echo of `echo.py`; one that does gets that
model, as any user does. What is loaded is part of the outcome.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import io
import json
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from echo import echo_model
from hub_server import HubServer
from huggingface_hub import constants

import susurrus.transcribe
from susurrus.benchmark import measure, ours, systems
from susurrus.checkpoints import packages
from susurrus.cli import build_parser, doctor, main
from susurrus.cli.flags import same_name
from susurrus.errors import SusurrusError


@dataclass(frozen=True)
class Outcome:
    """What a command line left behind.

    `models` are those that were loaded: name, backend, device, dtype. `handed` is what the processes of a benchmark
    were told, of each its name and environment too.
    """

    code: int
    out: str
    err: str
    files: dict[str, bytes]
    models: list[dict[str, str]]
    log: str
    handed: list[dict[str, Any]]

    @property
    def heard(self) -> dict[str, Any]:
        """The transcript, as `transcribe -f json` and `evaluate --json` write it."""
        [found] = [json.loads(data) for name, data in self.files.items() if name.endswith(".json")]
        return found["clips"][0]["result"] if "clips" in found else found

    @property
    def segments(self) -> list[dict[str, Any]]:
        return self.heard["segments"]

    @property
    def text(self) -> str:
        return self.heard["text"]

    @property
    def words(self) -> list[str]:
        return [word["word"] for segment in self.segments for word in segment.get("words") or ()]

    def file(self, suffix: str) -> str:
        """The one file whose name ends so, as text."""
        [found] = [data for name, data in self.files.items() if name.endswith(suffix)]
        return found.decode("utf-8", "replace")


Shows = Callable[[Outcome, Outcome], bool]
"""Says whether the second outcome differs from the first as the flag promises."""


@dataclass(frozen=True)
class Case:
    """A flag of a command. `base` is a command line; `given` is added to it, or stands instead of it: `is_instead`.

    Either `shows` holds of the outcomes without and with what is given, or the latter is refused with an error in which
    `says` stands. `before` are command lines run first, in the same folder. `IN/` stands for the folder of the inputs.
    """

    command: str
    flag: str
    base: tuple[str, ...]
    given: tuple[str, ...]
    shows: Shows | None = None
    says: str = ""
    code: int = 0
    before: tuple[tuple[str, ...], ...] = ()
    is_instead: bool = False
    needs: tuple[str, ...] = ()  # packages

    @property
    def line(self) -> tuple[str, ...]:
        """The command line with the flag."""
        return self.given if self.is_instead else (*self.base, *self.given)

    def __str__(self) -> str:
        return f"{self.command} {self.flag} {' '.join(self.given)}"


def words(text: str | tuple[str, ...]) -> tuple[str, ...]:
    """Split a command line where no word has a blank in it."""
    return tuple(text.split()) if isinstance(text, str) else text


def every_flag() -> set[tuple[str, str]]:
    """Give (command, flag) of all there are; what has no dashes counts too."""
    [commands] = [one for one in build_parser()._actions if isinstance(one, argparse._SubParsersAction)]
    return {
        (name, action.dest)
        for name, command in commands.choices.items()
        for action in command._actions
        if action.dest != "help"
    }


@dataclass
class Stage:
    """The inputs that all cases share, a hub, and what the command lines that were run have left behind."""

    inputs: Path
    work: Path
    hub: HubServer
    seen: dict[Any, Outcome] = field(default_factory=dict)

    def run(self, command: str, argv: tuple[str, ...], before: tuple[tuple[str, ...], ...] = ()) -> Outcome:
        """Run a command line in a new folder, once for all that ask for it."""
        key = (command, argv, before)
        if key not in self.seen:
            folder = self.work / str(len(self.seen))
            folder.mkdir(parents=True)
            for earlier in before:
                self._run(folder, command, earlier)
            self.seen[key] = self._run(folder, command, argv)
        return self.seen[key]

    def _run(self, folder: Path, command: str, argv: tuple[str, ...]) -> Outcome:
        words = [command, *(word.replace("IN/", f"{self.inputs}/").replace("HUB/", self._url) for word in argv)]
        is_echo = not {"--model", "--model_dir"} & {same_name(word) for word in words}
        models: list[dict[str, str]] = []
        with contextlib.ExitStack() as stack:
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            self._isolate(patch, folder)
            patch.setattr(doctor, "ask_backend", answer)
            if command == "plot":
                matplotlib = pytest.importorskip("matplotlib")
                patch.setitem(matplotlib.rcParams, "svg.fonttype", "none")  # text stays text
            if command in ("render", "plot"):
                for name in ("talk.json", "talk.wav"):
                    (folder / name).write_bytes((self.inputs / name).read_bytes())
            load = susurrus.transcribe.load

            def spied(*args: Any, **given: Any) -> Any:
                model = echo_model() if is_echo else load(*args, **given)
                how = {name: getattr(model.backend, name) for name in ("device", "dtype")}
                models.append({"name": model.name, "backend": model.backend.name, **how})
                return model

            patch.setattr(susurrus.transcribe, "load", spied)
            patch.setattr(ours, "load", spied)
            handed: list[dict[str, Any]] = []
            patch.setattr(systems, "Worker", functools.partial(WorkerHere, handed))
            patch.setattr(measure, "time", SimpleNamespace(sleep=lambda seconds: None))
            log = io.StringIO()
            handler = logging.StreamHandler(log)
            logging.getLogger("susurrus").addHandler(handler)
            stack.callback(logging.getLogger("susurrus").removeHandler, handler)
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((self.inputs / "plain.wav").read_bytes())))
            out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
            stack.enter_context(contextlib.redirect_stdout(out))
            stack.enter_context(contextlib.redirect_stderr(err))
            try:
                code = main(words)
            except SystemExit as end:
                code = int(end.code or 0)
        texts = [stream.buffer.getvalue().decode() for stream in (out, err)]  # type: ignore[attr-defined]
        files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        return Outcome(code, *texts, files, models, log.getvalue(), handed)

    @property
    def _url(self) -> str:
        return f"{self.hub.endpoint}/me/sounds/resolve/main/"

    def _isolate(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        """Nothing of this user's counts: no cache, no proxy, no config, and the hub is ours."""
        home = self.work.parent / "home"
        home.mkdir(exist_ok=True)
        patch.chdir(folder)
        for name in ("HOME", "USERPROFILE", "XDG_CONFIG_HOME", "APPDATA", "XDG_CACHE_HOME"):
            patch.setenv(name, str(home))
        for name in ("HF_HUB_OFFLINE", "SUSURRUS_OFFLINE", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            patch.delenv(name, raising=False)
        patch.setattr(packages, "PACKAGES", {})
        # A cache of its own for each command line: none finds what another has fetched.
        patch.setattr(constants, "HF_HUB_CACHE", str(home / f"hub{folder.name}"))
        patch.setattr(constants, "ENDPOINT", self.hub.endpoint)
        template = self.hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


class WorkerHere:
    """Stands for a process of a benchmark: loads what it would load, here, and does not run it."""

    is_alive = True

    def __init__(self, handed: list[dict[str, Any]], name: str, command: list[str], *, env: Any, timeout: float):
        self.name, self.info = name, {}
        self.given = {**json.loads(command[-1]), "system": name, "env": dict(env), "timeout": timeout}
        handed.append(self.given)

    def start(self) -> None:
        info: dict[str, Any] = {"version": "1", "how": "here"}
        if self.name == "susurrus":
            with contextlib.ExitStack() as stack:
                try:
                    info, _ = ours.open_ours(self.given, stack)
                except SusurrusError as error:
                    raise SusurrusError(f"{self.name}: {error}") from None
        self.info = {**info, "load_s": 0.1}

    def run(self, files: tuple[str, ...]) -> dict[str, Any]:
        self.given.setdefault("ran", []).append(files)
        n = len(files)
        texts = {"texts": ["en transcribe"] * n, "durations": [5.0] * n, "languages": ["en"] * n}
        return {"seconds": 1.0, "cpu_s": 1.0, "first_segment_s": 0.5, "stages": {}, "n_threads": 1, **texts}

    def __enter__(self) -> WorkerHere:
        return self

    def __exit__(self, *exc: object) -> None:
        pass


def answer(name: str, *, with_speed: bool) -> dict[str, Any]:
    """What a backend answers `susurrus doctor`, without the seconds that a process of its own takes."""
    speeds = {"cpu": {"dtype": "float32", "x": 12.5}} if with_speed else {}
    none = {"missing": None, "install": None}
    return {"devices": ["cpu"], "version": "1", "dtypes": ["float32"], "speeds": speeds, **none}
