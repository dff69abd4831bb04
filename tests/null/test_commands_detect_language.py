"""`susurrus detect-language` with a model that knows what each file is."""

from __future__ import annotations

import json

import pytest

from susurrus import AudioError
from susurrus.cli import detect_language, main


class FakeModel:
    """Hears the language that the file's name says, and remembers how it was asked."""

    def __init__(self):
        self.asked = []

    def detect_language(self, recording, **options):
        self.asked.append(options)
        return {recording.code: 0.9, "cy": 0.05, "la": 0.03, "sa": 0.01, "su": 0.01}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


class FakeRecording:
    def __init__(self, name):
        if name.endswith("broken.wav"):
            raise AudioError(f"{name}: no sound in it", hint="try another")
        self.code = name.removesuffix(".wav")[-2:]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.fixture
def model(monkeypatch):
    from susurrus.inputs import Input

    fake = FakeModel()
    monkeypatch.setattr(detect_language, "load_model", lambda args: fake)
    monkeypatch.setattr(Input, "open", lambda self, **_: FakeRecording(self.name))
    return fake


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("de.wav", "broken.wav", "fr.wav"):
        (tmp_path / name).touch()


def test_each_file_has_a_line_and_a_bad_one_does_not_stop_the_rest(model, files, capsys):
    assert main(["detect-language", "de.wav", "broken.wav", "fr.wav"]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "de.wav: German (de) 90.0 %, else Welsh (cy) 5.0 %, Latin (la) 3.0 %, Sanskrit (sa) 1.0 %",
        "fr.wav: French (fr) 90.0 %, else Welsh (cy) 5.0 %, Latin (la) 3.0 %, Sanskrit (sa) 1.0 %",
    ]
    assert err == "broken.wav: no sound in it\n"


def test_json_names_every_file(model, files, capsys):
    assert main(["detect-language", "--json", "True", "de.wav", "broken.wav"]) == 1
    first, second = json.loads(capsys.readouterr().out)
    assert (first["file"], first["language"], first["name"], first["probability"]) == ("de.wav", "de", "german", 0.9)
    assert [one["language"] for one in first["runners_up"]] == ["cy", "la", "sa"]
    assert second == {"file": "broken.wav", "error": "broken.wav: no sound in it"}


def test_the_options_of_detection_reach_the_model(model, files):
    flags = ["--language_detection_segments", "4", "--language_detection_threshold", "0.7", "--languages", "de,fr"]
    assert main(["detect-language", "de.wav", *flags]) == 0
    asked = model.asked[0]
    assert (asked["language_detection_segments"], asked["language_detection_threshold"]) == (4, 0.7)
    assert asked["languages"] == "de,fr"


def test_what_cannot_be_is_refused_before_a_model_is_loaded(files, capsys, monkeypatch):
    monkeypatch.setattr(detect_language, "load_model", lambda args: pytest.fail("loaded"))
    assert main(["detect-language", "de.wav", "--language_detection_segments", "0"]) == 2
    assert main(["detect-language", "de.wav", "--languages", "klingon"]) == 2
