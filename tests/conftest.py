"""What every test needs."""

from __future__ import annotations

import signal

import pytest

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # A shell that runs the tests in the background has its children ignore Ctrl-C; some tests press it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _no_config_of_this_user(tmp_path_factory, monkeypatch):
    """What stands in the user's own susurrus.toml must not decide a test."""
    folder = str(tmp_path_factory.mktemp("config"))
    for name in ("XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.setenv(name, folder)
