"""The gate `rounding`: every number that both sides have is held to what right pairs do, and bitwise to equality."""

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from harness.errors import EnvelopeError
from harness.trace.recording import Recording
from harness.verdict.channels import Channels, shared_channels
from harness.verdict.compare import Judging, compare
from harness.verdict.evidence import Beside, Evidence
from harness.verdict.judge import judge
from harness.verdict.rounding import bounds as bounds_module
from harness.verdict.rounding.bounds import CLASSES, fitted_bounds
from harness.verdict.rounding.measure import STATISTICS, Apart, faint, measure
from harness.verdict.tolerance import MODES
from tests.support.rounded import FIRST, KEYS, LOSSES, SIZES, side, wide
from tests.support.sample_traces import recording

JUDGING = Judging()


def gate(a: Recording, b: Recording, judging: Judging = JUDGING, name: str = "rounding") -> Evidence:
    return next(line for line in judge(compare(a, b, judging)).evidence if line.gate == name)


def test_equal_runs_pass_and_the_line_says_where_the_bounds_come_from() -> None:
    found = gate(side(), side())
    assert found.outcome == "pass"
    assert f"within what {fitted_bounds().source} reach, times {fitted_bounds().margin:g}" in found.line
    assert "19 channels of 3 tensors" in found.line


@pytest.mark.parametrize(
    ("key", "step", "fault", "place"),
    [
        ("param_norms", 1, "contract", "step 1, parameters of w"),
        ("param_norms", 3, "optimizer", "step 3, parameters of w"),
        ("grad_norms", 1, "backward", "step 1, gradient of w"),
        ("update_norms", 1, "optimizer", "step 1, update of w"),
        ("stat_norms", 2, "forward", "step 2, running statistics of w"),
    ],
)
def test_one_norm_that_is_off_names_its_tensor(key: str, step: int, fault: str, place: str) -> None:
    found = gate(side(), side({(key, "w", step): 1.9}))
    assert (found.outcome, found.fault, found.place) == ("fail", fault, place)
    assert found.numbers["at_step"] == step


def test_a_projection_tells_what_a_norm_does_not() -> None:
    found = gate(side(), side({("grad_projections", "w", 1): -1}))
    assert (found.outcome, found.place) == ("fail", "step 1, gradient of w")


def test_a_small_difference_of_all_gradients_fails_though_each_alone_would_pass() -> None:
    """As of a lower precision on the way forward: the gradient that agrees best is too far off."""
    bounds = fitted_bounds()
    least = bounds.allowed("least", "gradients", 1, ("shallow, calm", "shallow, rough"))
    off = 1 + 4 * least
    one = {("grad_norms", "w", 1): off, ("grad_projections", "w", 1): off}
    everywhere = {(key, t, 1): off for t in SIZES for key in ("grad_norms", "grad_projections")}
    assert gate(side(), side(one)).outcome == "pass"
    found = gate(side(), side(everywhere))
    assert (found.outcome, found.fault) == ("fail", "backward")


def test_losses_alone_are_judged_too() -> None:
    a, b = (recording([first, 2.25, 2.125], backend="cpu") for first in (FIRST, FIRST * (1 + 1e-3)))
    found = gate(a, b)
    assert (found.outcome, found.fault, found.place) == ("fail", "forward", "step 1, loss")


def test_a_whole_norm_is_held_to_the_parts_of_the_other_side() -> None:
    whole = {"grad_norm": 8.0, "update_norm": None, "param_norm": None}
    a, b = side(params=list(SIZES)), side(params=list(SIZES))
    lines = {
        t: msgspec.structs.replace(line, grad_norms=None, grad_projections=None, **whole)
        for t, line in b.trace.lines.items()
    }
    found = gate(a, replace(b, trace=replace(b.trace, lines=lines)))
    assert (found.outcome, found.place) == ("fail", "step 1, gradient")


def test_what_only_one_side_has_is_said() -> None:
    b = side()
    lines = {t: msgspec.structs.replace(line, update_projections=None) for t, line in b.trace.lines.items()}
    assert "only A has projections of updates" in gate(side(), replace(b, trace=replace(b.trace, lines=lines))).line


