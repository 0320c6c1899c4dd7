"""The fit of the bounds of rounding, on runs that nobody trained: what they keep, and who is held out."""

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from harness.errors import HarnessError
from harness.trace.format import Trace
from harness.trace.parts import Part, format_parts
from harness.trace.recording import Recording
from harness.trace.segments import SegmentEnd, Segments, StateDistance
from harness.validation.rounding import fit
from harness.validation.rounding.fit import fit_bounds, fit_later, right_pairs
from harness.validation.rounding.lockstep_fit import RightLockstep, fit_lockstep, fit_near
from harness.verdict.evidence import Near
from harness.verdict.rounding.lockstep import PARAMETERS
from harness.verdict.rounding.near import FIRST, LATER
from tests.support.sample_traces import trace

KEYS = ("grad_norms", "update_norms", "param_norms", "grad_projections", "update_projections")
LONG = 1024


def lockstep(apart: float) -> RightLockstep:
    """Thirty-two segments of a run with a parameter, its slot and a statistic."""
    tensors, steps = ["w", "w.m", "mean"], 256
    ends = [
        SegmentEnd(first, first + 8, [StateDistance(apart * (1 + (first == 41)), 1.0, 2.0)] * 3)
        for first in range(1, steps, 8)
    ]
    losses = 2 + np.random.default_rng(1).random(steps)
    leader, follower = (trace(losses * factor, params=["w"], dtype="f32") for factor in (1, 1 + apart))
    segments = Segments(leader="phase2", planned=len(ends), tensors=tensors, ends=ends)
    parts = [Part(first, 8) for first in range(9, 89, 16)]
    taken = np.concatenate([losses[part.first - 1 : part.end - 1] for part in parts]) * (1 + apart / 2)
    again = trace(taken, params=["w"], dtype="f32", run_steps=format_parts(parts))
    of_ulp = [SegmentEnd(part.first, part.end, [StateDistance(apart / 4, 1.0, 2.0)] * 3) for part in parts]
    near = Near(Recording(again, None), msgspec.structs.replace(segments, planned=len(of_ulp), ends=of_ulp))
    return RightLockstep(leader, follower, segments, near)


LOCKSTEP = [lockstep(1e-6)]


def run(folder: Path, network: str, seed: int, variant: str, apart: float, tensors: int = 3) -> None:
    """A trace whose numbers are all `apart`, relatively, from those of the variant with 0."""
    rng = np.random.default_rng(seed)
    norms = {key: {f"t{i}": list((1 + rng.random(8)) * (1 + apart)) for i in range(tensors)} for key in KEYS}
    losses = (2 + rng.random(8)) * (1 + apart)
    made = trace(losses, norms=norms, dtype="f32", backend="cpu", params=list(norms["grad_norms"]))
    path = folder / network / str(seed) / f"{variant}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in (made.header, *made.lines.values())))


def long_run(factor: float, seed: int = 0) -> Trace:
    rng = np.random.default_rng(seed)
    losses = 1 + 0.1 * rng.random(LONG)
    losses[300:700] *= factor
    return trace(losses, per_epoch=128)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for network, apart in (("calm1", 1e-6), ("calm2", 3e-6), ("rough", 1e-3)):
        for seed in (42, 43):
            run(tmp_path, network, seed, "phase2", 0.0)
            run(tmp_path, network, seed, "phase3", apart)
    for network, apart in (("deep", 1e-5), ("deep rough", 1e-2)):
        run(tmp_path, network, 42, "phase2", 0.0, tensors=50)
        run(tmp_path, network, 42, "phase3", apart, tensors=50)
    for network in ("calm2", "rough"):
        for start in ("", ".stressed"):
            run(tmp_path, network, 42, f"f64{start}", 0.0)
        run(tmp_path, network, 42, "phase2.stressed", 0.0)
    run(tmp_path, "calm2", 42, "phase3.stressed", 1e-3)
    run(tmp_path, "rough", 42, "phase3.stressed", 9e-6)
    return tmp_path


def test_the_bounds_are_the_largest_differences_of_each_class_times_the_margin(runs: Path) -> None:
    found = fit_bounds(runs, [(long_run(1.0), long_run(1.2))], LOCKSTEP)
    assert found.fitted_on == {
        "pairs": 8,
        "networks": ["calm1", "calm2", "deep", "deep rough", "rough"],
        "seeds": [42, 43],
    }
    for name, apart in (("shallow, calm", 3e-6), ("shallow, rough", 1e-3), ("deep, calm", 1e-5), ("deep, rough", 1e-2)):
        for kind in ("loss", "grad:", "param:"):
            assert found.tables[name]["typical"][kind] == pytest.approx([fit.MARGIN * apart] * 8, rel=0.02)


