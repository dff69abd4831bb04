"""Real weights from installed packages, and the public-domain recording of examples/."""

from __future__ import annotations

from pathlib import Path

import pytest

import susurrus
from susurrus.backends import availability, backend_names

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def jfk() -> Path:
    """Eleven seconds of speech."""
    return ROOT / "examples" / "jfk.mp3"


def _load(name, backend):
    here = availability(backend)
    if not here.devices:
        pytest.skip(f"{backend}: {here.missing}")
    try:
        return susurrus.load(name, backend=backend, dtype="float32", offline=True)
    except susurrus.CheckpointError as error:
        pytest.skip(f"no weights of {name} here: {error.message}")


@pytest.fixture(scope="session", params=backend_names())
def tiny_en(request):
    """tiny.en in float32 on every backend."""
    with _load("tiny.en", request.param) as model:
        yield model


@pytest.fixture(scope="session")
def any_tiny_en():
    """tiny.en on the backend that `auto` picks."""
    with _load("tiny.en", "torch" if availability("torch").devices else "numpy") as model:
        yield model


@pytest.fixture(scope="session")
def base():
    """base on the backend that `auto` picks."""
    with _load("base", "torch" if availability("torch").devices else "numpy") as model:
        yield model
