"""A run in lockstep beside what one unit in the last place leads to in its leader."""

import numpy as np
import pytest

from harness.run.sampling import WINDOW
from harness.trace.parts import Part, format_parts
from harness.trace.recording import Recording
from harness.trace.segments import SegmentEnd, Segments, StateDistance
from harness.verdict.compare import Judging, compare
from harness.verdict.evidence import Evidence, Lockstep, Near
from harness.verdict.judge import Verdict, judge
from harness.verdict.rounding import near as near_module
from harness.verdict.rounding.bounds import fitted_bounds
from harness.verdict.rounding.lockstep import PARAMETERS, SLOTS
from harness.verdict.rounding.near import FIRST, LATER, measure_near
from tests.support.sample_traces import recording

STEPS, LENGTH, ULP = 160, 8, 2e-7
PARAMS, TENSORS = ["w", "b"], ["w", "b", "w.m", "b.m", "bn.mean"]
FIRSTS = [9, 25, 41, 57, 73, 89, 105, 121, 137]
PARTS = [Part(first, LENGTH) for first in FIRSTS]
LOSSES = 2 + np.random.default_rng(5).random(STEPS)
BOUNDS = fitted_bounds().near


def run(apart: np.ndarray | float = 0.0) -> Recording:
    return recording(list(LOSSES * (1 + apart)), params=PARAMS, dtype="f32", backend="cpu")


def segments(apart: dict[str, float], since: int = 1, size: float = 1.0) -> Segments:
    """All of a run, in which tensors are an ulp apart, or `apart` in segments from a step on."""
    ends = []
    for first in range(1, STEPS, LENGTH):
        distances = [(apart if first >= since else {}).get(name, ULP) for name in TENSORS]
        ends.append(SegmentEnd(first, first + LENGTH, [StateDistance(x, 1.0, size) for x in distances]))
    return Segments(leader="phase2", planned=len(ends), tensors=TENSORS, ends=ends)


def near(parts: list[Part] = PARTS, apart: float = ULP, planned: int | None = None, size: float = 1.0) -> Near:
    steps = [step for part in parts for step in part.steps]
    losses = [float(LOSSES[step - 1] * (1 + apart)) for step in steps]
    again = recording(losses, params=PARAMS, dtype="f32", backend="cpu", run_steps=format_parts(parts))
    ends = [SegmentEnd(part.first, part.end, [StateDistance(apart, 1.0, size)] * len(TENSORS)) for part in parts]
    number = len(parts) if planned is None else planned
    return Near(again, Segments(leader="phase2", planned=number, tensors=TENSORS, ends=ends))


def judged(follower: Recording, of: Segments, beside: Near | str | None) -> tuple[Verdict, Evidence]:
    lockstep = Lockstep(compare(run(), follower, Judging(all_steps=True)), of, beside)
    found = judge(compare(run(), run()), lockstep=lockstep)
    return found, next(line for line in found.evidence if line.gate == "lockstep")


def test_a_pair_that_rounds_as_an_ulp_does_passes() -> None:
    found, line = judged(run(ULP), segments({}), near())
    assert (found.status, line.outcome) == ("PASS", "pass")
    assert "times as far apart as an ulp leads" in line.line


@pytest.mark.parametrize(
    ("tensor", "kind", "fault"),
    [("w", PARAMETERS, "optimizer"), ("b.m", SLOTS, "backward"), ("bn.mean", "running statistics", "forward")],
)
def test_a_tensor_further_apart_than_rounding_fails_though_fitted_bounds_hold(
    tensor: str, kind: str, fault: str
) -> None:
    far = 2 * BOUNDS.states["largest"][kind] * ULP
    off = segments({tensor: far}, since=57)
    assert judged(run(), off, None)[0].status == "PASS"
    found, line = judged(run(), off, near())
    assert (found.status, found.gate, found.fault) == ("FAIL", "lockstep", fault)
    assert tensor in (found.place or "")
    assert "as an ulp leads" in line.line
    assert judged(run(), segments({tensor: 3 * ULP}), near())[0].status == "PASS"


@pytest.mark.parametrize(("place", "what", "fault"), [(0, FIRST, "forward"), (3, LATER, "backward")])
def test_losses_that_are_further_apart_than_rounding_fail(place: int, what: str, fault: str) -> None:
    apart = np.zeros(STEPS)
    off = 2 * BOUNDS.losses[what] * ULP
    later = np.arange(STEPS) % LENGTH
    apart[later == place if place == 0 else later > 0] = off
    found, line = judged(run(apart), segments({}), near())
    assert (found.gate, found.fault) == ("lockstep", fault)
    assert f"the {what} are" in line.line


def test_one_segment_in_which_a_unit_has_flipped_is_none_of_the_median() -> None:
    one = segments({"w": 1e3 * ULP}, since=137)
    ends = [end if end.first == 137 else fine for end, fine in zip(one.ends, segments({}).ends, strict=True)]
    flipped = Segments(leader="phase2", planned=len(ends), tensors=TENSORS, ends=ends)
    assert judged(run(), flipped, near())[0].status == "PASS"


def test_what_is_stored_is_rounded_though_an_ulp_moves_nothing() -> None:
    still = near(apart=0.0, size=100.0)
    found = list(measure_near(segments({}, size=100.0), still.segments, PARAMS))
    assert {one.what for one in found} == {PARAMETERS, SLOTS, "running statistics"}
    assert all(one.largest == pytest.approx(ULP / (100 * near_module.LEAST_APART)) for one in found)


def test_of_a_few_segments_nothing_is_told() -> None:
    assert not list(measure_near(segments({}), near(PARTS[: WINDOW - 1]).segments, PARAMS))
    assert judged(run(), segments({}), near(PARTS[: WINDOW - 1]))[0].status == "PASS"


def test_a_leader_that_overflows_by_itself_tells_nothing() -> None:
    assert not list(measure_near(segments({"w": 1.0}), near(apart=-1.0).segments, PARAMS))


@pytest.mark.parametrize(
    ("beside", "reason"),
    [
        ("phase2-cpu: crashed", "an ulp away is missing: phase2-cpu: crashed"),
        (near(planned=12), "9 of 12 segments were taken again"),
    ],
)
def test_a_leader_that_was_not_run_again_is_no_pass(beside: Near | str, reason: str) -> None:
    found, line = judged(run(), segments({}), beside)
    assert (found.status, found.gate) == ("INCONCLUSIVE", "lockstep")
    assert reason in line.line
