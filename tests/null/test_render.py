"""`susurrus render`: the command as it is used."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from susurrus.cli import main
from susurrus.types import Segment, Transcript, Word
from susurrus.writers import render, save

TEXT = " It is said much faster than anybody could ever hope to read it, and then it goes on."
LINES = Transcript(TEXT, "en", (Segment(0, 0, 0.0, 3.0, TEXT, (), 0.0, 0.0, 1.0, 0.0),))
TIMED = (Word(" Hello", 0, 0.5, 1), Word(" there.", 0.5, 1, 1))
WORDS = Transcript(
    " Hello there.",
    "en",
    (Segment(0, 0, 0.0, 1.0, " Hello there.", (), 0.0, 0.0, 1.0, 0.0, TIMED),),
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    save(LINES, "json", tmp_path / "talk.json")
    save(WORDS, "json", tmp_path / "words.json")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_subtitles_lie_beside_the_transcript(folder, capsys):
    assert main(["render", "talk.json"]) == 0
    assert capsys.readouterr().out == "talk.srt\n"
    assert Path("talk.srt").read_text() == render(LINES, "srt")
    assert files(folder) == ["talk.json", "talk.srt", "words.json"]


def test_several_of_both(folder, capsys):
    assert main(["render", "talk.json", "words.json", "-f", "vtt,csv", "-o", "out/deep"]) == 0
    assert files(folder / "out" / "deep") == ["talk.csv", "talk.vtt", "words.csv", "words.vtt"]
    assert capsys.readouterr().out.split() == [f"out/deep/{n}.{f}" for n in ("talk", "words") for f in ("vtt", "csv")]


def test_inputs_of_one_name_do_not_overwrite_each_other(folder):
    for name in ("a", "b"):
        (folder / name).mkdir()
        save(LINES if name == "a" else WORDS, "json", folder / name / "x.json")
    assert main(["render", "a/x.json", "b/x.json", "-f", "txt", "-o", "out"]) == 0
    assert files(folder / "out") == ["a/x.txt", "b/x.txt"]
    assert main(["render", "a/x.json", "b/x.json", "-f", "txt"]) == 0
    assert (folder / "b" / "x.txt").read_text() == "Hello there.\n"


def test_names_that_differ_in_the_suffix_alone(folder):
    (folder / "talk.txt").write_bytes((folder / "words.json").read_bytes())
    assert main(["render", "talk.json", "talk.txt"]) == 0
    assert [name for name in files(folder) if name.endswith(".srt")] == ["talk.json.srt", "talk.txt.srt"]


@pytest.mark.parametrize(
    "argv",
    [["talk.json", "-f", "srt,json"], ["talk.json", "-f", "all", "-o", "."], ["link.json", "talk.json", "-f", "json"]],
)
def test_an_input_is_never_written_over(folder, argv, capsys):
    (folder / "link.json").symlink_to("talk.json")
    before = (folder / "talk.json").read_bytes()
    assert main(["render", *argv]) == 2
    assert "is an input" in capsys.readouterr().err
    assert (folder / "talk.json").read_bytes() == before
    assert files(folder) == ["link.json", "talk.json", "words.json"]


def test_one_bad_file_does_not_stop_the_rest(folder, capsys):
    (folder / "bad.json").write_text("{}")
    assert main(["render", "bad.json", "gone.json", "talk.json"]) == 1
    captured = capsys.readouterr()
    assert captured.out == "talk.srt\n"
    assert "bad.json: no segments in it" in captured.err
    assert "gone.json: No such file" in captured.err
    assert "2 of 3 failed" in captured.err


def test_a_preset_does_without_word_times(folder):
    assert main(["render", "talk.json", "--subtitle_preset", "broadcast", "--max_line_width", "30"]) == 0
    lines = Path("talk.srt").read_text().splitlines()
    assert all(len(line) <= 30 for line in lines)
    assert " ".join(line for line in lines if line[:1].isalpha()) == TEXT.strip()


def test_limits_need_word_times(folder, capsys):
    assert main(["render", "talk.json", "words.json", "--max-line-width", "8"]) == 1
    captured = capsys.readouterr()
    assert "talk.json: --max_line_width needs word times" in captured.err
    assert "--subtitle_preset broadcast" in captured.err
    assert captured.out == "words.srt\n"
    assert "Hello\nthere." in Path("words.srt").read_text()


@pytest.mark.parametrize(
    "argv",
    [
        ["words.json", "-f", "csv", "--max_line_width", "8"],
        ["words.json", "-f", "docx"],
        ["words.json", "--subtitle_preset", "cinema"],
        ["-", "words.json"],
        ["-", "-f", "srt,vtt"],
        ["-", "-o", "out"],
    ],
)
def test_what_cannot_be_honoured_is_refused(folder, argv, capsys):
    assert main(["render", *argv]) == 2
    assert "susurrus: " in capsys.readouterr().err
    assert files(folder) == ["talk.json", "words.json"]


def test_standard_input_goes_to_standard_output(folder, monkeypatch, capsysbinary):
    given = json.dumps({"segments": [{"start": 0, "end": 1, "text": "你好"}]}).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
    assert main(["render", "-", "-f", "txt"]) == 0
    assert capsysbinary.readouterr().out == "你好\n".encode()


def test_a_folder_that_cannot_be_made(folder, capsys):
    assert main(["render", "talk.json", "-o", "words.json"]) == 1
    assert "words.json" in capsys.readouterr().err
