"""The gate `stress`: who overflows from a stressed start, who differs there in f64, and who rounds more from both."""

import math

import pytest

from harness.trace.manifest import Manifest
from harness.trace.recording import Recording
from harness.verdict.compare import compare
from harness.verdict.evidence import Beside, Evidence, NoPart, Stressed
from harness.verdict.judge import Verdict, judge
from harness.verdict.rounding.bounds import fitted_bounds
from tests.support.rounded import LOSSES, side, wide
from tests.support.sample_traces import recording

BOUNDS = fitted_bounds().against_f64
FAR = 2 * BOUNDS.further * BOUNDS.finest
NORMS = ("grad_norms", "grad_projections")
NONE = [math.nan] * len(LOSSES)


def off(by: float, steps: tuple[int, ...] = (1, 2, 3, 4)) -> Recording:
    """A run in which the gradient of one tensor of three is off, by less than right pairs may be."""
    return side({(key, "w", step): 1 + by for key in NORMS for step in steps})


def judged(
    drawn: tuple[Recording, Recording],
    in_f32: tuple[Recording, Recording],
    in_f64: tuple[Recording, Recording] | None = None,
) -> Verdict:
    """The verdict on a pair. `in_f32`, `in_f64`: from the stressed start; the latter: a right pair unless given."""
    same = wide(side()), wide(side())
    stressed = Stressed(compare(*in_f32), compare(*(in_f64 or same)))
    return judge(compare(*drawn), Beside(in_f64=compare(*same), stressed=stressed))


def line_of(found: Verdict) -> Evidence:
    return next(line for line in found.evidence if line.gate == "stress")


def overflown(dtype: str = "f32") -> Recording:
    return recording(NONE, dtype=dtype, backend="cpu")


RIGHT = side(), side()


def test_a_right_pair_passes_and_says_how_near_it_came() -> None:
    found = line_of(judged(RIGHT, (side(), off(0.3 * FAR))))
    assert found.outcome == "pass"
    assert found.line == (
        "from a stressed start the losses are 0.0e+00 apart in f32, and equal in f64; no side is further from f64 from "
        "either start, 0 of 15.5 times."
    )


def test_a_side_that_overflows_where_the_other_does_not_fails() -> None:
    for a, b, which in ((side(), overflown(), "B"), (overflown(), side(), "A")):
        found = judged(RIGHT, (a, b))
        assert (found.status, found.gate, found.fault) == ("FAIL", "stress", "numerics")
        assert f"{which} leaves the numbers in f32, and the other side does not: losses " in found.reason
    found = judged(RIGHT, RIGHT, (wide(side()), overflown("f64")))
    assert "B leaves the numbers in f64" in found.reason


def test_where_both_overflow_alike_nothing_is_told() -> None:
    both = overflown(), overflown()
    assert line_of(judged(RIGHT, both)).line == "from a stressed start both sides are beyond all numbers in f32."
    found = judged(RIGHT, both, (overflown("f64"), overflown("f64")))
    assert (found.status, line_of(found).outcome) == ("PASS", "unreached")
    assert line_of(found).line == "from a stressed start both sides are beyond all numbers, in f64 as well."


def test_a_difference_in_f64_is_no_rounding_from_there_either() -> None:
    found = judged(RIGHT, RIGHT, (wide(side()), wide(side({("grad_norms", "w", 1): 1 + 1e-6}))))
    assert (found.status, found.gate, found.fault, found.place) == (
        "FAIL",
        "stress",
        "backward",
        "step 1, gradient of w",
    )


def test_a_side_that_is_further_from_f64_from_both_starts_rounds_too_much() -> None:
    for a, b, which in ((side(), off(FAR), "B"), (off(FAR), side(), "A")):
        found = judged((a, b), (a, b))
        assert (found.status, found.gate, found.fault) == ("FAIL", "stress", "numerics")
        assert f"the gradient of w in {which} is" in found.reason


@pytest.mark.parametrize(
    ("drawn", "stressed"),
    [
        ((side(), off(FAR)), RIGHT),
        (RIGHT, (side(), off(FAR))),
        ((side(), off(FAR)), (off(FAR), side())),
        ((side(), off(FAR, (1, 3))), (side(), off(FAR))),
        ((side(), off(0.4 * FAR)), (side(), off(FAR))),
        ((off(FAR), off(-FAR)), (side(), off(FAR))),
    ],
    ids=["drawn only", "stressed only", "the other side", "not every step", "not far", "both sides"],
)
def test_one_start_that_is_far_from_f64_is_rounding(
    drawn: tuple[Recording, Recording], stressed: tuple[Recording, Recording]
) -> None:
    assert judged(drawn, stressed).status == "PASS"


def test_a_gradient_that_is_zero_at_first_tells_from_the_steps_after_it() -> None:
    def late(by: float) -> tuple[Recording, ...]:
        zero = {(key, "w", 1): 1e-12 for key in NORMS}
        return tuple(
            side(zero | {(key, "w", step): 1 + far for key in NORMS for step in (2, 3, 4)}) for far in (0.0, by)
        )

    (right, wrong), (stressed, off_there) = late(FAR), (side(), off(FAR))
    found = judge(
        compare(right, wrong),
        Beside(
            in_f64=compare(wide(right), wide(right)),
            stressed=Stressed(compare(stressed, off_there), compare(wide(stressed), wide(stressed))),
        ),
    )
    assert (found.gate, found.fault) == ("stress", "numerics")


def test_what_is_missing_is_said() -> None:
    drawn = compare(*RIGHT)
    for stressed, outcome, said in (
        (None, "unreached", "the pair was not run from a stressed start."),
        ("crashed", "inconclusive", "the pair from a stressed start is missing: crashed."),
    ):
        found = line_of(judge(drawn, Beside(stressed=stressed)))
        assert (found.outcome, found.line) == (outcome, said)
    crashed = recording(LOSSES, manifest=Manifest(status="crashed", steps_written=4), dtype="f32", backend="cpu")
    found = line_of(judged(RIGHT, (side(), crashed)))
    assert found.outcome == "inconclusive"
    assert "the pair from a stressed start in f32: the run of B is crashed" in found.line


def test_a_program_that_knows_no_f64_is_asked_whether_it_overflows() -> None:
    untold = NoPart("lean took no part")
    for follower, outcome in ((side(), "pass"), (overflown(), "fail")):
        found = line_of(judge(compare(*RIGHT), Beside(stressed=Stressed(compare(side(), follower), untold))))
        assert found.outcome == outcome
    assert (
        "lean took no part" in line_of(judge(compare(*RIGHT), Beside(stressed=Stressed(compare(*RIGHT), untold)))).line
    )


def test_a_pair_of_another_network_is_no_evidence() -> None:
    other = recording(LOSSES, netspec_name="other", dtype="f32", backend="cpu")
    found = judged(RIGHT, (side(), other))
    assert (found.status, found.gate, found.fault) == ("FAIL", "stress", "contract")
