"""`susurrus evaluate` from a manifest to its reports, with a model that says what it is told to."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from susurrus.cli import evaluate as command
from susurrus.cli import main
from susurrus.errors import AudioError, OptionError
from susurrus.evaluation.manifest import read_manifest, select
from susurrus.evaluation.stored import Journal, read_stored
from susurrus.types import Segment, Transcript, Word

pytest.importorskip("jiwer", reason="the evaluate extra is not installed")

ROWS = [
    {"id": "a", "path": "read/a.wav", "text": "The cat sat.", "language": "en", "kind": "read"},
    {"id": "b", "path": "read/b.wav", "text": "on the mat", "language": "en", "kind": "read"},
    {"id": "c", "path": "c.wav", "text": "guten Tag", "language": "de", "kind": "hard", "category": "<b>loud</b>"},
    {"id": "d", "path": "d.wav", "text": "", "language": None, "kind": "hard"},
    {"id": "e", "path": "e.wav", "text": None, "language": "en", "kind": "hard"},
]
HEARD = {"a": "the hat sat", "b": "On the mat!", "c": "guten Tee", "d": "Thank you", "e": "anything"}


class FakeModel:
    """Hears `heard[name]`; an exception there is raised."""

    name, is_multilingual = "fake", True

    class backend:
        name, device, dtype = "fake", "cpu", "float32"

    def __init__(self, heard):
        self.heard, self.calls = heard, []

    def transcribe(self, path, *, cancel=None, **options):
        self.calls.append((path.stem, options))
        text = self.heard[path.stem]
        if isinstance(text, BaseException):
            raise text
        words = (Word(text, 0.0, 1.0, 0.9),) if options["word_timestamps"] else None
        segment = Segment(0, 0, 0.0, 2.0, text, (1, 2), 0.0, -0.1, 1.0, 0.0, words=words)
        return Transcript(text, "en", (segment,), 2.0)

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        pass


@pytest.fixture
def evaluate(tmp_path, monkeypatch, capsys):
    """Run the command in a folder with a manifest; give its exit code, stdout, stderr and the model."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.jsonl").write_text("\n".join(map(json.dumps, ROWS)))

    def run(*argv, heard=HEARD):
        model = FakeModel(heard)
        monkeypatch.setattr(command, "load_model", lambda args: model)
        code = main(["evaluate", *argv])
        return code, *capsys.readouterr(), model

    return run


def line_of(out, name):
    return next(line.split() for line in out.splitlines() if line.startswith(name + " "))


def test_the_table_has_the_figures(evaluate):
    code, out, _, model = evaluate("m.jsonl")
    assert code == 0
    # clips, words, WER, sub, del, ins, CER, invented, language, speed
    assert line_of(out, "all")[1:7] == ["5", "8", "25.00", "2", "0", "0"]
    assert line_of(out, "read")[1:4] == ["2", "6", "16.67"]
    assert line_of(out, "de")[1:4] == ["1", "2", "50.00"]
    assert "words where nothing is said: 2, in 1 of 1 clips" in out
    assert "language detected rightly: 3 of 4 (75.00 %); de as en 1" in out
    assert "the [-cat-]{+hat+} sat" in out
    assert "clips without an exact reference, so not in the rates: 1" in out
    assert [call[0] for call in model.calls] == ["a", "b", "c", "d", "e"]
    assert model.calls[0][1]["beam_size"] == 5


def test_options_reach_the_model_and_the_report(evaluate):
    _, _, _, model = evaluate(
        "m.jsonl", "--beam_size", "3", "--temperature_increment_on_fallback", "None", "--json", "r"
    )
    assert model.calls[0][1]["beam_size"] == 3
    assert model.calls[0][1]["temperature"] == (0.0,)
    config = json.loads(Path("r").read_text())["config"]
    assert (config["model"], config["backend"], config["dtype"]) == ("fake", "fake", "float32")
    assert config["options"]["beam_size"] == 3


