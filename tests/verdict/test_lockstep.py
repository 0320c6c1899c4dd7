"""The gate `lockstep`: every later step and every state of a follower is held to what right runs do."""

from collections.abc import Callable
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from harness.trace.manifest import Manifest
from harness.trace.recording import Recording
from harness.trace.segments import SegmentEnd, Segments, StateDistance
from harness.verdict.compare import Judging, compare
from harness.verdict.evidence import Beside, Evidence, Lockstep, NoPart
from harness.verdict.judge import Verdict, judge
from harness.verdict.rounding.bounds import fitted_bounds
from harness.verdict.rounding.lockstep import (
    PARAMETERS,
    SLOTS,
    LockstepBounds,
    loss_apart,
    measure_segments,
    outlying,
    typical_best,
    typical_jump,
)
from tests.support.sample_traces import recording

STEPS, LENGTH = 160, 8
PARAMS = ["w", "b"]
TENSORS = ["w", "b", "w.m", "b.m", "bn.mean"]
KINDS = {"bn.mean": "running statistics", "w.m": SLOTS, "b.m": SLOTS}
BOUNDS: LockstepBounds = fitted_bounds().lockstep
LOSSES = 2 + np.random.default_rng(3).random(STEPS)
USUAL = 1e-6
NEARBY = dict.fromkeys(range(1, STEPS + 1), 1 + 1e-7)  # losses of another run within rounding


def run(changes: dict[int, float] | None = None, **keys: object) -> Recording:
    """A run whose losses are the right ones times a factor at some steps."""
    losses = LOSSES.copy()
    for step, factor in (changes or {}).items():
        losses[step - 1] *= factor
    return recording(list(losses), params=PARAMS, dtype="f32", backend="cpu", **keys)


def segments(changes: dict[tuple[int, str], float] | None = None, usual: float = USUAL) -> Segments:
    """Segments whose tensors are apart as usual, or by so much of their moves. `changes`: by first step and tensor."""
    ends = []
    for first in range(1, STEPS + 1, LENGTH):
        apart = {name: (changes or {}).get((first, name), usual) for name in TENSORS}
        ends.append(SegmentEnd(first, first + LENGTH, [StateDistance(apart[name], 1.0, 10.0) for name in TENSORS]))
    return Segments(leader="phase2", planned=len(ends), tensors=TENSORS, ends=ends)


def judged(follower: Recording, of: Segments, leader: Recording | None = None) -> Verdict:
    free = run()
    lockstep = Lockstep(compare(leader or free, follower, Judging(all_steps=True)), of)
    return judge(compare(free, run(NEARBY)), Beside(lockstep=lockstep))


def line_of(found: Verdict) -> Evidence:
    return next(line for line in found.evidence if line.gate == "lockstep")


def test_a_right_run_passes_and_its_verdict_speaks_of_every_step() -> None:
    found = judged(run(), segments())
    assert (found.status, line_of(found).outcome) == ("PASS", "pass")
    assert found.coverage is not None
    assert (found.coverage.words, found.coverage.by, found.coverage.complete) == ("160 of 160 steps", "lockstep", True)
    assert found.headline == "PASS"
    alone = judge(compare(run(), run(NEARBY)))
    assert alone.sentence.startswith("PASS on 8 of 160 steps: every gate reached passed")


@pytest.mark.parametrize(("step", "fault"), [(73, "forward"), (76, "backward")])
def test_a_loss_that_is_off_fails_at_its_step(step: int, fault: str) -> None:
    off = 1 + 2 * BOUNDS.loss[(step - 1) % LENGTH]
    found = judged(run({step: off}), segments())
    assert (found.status, found.gate, found.fault, found.place) == ("FAIL", "lockstep", fault, f"step {step}, loss")
    assert judged(run({step: 1 + 0.4 * (off - 1)}), segments()).status == "PASS"


@pytest.mark.parametrize("tensor", TENSORS)
def test_one_tensor_of_a_state_that_is_off_fails_in_its_segment(tensor: str) -> None:
    kind = KINDS.get(tensor, PARAMETERS)
    found = judged(run(), segments({(81, tensor): 2 * BOUNDS.states["largest"][kind]}))
    assert (found.gate, found.place) == ("lockstep", f"steps 81 to 88, {tensor}")
    assert found.fault == {"running statistics": "forward", SLOTS: "backward", PARAMETERS: "optimizer"}[kind]


def test_one_segment_that_stands_out_of_the_others_fails() -> None:
    usual = USUAL / 10
    far = 2 * BOUNDS.outlying * usual
    assert far < BOUNDS.states["least"][PARAMETERS]
    found = judged(run(), segments({(81, "w"): far, (81, "b"): far}, usual=usual))
    assert (found.gate, found.fault) == ("lockstep", "optimizer")
    assert "times as far apart as after most segments" in found.reason
    assert (
        judged(run(), segments({(81, "w"): far}, usual=usual)).status == "PASS"
    )  # one tensor alone may be, where units flip


def test_the_first_segment_is_left_to_the_gate_that_judges_first_steps() -> None:
    assert judged(run(), segments({(1, name): 0.1 for name in TENSORS})).status == "PASS"


