"""The benchmark on real speech, as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


def test_a_short_clip_is_measured_stage_by_stage(jfk, tmp_path, any_tiny_en):
    pytest.importorskip("jiwer")
    said = tmp_path / "said.txt"
    said.write_text(
        "And so, my fellow Americans: ask not what your country can do for you; ask what you can do for your country."
    )
    words = [jfk, "--model", "tiny.en", "--offline", "True", "--repeat", "1", "--threads", "1", "--batch_size", "0"]
    words += ["--word_timestamps", "True", "--reference", said, "-o", tmp_path / "r.json"]
    command = [sys.executable, "-m", "susurrus", "benchmark", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "r.json").read_text())
    [ours] = report["systems"]
    assert ours["sound_s"] == pytest.approx(11.0)
    assert ours["words"]["errors"] == 0
    assert ours["peak_bytes"] > 100e6
    assert 0 < ours["first_segment_s"] <= ours["work_s"]
    busy = report["stages"]["seconds"]
    assert min(busy[name] for name in ("decode audio", "features", "encode", "decode", "rules", "align", "write")) > 0
    assert busy["encode"] > busy["decode audio"]
    # One thread: the stages and what is between them are all of the time.
    whole = sum(busy.values()) - busy["write"] + report["stages"]["other_s"]
    assert whole == pytest.approx(ours["work_s"])
    assert report["stages"]["other_s"] < 0.2 * ours["work_s"]
    assert "file to text" in done.stdout
