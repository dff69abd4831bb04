"""Jobs on a small random model: what was interrupted goes on, what is complete is left alone, nothing is lost."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import re
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from susurrus.backends import open_backend
from susurrus.checkpoints import random_checkpoint
from susurrus.errors import Cancelled, OutputError, SusurrusError
from susurrus.inputs import find_inputs
from susurrus.jobs import Task, run_job
from susurrus.options import SubtitleOptions, TranscribeOptions
from susurrus.transcribe import Model
from susurrus.types import ModelDimensions

OPTIONS = {
    "language": "en",
    "temperature": (0.0, 0.4),
    "sample_len": 8,
    "no_speech_threshold": None,
    "logprob_threshold": -9.0,
}
N_WINDOWS = 4


class Counted(Model):
    """A model that counts the windows it decodes, and can be made to die in one of them."""

    def __init__(self, *args):
        super().__init__(*args)
        self.n_encoded, self.dies_at = 0, None
        encode = self.backend.encode

        def counted(mel):
            # Windows, not calls: how many come in one call is a matter of time.
            if self.dies_at is not None and self.n_encoded + len(mel) > self.dies_at:
                raise KeyboardInterrupt
            self.n_encoded += len(mel)
            return encode(mel)

        self.backend.encode = counted

    def took(self):
        n, self.n_encoded = self.n_encoded, 0
        return n


class Silent:
    """A report that keeps what it is told."""

    def __init__(self):
        self.told = []

    def __getattr__(self, name):
        return lambda *what: self.told.append((name, *what))

    def names(self):
        return [name for name, *_ in self.told]


@pytest.fixture(scope="module")
def model():
    checkpoint = random_checkpoint(ModelDimensions(80, 1500, 64, 1, 1, 51865, 448, 64, 1, 2))
    with Counted(checkpoint, open_backend("numpy", checkpoint)) as model:
        yield model


@pytest.fixture(autouse=True)
def _fresh(model):
    model.dies_at = None
    model.took()


@pytest.fixture
def recording(tmp_path):
    """Stereo noise in which a random model finds four windows' worth of tokens."""
    import wave

    rng = np.random.default_rng(1)
    path = tmp_path / "in" / "noise.wav"
    path.parent.mkdir()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes((3000 * rng.normal(size=(16000 * 30 * N_WINDOWS - 16000, 2))).astype("<i2").tobytes())
    return path


def task(folder, formats=("txt", "json"), *, options=OPTIONS, **given):
    # Without timestamps each window is 30 s, so that their number is known.
    made = TranscribeOptions(**{**options, "without_timestamps": True})
    return Task(options=made, folder=folder, formats=formats, model="random", **{"batch_size": 0, **given})


def run(recording, task, model, report=None, **given):
    [source] = find_inputs([str(recording)])
    return run_job(source, task, lambda: model, report or Silent(), **given)


def outputs(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.*") if ".susurrus" not in p.parts}


def without_figures(found):
    """Leave out the probabilities: their last digits depend on what else was in the batch."""
    return {name: re.sub(rb'"(avg_logprob|no_speech_prob)": [^,}]*', b"", data) for name, data in found.items()}


def test_a_job_writes_its_outputs_and_says_what_it_does(recording, tmp_path, model):
    report = Silent()
    assert run(recording, task(tmp_path / "out"), model, report)
    assert sorted(outputs(tmp_path / "out")) == ["noise.json", "noise.txt"]
    assert model.took() == N_WINDOWS
    names = report.names()
    assert names[0] == "start"
    assert names[-1] == "finish"
    assert "language" not in names
    assert names.count("progress") == N_WINDOWS
    assert names.count("segment") == N_WINDOWS


def test_a_language_that_was_detected_is_told_once_and_not_detected_again(recording, tmp_path, model):
    options = {**OPTIONS, "language": None}
    report, again = Silent(), Silent()
    model.dies_at = 2
    with pytest.raises(KeyboardInterrupt):
        run(recording, task(tmp_path, options=options), model, report)
    model.dies_at = None
    assert model.took() == 2  # the detection and the first window share their features
    run(recording, task(tmp_path, options=options), model, again)
    assert model.took() == N_WINDOWS - 2
    [told], [told_again] = ([event for event in r.told if event[0] == "language"] for r in (report, again))
    assert told == told_again


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"channel": "split"},
        {"options": {**OPTIONS, "initial_prompt": "So it was"}},
        {"options": {**OPTIONS, "vad_filter": False}, "batch_size": 2},
    ],
)
def test_a_job_that_dies_in_any_window_goes_on_there_to_the_same_outputs(recording, tmp_path, model, given):
    run(recording, task(tmp_path / "whole", **given), model)
    n_windows = model.took()
    for dies_at in range(n_windows):
        out = tmp_path / f"dies{dies_at}"
        model.dies_at = dies_at
        with pytest.raises(KeyboardInterrupt):
            run(recording, task(out, **given), model)
        model.dies_at = None
        assert outputs(out) == {}
        run(recording, task(out, **given), model)
        if given.get("batch_size"):
            assert without_figures(outputs(out)) == without_figures(outputs(tmp_path / "whole"))
        else:
            assert outputs(out) == outputs(tmp_path / "whole")
        # One after another, the window it died in was not encoded; together, two were under way.
        assert model.took() <= n_windows + (1 if given.get("batch_size") else 0)


