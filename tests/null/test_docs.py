"""The pages of the documentation: links lead somewhere, commands parse, and the reference is what the code says.

What runs without marking is run by tests/real/test_readme.py; here every block is read, also those marked `no-run`.
"""

from __future__ import annotations

import json
import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest

from susurrus.cli import build_parser
from susurrus.cli.flags import same_name

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
KINDS = {"", "sh", "python", "pycon", "json", "toml", "text", "sh no-run", "python no-run"}

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def blocks(page):
    """Give each code block of a page with what stands behind its fence."""
    found = re.findall(r"^( *)```([^\n]*)\n(.*?)^ *```$", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [
        (kind.strip(), "".join(line.removeprefix(indent) for line in code.splitlines(True)))
        for indent, kind, code in found
    ]


def prose(page):
    """Give a page without its code blocks."""
    return re.sub(r"^ *```.*?^ *```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(page):
    """Give the names of a page's headings, as GitHub makes them."""
    names = []
    for heading in re.findall(r"^#+ +(.*)$", prose(page), flags=re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        name = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        n = sum(other == name or re.fullmatch(rf"{re.escape(name)}-\d+", other) is not None for other in names)
        names.append(f"{name}-{n}" if n else name)
    return names


def commands(page):
    """Give the lines of a page's blocks that call susurrus, as lists of words."""
    for _, code in blocks(page):
        for line in code.replace("\\\n", " ").splitlines():
            for part in re.split(r"\||&&|;", line.strip().removeprefix("$ ")):
                words = shlex.split(part, comments=True) if "susurrus " in part else []
                while words and re.fullmatch(r"\w+=\S*", words[0]):  # a variable for the command
                    words = words[1:]
                if words[:1] == ["susurrus"] and words[1:2] != ["COMMAND"] and "..." not in part:
                    yield words[1:]


def parse(words):
    """Parse a command line as the command does; what is left over must be files."""
    end = next((i for i, word in enumerate(words) if word in (">", "2>", "<", "&")), len(words))
    args, left = build_parser().parse_known_args(list(map(same_name, words[:end])))
    assert not [word for word in left if word.startswith("--")], f"unknown flags in {words}: {left}"
    return args


@each_page
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), f"{target}: no such file"
        if anchor:
            assert anchor in anchors(file), f"{target}: no such heading"


@each_page
def test_blocks_are_of_a_known_kind_and_read_well(page):
    for kind, code in blocks(page):
        assert kind in KINDS, f"```{kind}: choose from {sorted(KINDS)}"
        if kind.startswith("python"):
            compile(code, str(page), "exec")
        elif kind == "json":
            try:
                json.loads(code)
            except ValueError:  # JSON lines
                assert all(json.loads(line) for line in code.splitlines())
        elif kind == "toml":
            tomllib = pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli")
            tomllib.loads(code)


@each_page
def test_every_command_parses(page, capsys):
    for words in commands(page):
        code = 0
        try:
            parse(words)
        except SystemExit as end:  # --help ends with 0
            code = end.code
        assert code == 0, f"susurrus {shlex.join(words)}: {capsys.readouterr().err}"


def test_a_command_that_does_not_parse_is_noticed(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```sh no-run\nA=1 susurrus plot --no_such_flag 3\ncat x | susurrus models --jsn True > y\n```\n")
    assert list(commands(page)) == [["plot", "--no_such_flag", "3"], ["models", "--jsn", "True", ">", "y"]]
    for words in commands(page):
        with pytest.raises(AssertionError, match="unknown flags"):
            parse(words)


def test_a_link_that_leads_nowhere_is_noticed(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A `b` (c)\n[x](#a-b-c) [y](#d)\n")
    assert anchors(page) == ["a-b-c"]
    with pytest.raises(AssertionError, match="#d"):
        test_links_lead_somewhere(page)


def test_flags_named_in_prose_exist():
    [actions] = [action for action in build_parser()._actions if action.dest == "command"]
    known = {name for one in actions.choices.values() for action in one._actions for name in action.option_strings}
    known |= {"--version", "--help", "--flag"}
    for page in PAGES:
        for code in re.findall(r"`([^`\n]+)`", prose(page)):
            words = code.split()
            if words and (words[0].startswith("--") or words[0] == "susurrus"):
                unknown = [same_name(w.partition("=")[0]) for w in words if re.match(r"--\w", w)]
                assert set(unknown) <= known, f"{page.name}: `{code}`"


def test_every_page_is_in_the_index():
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / target).resolve() for target in re.findall(r"\]\(([^)#]+)", index.read_text("utf-8"))}
    missing = [page for page in PAGES[1:] if page != index and page not in linked]
    assert not missing, f"link them in docs/README.md: {[page.name for page in missing]}"


def test_the_reference_is_what_the_code_says():
    made = runpy.run_path(str(REFERENCE / "generate.py"))["pages"]()
    assert sorted(made) == sorted(page.name for page in REFERENCE.glob("*.md"))
    for name, text in made.items():
        stored = (REFERENCE / name).read_text(encoding="utf-8")
        assert stored == text, f"docs/reference/{name} is not what the code says: run `make docs`"
