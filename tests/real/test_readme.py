"""The code and the commands of the README and the guides, as they stand there."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python")], ids=lambda p: p.name)
def test_python_of_a_page_runs(page, any_tiny_en, tmp_path):
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    code = "\n".join(blocks(page, "python"))
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "country" in done.stdout or "print" not in code


@pytest.mark.parametrize("page", [p for p in PAGES if "susurrus " in "".join(blocks(p, "sh"))], ids=lambda p: p.name)
def test_commands_of_a_page_run(page, any_tiny_en, tmp_path):
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    for line in "".join(blocks(page, "sh")).splitlines():
        if line.startswith("susurrus "):
            argv = [sys.executable, "-m", *shlex.split(line, comments=True)]
            done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
    assert page.name != "README.md" or (tmp_path / "out" / "jfk.srt").exists()


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_of_a_page_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_every_file_of_the_tree_in_the_readme_exists():
    tree = (ROOT / "README.md").read_text().split("```\nsrc/susurrus/\n")[1]
    names = re.findall(r"(\w+(?:\.py|/))", tree.split("tests/")[0])
    assert len(names) > 15
    places = (ROOT / "src" / "susurrus", ROOT / "src" / "susurrus" / "backends")
    for name in names:
        assert any((place / name).exists() for place in places), name
