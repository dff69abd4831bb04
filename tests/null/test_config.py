"""Defaults from susurrus.toml: which file counts, what it may say, and what is said when it is wrong."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from susurrus.cli import main, models, transcribe
from susurrus.cli.config import project_file, user_file
from susurrus.errors import OptionError


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """A repository to stand in, with a folder in it, and a home of one's own."""
    home = tmp_path / "home"
    folder = home / "project" / "deep"
    folder.mkdir(parents=True)
    (home / "project" / ".git").mkdir()
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(home))
    monkeypatch.chdir(folder)
    return home / "project"


def write_user(text):
    user_file().write_text(text, encoding="utf-8")
    return user_file()


def run(monkeypatch, *argv, module=transcribe, name="transcribe"):
    """Run a command that only hands back what it was told."""
    told = []
    monkeypatch.setattr(module, "run", lambda args: told.append(args) or 0)
    assert main([name, *argv]) == 0
    return told[0]


def refused(capsys, *argv):
    assert main(["transcribe", "a.wav", *argv]) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return error


def test_values_are_as_if_given_on_the_command_line(project, monkeypatch):
    (project / "susurrus.toml").write_text(
        'model = "base"\nthreads = 2\n[transcribe]\nlanguage = "de"\nword_timestamps = true\nbeam-size = "None"\n'
        "temperature = 0.5\nclip_timestamps = [10, 20.5]\nsuppress_tokens = [-1, 5]\nlogprob_threshold = -2\n"
    )
    args = run(monkeypatch, "a.wav")
    assert (args.model, args.threads, args.language, args.word_timestamps) == ("base", 2, "de", True)
    assert (args.beam_size, args.temperature, args.clip_timestamps) == (None, 0.5, "10,20.5")
    assert (args.suppress_tokens, args.logprob_threshold) == ("-1,5", -2.0)
    assert args.audio == ["a.wav"]


def test_the_command_line_is_stronger_than_the_project_and_that_than_the_user(project, monkeypatch):
    write_user('language = "de"\nmodel = "small"\n[transcribe]\nmodel = "medium"\nseed = 3\n')
    assert run(monkeypatch, "a.wav").model == "medium"
    (project / "susurrus.toml").write_text('model = "base"\nlanguage = "fr"\n')
    args = run(monkeypatch, "a.wav", "--language", "en")
    assert (args.model, args.language, args.seed) == ("base", "en", 3)
    assert [path.parent for path in args.config_read.files] == [user_file().parent, project]


def test_a_commands_table_is_for_that_command(monkeypatch):
    write_user('model_dir = "all"\n[models]\nmodel_dir = "mine"\n')
    assert run(monkeypatch, "a.wav").model_dir == "all"
    assert run(monkeypatch, module=models, name="models").model_dir == "mine"


def test_config_chooses_a_file_or_none(project, monkeypatch, tmp_path, capsys):
    write_user('model = "base"')
    other = tmp_path / "other.toml"
    other.write_text("seed = 4")
    args = run(monkeypatch, "a.wav", "--config", str(other))
    assert (args.model, args.seed) == ("turbo", 4)
    args = run(monkeypatch, "a.wav", "--config=none")
    assert (args.model, args.seed, args.config_read.files) == ("turbo", 0, ())
    monkeypatch.undo()
    assert "no such file" in refused(capsys, "--config", "gone.toml")


def test_the_nearest_file_of_the_repository_is_the_projects(project):
    deep = project / "deep"
    assert project_file(deep) is None
    (project.parent / "susurrus.toml").write_text("")
    assert project_file(deep) is None  # above the repository
    assert project_file(project.parent) == project.parent / "susurrus.toml"
    (project / "susurrus.toml").write_text("")
    assert project_file(deep) == project / "susurrus.toml"
    (deep / "susurrus.toml").write_text("")
    assert project_file(deep) == deep / "susurrus.toml"