def test_the_language_of_the_manifest_may_be_given(evaluate):
    _, out, _, model = evaluate("m.jsonl", "--give_language", "True")
    assert [call[1]["language"] for call in model.calls] == ["en", "en", "de", None, "en"]
    assert "language detected" not in out


def test_where_keeps_what_it_describes_and_says_how_many(evaluate):
    _, _, err, model = evaluate("m.jsonl", "--where", "kind=read|hard,language!=de,id!=e")
    assert [call[0] for call in model.calls] == ["a", "b", "d"]
    assert "3 of 5 clips" in err


def test_a_missing_or_broken_clip_is_reported_and_does_not_stop_the_rest(evaluate):
    broken = HEARD | {"a": AudioError("a.wav: no sound"), "b": FileNotFoundError("b.wav")}
    code, out, _, _ = evaluate("m.jsonl", "--json", "r.json", heard=broken)
    assert code == 1
    assert "clips that failed: 2" in out
    assert "a: a.wav: no sound" in out
    assert line_of(out, "all")[1:4] == ["5", "2", "50.00"]
    report = json.loads(Path("r.json").read_text())
    assert [one["id"] for one in report["failed"]] == ["a", "b"]
    assert [one["result"]["text"] for one in report["clips"]][:2] == [None, None]


def test_a_report_is_scored_again_without_decoding(evaluate, tmp_path):
    _, first, _, _ = evaluate("m.jsonl", "--json", "r.json")
    _, again, _, model = evaluate("--results", "r.json", heard={})
    assert model.calls == []
    assert first.splitlines()[:-1] == again.splitlines()[:-1]
    _, part, _, _ = evaluate("--results", "r.json", "--where", "kind=read", "--group_by", "id")
    assert line_of(part, "all")[1:4] == ["2", "6", "16.67"]
    assert line_of(part, "a")[1:4] == ["1", "3", "33.33"]
    report = json.loads((tmp_path / "r.json").read_text())
    one = report["clips"][0]
    assert one["score"]["reference"] == "the cat sat"
    assert one["score"]["words"]["substitutions"] == 1
    assert one["result"]["segments"][0]["tokens"] == [1, 2]
    assert one["clip"]["text"] == "The cat sat."


def test_another_systems_rows_are_scored_with_the_manifest(evaluate, tmp_path):
    rows = [{"id": "a", "text": "the cat sat", "language": "en"}, {"id": "x", "text": "of no clip"}]
    (tmp_path / "other.jsonl").write_text("\n".join(map(json.dumps, rows)))
    _, out, err, _ = evaluate("m.jsonl", "--results", "other.jsonl")
    assert line_of(out, "all")[1:4] == ["1", "3", "0.00"]
    assert "1 of 5 clips" in err


def test_a_stopped_run_goes_on_where_it_stopped(evaluate, tmp_path):
    with pytest.raises(ZeroDivisionError):
        evaluate("m.jsonl", "--json", "r.json", heard=HEARD | {"c": ZeroDivisionError()})
    journal = tmp_path / "r.json.partial"
    journal.write_text(journal.read_text() + '{"id": "c", "tex')  # as a full disk or a kill leaves it
    code, out, err, model = evaluate("m.jsonl", "--json", "r.json")
    assert code == 0
    assert [call[0] for call in model.calls] == ["c", "d", "e"]
    assert "2 clips are done already" in err
    assert line_of(out, "all")[1:4] == ["5", "8", "25.00"]
    assert not journal.exists()
    assert len(json.loads((tmp_path / "r.json").read_text())["clips"]) == 5


def test_a_run_with_other_options_does_not_go_on_with_these(evaluate):
    with pytest.raises(ZeroDivisionError):
        evaluate("m.jsonl", "--json", "r.json", heard=HEARD | {"c": ZeroDivisionError()})
    code, _, err, model = evaluate("m.jsonl", "--json", "r.json", "--beam_size", "2")
    assert (code, model.calls) == (2, [])
    assert "differs in beam_size" in err


