"""The f64 cross-check: what f64 shows decides, and names the kind of fault by the first channel that differs."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from harness.trace.manifest import Manifest
from harness.trace.recording import Recording
from harness.trace.store import read_store
from harness.verdict.channels import shared_channels
from harness.verdict.compare import Judging, compare
from harness.verdict.evidence import Beside
from harness.verdict.f64_check import SAME
from harness.verdict.judge import Verdict, judge
from harness.verdict.pairs import judge_cells
from tests.support.f64_recordings import LOSSES, Changes, f64_side
from tests.support.sample_traces import recording
from tests.support.stored_cells import store


def cross_checked(other: Recording, f32: tuple[list[float], list[float]] = (LOSSES, LOSSES)) -> Verdict:
    a, b = (recording(losses, dtype="f32") for losses in f32)
    return judge(compare(a, b), Beside(in_f64=compare(f64_side(), other)))


def line_of(found: Verdict) -> str:
    return next(line.line for line in found.evidence if line.gate == "ladder")


def test_what_is_equal_but_for_rounding_passes_and_says_by_how_much_it_shrank() -> None:
    coarse = [loss + 2.0**-21 for loss in LOSSES]
    found = cross_checked(f64_side([loss + 2.0**-50 for loss in LOSSES]), (LOSSES, coarse))
    assert found.status == "PASS"
    assert line_of(found).startswith(
        "steps 1-3: losses 4.8e-07 apart in f32 and 8.9e-16 in f64, a ratio of 2^29; of 7 channels"
    )


def test_what_f64_does_not_shrink_has_a_ratio_of_one() -> None:
    apart = [2.0, 1.5 * (1 + 1e-4), 1.25]
    assert "losses 1.5e-04 apart in f32 and 1.5e-04 in f64, a ratio of 2^0; " in line_of(
        cross_checked(f64_side(apart), (LOSSES, [2.0, 1.5 * (1 + 0.99e-4), 1.25]))
    )


@pytest.mark.parametrize(
    ("losses", "changes", "fault", "place"),
    [
        ([2.0 + 2.0**-22, 1.5, 1.25], {("grad_norms", "w", 1): 2}, "forward", "step 1, loss"),
        (LOSSES, {("grad_norms", "w", 1): 1.0035, ("update_norms", "w", 1): 1.1}, "backward", "step 1, gradient of w"),
        (LOSSES, {("update_norms", "b", 1): 1.001}, "optimizer", "step 1, update of b"),
        (LOSSES, {("update_norms", "w", 3): 1 + 1e-8}, "optimizer", "step 3, update of w"),
        ([2.0, 1.5 + 2.0**-20, 1.25], {}, "backward", "step 2, loss"),
    ],
)
def test_the_first_channel_that_differs_names_the_fault(
    losses: list[float], changes: Changes, fault: str, place: str
) -> None:
    found = cross_checked(f64_side(losses, changes))
    assert (found.status, found.gate, found.fault, found.place) == ("FAIL", "ladder", fault, place)
    assert found.exit_code == 1


def test_adam_makes_more_of_what_little_the_gradients_differ_by() -> None:
    def moved(share: float, gradients: float = 1e-12) -> Verdict:
        changes = {("grad_norms", "w", 1): 1 + gradients, ("update_norms", "w", 1): 1 + share}
        return cross_checked(f64_side(changes=changes))

    found = moved(5e-9)
    assert found.status == "PASS"
    assert re.search(r"update:w of step 1, by .*, 1e-08 allowed", line_of(found))
    for wrong in (moved(5e-8), moved(5e-9, gradients=0.0)):
        assert (wrong.status, wrong.fault) == ("FAIL", "optimizer")
        assert "update of w differs by" in line_of(wrong)


def test_another_rate_makes_another_update_a_matter_of_the_schedule() -> None:
    other = f64_side(changes={("update_norms", "w", 2): 1.001}, lr=[0.001, 0.001 * (1 + 2e-6), 0.001])
    assert cross_checked(other).fault == "schedule"


def test_a_gradient_that_is_rounding_noise_on_both_sides_is_no_difference() -> None:
    assert cross_checked(f64_side(changes={("grad_norms", "noise", step): 7.0 for step in (1, 2, 3)})).status == "PASS"


def test_updates_along_a_gradient_that_is_noise_are_noise_until_it_is_none() -> None:
    """As of an attention's key bias under Adam."""
    apart = {("update_norms", "noise", step): 1e4 for step in (1, 2, 3)}
    assert cross_checked(f64_side(changes=apart)).status == "PASS"
    shows = {("update_norms", "noise", step): 1e8 for step in (1, 2, 3)}
    assert cross_checked(f64_side(changes=shows)).place == "step 1, update of noise"
    found = cross_checked(f64_side(changes={**apart, ("grad_norms", "noise", 2): 1e14}))
    assert (found.fault, found.place) == ("backward", "step 2, gradient of noise")
    assert cross_checked(f64_side(changes={("update_norms", "b", 1): 1e5})).status == "FAIL"


