"""Outputs appear whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path

import pytest

from susurrus.errors import OptionError
from susurrus.types import Segment, Transcript
from susurrus.writers import FORMATS, render, save


def transcript(text: str) -> Transcript:
    return Transcript(text, "en", (Segment(0, 0, 0.0, 1.5, text, (), 0.0, -0.25, 1.0, 0.01),))


FIRST, SECOND = transcript(" Hello there, 世界."), transcript(" So it goes on.")


@pytest.mark.parametrize("format", FORMATS)
def test_saved_file_holds_what_is_rendered(tmp_path, format):
    path = tmp_path / f"talk.{format}"
    save(FIRST, format, path)
    save(SECOND, format, path)  # again, over the first
    assert path.read_text(encoding="utf-8") == render(SECOND, format)
    assert os.listdir(tmp_path) == [path.name]


def test_name_as_long_as_the_file_system_allows(tmp_path):
    path = tmp_path / ("n" * 251 + ".txt")
    save(FIRST, "txt", path)
    assert path.exists()


def test_name_in_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(FIRST, "txt", "talk.txt")
    assert Path("talk.txt").read_text(encoding="utf-8") == render(FIRST, "txt")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_permissions_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        save(FIRST, "txt", tmp_path / "talk.txt")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "talk.txt").stat().st_mode) == 0o640


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_symbolic_link_stays_one(tmp_path):
    (tmp_path / "link.txt").symlink_to(tmp_path / "target.txt")
    save(FIRST, "txt", tmp_path / "link.txt")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "target.txt").read_text(encoding="utf-8") == render(FIRST, "txt")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has /dev/full")
def test_device_is_written_in_place():
    with pytest.raises(OSError, match="/dev/full") as caught:
        save(FIRST, "txt", "/dev/full")
    assert caught.value.errno == errno.ENOSPC
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, error):
    path = tmp_path / "talk.txt"
    path.write_text("old", encoding="utf-8")

    def fail(*args: object) -> None:
        raise error

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(type(error)) as caught:
        save(FIRST, "txt", path)
    assert path.read_text(encoding="utf-8") == "old"
    assert os.listdir(tmp_path) == ["talk.txt"]
    if isinstance(error, OSError):
        assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))


def test_folder_that_is_gone(tmp_path):
    path = tmp_path / "gone" / "talk.txt"
    with pytest.raises(FileNotFoundError) as caught:
        save(FIRST, "txt", path)
    assert caught.value.filename == str(path)


def test_folder_in_place_of_the_file(tmp_path):
    with pytest.raises(OSError, match=tmp_path.name):
        save(FIRST, "txt", tmp_path)
    assert os.listdir(tmp_path) == []


def test_unknown_format_touches_no_file(tmp_path):
    with pytest.raises(OptionError):
        save(FIRST, "docx", tmp_path / "talk.docx")
    assert os.listdir(tmp_path) == []