def test_where_nobody_says_that_it_is_a_processor_a_stated_factor_is_allowed() -> None:
    bounds = fitted_bounds()
    off = 1 + 1.5 * bounds.allowed("largest", "loss", 1, CLASSES)
    for backend, outcome in (("cpu", "fail"), ("cuda", "pass"), (None, "pass")):
        a, b = (recording([first, 2.25], backend=backend) for first in (FIRST, FIRST * off))
        assert gate(a, b).outcome == outcome
    a, b = (recording([first, 2.25], backend="cuda") for first in (FIRST, FIRST * (1 + bounds.device * (off - 1))))
    assert gate(a, b).outcome == "fail"


def test_what_was_printed_coarsely_is_no_further_apart_than_its_digits() -> None:
    def printed(run: Recording) -> Recording:
        lines = {
            t: msgspec.structs.replace(
                line, **{key: {n: float(f"{x:.4g}") for n, x in getattr(line, key).items()} for key in KEYS}
            )
            for t, line in run.trace.lines.items()
        }
        return replace(run, trace=replace(run.trace, lines=lines))

    assert gate(side(), printed(side())).outcome == "pass"
    assert gate(side(), printed(side({("param_norms", "w", 1): 1.01}))).outcome == "fail"


@pytest.mark.parametrize("key", KEYS)
def test_bitwise_means_every_value(key: str) -> None:
    off = side({(key, "b", 4): 1 + 2.0**-50})
    assert gate(side(), off).outcome == "pass"
    found = gate(side(), off, Judging(MODES["bitwise"]))
    assert (found.outcome, found.place is not None and found.place.endswith(" of b")) == ("fail", True)
    assert "all 76 values of 4 steps are equal" in gate(side(), side(), Judging(MODES["bitwise"])).line


def test_runs_in_f64_are_left_to_the_cross_check() -> None:
    a, b = (recording(LOSSES, dtype="f64") for _ in range(2))
    assert gate(a, b).outcome == "unreached"


def test_an_update_along_a_gradient_below_the_floor_is_not_judged() -> None:
    channels = shared_channels(side().trace, side({("update_norms", "w", 2): 3.0}).trace, range(1, 5))
    low = replace_values(channels, "grad:w", 1e-9)
    assert faint(low)[:, low.names.index("update:w")].all()
    assert not faint(low)[0, low.names.index("param:w")]
    assert faint(low)[1:, low.names.index("param:w")].all()
    assert not [apart for apart in measure(low) if apart.kind == "update:" and apart.largest > 0]


def replace_values(channels: Channels, name: str, value: float) -> Channels:
    a, b, scale = (matrix.copy() for matrix in (channels.a, channels.b, channels.scale))
    column = channels.names.index(name)
    a[:, column] = b[:, column] = value
    scale[:, column] = 1e-3
    return replace(channels, a=a, b=b, scale=scale)


def test_the_three_figures_of_a_kind() -> None:
    channels = shared_channels(
        side().trace, side({("grad_norms", "w", 1): 1.5, ("grad_norms", "b", 1): 1.1}).trace, [1]
    )
    (found,) = [apart for apart in measure(channels) if apart.kind == "grad:"]
    assert found == Apart(1, "grad:", 0.0, pytest.approx(0.1 / 1.1), pytest.approx(0.5 / 1.5), "grad:w", 3)


def test_the_shipped_bounds_are_of_every_class_and_never_fall() -> None:
    bounds = fitted_bounds()
    assert len(bounds.fitted_on["networks"]) >= 20
    assert bounds.steps == 8
    for name in CLASSES:
        for statistic in STATISTICS:
            for row in bounds.tables[name][statistic].values():
                assert row == sorted(row)
    assert bounds.allowed("largest", "loss", 1, CLASSES[:2]) < 1e-4