def test_ctrl_c_keeps_what_is_done(evaluate, tmp_path):
    code, _, err, _ = evaluate("m.jsonl", "--json", "r.json", heard=HEARD | {"c": KeyboardInterrupt()})
    assert code == 130
    assert "run the same command again" in err
    assert [json.loads(line).get("id") for line in (tmp_path / "r.json.partial").read_text().splitlines()] == [
        None,
        "a",
        "b",
    ]


def test_a_failed_clip_is_tried_again(tmp_path):
    from susurrus.evaluation.results import Result

    with Journal(tmp_path / "j", {"model": "x"}) as journal:
        journal.add(Result("a", "text"))
        journal.add(Result("b", None, error="away"))
    with Journal(tmp_path / "j", {"model": "x"}) as journal:
        assert list(journal.done) == ["a"]


def test_a_reference_is_compared_with_word_times_where_it_has_them(evaluate, tmp_path):
    def row(id, text, *words):
        return {
            "id": id,
            "text": text,
            "language": "en",
            "segments": [{"start": 0.0, "end": 2.0, "words": list(words)}],
        }

    word = {"word": HEARD["a"], "start": 0.0, "end": 1.01}
    golden = [row("a", HEARD["a"], word), row("b", "on a mat")]
    (tmp_path / "golden.jsonl").write_text("\n".join(map(json.dumps, golden)))
    _, out, _, model = evaluate("m.jsonl", "--reference", "golden.jsonl", "--json", "r.json", "--where", "kind=read")
    assert [call[1]["word_timestamps"] for call in model.calls] == [True, False]
    assert re.search(r"identical text +1 of 2", out)
    assert re.search(r"identical segment times +2 of 2", out)
    assert re.search(r"words within 0.02 s +1 of 1", out)
    assert "  b: text differ" in out
    likeness = json.loads((tmp_path / "r.json").read_text())["likeness"]
    assert likeness["differences"] == [
        {"id": "b", "text": False, "times": True, "words": [0, 0], "ours": "On the mat!", "theirs": "on a mat"}
    ]


def test_two_reports_are_compared(evaluate):
    evaluate("m.jsonl", "--json", "a.json")
    evaluate("m.jsonl", "--json", "b.json", heard=HEARD | {"a": "the cat sat"})
    code, out, _, model = evaluate("--compare", "a.json", "b.json", "--json", "c.json")
    assert (code, model.calls) == (0, [])
    assert line_of(out, "all")[1:6] == ["3", "1", "25.00", "12.50", "-12.50"]
    assert "not significant" in out
    assert json.loads(Path("c.json").read_text())["groups"]["total"]["all"]["n_differing"] == 1
    assert "same number of errors" in evaluate("--compare", "a.json", "a.json")[1]