def test_outside_of_repository_and_home_only_the_folder_itself_counts(tmp_path):
    folder = tmp_path / "elsewhere" / "deep"
    folder.mkdir(parents=True)
    (tmp_path / "elsewhere" / "susurrus.toml").write_text("")
    assert project_file(folder) is None
    assert project_file(folder.parent) == folder.parent / "susurrus.toml"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("modle = 'base'", ["modle is no flag of any command", "did you mean 'model'"]),
        ("[transcribe]\nword_timestamp = true", ["transcribe.word_timestamp", "did you mean 'word_timestamps'"]),
        ("[trancsribe]\nmodel = 'base'", ["[trancsribe] is no command", "did you mean 'transcribe'"]),
        ("[models]\nbeam_size = 3", ["models.beam_size is no flag of models"]),
        ("[transcribe]\naudio = ['a.wav']", ["transcribe.audio is no flag"]),
        ("config = 'other.toml'", ["config is no flag"]),
        ("word_timestamps = 'yes'", ["word_timestamps = 'yes': expected True or False"]),
        ("word_timestamps = 1", ["expected True or False"]),
        ("beam_size = 'many'", ["beam_size = 'many': expected N"]),
        ("beam_size = true", ["beam_size = true: expected N"]),
        ("beam_size = 1.5", ["beam_size = 1.5"]),
        ("task = 'sing'", ["choose from transcribe, translate"]),
        ("language = true", ["language = true"]),
        ("seed = 2020-01-01", ["a date says nothing"]),
        ("model = ", ["is not TOML"]),
        ("speed = 'fast'", ["speed = 'fast': expected True or False", "doctor would not take it"]),
    ],
)
def test_what_is_wrong_names_the_file_and_the_key(text, expected, capsys):
    file = write_user(text)
    error = refused(capsys)
    for words in [str(file), *expected]:
        assert words in error


def test_a_file_that_is_not_utf_8(capsys):
    user_file().write_bytes(b'model = "\xff"')
    assert "is not TOML" in refused(capsys)


def test_a_contradiction_says_which_half_is_from_a_file(capsys):
    file = write_user('dtype = "float32"\n[transcribe]\nseed = 5\n')
    error = refused(capsys, "--fp16", "True", "--model", "no/such/path")
    assert "--fp16 and --dtype both name a precision" in error
    assert f"note: dtype = 'float32' is from {file}" in error
    assert "seed" not in error


def test_help_and_doctor_do_not_need_a_right_file(capsys, monkeypatch):
    file = write_user("modle = 1")
    with pytest.raises(SystemExit) as caught:
        main(["transcribe", "--help"])
    assert caught.value.code == 0
    from susurrus.cli import doctor

    monkeypatch.setattr(doctor, "ask_backend", lambda name, with_speed: dict(BACKEND))
    assert main(["doctor"]) == 0
    assert f"{file}: modle is no flag" in capsys.readouterr().out


BACKEND = {"devices": ["cpu"], "version": "1", "missing": None, "install": None, "dtypes": ["float32"], "speeds": {}}


def test_a_value_after_two_dashes_is_no_flag(monkeypatch):
    write_user("seed = 7")
    assert run(monkeypatch, "--", "--config").seed == 7


def test_where_the_users_file_is(monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", os.sep + "x")
    if os.name != "nt":
        assert user_file() == Path(os.sep, "x", "susurrus.toml")
        monkeypatch.delenv("XDG_CONFIG_HOME")
        assert user_file() == Path.home() / ".config" / "susurrus.toml"


def test_the_guides_example(monkeypatch):
    guide = Path(__file__).parents[2] / "docs" / "guides" / "configuration.md"
    write_user(re.search(r"```toml\n(.*?)```", guide.read_text("utf-8"), re.DOTALL)[1])
    args = run(monkeypatch, "a.wav")
    assert (args.model, args.language, args.beam_size, args.suppress_tokens) == ("large-v3-turbo", "de", None, "-1")


def test_problems_are_option_errors(monkeypatch):
    from susurrus.cli.config import read_config

    write_user("modle = 1")
    assert isinstance(read_config({}, None).problem, OptionError)
