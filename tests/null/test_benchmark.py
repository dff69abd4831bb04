"""The benchmark without weights: statistics, the report, and systems that are small scripts, some of them broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from susurrus.backends import open_backend
from susurrus.benchmark import peers, stages, systems
from susurrus.benchmark.figures import make_report, ratios, spread, typical_runs
from susurrus.benchmark.measure import Failure, Measured, Run, measure
from susurrus.benchmark.stages import StageClock, watch_line
from susurrus.benchmark.table import markdown, stage_rows, system_rows, terminal
from susurrus.benchmark.workers import Worker
from susurrus.checkpoints import random_checkpoint
from susurrus.cli import main
from susurrus.errors import OptionError, SusurrusError
from susurrus.evaluation.manifest import Clip
from susurrus.features import LogMel
from susurrus.transcribe import Model
from susurrus.types import ModelDimensions

# Each peer is one of these: what it does with a file named `...`.
SYSTEM = f"""#!{sys.executable}
import os, sys, time
sys.path.insert(0, {str(Path(peers.__file__).parent)!r})
from peers import serve

given = sys.argv[-1]
log = os.environ.get("LOG")

def load():
    print("a library's noise on stdout")
    if "unloadable" in given:
        raise ImportError("no such library")
    def run(files):
        if log:
            with open(log, "a") as out:
                out.write(given + " ")
        if "broken" in files[0]:
            raise ValueError(files[0] + ": no sound\\nand more")
        if "crash" in given:
            print("last words", file=sys.stderr, flush=True)
            os._exit(3)
        if "hang" in given:
            time.sleep(60)
        found = dict(seconds=0.5 if "ours" in given else 1.0, first_segment_s=0.25, texts=["Hallo."] * len(files))
        if "ours" in given:
            found.update(durations=[10.0] * len(files), languages=["de"] * len(files))
            found.update(stages=dict(encode=0.25, decode=0.125, write=1.0), n_threads=1)
        return found
    ours = dict(model="tiny", device="cpu", is_multilingual=True, language=None) if "ours" in given else {{}}
    return dict(version="1", how="as a test", **ours), run

