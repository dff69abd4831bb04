"""Every check on every backend that is installed, on the CPU and on its best device, in every dtype it offers."""

from __future__ import annotations

import importlib

import decoding_checks  # noqa: F401 - registers its checks
import pytest
from checks import CHECKS
from subject import TOLERANCES, Subject, checkpoint

from susurrus import backends


def _is_whole(name):
    folder = importlib.import_module(f"susurrus.backends.{name}")
    return [part for part in ("open", "availability") if not callable(getattr(folder, part, None))] == []


def _settings():
    """Every (backend, device, dtype) that can run here; one skip for a backend that cannot."""
    for name in filter(_is_whole, backends.backend_names()):
        here = backends.availability(name)
        if not here.devices:
            reason = f"{here.missing}; {here.install}"
            yield pytest.param(name, "auto", "auto", id=name, marks=pytest.mark.skip(reason=reason))
        devices = {here.devices[0], "cpu"} & set(here.devices) if here.devices else set()
        for device in sorted(devices):
            for dtype in here.dtypes:
                yield pytest.param(name, device, dtype, id=f"{name}-{device}-{dtype}")


@pytest.fixture(scope="module")
def subject(request):
    name, device, dtype = request.param
    defaults = {"device": device, "dtype": dtype}
    return Subject(
        open=lambda **options: backends.open_backend(name, checkpoint(), **{**defaults, **options}),
        tolerance=TOLERANCES[dtype],
    )


def pytest_generate_tests(metafunc):
    if "subject" in metafunc.fixturenames:
        settings = [pytest.param(p.values, id=p.id, marks=p.marks) for p in _settings()]
        metafunc.parametrize("subject", settings, indirect=True, scope="module")


@pytest.mark.parametrize("name", CHECKS)
def test_contract(subject, name):
    CHECKS[name](subject)


@pytest.mark.parametrize("name", backends.backend_names())
def test_folder_gives_what_the_seam_asks_for(name):
    folder = importlib.import_module(f"susurrus.backends.{name}")
    missing = [part for part in ("open", "availability") if not callable(getattr(folder, part, None))]
    assert not missing, f"src/susurrus/backends/{name}/__init__.py gives no {' and no '.join(missing)}"
    here = folder.availability()
    assert isinstance(here, backends.Availability)
    assert set(here.dtypes) <= set(TOLERANCES), "a dtype has no tolerance yet: tests/contract/subject.py"
    if not here.devices:
        assert here.missing, "availability() names no device and does not say what is missing"
        assert here.install, "availability() names no device and does not say how to install it"


def test_auto_takes_a_backend_that_is_here():
    assert backends.open_backend("auto", checkpoint()).name in backends.PREFERENCE