def test_a_norm_that_is_not_finite_is_a_difference() -> None:
    assert cross_checked(f64_side(changes={("grad_norms", "w", 1): np.nan})).fault == "backward"


def test_f32_that_is_too_far_apart_while_f64_agrees_is_a_matter_of_numerics() -> None:
    found = cross_checked(f64_side(), (LOSSES, [2.0, 1.0, 1.25]))
    assert (found.gate, found.fault) == ("backward and optimizer", "numerics")


def test_what_f64_was_not_there_to_see_is_not_called_numerics() -> None:
    longer = [*LOSSES, 1.0, 0.9]
    a, b = (recording(losses, dtype="f32") for losses in (longer, [*longer[:4], 0.5]))
    found = judge(compare(a, b), Beside(in_f64=compare(f64_side(), f64_side())))
    assert (found.gate, found.fault, found.place) == ("window", "training", "step 5")
    a, b = (recording(losses, dtype="f64") for losses in (longer, [*longer[:4], 0.5]))
    assert judge(compare(a, b)).fault == "training"


def test_f32_that_is_too_far_apart_takes_its_cause_from_f64() -> None:
    found = cross_checked(f64_side(changes={("update_norms", "w", 1): 2}), (LOSSES, [2.0, 1.0, 1.25]))
    assert (found.gate, found.fault) == ("backward and optimizer", "optimizer")


def test_pairs_in_f64_that_were_fed_otherwise_are_a_matter_of_the_data() -> None:
    pair = compare(f64_side(digests={1: "aa"}), f64_side(digests={1: "bb"}))
    found = judge(compare(recording(LOSSES), recording(LOSSES)), Beside(in_f64=pair))
    assert (found.status, found.gate, found.fault) == ("FAIL", "ladder", "data")


def test_a_pair_in_f64_that_is_missing_or_broken_is_never_a_pass() -> None:
    pair = compare(recording(LOSSES), recording(LOSSES))
    found = judge(pair, Beside(in_f64="phase3-cpu.f64: crashed: out of memory"))
    assert (found.status, found.gate) == ("INCONCLUSIVE", "ladder")
    assert "phase3-cpu.f64: crashed: out of memory" in found.reason
    broken = Recording(f64_side().trace, Manifest(status="crashed", steps_written=3))
    assert judge(pair, Beside(in_f64=compare(f64_side(), broken))).status == "INCONCLUSIVE"
    assert judge(pair, Beside(in_f64=compare(f64_side([]), f64_side([])))).status == "INCONCLUSIVE"


def test_a_pair_in_f64_is_its_own_f64_check() -> None:
    apart = 10 * SAME
    found = judge(compare(f64_side(), f64_side([2.0, 1.5 * (1 + apart), 1.25])))
    assert (found.status, found.gate) == ("FAIL", "ladder")
    assert "f32" not in found.reason


def test_traces_without_norms_are_compared_by_their_losses() -> None:
    a, b = (recording(losses, dtype="f64") for losses in (LOSSES, [2.0, 1.5, 1.25 + 2.0**-13]))
    found = judge(compare(a, b))
    assert (found.gate, found.fault, found.place) == ("ladder", "backward", "step 3, loss")


def without(side: Recording, kind: str, steps: tuple[int, ...], names: tuple[str, ...] = ()) -> Recording:
    """The side without norms of a kind at some steps, or without those of some parameters."""
    lines = dict(side.trace.lines)
    for step in steps:
        norms = getattr(lines[step], kind)
        kept = {name: x for name, x in norms.items() if name not in names} if names else None
        lines[step] = msgspec.structs.replace(lines[step], **{kind: kept})
    return replace(side, trace=replace(side.trace, lines=lines))


