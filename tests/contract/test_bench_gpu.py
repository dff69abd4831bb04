"""The GPU benchmark runs, on the CPU and the smallest model: its figures mean nothing there, but its table is whole."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
BENCH = Path(__file__).parents[2] / "bench" / "gpu.py"


def test_gpu_benchmark_makes_its_table(tmp_path):
    command = [sys.executable, str(BENCH), "--device", "cpu", "--models", "tiny", "--batches", "1,2", "--tokens", "3,2"]
    command += ["--peer_models", "", "--output", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "gpu.json").read_text())["rows"]
    assert [(row["batch"], row["tokens"]) for row in rows] == [(1, 3), (1, 2), (2, 3), (2, 2)]
    assert all(row["hour_s"] > 0 and row["limit_x"] > 0 for row in rows)
    assert (tmp_path / "gpu.md").read_text().count("| susurrus | tiny |") == 4


def test_gpu_benchmark_begins_nothing_after_its_time(tmp_path):
    command = [sys.executable, str(BENCH), "--device", "cpu", "--models", "tiny", "--batches", "1", "--minutes", "0"]
    done = subprocess.run([*command, "--peer_models", "", "--output", str(tmp_path)], capture_output=True, text=True)
    assert "no time for batch 1" in done.stdout
    assert json.loads((tmp_path / "gpu.json").read_text())["rows"] == []