serve(load)
"""

needs_scripts = pytest.mark.skipif(os.name == "nt", reason="a script is no program there")


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "system.py"
    path.write_text(SYSTEM)
    return path


@pytest.fixture
def worker(script, tmp_path):
    """Make workers that are closed at the end; they write their name down at every run."""
    made = []

    def make(name, timeout=20.0):
        env = {"LOG": str(tmp_path / "log")}
        made.append(Worker(name, [sys.executable, str(script), name], env=env, timeout=timeout))
        return made[-1]

    yield make
    for one in made:
        one.close()


def run(system, files, round, seconds, **given):
    return Run(system, (files,), round, seconds, seconds, seconds / 2, ("Hallo Welt",), **given)


def of_ours(files, round, seconds, **given):
    return run("susurrus", files, round, seconds, durations=(10.0,), languages=("de",), **given)


CONFIG = {
    "machine": "a machine",
    "model": "tiny",
    "threads": 1,
    "n_rounds": 3,
    "together": False,
    "command": "susurrus benchmark a b",
    "notes": ["a note"],
}
RUNS = [
    of_ours("a", 1, 2.0, stages={"encode": 1.0, "decode": 0.5, "write": 9.0}),
    run("peer", "a", 1, 3.0),
    of_ours("b", 1, 1.0, stages={"encode": 1.0}),
    run("peer", "b", 1, 4.0),
    of_ours("a", 2, 1.0, stages={"encode": 0.25}),
    run("peer", "a", 2, 3.0),
    of_ours("a", 3, 9.0, stages={"encode": 8.0}),
    run("peer", "c", 3, 1.0),
]
SYSTEMS = {
    name: {"version": "1", "how": "so", "load_s": 1.5, "peak_bytes": peak}
    for name, peak in (("susurrus", 2_000_000), ("peer", None))
}


def report(**given):
    return make_report(
        Measured(SYSTEMS, RUNS, [Failure("peer", ("b",), "peer: no sound")]), "susurrus", CONFIG, **given
    )


def cells(rows, name):
    return dict(zip(rows[0][1:], next(row for row in rows if row[0] == name)[1:], strict=True))


def test_pairs_are_runs_of_one_file_in_one_round():
    assert sorted(ratios(RUNS, "susurrus", "peer")) == [1.5, 3.0, 4.0]
    assert spread([1.5, 3.0, 4.0]).median == 3.0
    assert (spread([2.0]).low, spread([2.0]).high, spread([2.0]).n) == (2.0, 2.0, 1)


def test_of_each_file_the_run_in_the_middle_counts():
    assert [run.seconds for run in typical_runs(RUNS, "susurrus")] == [2.0, 1.0]
    made = report()
    ours, peer = made["systems"]
    assert (ours["speed"], ours["real_time_factor"], ours["work_s"], ours["cores"]) == (20 / 3, 0.15, 3.0, 1.0)
    assert ours["first_segment_s"] == 0.75
    assert made["stages"]["seconds"]["encode"] == 2.0
    assert made["stages"]["other_s"] == 0.5  # writing is after the text
    assert peer["sound_s"] == 20.0  # the file that Susurrus has not is not counted
    assert (made["n_files"], made["sound_s"]) == (2, 20.0)
    assert peer["times_as_fast"] == {"median": 3.0, "low": 2.25, "high": 3.5, "n": 3}
    json.dumps(made)


def test_words_are_counted_where_a_reference_is_known():
    pytest.importorskip("jiwer")
    from susurrus.evaluation.metrics import Metrics

    clips = {"a": Clip("a", "a", "Hallo, Welt!"), "b": Clip("b", "b", "Hallo"), "x": Clip("x", "x", "nie")}
    [ours, _] = report(clips=clips, metrics=Metrics())["systems"]
    assert (ours["words"]["n"], ours["words"]["insertions"], ours["words"]["n_clips"]) == (3, 1, 2)
    assert cells(system_rows(report(clips=clips, metrics=Metrics())), "susurrus")["WER %"] == "33.33"
    assert report(clips={"x": clips["x"]}, metrics=Metrics())["systems"][0]["words"] is None


def test_tables_say_it_all_and_leave_out_what_is_not_known():
    made = report()
    assert cells(system_rows(made), "peer")["susurrus is"] == "3.00 times as fast (2.25 to 3.50)"
    assert cells(system_rows(made), "susurrus")["peak memory"] == "2 MB"
    assert "WER %" not in system_rows(made)[0]
    assert cells(stage_rows(made), "encode") == {"busy s": "2.000", "share %": "66.7", "ms a minute of sound": "6000.0"}
    assert [row[0] for row in stage_rows(made)[1:]] == ["encode", "decode", "write", "other", "file to text"]
    for text in (terminal(made), markdown(made)):
        for part in ("a machine", "peer 1: so", "failed: peer: no sound (b)", "a note", "20.0 s of sound", "6.7x"):
            assert part in text
    assert "`susurrus benchmark a b`" in markdown(made)
    lengths = {line.count("|") for line in markdown(made).splitlines() if "busy s" in line or "encode" in line}
    assert lengths == {5}


def test_stages_that_overlap_say_so():
    runs = [of_ours("a", 1, 1.0, stages={"encode": 0.9, "decode": 0.9}, n_threads=2)]
    made = make_report(Measured(SYSTEMS, runs), "susurrus", CONFIG)
    assert made["stages"]["other_s"] is None
    assert "overlap, in 2 threads" in terminal(made)
    assert "overlap" not in terminal(report())


def test_a_report_without_any_run_is_one():
    made = make_report(Measured(SYSTEMS, [], [Failure("susurrus", (), "susurrus: it ended")]), "susurrus", CONFIG)
    assert "failed: susurrus: it ended" in terminal(made)
    assert markdown(made)


def test_the_picture_has_a_bar_for_each_system_and_stage():
    pytest.importorskip("matplotlib")
    from susurrus.benchmark.picture import draw_benchmark

    speeds, busy = draw_benchmark(report()).axes
    assert [bar.get_width() for bar in speeds.patches] == pytest.approx([20 / 3, 20 / 7])
    assert [bar.get_width() for bar in busy.patches] == pytest.approx([2.0, 0.5, 9.0, 0.5])
    assert any("susurrus is 3.00 times as fast" in text.get_text() for text in speeds.texts)
    draw_benchmark(make_report(Measured(SYSTEMS, []), "susurrus", CONFIG))


def test_systems_run_in_turn_after_one_run_that_does_not_count(worker, tmp_path):
    told = []
    found = measure(
        [worker("ours"), worker("peer")], [("a",), ("b",)], n_rounds=2, settle=0, tell=lambda line: told.append(line)
    )
    assert (tmp_path / "log").read_text().split() == ["ours", "peer"] * 5
    assert [(one.system, one.files, one.round) for one in found.runs] == [
        (name, (file,), round) for round in (1, 2) for file in "ab" for name in ("ours", "peer")
    ]
    assert found.failures == []
    assert len(told) == 10
    assert found.systems["ours"]["peak_bytes"] > 1_000_000
    assert found.runs[0].cpu_s >= 0


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("crash", "it ended with 3: last words"),
        ("hang", "a run took more than 2 s"),
        ("unloadable", "ImportError: no such library"),
    ],
)
def test_a_system_that_fails_is_reported_and_the_rest_goes_on(worker, name, why):
    found = measure(
        [worker("ours"), worker(name, timeout=2.0 if name == "hang" else 20.0), worker("peer")],
        [("a",), ("b",)],
        settle=0,
        n_rounds=2,
    )
    assert [(one.system, one.error) for one in found.failures] == [(name, f"{name}: {why}")]
    assert [one.system for one in found.runs] == ["ours", "peer"] * 4


def test_a_file_that_cannot_be_read_is_left_out_and_the_system_goes_on(worker):
    found = measure([worker("ours")], [("a",), ("broken",)], settle=0, n_rounds=2)
    assert found.failures == [Failure("ours", ("broken",), "ours: ValueError: broken: no sound")]
    assert [one.files for one in found.runs] == [("a",), ("a",)]


def test_a_program_that_is_not_there_is_an_error():
    with Worker("gone", ["/no/such/program"], env={}, timeout=1) as gone, pytest.raises(SusurrusError, match="gone"):
        gone.start()


def test_words_that_are_no_answer_are_an_error():
    talker = [sys.executable, "-c", "print('hello', flush=True); input()"]
    with Worker("talker", talker, env={}, timeout=20) as one:
        with pytest.raises(SusurrusError, match="no answer but 'hello"):
            one.start()
        assert not one.is_alive


def test_a_worker_that_is_closed_has_ended(worker):
    one = worker("hang")
    one.start()
    assert one.is_alive
    one.close()
    assert not one.is_alive


def test_the_script_of_the_peers_needs_nothing_to_start(tmp_path):
    given = json.dumps({"peer": "faster-whisper", "folder": str(tmp_path)})
    code = f"import sys; sys.modules['faster_whisper'] = None; sys.argv[1:] = [{given!r}]; import runpy; "
    code += f"runpy.run_path({peers.__file__!r}, run_name='__main__')"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, timeout=60)
    assert "faster_whisper" in json.loads(done.stdout)["error"], done.stderr


def test_a_peer_gets_the_language_and_the_beams(monkeypatch):
    asked = []

    class Fake:
        def __init__(self, folder, **given):
            asked.append(given)

        def transcribe(self, path, **given):
            asked.append(given)
            return iter([type("Segment", (), {"text": " Hallo"})()] * 2), None

    monkeypatch.setitem(sys.modules, "faster_whisper", type(sys)("faster_whisper"))
    sys.modules["faster_whisper"].WhisperModel = Fake
    sys.modules["faster_whisper"].BatchedInferencePipeline = lambda model: model
    monkeypatch.setattr(peers, "version", lambda package: "1")
    given = {"folder": "w", "threads": 3, "language": "de", "task": "transcribe", "beam_size": 4}
    info, run = peers.open_peer({"peer": "faster-whisper-batched", **given})
    found = run(["a", "b"])
    assert found["texts"] == [" Hallo Hallo"] * 2
    assert 0 <= found["first_segment_s"] <= found["seconds"]
    assert info["how"].endswith("beam 4")
    assert asked[0] == {"device": "cpu", "compute_type": "int8", "cpu_threads": 3}
    assert asked[1] == {"language": "de", "task": "transcribe", "beam_size": 4, "batch_size": 8}


def test_what_is_nested_counts_for_the_inner_stage(monkeypatch):
    now = iter(range(100))
    monkeypatch.setattr(stages.time, "perf_counter", lambda: next(now))
    clock = StageClock()
    with clock.stage("rules"):  # 0
        with clock.stage("decode"):  # 1
            pass  # 2
        with clock.stage("decode"):  # 3
            pass  # 4
    # 5
    assert clock.take() == ({"rules": 3.0, "decode": 2.0}, 1)


def test_threads_are_counted_each_with_its_own_stack():
    clock = StageClock()
    with clock.stage("rules"):
        thread = threading.Thread(target=clock.timed("encode", lambda: None))
        thread.start()
        thread.join()
    busy = clock.take()
    assert busy.n_threads == 2
    assert set(busy.seconds) == {"rules", "encode"}


@pytest.mark.parametrize("batch_size", [0, 2])
def test_the_stages_of_the_line_are_seen_from_outside_and_left_as_they_were(batch_size):
    dims = ModelDimensions(80, 1500, 16, 2, 1, 51864, 64, 16, 2, 1)
    checkpoint = random_checkpoint(dims)
    before = LogMel.window
    sound = np.random.default_rng(0).normal(scale=0.1, size=16000).astype(np.float32)
    with Model(checkpoint, open_backend("numpy", checkpoint)) as model:
        options = {"word_timestamps": True, "temperature": 0.0, "sample_len": 4, "vad_filter": False}
        with watch_line(model.backend) as clock:
            model.transcribe(sound, batch_size=batch_size, **options)
            busy = clock.take()
        assert {"features", "encode", "decode", "rules", "align"} <= set(busy.seconds) <= set(stages.STAGES)
        assert min(busy.seconds.values()) > 0
        assert LogMel.window is before
        model.transcribe(sound, batch_size=batch_size, **options)
        assert clock.take().seconds == {}
        assert "encode" not in vars(model.backend)


def test_only_peers_with_weights_are_taken(tmp_path):
    weights = tmp_path / "weights" / "base"
    (weights / "ct2").mkdir(parents=True)
    (weights / "ggml.bin").touch()
    here, missing = systems.find_peers(tmp_path, "openai/whisper-base")
    assert here == ["faster-whisper", "faster-whisper-batched", "whisper.cpp"]
    assert missing == ["openai-whisper", "transformers", "openvino"]
    assert systems.find_peers(tmp_path, "base", ["whisper.cpp"]) == (["whisper.cpp"], [])
    with pytest.raises(OptionError, match="lacks hf for transformers"):
        systems.find_peers(tmp_path, "base", ["transformers", "whisper.cpp"])
    with pytest.raises(OptionError, match=r"lacks openai\.pt for openai-whisper"):
        systems.find_peers(tmp_path, "tiny")


@pytest.mark.parametrize(("device", "why"), [("cuda:0", "run on the CPU"), ("cpu", "python is not there")])
def test_a_comparison_that_is_none_is_refused(tmp_path, device, why):
    ours = {"model": "base", "device": device, "language": "en", "is_multilingual": False}
    with pytest.raises(OptionError, match=why):
        systems.peer_workers(tmp_path, ["openvino"], ours, task="transcribe", beam_size=None, n_threads=1, timeout=1.0)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["a.wav", "--repeat", "0"], "expected 1 or more"),
        (["a.wav", "--timeout", "0"], "more than 0"),
        (["a.wav", "--peers", "openvino"], "without --against"),
        (["a.wav", "--against", ".", "--peers", "nobody"], "no nobody"),
        (["a.wav", "--where", "kind=read"], "name a --manifest"),
        (["a.wav", "--reference", "r.txt", "--manifest", "m.jsonl"], "both say"),
        (["a.wav", "--reference", "r.txt", "--task", "translate"], "not its translation"),
        (["a.wav", "b.wav", "--reference", "r.txt"], "of one file, not of 2"),
        (["a.wav", "--reference", "no.txt"], "No such file"),
        (["https://example.org/a.wav"], "only files"),
        (["-o", "r.doc", "a.wav"], "r.doc"),
        (["-o", "no/such/r.md", "a.wav"], "no folder"),
        (["--beam_size", "0", "a.wav"], "beam_size=0"),
        ([], "nothing to transcribe"),
    ],
)
def test_what_cannot_be_is_refused_before_the_work(words, why, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main(["benchmark", *words]) == 2
    assert why in capsys.readouterr().err


@pytest.fixture
def with_fakes(monkeypatch, tmp_path, script):
    """Let Susurrus and the peers be scripts; give the folder of the peers."""
    folder = tmp_path / "peers"
    for name in ("ct2", "hf", "openai.pt"):
        (folder / "weights" / "tiny" / name).mkdir(parents=True)
    python = folder / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(SYSTEM.replace("given = sys.argv[-1]", 'given = sys.argv[-1].replace("transformers", "crash")'))
    python.chmod(0o755)
    monkeypatch.setattr("susurrus.benchmark.measure.measure", partial(measure, settle=0))
    monkeypatch.setattr("susurrus.checkpoints.resolve", lambda *words, **given: None)
    ours = Worker("susurrus", [sys.executable, str(script), "ours"], env={}, timeout=20)
    monkeypatch.setattr(systems, "our_worker", lambda *words, **given: ours)
    monkeypatch.chdir(tmp_path)
    return folder


@needs_scripts
def test_the_command_measures_prints_and_writes(with_fakes, tmp_path, capsys):
    pytest.importorskip("jiwer")
    Path("said.txt").write_text("Hallo")
    words = ["a.wav", "--model", "tiny", "--against", str(with_fakes), "--peers", "openai-whisper,faster-whisper"]
    assert main(["benchmark", *words, "--repeat", "2", "--reference", "said.txt", "-o", "r.md,r.json"]) == 0
    out = capsys.readouterr().out
    assert "2.00 times as fast (2.00 to 2.00)" in out
    assert "WER %" in out
    made = json.loads(Path("r.json").read_text())
    assert [one["name"] for one in made["systems"]] == ["susurrus", "openai-whisper", "faster-whisper"]
    assert [one["words"]["errors"] for one in made["systems"]] == [0, 0, 0]
    assert made["config"]["n_rounds"] == 2
    assert "| faster-whisper | 10.0x" in Path("r.md").read_text()


@needs_scripts
def test_a_peer_that_crashes_makes_the_command_fail_at_the_end(with_fakes, capsys):
    assert (
        main(["benchmark", "a.wav", "b.wav", "--together", "True", "--against", str(with_fakes), "--repeat", "1"]) == 1
    )
    out = capsys.readouterr().out
    assert "2 files at once, 20.0 s of sound" in out
    assert "failed: transformers: it ended with 3: last words" in out
    assert "faster-whisper-batched" in out
    assert "no weights for whisper.cpp, openvino" in out


def test_references_are_found_by_their_place(tmp_path, monkeypatch):
    from susurrus.cli import build_parser
    from susurrus.cli.benchmark import files_of

    rows = [{"path": f"sounds/{name}.wav", "text": name, "kind": kind} for name, kind in (("a", "read"), ("b", "hard"))]
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.chdir(tmp_path)

    def files(*words):
        return files_of(build_parser().parse_args(["benchmark", "--manifest", "m.jsonl", *words]))

    absolute = str(tmp_path / "sounds" / "b.wav")
    paths, clips = files(absolute, "other.wav")
    assert paths == [absolute, "other.wav"]
    assert {path: clip.text for path, clip in clips.items()} == {absolute: "b"}
    paths, clips = files("--where", "kind=read")
    assert [Path(path) for path in paths] == [Path("sounds/a.wav")]
    assert list(clips) == paths
    with pytest.raises(OptionError, match="says nothing of these"):
        files("other.wav")
