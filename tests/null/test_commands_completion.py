"""Completion in the shells themselves: the script is read, and asked what may follow."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import time

import pytest

from susurrus.cli import main

pty = pytest.importorskip("pty", reason="no terminals to open on this system")

BASH = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; COMPREPLY=()
_shtab_susurrus
printf '%s\\n' "${COMPREPLY[@]}"
"""
FISH = """
source $argv[1]
complete -C (string join " " -- $argv[2..]) | string replace -r "\\t.*" ""
"""
ASKED = [
    (["d"], {"doctor", "download", "detect-language"}),
    (["transcribe", "--word_t"], {"--word_timestamps"}),
    (["transcribe", "--word_timestamps", ""], {"True", "False"}),
    (["transcribe", "a.mp3", "--task", ""], {"transcribe", "translate"}),
    (["transcribe", "--beam_size", "5", "--model", "ti"], {"tiny", "tiny.en"}),
    (["download", "tiny", "ba"], {"base", "base.en"}),
    (["completion", ""], {"bash", "zsh", "fish"}),
]


@pytest.fixture
def script(tmp_path, capsys):
    def write(shell):
        if shutil.which(shell) is None:
            pytest.skip(f"no {shell} on this machine")
        assert main(["completion", shell]) == 0
        path = tmp_path / f"susurrus.{shell}"
        path.write_text(capsys.readouterr().out, encoding="utf-8")
        return path

    return write


def answer(shell, code, *argv, cwd=None):
    done = subprocess.run(
        [shell, *code, *map(str, argv)], capture_output=True, text=True, timeout=60, check=True, cwd=cwd
    )
    assert done.stderr == ""
    return set(done.stdout.splitlines())


def test_bash(script, tmp_path):
    path = script("bash")
    for words, expected in ASKED:
        assert answer("bash", ["-c", BASH, "bash"], path, "susurrus", *words) == expected, words
    (tmp_path / "talk.mp3").touch()
    (tmp_path / "out").mkdir()
    ask = lambda *words: answer("bash", ["-c", BASH, "bash"], path, "susurrus", *words, cwd=tmp_path)
    assert ask("transcribe", "ta") == {"talk.mp3"}
    assert ask("transcribe", "--output_dir", "") == {"out"}


def test_fish(script):
    path = script("fish")
    for words, expected in ASKED:
        assert answer("fish", ["-c", FISH], path, "susurrus", *words) == expected, words


def test_zsh(script, tmp_path):
    """Completion runs only inside of zsh's line editor: it is typed to, on a terminal of its own."""
    path = script("zsh")
    assert answer("zsh", ["-n"], path) == set()
    path.rename(tmp_path / "_susurrus")
    terminal, its_end = pty.openpty()
    env = {**os.environ, "TERM": "dumb", "HOME": str(tmp_path)}
    shell = subprocess.Popen(
        ["zsh", "-f", "-i"], stdin=its_end, stdout=its_end, stderr=its_end, env=env, start_new_session=True
    )
    os.close(its_end)
    try:
        setup = f"fpath=({tmp_path} $fpath); autoload -U compinit; compinit -u -D; print rea''dy"
        assert "ready" in typed(terminal, setup + "\n", until="ready")
        assert "doctor" in typed(terminal, "susurrus doc\t", until="doctor")
        assert "--word_timestamps" in typed(terminal, "\x15susurrus transcribe --word_t\t", until="timestamps")
        assert "translate" in typed(terminal, "\x15susurrus transcribe a.mp3 --task transl\t", until="translate")
    finally:
        os.close(terminal)
        shell.kill()
        shell.wait()


def typed(terminal, keys, *, until):
    """Type, and give what the terminal shows until some text is there, or for 20 s."""
    os.write(terminal, keys.encode())
    shown, end = "", time.monotonic() + 20
    while until not in shown and time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            shown += os.read(terminal, 4096).decode(errors="replace")
    return shown