def test_other_options_begin_anew(recording, tmp_path, model):
    model.dies_at = 2
    with pytest.raises(KeyboardInterrupt):
        run(recording, task(tmp_path), model)
    model.took()
    model.dies_at = None
    report = Silent()
    run(recording, task(tmp_path, options={**OPTIONS, "seed": 1}), model, report)
    assert model.took() == N_WINDOWS
    assert report.told[0][3] == 0


def test_another_file_of_the_same_name_begins_anew(recording, tmp_path, model):
    model.dies_at = 2
    with pytest.raises(KeyboardInterrupt):
        run(recording, task(tmp_path), model)
    model.took()
    model.dies_at = None
    os.utime(recording, ns=(1, 1))
    run(recording, task(tmp_path), model)
    assert model.took() == N_WINDOWS


def test_without_a_journal_nothing_is_kept(recording, tmp_path, model):
    model.dies_at = 2
    with pytest.raises(KeyboardInterrupt):
        run(recording, task(tmp_path / "out", resume=False), model)
    assert not (tmp_path / "out").exists()
    model.took()
    model.dies_at = None
    run(recording, task(tmp_path / "out", resume=False), model)
    assert model.took() == N_WINDOWS
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["noise.json", "noise.txt"]


def test_what_is_asked_for_again_is_done_again(recording, tmp_path, model):
    for _ in range(2):
        assert run(recording, task(tmp_path), model)
        assert model.took() == N_WINDOWS


def test_skip_existing_leaves_what_is_complete_and_adds_what_is_missing_without_decoding(recording, tmp_path, model):
    run(recording, task(tmp_path, ("txt",)), model)
    model.took()
    (tmp_path / "noise.txt").write_text("edited by hand")
    report = Silent()
    assert not run(recording, task(tmp_path, ("txt",), skip_existing=True), model, report)
    assert report.names() == ["skip"]
    assert run(recording, task(tmp_path, ("txt", "srt"), skip_existing=True), model)
    assert model.took() == 0
    assert (tmp_path / "noise.txt").read_text() == "edited by hand"
    (tmp_path / "noise.srt").unlink()
    assert run(recording, task(tmp_path, ("srt",), skip_existing=True), model)
    assert model.took() == 0
    assert "-->" in (tmp_path / "noise.srt").read_text()


def test_skip_existing_knows_the_options(recording, tmp_path, model):
    run(recording, task(tmp_path, ("srt",)), model)
    model.took()
    wide = SubtitleOptions(max_line_width=20)
    assert run(recording, task(tmp_path, ("srt",), skip_existing=True, subtitles=wide), model)
    assert model.took() == 0  # subtitles are cut anew from the journal
    assert not run(recording, task(tmp_path, ("srt",), skip_existing=True, subtitles=wide), model)
    other = {**OPTIONS, "seed": 1}
    assert run(recording, task(tmp_path, ("srt",), skip_existing=True, options=other), model)
    assert model.took() == N_WINDOWS


def test_skip_existing_does_not_write_over_what_others_made(recording, tmp_path, model):
    (tmp_path / "noise.txt").write_text("from elsewhere")
    assert not run(recording, task(tmp_path, ("txt",), skip_existing=True), model)
    assert run(recording, task(tmp_path, ("txt", "srt"), skip_existing=True), model)
    assert (tmp_path / "noise.txt").read_text() == "from elsewhere"
    assert (tmp_path / "noise.srt").exists()


