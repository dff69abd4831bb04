"""`susurrus doctor`: it answers on every machine, and a broken part is an answer."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from susurrus.backends import backend_names
from susurrus.cli import doctor, machine, main

FAST = {
    "devices": ["cpu", "cuda:1"],
    "version": "1.2",
    "missing": None,
    "install": None,
    "dtypes": ["float32", "bfloat16"],
    "speeds": {"cpu": {"dtype": "bfloat16", "x": 31.4}},
}
ABSENT = {
    "devices": [],
    "version": None,
    "missing": "PyTorch cannot be imported (no module)",
    "install": "pip install 'susurrus[torch]'",
    "dtypes": [],
    "speeds": {},
}


@pytest.fixture
def answers(monkeypatch):
    """What the backends answer, instead of asking them."""
    told = {name: dict(FAST) for name in backend_names()}
    monkeypatch.setattr(doctor, "ask_backend", lambda name, with_speed: told[name])
    return told


def test_it_says_what_is_here_and_what_installs_the_rest(answers, capsys):
    answers["torch"] = ABSENT
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "numpy 1.2 on cpu: float32, bfloat16, 31.4x real time with tiny in bfloat16" in out
    assert (
        "torch: not here: PyTorch cannot be imported (no module); to install it: pip install 'susurrus[torch]'" in out
    )
    for word in ("susurrus", "Python", "processor", "memory", "temporary:", "network", "no file"):
        assert word in out


def test_nothing_that_runs_is_exit_code_1(answers, capsys):
    for name in answers:
        answers[name] = ABSENT
    assert main(["doctor"]) == 1
    assert "nothing can be transcribed here" in capsys.readouterr().out


def test_json_holds_the_same(answers, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert main(["doctor", "--json", "True", "--output_dir", str(tmp_path)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["can_run"] is True
    assert found["network"]["HF_HUB_OFFLINE"] == "1"
    outputs = next(folder for folder in found["folders"] if folder["for"] == "outputs")
    assert (outputs["path"], outputs["problem"]) == (str(tmp_path), None)
    assert outputs["free_bytes"] > 0


def test_a_folder_that_cannot_be_written_is_told(answers, capsys, tmp_path):
    (tmp_path / "file").touch()
    assert main(["doctor", "--output_dir", str(tmp_path / "file" / "out")]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if "outputs:" in line)
    assert "Not a directory" in line or "invalid" in line


def test_a_broken_library_is_told(answers, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "av broken" in out
    assert "pip install --force-reinstall av" in out


def test_even_without_a_numpy_that_works(tmp_path):
    code = (
        "import sys; sys.modules['numpy'] = None\n"
        "from susurrus.cli import main\n"
        "sys.exit(main(['doctor', '--speed', 'False']))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (1, "")
    assert "numpy broken" in done.stdout


def test_the_backends_are_all_asked(answers, capsys):
    main(["doctor", "--json", "True"])
    assert list(json.loads(capsys.readouterr().out)["backends"]) == backend_names()


def test_a_backend_is_asked_in_a_process_of_its_own():
    found = doctor.ask_backend("numpy", with_speed=False)
    assert (found["devices"], found["speeds"]) == (["cpu"], {})


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("import os; os._exit(139)", "it ended with 139: it said nothing"),
        ("import sys; sys.exit('OSError: libcuda.so is broken')", "it ended with 1: OSError: libcuda.so is broken"),
        ("print('[1, 2')", "it ended with 0: it said nothing"),
        ("import time; time.sleep(60)", "it did not answer in 1 s"),
    ],
)
def test_a_backend_that_crashes_or_hangs_is_an_answer(program, told, monkeypatch):
    from subprocess import run

    monkeypatch.setattr(doctor, "PROBE_SECONDS", 1)
    monkeypatch.setattr(
        doctor.subprocess, "run", lambda command, **given: run([sys.executable, "-S", "-c", program], **given)
    )
    found = doctor.ask_backend("numpy", with_speed=True)
    assert (found["devices"], found["missing"]) == ([], told)


def test_the_speed_is_measured(monkeypatch):
    from susurrus.checkpoints import names
    from susurrus.cli import probe
    from susurrus.types import ModelDimensions

    small = ModelDimensions(80, 1500, 64, 1, 1, 51865, 448, 64, 1, 1)
    monkeypatch.setitem(names.MODELS, "tiny", names.ModelEntry("tiny", "x/y", small))
    monkeypatch.setattr(probe, "MEASURE_SECONDS", 0.02)
    speed = probe.probe("numpy", with_speed=True)["speeds"]["cpu"]
    assert speed["dtype"] == "float32"
    assert speed["x"] > 1


def test_a_device_that_fails_is_told(monkeypatch):
    from susurrus.cli import probe

    def fail(*_):
        raise RuntimeError("CUDA error: no kernel image\nmore")

    monkeypatch.setattr(probe, "speed", fail)
    assert probe.probe("numpy", with_speed=True)["speeds"]["cpu"] == {
        "error": "RuntimeError: CUDA error: no kernel image"
    }


def test_what_a_machine_does_not_tell_is_none(monkeypatch):
    monkeypatch.setattr(machine, "_lines", lambda path: [])
    assert machine.processor_features() == []
    assert machine.memory_bytes()[1] is None
    assert machine.guarded(lambda: 1 // 0) is None
