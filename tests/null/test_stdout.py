"""What is printed: a reader who leaves early is no fault, and no letter breaks it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from susurrus.cli.events import Events
from susurrus.types import Segment, Transcript
from susurrus.writers import save

NAME = "日本\udcff.json" if sys.platform == "linux" else "日本.json"


@pytest.fixture
def folder(tmp_path):
    segment = Segment(0, 0, 0.0, 1.0, " 你好", (), 0.0, 0.0, 1.0, 0.0)
    for name in (NAME, "b.json"):
        save(Transcript(" 你好", "zh", (segment,)), "json", tmp_path / name)
    return tmp_path


def run(folder, *argv, **given):
    code = "import sys; from susurrus.__main__ import main; sys.exit(main())"
    return subprocess.run([sys.executable, "-c", code, *argv], cwd=folder, stderr=subprocess.PIPE, timeout=60, **given)


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
@pytest.mark.parametrize(
    "argv", [["models"], ["models", "--json", "True"], ["completion", "bash"], ["render", NAME, "b.json"]]
)
def test_a_reader_who_leaves_is_no_fault_and_the_files_are_written(folder, argv):
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "wb") as stdout:
        done = run(folder, *argv, stdout=stdout)
    assert (done.returncode, done.stderr) == (0, b"")
    if argv[0] == "render":
        assert len(list(folder.glob("*.srt"))) == 2


@pytest.mark.parametrize("encoding", ["ascii:strict", "utf-8:strict"])
def test_no_name_breaks_the_output(folder, encoding):
    env = {**os.environ, "PYTHONIOENCODING": encoding}
    done = run(folder, "render", NAME, "b.json", stdout=subprocess.PIPE, env=env)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.splitlines()[-1] == b"b.srt"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_events_are_whole_in_every_encoding(encoding, monkeypatch):
    import io

    out = io.TextIOWrapper(io.BytesIO(), encoding)
    monkeypatch.setattr(sys, "stdout", out)
    Events().summary({"日本": 1})
    assert json.loads(out.buffer.getvalue().decode(encoding)) == {"event": "summary", "日本": 1}
