"""Right pairs in lockstep as the fit of the bounds makes them, and what it reads of them."""

from pathlib import Path

import pytest

from harness.validation.rounding import lockstep_runs
from harness.validation.rounding.lockstep_fit import fit_near
from harness.validation.rounding.lockstep_runs import LockstepOrder, read_lockstep_runs, run_in_lockstep
from harness.verdict.rounding.lockstep import PARAMETERS
from harness.verdict.rounding.near import FIRST, LATER


def test_a_pair_is_run_once_and_is_about_as_far_apart_as_an_ulp_leads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lockstep_runs, "LONG_STEPS", 56)
    monkeypatch.setattr(lockstep_runs, "LOCKSTEP_NETWORKS", {"convbn": 1})
    monkeypatch.setattr(lockstep_runs, "_VARIED", ())
    order = LockstepOrder("convbn", str(tmp_path))
    assert run_in_lockstep(order) == 1
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json*")}
    assert len(files) == 5
    assert run_in_lockstep(order) == 1
    assert {path: path.stat().st_mtime_ns for path in files} == files
    (run,) = read_lockstep_runs(tmp_path)
    assert run.segments.planned == len(run.segments.ends) == 7
    assert run.near is not None
    assert [end.first for end in run.near.segments.ends] == [
        part.first for part in run.near.recording.trace.header.parts
    ]
    found = fit_near([run])
    assert 0 < found.losses[FIRST] / found.margin < 100
    assert 0 < found.losses[LATER] / found.margin < 100
    assert 0 < found.states["typical"][PARAMETERS] / found.margin < 100
