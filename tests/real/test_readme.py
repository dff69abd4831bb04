"""The code and the commands of the README and the pages of docs/, as they stand there.

A block marked `no-run` (```sh no-run) is for another machine: the network, a GPU, files that are not here. Its flags
are checked all the same, by tests/null/test_docs.py, and so are all links.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# What a page's commands may need beside susurrus itself; the rest (pip, make) sets machines up.
PREPARING = ("cat", "cp", "echo", "ls", "mkdir", "mv", "printf", "rm")


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


def script(page):
    """Give the lines of a page that run here."""
    lines = "".join(blocks(page, "sh")).replace("\\\n", " ").splitlines()
    return [line for line in lines if re.search(r"\bsusurrus ", line) or line.split(" ")[0] in PREPARING]


def name(page):
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python")], ids=name)
def test_python_of_a_page_runs(page, any_tiny_en, tmp_path):
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    code = "\n".join(blocks(page, "python"))
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "country" in done.stdout or "print" not in code


@pytest.mark.skipif(shutil.which("sh") is None, reason="no sh on this system")
@pytest.mark.parametrize("page", [p for p in PAGES if script(p)], ids=name)
def test_commands_of_a_page_run(page, any_tiny_en, tmp_path):
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    command = tmp_path / "bin" / "susurrus"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m susurrus "$@"\n')
    command.chmod(0o755)
    path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
    own = {"PATH": path, "HF_HUB_OFFLINE": "1", "XDG_CONFIG_HOME": str(tmp_path)}
    shell = ["sh", "-ex", "-c", "\n".join(script(page))]
    done = subprocess.run(shell, cwd=tmp_path, env={**os.environ, **own}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert page.name != "README.md" or (tmp_path / "out" / "jfk.srt").exists()


def test_every_file_of_the_tree_in_the_readme_exists():
    tree = (ROOT / "README.md").read_text().split("```\nsrc/susurrus/\n")[1]
    names = re.findall(r"(\w+(?:\.py|/))", tree.split("tests/")[0])
    assert len(names) > 15
    places = (ROOT / "src" / "susurrus", ROOT / "src" / "susurrus" / "backends")
    for name in names:
        assert any((place / name).exists() for place in places), name
