"""Laws of the verdict: what passes a mode passes every later one, and it does not matter which side comes first."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report import as_json
from harness.trace.manifest import Manifest
from harness.trace.recording import Recording
from harness.verdict.compare import Comparison, Judging, compare
from harness.verdict.envelope.envelope import FORMAT, Envelope
from harness.verdict.evidence import Beside
from harness.verdict.judge import judge
from harness.verdict.pair import PairRow
from harness.verdict.tolerance import MODES, Mode
from tests.support.sample_traces import CONFIG, recording

NEAR = st.sampled_from([1e-12, 1e-9, 5e-6, 2e-4, 5e-3, 5e-2, 0.2, 0.5, 0.9, math.nan])
SIZE = st.one_of(st.floats(0.5, 5), st.floats(0.5, 5), st.sampled_from([0.0, 1e-300, 1.7e308]))
JUDGING = st.sampled_from([{}, {"window": 3}, {"all_steps": True}, {"steps": 6}])
MODE = st.sampled_from(list(MODES.values()))
NAMES = ("w", "b", "c")
WRONG = st.sampled_from([*[None] * 8, "config", "conventions", "crashed", "accuracy", "batch", "epochs"])


@st.composite
def sides(draw: st.DrawFn, dtype: str | None, most: int) -> tuple[Recording, Recording]:
    """Two recordings of up to `most` steps that differ in some steps of some columns, and now and then in a header."""
    losses = draw(st.lists(SIZE, min_size=draw(st.sampled_from([0, 1, most])), max_size=most))
    columns = {"loss": losses, "lr": [draw(st.sampled_from([0.0, 0.001, 0.1]))] * len(losses)}
    kinds = draw(st.sets(st.sampled_from(["grad_norms", "update_norms"])))
    columns |= {
        kind + name: draw(st.lists(SIZE, min_size=len(losses), max_size=most)) for kind in kinds for name in NAMES
    }
    other = dict(columns)
    for name in draw(st.sets(st.one_of(st.just("loss"), st.sampled_from(list(columns))), max_size=2)):
        delta, relative, steps = draw(NEAR), draw(st.booleans()), draw(st.sets(st.integers(0, most - 1)))
        other[name] = [
            x + delta * (x if relative else 1) if step in steps else x for step, x in enumerate(columns[name])
        ]
    wrong = draw(WRONG)
    config = {**CONFIG, "epochs": 3}
    found = []
    for of, off in ((columns, None), (other, wrong)):
        norms = {kind: {name: of[kind + name] for name in draw(st.permutations(NAMES))} for kind in kinds}
        described = {key: config[key] for key in draw(st.permutations(list(config)))}
        keys: dict[str, Any] = {"norms": norms, "dtype": dtype, "digests": {1: str(off == "batch")}}
        keys["conventions"] = dict.fromkeys(draw(st.permutations(["x", "y"])), off == "conventions")
        keys["config"] = described | ({"seed": 1, "lr": 1.0} if off == "config" else {})
        if off == "crashed" or draw(st.booleans()):
            status, accuracy = "crashed" if off == "crashed" else "complete", 0.5 if off == "accuracy" else 0.98
            keys["manifest"] = Manifest(status=status, steps_written=len(losses), test_accuracy=accuracy)
        found.append(recording(of["loss"], lr=of["lr"], per_epoch=5 if off == "epochs" else 4, **keys))
    return found[0], found[1]


Pair = tuple[Recording, Recording]
IN_F64 = st.one_of(st.none(), st.none(), st.just("out of memory"), sides("f64", 4))
PAIR = st.one_of(*(sides(dtype, 12) for dtype in (None, "f32", "f64")))


ENVELOPE = Envelope(
    format=FORMAT,
    netspec_name="MNIST-MLP",
    netspec_hash="",
    config={},
    total_params=1,
    dataset="",
    data_sha256="",
    shuffle=False,
    init_seed=42,
    init_sha256="",
    dtype="f32",
    members=30,
    channels=["loss", "grad:w", "update:w", "update:b"],
    reached=[[1e-7] * 4, [1e-5] * 4, [1e-4] * 4] * 3,
    growth=None,
    horizon=9,
    observed=True,
    ceiling=0.1,
    training_steps=1,
    seconds=1.0,
    plain_seconds=1.0,
    built_with={},
)
KNOWN = st.sampled_from([None, ENVELOPE])


def cross_checked(in_f64: Pair | str | None, swapped: bool = False) -> Comparison | str | None:
    return compare(*(in_f64[::-1] if swapped else in_f64)) if isinstance(in_f64, tuple) else in_f64


def row_of(pair: Pair, judging: Judging, in_f64: Comparison | str | None, envelope: Envelope | None) -> PairRow:
    horizon = None if envelope is None else envelope.horizon
    comparison = compare(*pair, replace(judging, horizon=horizon))
    return PairRow("a", "b", comparison, judge(comparison, Beside(in_f64=in_f64), envelope))


@given(PAIR, JUDGING, IN_F64, KNOWN)
def test_bitwise_implies_strict_implies_cross_gpu_implies_cross_comp(
    pair: Pair, judging: dict[str, Any], in_f64: Pair | str | None, envelope: Envelope | None
) -> None:
    found = [row_of(pair, Judging(mode, **judging), cross_checked(in_f64), envelope).verdict for mode in MODES.values()]
    passed = [verdict is not None and verdict.status == "PASS" for verdict in found]
    assert passed == sorted(passed), found


def swapped(value: Any) -> Any:
    """A document of a pair as it is with the sides the other way round, without its sentences."""
    if isinstance(value, list):
        return [swapped(item) for item in value]
    if not isinstance(value, dict):
        return value
    other = {"a": "b", "b": "a", "unknown_a": "unknown_b", "unknown_b": "unknown_a"}
    other |= {"nonfinite_a": "nonfinite_b", "nonfinite_b": "nonfinite_a"}
    return {other.get(key, key): swapped(item) for key, item in value.items() if key not in ("line", "reason", "pair")}


@given(PAIR, MODE, JUDGING, IN_F64, KNOWN)
def test_the_other_way_round_everything_is_the_same(
    pair: Pair, mode: Mode, judging: dict[str, Any], in_f64: Pair | str | None, envelope: Envelope | None
) -> None:
    asked = Judging(mode, **judging)
    one = as_json.describe_pair(row_of(pair, asked, cross_checked(in_f64), envelope))
    other = as_json.describe_pair(row_of(pair[::-1], asked, cross_checked(in_f64, swapped=True), envelope))
    assert swapped(swapped(one)) == swapped(other)


def test_lists_that_only_types_tell_apart_are_told_apart() -> None:
    a, b = recording([1.0], config_x=[1, 2, 1]), recording([1.0], config_x=[1, 2, True])
    for left, right in ((a, b), (b, a)):
        found = judge(compare(left, right))
        assert (found.gate, found.place) == ("contract", "config.x")
        assert found.reason.startswith("config.x[2] is ")


def test_equal_losses_agree_also_when_their_sum_is_beyond_a_double() -> None:
    huge = recording([1.7e308] * 20, per_epoch=10)
    for mode in MODES.values():
        assert judge(compare(huge, huge, Judging(mode))).status == "PASS"


@pytest.mark.parametrize("odd", [math.nan, 7.0])
def test_of_two_tensors_that_differ_alike_either_order_names_the_same(odd: float) -> None:
    def side(names: str, factor: float) -> Recording:
        norms = {"grad_norms": {name: [1.0 * factor] for name in names}}
        return recording([2.0], norms=norms, dtype="f64")

    a, b = side("wb", 1.0), side("bw", odd)
    places = {judge(compare(*pair)).place for pair in ((a, b), (b, a))}
    assert len(places) == 1
