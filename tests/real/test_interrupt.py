"""Ctrl-C and kills in the middle of real work: quick, quiet, and nothing is lost."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import wave

import numpy as np
import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")


@pytest.fixture(scope="module")
def long_speech(jfk, tmp_path_factory):
    """A minute and a half: the recording of examples/ again and again."""
    from susurrus.audio import load

    samples = np.tile(load(jfk), 8)
    path = tmp_path_factory.mktemp("sound") / "long.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


def start(path, out):
    argv = ["transcribe", path, "--model", "tiny.en", "--offline", "True", "--beam_size", "None", "-o", out]
    # The same words again and again look like a loop: without this each window would be decoded six times.
    argv += ["-f", "json", "--json_progress", "True", "--temperature_increment_on_fallback", "None"]
    argv += ["--dtype", "float32"]  # in half precision what else is in the batch shows earlier
    return subprocess.Popen(
        [sys.executable, "-m", "susurrus", *map(str, argv)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def events_until(process, event):
    """Read events up to the first of a kind."""
    seen = []
    for line in process.stdout:
        seen.append(json.loads(line))
        if seen[-1]["event"] == event:
            break
    return seen


@pytest.fixture(scope="module")
def undisturbed(any_tiny_en, long_speech, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed")
    process = start(long_speech, out)
    stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    n_windows = sum(json.loads(line)["event"] == "progress" for line in stdout.splitlines())
    assert n_windows >= 3
    return (out / "long.json").read_bytes(), n_windows


def without_last_digits(data):
    """Round the probabilities: their last digits depend on what else was in the batch."""
    return re.sub(rb'": (-?[0-9.]+(e-[0-9]+)?)', lambda found: b'": %.3f' % float(found[1]), data)


@pytest.mark.parametrize(("sign", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_what_is_stopped_goes_on_where_it_was(long_speech, undisturbed, tmp_path, sign, code):
    whole, n_windows = undisturbed
    process = start(long_speech, tmp_path)
    events_until(process, "progress")
    process.send_signal(sign)
    begin = time.perf_counter()
    rest, stderr = process.communicate(timeout=60)
    assert process.returncode == code, stderr
    assert time.perf_counter() - begin < 10  # a second is the aim; this is to notice that it hangs
    if sign == signal.SIGINT:
        assert stderr == "susurrus: stopped; run the same command again to go on from here\n"
    n_first = 1 + sum('"progress"' in line for line in rest.splitlines())
    assert not (tmp_path / "long.json").exists()

    process = start(long_speech, tmp_path)
    [begun] = events_until(process, "start")
    stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    assert begun["done"] > 0
    assert n_first + sum('"progress"' in line for line in stdout.splitlines()) <= n_windows
    assert without_last_digits((tmp_path / "long.json").read_bytes()) == without_last_digits(whole)
