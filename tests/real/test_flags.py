"""Flags of models and decoding with real weights: what is loaded, on what, and what becomes of real speech.

tests/null/test_every_flag.py has a case for each flag; here are those that need PyTorch or a model that hears.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import susurrus.transcribe
from susurrus.backends import availability
from susurrus.cli import main

pytest.importorskip("jiwer")
pytest.importorskip("whisper_normalizer")

TEXT = "And so my fellow Americans ask not what your country can do for you ask what you can do for your country"
QUICK = ["--beam_size", "None", "--temperature_increment_on_fallback", "None", "--batch_size", "0"]


@pytest.fixture
def evaluate(jfk, any_tiny_en, tmp_path, monkeypatch, capsys):
    """Run `susurrus evaluate` on the recording; give the exit code, the report and what stands on stderr."""
    row = {"id": "jfk", "path": str(jfk), "text": TEXT, "language": "en"}
    (tmp_path / "jfk.jsonl").write_text(json.dumps(row))
    monkeypatch.chdir(tmp_path)

    def run(*argv):
        code = main(["evaluate", "jfk.jsonl", "--json", "report.json", "--offline", "True", *QUICK, *argv])
        report = json.loads((tmp_path / "report.json").read_text()) if code == 0 else None
        return code, report, capsys.readouterr().err

    return run


def needs_torch():
    if not availability("torch").devices:
        pytest.skip("PyTorch is not here")


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("--model tiny.en --backend numpy", {"model": "tiny.en", "backend": "numpy", "dtype": "float32"}),
        ("--model tiny.en --backend torch", {"model": "tiny.en", "backend": "torch"}),
        ("--model tiny.en --backend torch --dtype bfloat16", {"dtype": "bfloat16"}),
        ("--model tiny.en --backend torch --device cpu --fp16 False", {"dtype": "float32", "device": "cpu"}),
        ("--model tiny.en --backend torch --device cpu --fp16 True", {"dtype": "float32", "device": "cpu"}),
        ("--model base --backend torch --language en", {"model": "base"}),
    ],
)
def test_the_model_is_the_one_that_the_flags_name(evaluate, base, flags, expected):
    if "torch" in flags:
        needs_torch()
    code, report, _ = evaluate("--sample_len", "3", *flags.split())
    assert code == 0
    assert expected.items() <= report["config"].items()


def test_threads_are_those_of_the_process(evaluate):
    needs_torch()
    import torch

    before = torch.get_num_threads()
    try:
        for n in (1, 2):
            assert evaluate("--model", "tiny.en", "--sample_len", "1", "--threads", str(n))[0] == 0
            assert torch.get_num_threads() == n
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("flags", ["--device cuda:99", "--device tpu"])
def test_a_device_that_is_not_here_is_refused(evaluate, flags):
    needs_torch()
    code, _, error = evaluate("--model", "tiny.en", "--backend", "torch", *flags.split())
    assert code == 1
    assert f"device='{flags.split()[1]}'" in error


def test_offline_asks_no_network(evaluate, monkeypatch, tmp_path):
    code, _, error = evaluate("--model", "medium.en", "--model_dir", str(tmp_path))
    assert code == 1
    assert "medium.en are not on this machine" in error
    assert str(tmp_path) in error


@pytest.fixture
def hear(evaluate, any_tiny_en, monkeypatch):
    """Evaluate with the model that is loaded already; give what was heard."""
    monkeypatch.setattr(susurrus.transcribe, "load", lambda *_, **__: any_tiny_en)
    monkeypatch.setattr(type(any_tiny_en), "close", lambda self: None)

    def run(*argv):
        code, report, error = evaluate(*argv)
        assert code == 0, error
        return report["clips"][0]["result"]

    return run


def test_flags_change_what_is_heard(hear):
    plain = hear()
    assert plain["text"].strip() == TEXT
    words = lambda heard: [word for segment in heard["segments"] for word in segment.get("words") or ()]

    assert hear("--clip_timestamps", "8")["segments"][0]["start"] >= 8
    assert hear("--suppress_tokens", "-1,1499")["text"].count("country") == 0
    assert len(hear("--without_timestamps", "True")["segments"]) == 1 < len(plain["segments"])
    assert "".join(word["word"] for word in words(hear("--word_timestamps", "True"))) == plain["text"]
    assert hear("--initial_prompt", "and so, my fellow americans;")["text"] != plain["text"]
    assert hear("--temperature", "1", "--seed", "1") != hear("--temperature", "1", "--seed", "2")
    assert hear("--temperature", "1", "--seed", "1")["text"] == hear("--temperature", "1", "--seed", "1")["text"]
    assert hear("--vad_filter", "True", "--vad_threshold", "1")["text"] == ""


def test_the_command_does_the_same_as_a_process_of_its_own(any_tiny_en, jfk, tmp_path):
    flags = ["-f", "srt", "--word_timestamps", "True", "--max_words_per_line", "2", "--threads", "1", *QUICK]
    command = [sys.executable, "-m", "susurrus", "transcribe", jfk, "--model", "tiny.en", "--offline", "True", *flags]
    done = subprocess.run([*map(str, command), "-o", str(tmp_path)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    cues = (tmp_path / "jfk.srt").read_text().strip().split("\n\n")
    assert len(cues) == 11
    assert " ".join(cue.splitlines()[2] for cue in cues) == TEXT
