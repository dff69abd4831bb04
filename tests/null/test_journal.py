"""The journal: whole lines count, torn ones do not, one process at a time."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from susurrus.errors import OutputError
from susurrus.journal import Journal
from susurrus.types import Mark, Segment, Transcript, Word

KEY = {"model": "tiny", "options": {"beam_size": None, "temperature": (0.0, 0.2)}}
WORDS = (Word(" Olé", 0.1, 1 / 3, 0.9), Word(" 你好", 1.0, 1.1, 0.5))


def segment(i):
    return Segment(i, 3000 * i, i + 0.1, i + 0.9, f" Olé {i}.", (1, 2, i), 0.2, -0.3, 1.1, 0.01, WORDS)


def mark(i):
    return Mark((segment(i),), {"clip": 0, "seek": 3000 * (i + 1)})


def written(path, n=3):
    with Journal(path, KEY) as journal:
        journal.begin(0, 1, "es", 0.75)
        for i in range(n):
            journal.mark(0, mark(i))
    return path


def test_what_was_noted_is_found_again_exactly(tmp_path):
    path = written(tmp_path / "a" / "j.jsonl")
    with Journal(path, KEY) as journal:
        assert journal.was_kept
        saved = journal.saved(0)
        assert (saved.language, saved.language_probability) == ("es", 0.75)
        assert saved.marks == tuple(map(mark, range(3)))
        assert journal.saved(1) is None
        assert journal.transcripts() is None


def test_a_part_that_ended_gives_its_transcript(tmp_path):
    path = written(tmp_path / "j.jsonl")
    transcript = Transcript(" Olé", "es", tuple(map(segment, range(3))), 12.5, ("cut off",), 0.75)
    with Journal(path, KEY) as journal:
        journal.end(0, transcript)
        journal.wrote("srt", {"max_line_width": None})
        journal.deliver()
    with Journal(path, KEY) as journal:
        assert journal.transcripts() == [transcript]
        assert journal.has_written("srt", {"max_line_width": None})
        assert not journal.has_written("srt", {"max_line_width": 42})
        assert not journal.has_written("vtt", {"max_line_width": None})
        assert journal.is_delivered


def test_every_torn_end_leaves_the_lines_before_it(tmp_path):
    data = written(tmp_path / "j.jsonl").read_bytes()
    ends = [i + 1 for i, byte in enumerate(data) if byte == ord("\n")]
    for size in range(len(data)):
        path = tmp_path / "torn.jsonl"
        path.write_bytes(data[:size])
        with Journal(path, KEY) as journal:
            n_lines = sum(end <= size for end in ends)
            saved = journal.saved(0)
            assert len(saved.marks if saved else ()) == max(0, n_lines - 2)
            if saved is None:
                journal.begin(0, 1, "es", 0.75)
            for i in range(max(0, n_lines - 2), 3):
                journal.mark(0, mark(i))
        assert path.read_bytes() == data


@pytest.mark.parametrize("junk", [b"\x00\xff\n", b"{}\n", b"[1]\n", b'{"susurrus": 99, "key": {}}\n', b"null\n"])
def test_what_is_no_journal_is_begun_anew(tmp_path, junk):
    path = tmp_path / "j.jsonl"
    path.write_bytes(junk)
    with Journal(path, KEY) as journal:
        assert not journal.was_kept
        journal.begin(0, 1, "es", None)
    with Journal(path, KEY) as journal:
        assert journal.was_kept


@pytest.mark.parametrize(
    "spoil", [lambda lines: lines[:2] + lines[3:], lambda lines: [*lines[:-1], b'{"part": 0, "end": {}}\n']]
)
def test_a_journal_that_was_meddled_with_counts_up_to_there(tmp_path, spoil):
    path = written(tmp_path / "j.jsonl")
    with Journal(path, KEY) as journal:
        journal.end(0, Transcript(" Olé", "es", tuple(map(segment, range(3))), 12.5))
    path.write_bytes(b"".join(spoil(path.read_bytes().splitlines(keepends=True))))
    with Journal(path, KEY) as journal:
        assert journal.transcripts() is None
        assert journal.saved(0).marks


def test_another_key_begins_anew_and_says_what_changed(tmp_path):
    path = written(tmp_path / "j.jsonl")
    with Journal(path, {**KEY, "options": {**KEY["options"], "beam_size": 5}}) as journal:
        assert journal.changed == ("beam_size",)
        assert journal.saved(0) is None


def test_a_journal_in_which_nothing_was_noted_leaves_nothing(tmp_path):
    with Journal(tmp_path / ".susurrus" / "j.jsonl", KEY):
        pass
    assert list(tmp_path.iterdir()) == []


def test_without_a_path_it_remembers_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Journal(None, KEY) as journal:
        journal.begin(0, 1, "es", None)
        journal.mark(0, mark(0))
        assert journal.saved(0).marks == (mark(0),)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_cuts_the_torn_line_off_and_says_so(tmp_path, monkeypatch):
    path = written(tmp_path / "j.jsonl", 2)
    good = path.read_bytes()
    write = os.write

    def write_half(file, data):
        if len(data) < 40:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, data[: len(data) // 2])

    with Journal(path, KEY) as journal:
        monkeypatch.setattr(os, "write", write_half)
        with pytest.raises(OutputError, match="No space left") as caught:
            journal.mark(0, mark(2))
        monkeypatch.undo()
        assert "same command again" in caught.value.hint
        assert path.read_bytes() == good


def test_a_folder_that_cannot_be_made_is_an_error_with_a_hint(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="resume False"):
        Journal(tmp_path / "file" / "j.jsonl", KEY)


def test_two_processes_do_not_write_one_journal(tmp_path):
    path = tmp_path / "j.jsonl"
    code = (
        "import sys; from pathlib import Path; from susurrus.journal import Journal; from susurrus.errors import *\n"
        f"try: Journal(Path({str(path)!r}), {KEY!r})\n"
        "except OutputError as error: sys.exit(7 if 'another process' in str(error) else 1)\n"
    )
    run = lambda: subprocess.run([sys.executable, "-c", code], timeout=60).returncode
    with Journal(path, KEY):
        assert run() == 7
    assert run() == 0


def test_a_run_that_notes_nothing_leaves_another_keys_journal_as_it_was(tmp_path):
    path = written(tmp_path / "j.jsonl")
    data = path.read_bytes()
    with Journal(path, {**KEY, "model": "another"}) as journal:
        assert journal.saved(0) is None
    assert path.read_bytes() == data
    with Journal(path, {**KEY, "model": "another"}) as journal:
        journal.begin(0, 1, "es", None)
    with Journal(path, {**KEY, "model": "another"}) as journal:
        assert journal.saved(0).marks == ()


def test_journals_that_come_and_go_do_not_take_the_folder_from_each_other(tmp_path):
    def come_and_go(i):
        for _ in range(100):
            Journal(tmp_path / ".susurrus" / f"{i}.jsonl", KEY).close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(come_and_go, range(8)))