def test_norms_that_lack_at_one_step_are_judged_at_the_others() -> None:
    doubled = f64_side(changes={("grad_norms", "w", 1): 2.0})
    found = cross_checked(without(doubled, "grad_norms", (3,)))
    assert (found.gate, found.fault, found.place) == ("ladder", "backward", "step 1, gradient of w")
    found = cross_checked(without(f64_side(), "grad_norms", (3,)))
    assert found.status == "PASS"
    assert "only A has norms of gradients at step 3" in line_of(found)


def test_norms_that_only_one_side_has_of_a_parameter_are_no_pass() -> None:
    found = cross_checked(without(f64_side(), "update_norms", (2,), ("b",)))
    assert (found.status, found.gate) == ("INCONCLUSIVE", "ladder")
    assert "only one side has update:b at step 2" in line_of(found)
    doubled = f64_side(changes={("update_norms", "w", 3): 2.0})
    assert cross_checked(without(doubled, "update_norms", (2,), ("b",))).fault == "optimizer"


def test_a_loss_alone_at_step_1_is_no_f64_check() -> None:
    a, b = recording(LOSSES[:1], dtype="f64"), recording(LOSSES[:1], dtype="f64")
    assert "ladder" in judge(compare(a, b)).unreached


def test_a_side_of_unknown_precision_does_not_take_the_f64_check_away() -> None:
    other = f64_side(changes={("grad_norms", "w", 1): 1.01})
    untold = replace(other, trace=replace(other.trace, header=msgspec.structs.replace(other.trace.header, dtype=None)))
    assert judge(compare(f64_side(), untold)).fault == judge(compare(untold, f64_side())).fault == "backward"


def test_an_enormous_norm_does_not_overflow_what_others_are_held_to() -> None:
    norms = {"grad_norms": {"w": [1.0], "huge": [1e300]}}
    channels = shared_channels(*(recording([2.0], norms=norms).trace for _ in "ab"), [1])
    assert np.isfinite(channels.scale).all()