def test_one_side_may_be_further_from_f64_from_both_starts_as_in_right_pairs(runs: Path) -> None:
    found = fit_bounds(runs, [(long_run(1.0), long_run(1.2))], LOCKSTEP).against_f64
    # One network is far from f64 from the stressed start only, and the other from the drawn one. A projection of 2 may
    # belong to a norm of 1.
    least = fit.F64_MARGIN * 9e-6 / found.finest
    assert least <= found.further <= 2 * least
    for path in runs.rglob("f64.stressed.jsonl"):
        path.unlink()
    with pytest.raises(HarnessError, match="no pair has a run in f64 from either start"):
        fit_bounds(runs, [(long_run(1.0), long_run(1.2))], LOCKSTEP)


def test_a_network_that_the_others_do_not_bound_is_named(runs: Path) -> None:
    run(runs, "wild", 42, "phase2", 0.0)
    run(runs, "wild", 42, "phase3", 2e-5)
    held = fit_bounds(runs, [(long_run(1.0), long_run(1.2))], LOCKSTEP).held_out
    assert held["beyond"] == {"wild": pytest.approx(2e-5 / (fit.MARGIN * 3e-6), rel=0.02)}
    assert (held["inside"], held["networks"]) == (5, 6)


def test_a_class_without_pairs_is_no_bound(tmp_path: Path) -> None:
    run(tmp_path, "calm", 42, "phase2", 0.0)
    run(tmp_path, "calm", 42, "phase3", 1e-6)
    with pytest.raises(HarnessError, match="no pair is shallow, rough; expected some of each class"):
        fit_bounds(tmp_path, [(long_run(1.0), long_run(1.2))], LOCKSTEP)


def test_later_steps_keep_the_worst_block_and_epoch(runs: Path) -> None:
    pairs = [(long_run(1.0), long_run(1.2)), (long_run(1.0), long_run(1.1))]
    found = fit_later(pairs, {})
    expected = pytest.approx(fit.LATER_MARGIN * np.log(1.2), rel=0.01)
    assert [found.windows[length][-1] for length in ("1", "8", "32", "128")] == [expected] * 4
    assert found.windows["1"][:4] == [0.0] * 4, "nothing was apart as early as that"
    assert found.epoch_mean == [expected] * 4
    assert found.jump == pytest.approx(fit.LATER_MARGIN * np.log(np.log(1.2) / 1e-6), rel=0.01)
    assert fit_later(pairs, {"loss": 0.5}).windows["1"][0] == fit.LATER_MARGIN * 0.5
    with pytest.raises(HarnessError, match="Name two whole runs with --long"):
        fit_later([], {})


def test_every_two_variants_of_a_start_are_a_pair(runs: Path) -> None:
    run(runs, "calm1", 42, "double", 1e-7)
    assert len([pair for pair in right_pairs(runs) if pair[:2] == ("calm1", 42)]) == 3


def test_the_bounds_of_lockstep_are_the_furthest_of_any_later_segment() -> None:
    found = fit_lockstep([lockstep(1e-6), lockstep(3e-6)])
    assert found.loss == pytest.approx([4 * 3e-6] * 8, rel=0.01)
    assert found.states["largest"][PARAMETERS] == pytest.approx(4 * 6e-6, rel=0.01)
    assert found.outlying == pytest.approx(4 * 2, rel=0.01)
    assert found.calm_up_to == pytest.approx(4 * 3e-6, rel=0.01)
    with pytest.raises(HarnessError, match="Name more of them"):
        fit_lockstep([])


def test_bounds_beside_an_ulp_are_the_largest_medians_times_the_margin() -> None:
    found = fit_near(LOCKSTEP)
    assert found.losses == {FIRST: pytest.approx(8, rel=1e-3), LATER: pytest.approx(8, rel=1e-3)}
    assert all(of == pytest.approx(16) for of in found.states["largest"].values())
    assert found.fitted_on == ["SOME-MLP, 256 steps"]
    with pytest.raises(HarnessError, match="no run beside one an ulp away"):
        fit_near([replace(LOCKSTEP[0], near=None)])
