"""Evaluation with a real model, and error rates of the labelled recordings against those that were published."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from susurrus.cli import main

pytest.importorskip("jiwer", reason="the evaluate extra is not installed")

SHARED = Path(__file__).parents[3] / "shared"
SAID = "And so, my fellow Americans: ask not what your country can do for you, ask what you can do for your country."


def test_a_recording_with_one_word_changed_has_one_error(jfk, any_tiny_en, tmp_path, capsys):
    rows = [
        {"path": str(jfk), "id": "right", "text": SAID, "language": "en"},
        {"path": str(jfk), "id": "changed", "text": SAID.replace("country.", "county."), "language": "en"},
        {"path": "away.mp3", "id": "away", "text": "x", "language": "en"},
    ]
    (tmp_path / "m.jsonl").write_text("\n".join(map(json.dumps, rows)))
    command = ["evaluate", str(tmp_path / "m.jsonl"), "--model", "tiny.en", "--offline", "True", "--beam_size", "None"]
    code = main([*command, "--json", str(tmp_path / "r.json"), "--html", str(tmp_path / "r.html")])
    out = capsys.readouterr().out
    assert code == 1
    assert "for your [-county-]{+country+}" in out
    assert "away.mp3" in out
    report = json.loads((tmp_path / "r.json").read_text())
    total = report["groups"]["total"]["all"]
    assert (total["words"]["n"], total["words"]["substitutions"], total["words"]["errors"]) == (44, 1, 1)
    assert total["sound_s"] == pytest.approx(22, abs=0.1)
    assert total["speed"] > 0
    assert (tmp_path / "r.html").stat().st_size > 3000


@pytest.mark.parametrize("name", ["tiny.en", "base"])
def test_published_error_rates_of_stored_results(name, tmp_path, capsys):
    if not (SHARED / "golden" / "WER.md").exists():
        pytest.skip("the labelled recordings are not beside the repository")
    stored, manifest = SHARED / "golden" / f"S.{name}.jsonl", SHARED / "audio" / "manifest.jsonl"
    by = "kind,kind+language,kind+category,kind+corpus"
    report = tmp_path / "r.json"
    assert main(["evaluate", str(manifest), "--results", str(stored), "--group_by", by, "--json", str(report)]) == 0
    groups = json.loads(report.read_text())["groups"]
    column = 1 + ["clips", "tiny.en", "fw-tiny.en", "base"].index(name)
    n_compared = 0
    for line in (SHARED / "golden" / "WER.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        figures = re.match(r"([\d.]+) \(S(\d+) D(\d+) I(\d+)\)", cells[column]) if len(cells) > column else None
        group = groups_of_the_table(cells[0], groups)
        if figures is None or group is None:
            continue
        words = group["words"]
        ours = [words[key] for key in ("substitutions", "deletions", "insertions")]
        assert ours == [int(n) for n in figures.groups()[1:]], cells[0]
        assert f"{100 * words['rate']:.2f}" == figures[1], cells[0]
        n_compared += 1
    assert n_compared > {"tiny.en": 15, "base": 50}[name]


def groups_of_the_table(name, groups):
    """Give the group that the published table means; None for the two in which it counts a book among the rest."""
    kind, _, rest = name.partition(": ")
    if name in ("multilingual: all", "multilingual: de"):
        return None
    if rest == "all":
        return groups["kind"].get(kind)
    if kind.startswith("longform"):
        return groups["kind+language"].get(kind + (" (book)" if rest == "book" else ""))
    if kind == "hard":
        return groups["kind+category"].get(name.replace(":", ""))
    if kind == "read":
        return groups["kind+corpus"].get("read longform/en" if rest == "en" else f"read read/{rest}")
    return groups["kind+language"].get(name.replace(":", ""))
