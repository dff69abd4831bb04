"""What a user may name, what it means, and where its outputs go."""

import io
import os
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from waves import tone, wav_bytes

from susurrus.errors import AudioError, OptionError
from susurrus.inputs import Input, find_inputs
from susurrus.stems import Place, distinct_stems, safe_name
from susurrus.urls import url_name, url_place


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Begin in an empty folder."""
    monkeypatch.chdir(tmp_path)


def make(*names):
    for name in names:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def found(*arguments, **options):
    """Names and stems as text."""
    return {Path(one.name).as_posix(): one.stem.as_posix() for one in find_inputs(arguments, **options)}


def stdin(monkeypatch, data):
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=io.BytesIO(data)))


# --- files ---


def test_files_keep_their_order_and_bare_names():
    make("b.mp3", "a.wav", "talk.v2.m4a", "no suffix", "odd.xyz")
    arguments = ("b.mp3", "a.wav", "talk.v2.m4a", "no suffix", "odd.xyz")
    expected = {
        "b.mp3": "b",
        "a.wav": "a",
        "talk.v2.m4a": "talk.v2",
        "no suffix": "no suffix",
        "odd.xyz": "odd",
    }
    assert found(*arguments) == expected
    assert list(found(*arguments)) == list(arguments)


def test_a_missing_file_stays_and_fails_alone():
    make("a.wav")
    there, gone = find_inputs(["a.wav", "gone.wav"])
    assert there.identity() is not None
    assert gone.identity() is None
    with pytest.raises(AudioError, match=r"gone\.wav: no such file"):
        gone.open()
    with pytest.raises(AudioError, match="cannot be opened"):
        find_inputs(["a\0b"])[0].open()


def test_a_file_is_opened(tmp_path):
    samples = np.stack([tone(), -tone() // 2], axis=1)
    (tmp_path / "a.wav").write_bytes(wav_bytes(samples))
    (one,) = find_inputs(["a.wav"])
    seen = []
    with one.open(channel=2, on_progress=seen.append) as recording:
        assert recording.name == "a.wav"
        np.testing.assert_array_equal(recording.read(0, 16000), samples[:, 1].astype(np.float32) / 32768)
    assert seen
    recordings = one.split()
    assert len(recordings) == 2
    for recording in recordings:
        recording.close()


def test_identity_of_a_file(tmp_path):
    make("a.wav")
    (one,) = find_inputs(["a.wav"])
    before = one.identity()
    assert before == {"size": 5, "mtime_ns": os.stat("a.wav").st_mtime_ns}
    assert one.identity() == before
    os.utime("a.wav", ns=(0, 1))
    assert one.identity() != before
    assert find_inputs([str(tmp_path), "a.wav"])[0].identity() == one.identity()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_has_no_identity():
    os.mkfifo("pipe")
    assert find_inputs(["pipe"])[0].identity() is None


def test_one_sound_named_twice_is_one_input():
    make("a/x.mp3", "a/y.mp3")
    os.symlink("a/x.mp3", "link.mp3")
    assert found("a/x.mp3", "a", "./a/x.mp3", "a/*.mp3", "link.mp3") == {"a/x.mp3": "x", "a/y.mp3": "y"}
    assert found("link.mp3", "a/x.mp3") == {"link.mp3": "link"}
    assert list(found("a/y.mp3", "a/x.mp3", "a")) == ["a/y.mp3", "a/x.mp3"]  # where they are named first


# --- folders ---


def test_folders_are_searched_for_sound():
    make("talks/b.mp3", "talks/day 1/a.WAV", "talks/day 1/deep/er.mkv", "talks/b.srt", "talks/notes.txt")
    make("talks/.hidden.mp3", "talks/.susurrus/a.wav", "talks/._b.mp3")
    expected = {"talks/b.mp3": "b", "talks/day 1/a.WAV": "day 1/a", "talks/day 1/deep/er.mkv": "day 1/deep/er"}
    assert found("talks") == expected
    assert found("talks/") == expected
    os.chdir("talks")
    assert list(found(".").values()) == list(expected.values())


def test_several_folders_keep_their_names():
    make("mon/a.mp3", "tue/a.mp3", "tue/sub/b.mp3")
    assert list(found("mon", "tue").values()) == ["mon/a", "tue/a", "tue/sub/b"]


def test_a_folder_without_sound():
    make("talks/notes.txt")
    with pytest.raises(OptionError, match="talks: no audio or video") as info:
        find_inputs(["talks"])
    assert info.value.hint


# --- patterns ---


def test_patterns():
    make("t/a.mp3", "t/b.wav", "t/c.txt", "t/x/d.mp3", "t/x/.h.mp3", "t/.susurrus/e.mp3")
    assert found("t/*.mp3") == {"t/a.mp3": "a"}
    assert found("t/*") == {"t/a.mp3": "a", "t/b.wav": "b"}
    assert found("t/*.txt") == {"t/c.txt": "c"}  # said so
    assert found("t/?.[mw]*") == {"t/a.mp3": "a", "t/b.wav": "b"}
    assert found("t/**") == {"t/a.mp3": "a", "t/b.wav": "b", "t/x/d.mp3": "x/d"}
    assert found("t/**/**") == found("t/**")
    assert found("t/**/*.mp3") == {"t/a.mp3": "a", "t/x/d.mp3": "x/d"}
    assert found(os.path.abspath("t/**/d.mp3")).popitem()[1] == "x/d"


def test_a_name_that_exists_is_no_pattern():
    make("a[1].mp3", "a1.mp3")
    assert found("a[1].mp3") == {"a[1].mp3": "a[1]"}
    assert found("a[0-9].mp3") == {"a1.mp3": "a1"}


def test_a_pattern_without_match():
    with pytest.raises(OptionError, match=r"\*\.mp3: no file matches") as info:
        find_inputs(["*.mp3"])
    assert str(Path.cwd()) in info.value.hint


# --- lists ---


def test_lists_are_relative_to_their_folder():
    make("in/a.mp3", "in/sub/b.wav", "in/gone/c.txt")
    lines = ["\ufeff# talks", "", "a.mp3", "  sub ", os.path.abspath("in/a.mp3"), "missing.mp3", "https://x.org/t.mp3"]
    Path("in/list.txt").write_text("\r\n".join(lines), encoding="utf-8")
    expected = {"in/a.mp3": "a", "in/sub/b.wav": "b", "in/missing.mp3": "missing", "https:/x.org/t.mp3": "t"}
    assert found("@in/list.txt") == expected
    assert found(input_list="in/list.txt") == expected
    assert found("@in/list.txt", input_list="in/list.txt") == expected


def test_lists_of_other_encodings():
    make("ü.mp3")
    Path("list.txt").write_bytes("ü.mp3\r\n".encode("utf-16"))
    assert found("@list.txt") == {"ü.mp3": "ü"}
    name = os.fsdecode(b"\xff.mp3")
    Path("list.txt").write_bytes(b"\xff.mp3\n")
    assert find_inputs(["@list.txt"])[0].name == name


def test_a_file_that_begins_with_at():
    make("@list.txt")
    assert found("@list.txt") == {"@list.txt": "@list"}


def test_a_list_from_stdin(monkeypatch):
    stdin(monkeypatch, b"a.mp3\nb/c.mp3\n")
    assert found(input_list="-") == {"a.mp3": "a", "b/c.mp3": "c"}
    with pytest.raises(OptionError, match="both the list and a sound"):
        find_inputs(["-"], input_list="-")


def test_lists_lead_to_no_other_list_and_to_no_stdin():
    Path("list.txt").write_text("@list.txt\n-\n")
    assert [one.kind for one in find_inputs(["@list.txt"])] == ["file", "file"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [(None, "cannot be read"), (b"", "names nothing"), (b"# only\n\n", "names nothing"), (b"RIFF\0\0", "binary file")],
)
def test_lists_that_are_none(data, expected):
    if data is not None:
        Path("list.txt").write_bytes(data)
    for arguments in ({"arguments": ["@list.txt"]}, {"arguments": [], "input_list": "list.txt"}):
        with pytest.raises(OptionError, match=rf"list\.txt.*{expected}") as info:
            find_inputs(**arguments)
        assert info.value.hint


# --- stdin, URLs, and what is nothing ---


def test_stdin(monkeypatch):
    make("stdin.wav", "-")
    stdin(monkeypatch, wav_bytes(tone()))
    (one,) = find_inputs(["-", "-"])
    assert (one.stem.as_posix(), one.identity()) == ("stdin", None)
    with one.open() as recording:
        assert recording.n_samples == 16000
    assert list(found("-", "stdin.wav", "./-").values()) == ["stdin", "stdin.wav", "-"]


def test_urls():
    (one, other) = find_inputs(["HTTPS://me:pw@x.org/a/My%20talk.mp3?key=1#t=3", "http://x.org"])
    assert one.is_url
    assert one.name == "HTTPS://x.org/a/My%20talk.mp3?..."
    assert one.stem.as_posix() == "My talk"
    assert other.stem.as_posix() == "x.org"
    assert len(find_inputs(["http://x.org/get?id=1", "http://x.org/get?id=1#t=5"])) == 1


def test_urls_that_differ_in_their_query_are_called_the_same_every_time():
    first, second = find_inputs(["http://x.org/get?id=1", "http://x.org/get?id=2"])
    assert first.stem != second.stem
    assert [one.stem for one in find_inputs([second.address, first.address])] == [second.stem, first.stem]


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("ftp://x.org/a.mp3", "expected http or https, not ftp"),
        ("file:///etc/passwd", "expected http or https, not file"),
        ("http://", "not a URL"),
        ("http:///a.mp3", "not a URL"),
        ("http://me:pa/ss@x.org/", "not a URL"),
        ("http://[::1/a.mp3", "not a URL"),
        ("", "an empty name"),
    ],
)
def test_what_is_no_input(argument, expected):
    with pytest.raises(OptionError, match=expected) as info:
        find_inputs([argument])
    assert "ss@" not in str(info.value)


def test_nothing_at_all():
    with pytest.raises(OptionError, match="nothing to transcribe") as info:
        find_inputs([])
    assert info.value.hint
    with pytest.raises(OptionError, match="max_download_mb"):
        find_inputs(["-"], max_download_mb=0)


# --- stems ---


def test_inputs_of_one_name_never_share_an_output():
    make("a/x.mp3", "b/x.mp3", "y.wav", "y.mp4", "c/x.wav", "z.mp3")
    assert list(found("a/x.mp3", "b/x.mp3", "y.wav", "y.mp4", "c/x.wav", "z.mp3").values()) == [
        "a/x",
        "b/x",
        "y.wav",
        "y.mp4",
        "x.wav",
        "z",
    ]


def test_stems_do_not_depend_on_order():
    make(*(f"{folder}/{name}" for folder in "ab" for name in ("x.mp3", "x.wav", "x.mp3.wav", "y.mp3")))
    arguments = sorted(str(path) for path in Path().glob("*/*"))
    assert found(*arguments) == found(*arguments[::-1])
    assert len(set(found(*arguments).values())) == len(arguments)


def test_upper_and_lower_case_and_accents_are_one_on_some_disks():
    places = [Place(("in", "X"), 1, ".mp3"), Place(("in", "x"), 1, ".mp3"), Place(("in", "x"), 1, ".MP3")]
    stems = [stem.as_posix() for stem in distinct_stems(places)]
    assert len({stem.casefold() for stem in stems}) == 3
    assert stems == [stem.as_posix() for stem in distinct_stems(places[::-1])][::-1]
    accents = distinct_stems([Place(("e\u0301",)), Place(("é",))])
    assert accents[0].as_posix() != "e\u0301"
    assert accents[1].as_posix() != "é"


def test_random_trees_never_collide():
    rng = np.random.default_rng(0)
    for _ in range(50):
        names = {
            (*map(str, rng.choice(["a", "A", "b", "x.mp3"], rng.integers(1, 4))), rng.choice(["", ".mp3", ".wav"]))
            for _ in range(20)
        }
        places = [Place(parts[:-1], int(rng.integers(1, len(parts))), parts[-1]) for parts in sorted(names)]
        stems = [stem.as_posix().casefold() for stem in distinct_stems(places)]
        assert len(set(stems)) == len(places)


def test_names_from_elsewhere_are_made_safe():
    for text in ("..", ".", "", "a/b", "a\\b", "c:d", "nul", "COM1.mp3", "x\0y", "a\nb", "tail. ", "\udcff", "é" * 300):
        name = safe_name(text)
        assert name
        assert not set(name) & set('<>:"/\\|?*\0\n')
        assert name not in (".", "..")
        assert name.partition(".")[0].lower() not in ("nul", "com1")
        assert len(name.encode()) < 200
    assert url_place("http://x.org/..%2f..%2fetc%2fpasswd").parts[-1] == "_.._etc_passwd"
    assert url_place("http://x.org/%2e%2e/nul.mp3").parts == ("x.org", "_", "_nul")


def test_url_names_keep_secrets():
    assert url_name("http://u:p@x.org:80/a?token=1") == "http://x.org:80/a?..."
    assert url_name("http://x.org/@me") == "http://x.org/@me"


def test_help_needs_no_decoder():
    import subprocess

    code = "import sys, susurrus.inputs; sys.exit(any(m in sys.modules for m in ('numpy', 'av', 'http.client')))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_an_input_is_plain_data():
    one = Input("a", Path("a"), "file", "a.wav")
    assert one == Input("a", Path("a"), "file", "a.wav")