class Strict(HTMLParser):
    """Fails where tags do not close in order; collects tags and text."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_page_is_whole_escaped_and_fetches_nothing(evaluate, tmp_path):
    (tmp_path / "out").mkdir()
    evaluate("m.jsonl", "--html", "out/r.html")
    page = Strict()
    page.feed((tmp_path / "out" / "r.html").read_text())
    page.close()
    assert page.open == []
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "link", "img", "iframe"}
    assert "<b>loud</b>" in page.text
    addresses = [attrs["src"] for _, attrs in page.tags if "src" in attrs]
    assert sorted(addresses) == ["../c.wav", "../d.wav", "../read/a.wav"]
    assert "http" not in page.text


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "no manifest"),
        (["nowhere.jsonl"], "No such file"),
        (["m.jsonl", "--where", "colour=red"], "no clip has a column 'colour'"),
        (["m.jsonl", "--where", "kind"], "expected column=value"),
        (["m.jsonl", "--where", "kind=none"], "no clip is left of 5"),
        (["m.jsonl", "--group_by", "colour"], "no clip has a column 'colour'"),
        (["m.jsonl", "--task", "translate"], "translat"),
        (["m.jsonl", "--language", "en", "--give_language", "True"], "do not go together"),
        (["m.jsonl", "--worst", "-1"], "0 or more"),
        (["m.jsonl", "--json", "nowhere/r.json"], "nowhere"),
        (["m.jsonl", "--results", "m.jsonl", "--give_language", "True"], "give_language"),
        (["--compare", "m.jsonl", "m.jsonl"], "holds no references"),
        (["--compare", "m.jsonl", "m.jsonl", "--html", "x.html"], "do not go together"),
        (["m.jsonl", "--hallucination_silence_threshold", "2"], "word_timestamps"),
    ],
)
def test_what_cannot_be_honoured_is_refused_before_a_model_is_loaded(evaluate, argv, message):
    code, _, err, model = evaluate(*argv)
    assert (code, model.calls) == (2, [])
    assert message in err


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("m.jsonl", '{"path": "a.wav"}\n{"path": ', "line 2: not JSON"),
        ("m.jsonl", '["a.wav"]', "line 1: expected an object"),
        ("m.jsonl", '{"id": "a"}', "line 1: no path"),
        ("m.jsonl", '{"path": "a.wav", "text": 3}', "line 1: text is 3"),
        ("m.jsonl", '{"path": "a.wav"}\n{"path": "a.wav"}', "more than once"),
        ("m.jsonl", "", "no clips"),
        ("m.csv", "path,text\na.wav,b,c\n", "line 2: more fields"),
    ],
)
def test_a_manifest_that_is_none_is_an_error_that_names_the_line(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(OptionError, match=message):
        read_manifest(tmp_path / name)


def test_tables_and_the_names_of_other_manifests_are_read(tmp_path):
    (tmp_path / "m.tsv").write_text('client_id\tpath\tsentence\tlocale\nx\ta.mp3\tsaid "this\tcy\n')
    (tmp_path / "m.csv").write_text('path,text,language\na.wav,"one, two",\nb.wav,,en\n')
    (tmp_path / "m.jsonl").write_text('{"audio_filepath": "a.wav", "text": "b", "duration": 2.5}\n')
    (tsv,), csv, (nemo,) = (read_manifest(tmp_path / f"m.{kind}") for kind in ("tsv", "csv", "jsonl"))
    assert (tsv.id, tsv.path, tsv.text, tsv.language) == ("a.mp3", "a.mp3", 'said "this', "cy")
    assert [(clip.text, clip.language) for clip in csv] == [("one, two", None), ("", "en")]
    assert (nemo.path, nemo.text, nemo.column("duration")) == ("a.wav", "b", "2.5")


def test_an_empty_value_selects_clips_without_one(tmp_path):
    (tmp_path / "m.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    clips = read_manifest(tmp_path / "m.jsonl")
    assert [clip.id for clip in select(clips, "category=")] == ["a", "b", "d", "e"]
    assert [clip.id for clip in select(clips, "corpus=read")] == ["a", "b"]
    assert [clip.id for clip in select(clips, "")] == ["a", "b", "c", "d", "e"]


def test_a_stored_file_that_is_neither_is_an_error(tmp_path):
    (tmp_path / "x").write_text('{"id": 3}')
    with pytest.raises(OptionError, match="`id` and `text`"):
        read_stored(tmp_path / "x")


def test_without_the_extra_the_command_says_what_to_install():
    code = (
        "import sys; sys.modules['jiwer'] = None\n"
        "from susurrus.cli import main\n"
        "sys.exit(main(['evaluate', 'm.jsonl']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert 'pip install "susurrus[evaluate]"' in done.stderr
    assert "Traceback" not in done.stderr


def test_help_imports_nothing_heavy():
    code = (
        "import sys, contextlib, io\n"
        "from susurrus.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "    main(['evaluate', '--help'])\n"
        "heavy = {'torch', 'numpy', 'av', 'jiwer', 'whisper_normalizer', 'tqdm'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