def stored_pair(root: Path, in_f64: Mapping[str, dict[str, Any]]) -> Verdict:
    """The verdict on a pair of cells, with cells in f64 whose headers have the changes of each pipeline."""
    run = {"init_sha256": "aa", "data_sha256": "bb"}
    for pipeline in ("phase2", "lean"):
        store(root, pipeline, LOSSES, header=run)
    for pipeline, changes in in_f64.items():
        store(root, pipeline, LOSSES, header=run | changes, dtype="f64", evidence=True, steps=3)
    (row,) = judge_cells(read_store([root]).cells, Judging())
    assert row.verdict is not None
    return row.verdict


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"init_sha256": "cc"}, "init_sha256 is cc and not aa"),
        ({"data_sha256": "cc"}, "data_sha256 is cc and not bb"),
        ({"netspec_name": "other"}, "netspec_name is other and not some_mlp"),
        ({"config_lr": 0.5}, "config.lr is 0.5 and not 0.001"),
        ({"pipeline": "phase3"}, "pipeline is phase3 and not phase2"),
    ],
)
def test_cells_in_f64_of_another_run_check_nothing(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    both = {"phase2": changes, "lean": {k: v for k, v in changes.items() if k != "pipeline"}}
    assert stored_pair(tmp_path / "right", {"phase2": {}, "lean": {}}).status == "PASS"
    found = stored_pair(tmp_path / "wrong", both)
    assert (found.status, found.gate) == ("INCONCLUSIVE", "ladder")
    assert told in found.reason


def test_a_cell_in_f64_that_only_one_side_has_is_missing(tmp_path: Path) -> None:
    found = stored_pair(tmp_path, {"phase2": {}})
    assert (found.status, found.gate) == ("INCONCLUSIVE", "ladder")
    assert "lean-cpu has not been run in f64, the other side has" in found.reason


def of_two_hosts(root: Path, *, with_f64: tuple[str, ...]) -> Verdict:
    """The verdict on a pipeline whose losses differ on two CPUs, and in f64 do not."""
    run = {"init_sha256": "aa", "data_sha256": "bb"}
    apart = {"a": LOSSES, "b": [loss * (1 + 1e-3) for loss in LOSSES]}
    for host, losses in apart.items():
        store(root / host, "phase2", losses, header=run, host=host)
    for host in with_f64:
        store(root / host, "phase2", LOSSES, header=run, host=host, dtype="f64", evidence=True, steps=3)
    (row,) = judge_cells(read_store([root / host for host in apart]).cells, Judging())
    assert (row.kind, row.verdict and row.verdict.status) == ("cross-platform", "FAIL")
    assert row.verdict is not None
    return row.verdict


def test_one_pipeline_on_two_hosts_has_the_f64_of_both(tmp_path: Path) -> None:
    assert of_two_hosts(tmp_path, with_f64=("a", "b")).fault == "numerics"


def test_f64_of_one_host_says_nothing_of_two(tmp_path: Path) -> None:
    found = of_two_hosts(tmp_path, with_f64=("a",))
    assert found.fault != "numerics"
    assert "ladder" not in [line.gate for line in found.evidence if line.outcome != "unreached"]


@pytest.mark.parametrize(("dtype", "told"), [("f32", "f32"), (None, "nothing")])
def test_somebody_elses_program_that_knows_no_f64_takes_no_part(tmp_path: Path, dtype: str | None, told: str) -> None:
    found = stored_pair(tmp_path, {"phase2": {}, "lean": {"dtype": dtype}})
    assert found.status == "PASS"
    assert "ladder" in found.unreached
    assert line_of(found) == f"lean-cpu took no part: HARNESS_DTYPE was f64, its header says {told}."


def test_what_noise_has_moved_apart_is_allowed_from_the_next_step_on() -> None:
    """As behind a layer norm of constant rows: the parameters are then those of two networks."""

    def moved(by: float, later: float) -> Verdict:
        params = {"w": [1.0, 1.0, 1.0], "b": [1.0, 1.0, 1.0], "noise": [1.0, 1.0, 1.0]}
        sides = [
            f64_side(changes=changes)
            for changes in ({}, {("update_norms", "noise", 1): by, ("grad_norms", "w", 2): later})
        ]
        for run in sides:
            for step, line in run.trace.lines.items():
                told = {name: x[step - 1] * (1 + 2.0**-40) for name, x in params.items()}
                run.trace.lines[step] = msgspec.structs.replace(line, param_norms=told)
        return cross_checked_pair(*sides)

    assert moved(1.0, 1 + 1e-7).place == "step 2, gradient of w"
    assert moved(1e3, 1 + 1e-7).status == "PASS"
    assert moved(1e3, 1 + 1e-3).place == "step 2, gradient of w"


def cross_checked_pair(a: Recording, b: Recording) -> Verdict:
    return judge(compare(*(recording(LOSSES, dtype="f32") for _ in range(2))), Beside(in_f64=compare(a, b)))


def test_norms_that_were_printed_in_few_digits_are_held_to_those() -> None:
    def printed(run: Recording, digits: int) -> Recording:
        lines = {
            step: msgspec.structs.replace(
                line,
                **{
                    kind: {name: float(f"{x:.{digits}g}") for name, x in getattr(line, kind).items()}
                    for kind in ("grad_norms", "update_norms")
                },
            )
            for step, line in run.trace.lines.items()
        }
        return replace(run, trace=replace(run.trace, lines=lines))

    third = {("grad_norms", name, step): 1 / 3 for name in ("w", "b") for step in (1, 2, 3)}
    exact, coarse = f64_side(changes=third), printed(f64_side(changes=third), 6)
    assert cross_checked_pair(exact, coarse).status == "PASS"
    off = printed(f64_side(changes={**third, ("grad_norms", "w", 1): (1 + 1e-4) / 3}), 6)
    assert cross_checked_pair(exact, off).place == "step 1, gradient of w"


def test_a_gradient_of_zero_has_the_rounding_of_all_others() -> None:
    assert cross_checked(f64_side(changes={("grad_norms", "noise", 1): 1e6})).status == "PASS"  # 1e-11 beside 1
    assert cross_checked(f64_side(changes={("grad_norms", "noise", 1): 1e9})).place == "step 1, gradient of noise"