def test_segments_in_which_rounding_grows_are_told_and_only_first_losses_judged() -> None:
    wild = segments(usual=10 * BOUNDS.calm_up_to)
    found = judged(run({76: 1.01}), wild)
    assert (found.status, line_of(found).outcome) == ("PASS", "note")
    assert "Give a --segment shorter than 8." in line_of(found).line
    assert found.coverage is not None
    assert found.coverage.judged == 8
    assert judged(run({73: 1.01}), wild).gate == "lockstep"


def test_a_state_that_is_no_number_fails() -> None:
    whole = segments()
    ends = [
        end if end.first != 41 else msgspec.structs.replace(end, distances=[StateDistance(-1, -1, -1)] * len(TENSORS))
        for end in whole.ends
    ]
    found = judged(run(), msgspec.structs.replace(whole, ends=ends))
    assert found.gate == "lockstep"
    assert found.place is not None
    assert found.place.startswith("steps 41 to 48")


def test_a_leader_whose_trace_was_changed_fails() -> None:
    for change in (lambda x: 3 * x, lambda x: x[::-1], lambda x: np.full_like(x, 1e30)):
        assert _changed(change).status == "FAIL"


def _changed(change: Callable[[np.ndarray], np.ndarray]) -> Verdict:
    losses = LOSSES.copy()
    losses[40:] = change(losses[40:])
    return judged(run(), segments(), leader=recording(list(losses), params=PARAMS, dtype="f32", backend="cpu"))


@pytest.mark.parametrize(
    ("lockstep", "outcome", "line"),
    [
        (None, "unreached", "the pair was not run in lockstep."),
        (NoPart("lean has no states"), "unreached", "lean has no states."),
        ("follower crashed", "inconclusive", "the run in lockstep is missing: follower crashed."),
    ],
)
def test_what_is_missing_is_said(lockstep: str | None, outcome: str, line: str) -> None:
    found = line_of(judge(compare(run(), run()), Beside(lockstep=lockstep)))
    assert (found.outcome, found.line) == (outcome, line)


def test_a_segment_that_was_not_compared_is_no_pass() -> None:
    whole = segments()
    found = judged(run(), msgspec.structs.replace(whole, ends=whole.ends[:-1]))
    assert (found.status, found.gate) == ("INCONCLUSIVE", "lockstep")
    assert "19 of 20 segments were compared" in found.reason


def test_a_parameter_that_only_noise_moves_tells_nothing() -> None:
    one = SegmentEnd(
        9, 17, [StateDistance(1e-6, 1, 1), StateDistance(1, 1, 1), StateDistance(0, 1, 1), StateDistance(0, 1e-9, 1e-9)]
    )
    found = list(
        measure_segments(Segments(leader="a", planned=1, tensors=["w", "b", "w.m", "b.m"], ends=[one]), PARAMS)
    )
    assert [(apart.kind, apart.tensors) for apart in found] == [(SLOTS, 1), (PARAMETERS, 1)]


def test_losses_next_to_nothing_are_held_to_a_hundredth_of_a_nat() -> None:
    assert loss_apart(np.array([1e-5]), np.array([2e-5])) == pytest.approx([1e-3])
    assert loss_apart(np.array([2.0]), np.array([1.0])) == pytest.approx([0.5])


def test_of_a_few_segments_none_stands_out() -> None:
    found = list(measure_segments(segments({(9, "w"): 1.0, (9, "b"): 1.0}), PARAMS))
    assert outlying(found[: 3 * 5]) == []
    assert typical_best(found) == USUAL
    assert typical_best([]) == 0


def test_what_grows_within_segments_is_told_from_what_is_there_at_once() -> None:
    ends = [SegmentEnd(first, first + LENGTH, []) for first in range(1, STEPS, LENGTH)]
    growing = np.tile(1e-6 * 4.0 ** np.arange(LENGTH), len(ends))
    sudden = np.tile(np.where(np.arange(LENGTH) < 2, 1e-7, 1e-2), len(ends))
    assert typical_jump(ends, growing) == pytest.approx(4)
    assert typical_jump(ends, sudden) == pytest.approx(1e4)
    once = np.where(np.arange(STEPS) < 2 * LENGTH, sudden, growing)
    assert typical_jump(ends, once) == pytest.approx(4), "of most segments, since rounding may flip a unit in one"
    assert typical_jump([], sudden) == 0


@pytest.mark.parametrize(("counts", "status"), [((900, 900), "PASS"), ((900, 901), "PASS"), ((896, 899), "FAIL")])
def test_a_test_by_other_parameters_is_found_by_its_counts(counts: tuple[int, int], status: str) -> None:
    leader, follower = (
        replace(run(), manifest=Manifest(status="complete", steps_written=STEPS, test_correct=right, test_total=1000))
        for right in counts
    )
    found = judged(follower, segments(), leader)
    assert found.status == status
    if status == "FAIL":
        assert (found.gate, found.place, found.fault) == ("lockstep", "test accuracy", "training")
        assert "3 more test images are right on one side, 1 allowed" in found.reason


def test_steps_whose_losses_are_equal_in_every_bit_are_judged() -> None:
    whole = judge(compare(run(), run())).coverage
    assert whole is not None
    assert (whole.words, whole.by) == ("160 of 160 steps", "equal losses")
    part = judge(compare(run(), run({41: 1 + 1e-7}))).coverage
    assert part is not None
    assert part.words == "40 of 160 steps"
    coarse = [recording([round(x, 4) for x in LOSSES], dtype="f32", backend="cpu")] * 2
    printed = judge(compare(*coarse)).coverage
    assert printed is not None
    assert printed.judged == 8