def test_channels_become_speakers(recording, tmp_path, model):
    run(recording, task(tmp_path, ("json",), channel="split"), model)
    assert model.took() == 2 * N_WINDOWS
    segments = json.loads((tmp_path / "noise.json").read_text())["segments"]
    assert {s["speaker"] for s in segments} == {"channel 1", "channel 2"}
    assert [s["start"] for s in segments] == sorted(s["start"] for s in segments)
    assert [s["id"] for s in segments] == list(range(len(segments)))


def test_a_cancelled_job_stops_at_the_window_and_is_kept(recording, tmp_path, model):
    class AfterTwo:
        def is_set(self):
            return model.n_encoded >= 2

    with pytest.raises(Cancelled):
        run(recording, task(tmp_path), model, cancel=AfterTwo())
    run(recording, task(tmp_path), model)
    assert model.took() == N_WINDOWS


def test_a_folder_that_vanishes_is_made_again(recording, tmp_path, model):
    out = tmp_path / "out"

    class Vandal(Silent):
        def segment(self, segment):
            shutil.rmtree(out, ignore_errors=True)

    assert run(recording, task(out), model, Vandal())
    assert sorted(outputs(out)) == ["noise.json", "noise.txt"]


def test_what_can_be_written_nowhere_is_saved_elsewhere(recording, tmp_path, model, monkeypatch):
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(elsewhere))

    class Vandal(Silent):
        def segment(self, segment):
            shutil.rmtree(out, ignore_errors=True)
            out.write_text("a file where the folder was")

    with pytest.raises(OutputError) as caught:
        run(recording, task(out), model, Vandal())
    [saved] = elsewhere.iterdir()
    assert str(saved) in caught.value.hint
    assert json.loads(saved.read_text())["text"]


class Disk:
    """Counts what is written, and is full at one of the writes; a torn half of it is on the disk."""

    def __init__(self, monkeypatch):
        self.n_writes, self.full_at = 0, None
        write, fsync, replace = os.write, os.fsync, os.replace
        self._replace = replace
        monkeypatch.setattr(os, "write", lambda file, data: self.use(write, file, data))
        monkeypatch.setattr(os, "fsync", lambda file: self.use(fsync, file))
        monkeypatch.setattr(os, "replace", lambda a, b: self.use(replace, a, b))
        monkeypatch.setattr("susurrus.writers.files.open", self.open, raising=False)

    def use(self, call, *args):
        n, self.n_writes = self.n_writes, self.n_writes + 1
        if n == self.full_at:
            if args and isinstance(args[-1], (bytes, str)) and len(args[-1]) > 1 and call is not self._replace:
                call(*args[:-1], args[-1][: len(args[-1]) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return call(*args)

    @contextlib.contextmanager
    def open(self, *args, **given):
        with open(*args, **given) as file:
            yield SimpleNamespace(write=lambda text: self.use(file.write, text), flush=file.flush, fileno=file.fileno)


def test_a_disk_that_is_full_at_any_write_loses_nothing(recording, tmp_path, model, monkeypatch):
    run(recording, task(tmp_path / "whole"), model)
    model.took()
    disk = Disk(monkeypatch)
    run(recording, task(tmp_path / "counted"), model)
    model.took()
    n_writes = disk.n_writes
    # a line for the head and each window, an end, a note and a written, synced and renamed file for each output, a last
    assert n_writes == 1 + N_WINDOWS + 1 + 4 * 2 + 1
    for full_at in range(n_writes):
        out = tmp_path / f"full{full_at}"
        disk.n_writes, disk.full_at = 0, full_at
        with pytest.raises(SusurrusError, match="No space left") as caught:
            run(recording, task(out), model)
        assert "same command again" in caught.value.hint
        assert not any(name.startswith(".susurrus-") for name in outputs(out)), "a torn output was left"
        disk.full_at = None
        run(recording, task(out), model)
        assert outputs(out) == outputs(tmp_path / "whole")
        assert model.took() <= N_WINDOWS + 1


def test_standard_input_is_transcribed_without_a_journal(recording, tmp_path, model, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(recording.read_bytes())))
    assert run("-", task(tmp_path / "out"), model)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["stdin.json", "stdin.txt"]
