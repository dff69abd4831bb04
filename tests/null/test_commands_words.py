"""The first word of a command line, and words that are not understood: what was meant is said."""

from __future__ import annotations

import pytest

from susurrus.cli import COMMANDS, main, transcribe


def said(capsys, *argv):
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") <= 4, "a usage error is short"
    return error


def test_help_lists_every_command_with_its_summary_beside_it(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    with pytest.raises(SystemExit):
        main(["--help"])
    lines = capsys.readouterr().out.splitlines()
    for name, module in COMMANDS.items():
        assert any(line.split()[:1] == [name] and module.SUMMARY[:30] in line for line in lines)


@pytest.mark.parametrize(
    ("word", "meant"),
    [("transcibe", "transcribe"), ("detect_language", "detect-language"), ("modles", "models"), ("docter", "doctor")],
)
def test_an_unknown_command_suggests_the_nearest(word, meant, capsys):
    assert f"did you mean '{meant}'?" in said(capsys, word)


def test_a_command_like_none_lists_all(capsys):
    assert all(name in said(capsys, "xyzzy") for name in COMMANDS)


def test_a_file_in_place_of_a_command(capsys, tmp_path):
    (tmp_path / "talk.mp3").touch()
    assert f"susurrus transcribe {tmp_path / 'talk.mp3'}" in said(capsys, str(tmp_path / "talk.mp3"))


def test_an_unknown_flag_suggests_the_nearest(capsys):
    assert "did you mean --word_timestamps?" in said(capsys, "transcribe", "a.wav", "--word-timestamp", "True")
    assert "unknown flag --xyzzy\n" in said(capsys, "transcribe", "a.wav", "--xyzzy=1")
    assert "not understood: x" in said(capsys, "models", "x")


def test_files_may_stand_before_and_after_the_flags(monkeypatch):
    told = []
    monkeypatch.setattr(transcribe, "run", lambda args: told.append(args) or 0)
    assert main(["transcribe", "a.mp3", "--model", "base", "b.mp3", "--seed", "1", "c.mp3"]) == 0
    assert (told[0].audio, told[0].model, told[0].seed) == (["a.mp3", "b.mp3", "c.mp3"], "base", 1)
    assert main(["transcribe", "--model", "base", "-"]) == 0
    assert told[1].audio == ["-"]


def test_without_a_command_there_is_help(capsys):
    assert main([]) == 2
    assert "doctor" in capsys.readouterr().out
