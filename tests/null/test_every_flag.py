"""Every flag of every command does what it says, or is refused. A flag without a case here fails by its name."""

from __future__ import annotations

import pytest
from flag_cases import Stage, every_flag
from flag_inputs import write_inputs
from flags_of_commands import command_cases
from flags_of_decoding import decoding_cases
from hub_server import HubServer

CASES = [*decoding_cases(), *command_cases()]


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """Write the inputs once; serve the sounds and a model as a hub does."""
    inputs, work = tmp_path_factory.mktemp("in"), tmp_path_factory.mktemp("work") / "runs"
    write_inputs(inputs)
    hub = HubServer()
    hub.repositories = {"me/sounds": inputs, "me/mine": inputs / "mine", "me/other": inputs / "other"}
    yield Stage(inputs, work, hub)
    hub.close()


def test_every_flag_has_a_case_and_every_case_a_flag():
    covered = {(case.command, case.flag) for case in CASES}
    missing, gone = sorted(every_flag() - covered), sorted(covered - every_flag())
    assert not missing, f"flags without a case: {', '.join(map(' '.join, missing))}"
    assert not gone, f"cases of flags that are gone: {', '.join(map(' '.join, gone))}"


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_flag_changes_what_it_says_or_is_refused(case, stage):
    for package in case.needs:
        pytest.importorskip(package)
    after = stage.run(case.command, case.line, case.before)
    if case.shows is None:
        assert after.code == case.code, after.err
        assert case.says in after.err
        assert "Traceback" not in after.err
        return
    before = stage.run(case.command, case.base, case.before)
    assert (before.code, after.code) == (0, case.code), (before.err, after.err)
    assert case.shows(before, after), (before, after)
    assert not case.shows(before, before), "this case would not notice that the flag is ignored"