@pytest.mark.parametrize("damage", ["", "{}", '{"margin": 1}'])
def test_damaged_bounds_are_one_line(damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bounds.json").write_text(damage)
    monkeypatch.setattr(bounds_module, "BOUNDS_FILE", tmp_path / "bounds.json")
    fitted_bounds.cache_clear()
    try:
        with pytest.raises(EnvelopeError, match=r"bounds\.json: not bounds: .* Install the package again\."):
            fitted_bounds()
    finally:
        fitted_bounds.cache_clear()


@pytest.mark.parametrize("judging", [JUDGING, Judging(window=100), Judging(all_steps=True)], ids=["8", "100", "all"])
def test_norms_of_later_steps_are_judged_whatever_the_window(judging: Judging) -> None:
    rng = np.random.default_rng(5)
    losses, sizes = list(2 + 0.1 * rng.random(80)), list(1 + 0.1 * rng.random(80))

    def run(factor: float) -> Recording:
        later = [size * (factor if step >= 64 else 1) for step, size in enumerate(sizes, 1)]
        return recording(losses, norms={"param_norms": {"w": later, "b": sizes, "v": later}}, backend="cpu")

    assert gate(run(1.0), run(1.0), judging, "later steps").outcome == "pass"
    found = gate(run(1.0), run(8.0), judging, "later steps")
    assert (found.outcome, found.place) == ("fail", "step 64")


def test_tensors_that_tell_nothing_are_counted() -> None:
    tiny = {("grad_norms", "b", step): 1e-4 for step in range(1, 5)}
    assert "1 of 3 tensors not judged" in gate(side(tiny), side(tiny)).line
    assert "not judged" not in gate(side(), side()).line


def test_losses_of_exactly_zero_on_both_sides_agree() -> None:
    a, b = (recording([0.0] * 200, backend="cpu") for _ in range(2))
    assert gate(a, b).outcome == "pass"
    assert judge(compare(a, b)).status == "PASS"


def rounding_with_f64(a: Recording, b: Recording, in_f64: Recording) -> Evidence:
    found = judge(compare(a, b), Beside(in_f64=compare(in_f64, in_f64)))
    return next(line for line in found.evidence if line.gate == "rounding")


def test_a_gradient_that_f64_shows_to_be_zero_is_left_to_it() -> None:
    zero = {("grad_norms", "b", step): 1e-14 for step in range(1, 5)}
    noise = {("grad_norms", "b", step): 0.1 for step in range(1, 5)}
    apart = side({**noise, ("grad_norms", "b", 1): 0.3})
    assert gate(side(noise), apart).outcome == "fail"
    assert rounding_with_f64(side(noise), apart, wide(side(zero))).outcome == "pass"


def test_bitwise_forgives_no_printing() -> None:
    a = side()
    lines = {
        t: msgspec.structs.replace(line, grad_norms={n: float(f"{x:.5g}") for n, x in line.grad_norms.items()})
        for t, line in a.trace.lines.items()
    }
    coarse = replace(a, trace=replace(a.trace, lines=lines))
    assert gate(a, coarse).outcome == "pass"
    assert gate(a, coarse, Judging(MODES["bitwise"])).outcome == "fail"


def test_a_running_mean_next_to_nothing_is_held_to_the_size_of_all_statistics() -> None:
    small = {("stat_norms", "b", step): 1e-4 for step in range(1, 5)}
    assert gate(side(small), side({**small, ("stat_norms", "b", 1): 1.001e-4})).outcome == "pass"
    found = gate(side(small), side({**small, ("stat_norms", "b", 1): 10.0}))
    assert (found.outcome, found.place) == ("fail", "step 1, running statistics of b")


def test_a_step_that_f64_did_not_reach_is_not_called_numerics() -> None:
    rng = np.random.default_rng(9)
    sizes = list(1 + rng.random(8))
    losses = list(2 + rng.random(8))

    def run(factor: float, step: int) -> Recording:
        norms = {"w": [x * (factor if t == step else 1) for t, x in enumerate(sizes, 1)]}
        return recording(losses, norms={"grad_norms": norms}, dtype="f32", backend="cpu")

    in_f64 = compare(*(wide(recording(losses[:4], norms={"grad_norms": {"w": sizes[:4]}})) for _ in range(2)))
    for step, fault in ((2, "numerics"), (6, "backward")):
        found = judge(compare(run(1, 0), run(100, step)), Beside(in_f64=in_f64))
        assert (found.gate, found.fault) == ("rounding", fault)
