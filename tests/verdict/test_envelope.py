"""Envelopes: what they are built of, and what is inside and outside of one."""

import itertools
import math
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from harness.emit.jax_builder import Expr, JaxBuilder
from harness.emit.jax_expr import PRODUCT
from harness.errors import EnvelopeError
from harness.nn.optimizers import Adam
from harness.nn.rules import registered_rules
from harness.run.inprocess import Phase2, first_batches, recorded
from harness.spec.models import load_model
from harness.spec.shapes import Graph
from harness.trace.format import StepLine, Trace, TraceHeader
from harness.trace.recording import Recording
from harness.verdict.channels import UPDATE, shared_channels
from harness.verdict.compare import Judging, compare
from harness.verdict.envelope.envelope import EPSILON, Envelope, pooled
from harness.verdict.envelope.growth import measure_growth
from harness.verdict.envelope.members import BUILDERS, Members, moved
from harness.verdict.envelope.plan import BUDGET, LEAST, SCALARS, EnsembleMember, Program, affordable, make_plan
from harness.verdict.envelope_gate import check_envelope
from harness.verdict.evidence import ALONE, Answer, PairFacts
from harness.verdict.pair import judge_recordings
from harness.verdict.rounding.excess import Share, or_reached
from harness.verdict.rounding.measure import Apart
from harness.verdict.rounding_gate import check_rounding
from tests.support.networks import config
from tests.support.small_envelope import GRAPH, IMAGES, STEPS, initial, members


def verdict(a: Trace, b: Trace, envelope: Envelope, *rate: float):
    found = compare(Recording(a, None), Recording(under(b, a.header), None))
    return check_envelope(PairFacts(found, ALONE, envelope, *rate))


def under(trace: Trace, header: TraceHeader) -> Trace:
    """The same steps under another header, so that what is compared are numbers."""
    return replace(trace, header=header)


@pytest.mark.parametrize("budget", [LEAST, 200, BUDGET, 1000])
def test_a_plan_keeps_its_budget(budget: int) -> None:
    plan = make_plan(budget)
    runs = (plan.reference, *plan.members, *plan.perturbed_far)
    assert sum(member.steps for member in runs) == plan.cost <= budget
    assert sum(member.program == "plain" and member.ulps == 1 for member in plan.members) >= 30
    assert {member.program for member in plan.members} == set(BUILDERS)
    assert len({(member.program, member.number) for member in plan.members}) == len(plan.members)


def test_a_budget_too_small_for_three_steps_is_refused() -> None:
    with pytest.raises(
        EnvelopeError, match=f"100 training steps are too few for an envelope, expected at least {LEAST}"
    ):
        make_plan(100)


def test_slow_steps_are_fewer_but_never_less_than_three_of_every_member() -> None:
    assert affordable(60, 0.001) == BUDGET
    assert affordable(60, 0.001, 300) == 300
    assert affordable(60, 0.25) == 240
    slow = make_plan(affordable(60, 10.0))
    assert slow.cost <= LEAST
    assert {member.steps for member in (slow.reference, *slow.members, *slow.perturbed_far)} == {3}


def test_parameters_move_by_one_ulp_at_most() -> None:
    before = initial(GRAPH)
    after = moved(before, 1, 7)
    neighbours = np.nextafter(before, np.float32(-9)), before, np.nextafter(before, np.float32(9))
    shares = [float(np.mean(after[before != 0] == n[before != 0])) for n in neighbours]
    assert sum(shares) == pytest.approx(1.0)
    assert min(shares) > 0.2
    assert (after[before == 0] == 0).all()
    assert (after == moved(before, 1, 7)).all()
    assert (after != moved(before, 1, 8)).any()


@pytest.mark.parametrize("graph", [GRAPH, IMAGES], ids=["vectors", "images"])
def test_every_program_means_the_same_and_rounds_otherwise(graph: Graph) -> None:
    some = members(graph, config(), 3)
    losses, norms = {}, {}
    for program in BUILDERS:
        trace = some.run(EnsembleMember(program, 0, 1, 3), initial(graph))
        losses[program] = trace.loss
        norms[program] = [list((line.grad_norms or {}).values()) for line in trace.lines.values()]
    for program in BUILDERS.keys() - {"plain"}:
        np.testing.assert_allclose(losses[program], losses["plain"], rtol=1e-4 if program in SCALARS else 1e-5)
        np.testing.assert_allclose(norms[program], norms["plain"], rtol=1e-3)
        assert norms[program] != norms["plain"]


def test_scalars_move_the_first_update_either_way(plain: Members) -> None:
    """By the ulp of beta2, in 1 - beta2 a thousand times as large and under a root: some 3e-5."""
    firsts = (first_of(plain, program).update_norms or {} for program in ("raised", "plain", "lowered"))
    raised, middle, lowered = (np.array(list(norms.values())) for norms in firsts)
    for ratio in (middle / raised, lowered / middle):
        np.testing.assert_allclose(ratio - 1, 3e-5, rtol=0.1)


def first_of(some: Members, program: Program) -> StepLine:
    return some.run(EnsembleMember(program, 0, 1, 1), initial(GRAPH)).lines[1]


def adam_in_double(optimizer: Adam, j: JaxBuilder, g: Expr, m: Expr, v: Expr, t: Expr) -> tuple[Expr, ...]:
    """Adam whose 1 - beta^t are as exact as if they had been computed in double and rounded once."""
    m = j.let("m", j.add(j.mul(optimizer.beta1, m), j.mul(1 - optimizer.beta1, g)))
    v = j.let("v", j.add(j.mul(optimizer.beta2, v), j.mul(1 - optimizer.beta2, j.square(g))))
    m_hat, v_hat = (
        Expr(f"{moment} / -jnp.expm1({t} * {math.log(beta)!r})", PRODUCT)
        for moment, beta in ((m, optimizer.beta1), (v, optimizer.beta2))
    )
    return j.div(m_hat, j.add(j.sqrt(v_hat), optimizer.epsilon)), m, v


def test_an_adam_whose_powers_are_exact_is_inside_the_envelope_of_the_mlp(mnist: Path) -> None:
    model = load_model("mnist_mlp")
    rules = registered_rules()
    exact = rules.replace(jax_optimizer=rules.jax_optimizer.replace({Adam: adam_in_double}))
    feed = first_batches(model.graph, model.config, mnist, STEPS)
    found = []
    for side in (Phase2(model.graph, model.config, "f32"), Phase2(model.graph, model.config, "f32", rules=exact)):
        rates = side.rates(STEPS, feed.steps_per_epoch)
        steps = side.train(feed.batches, rates)
        found.append(recorded(side, steps, feed.batches, rates, steps_per_epoch=feed.steps_per_epoch))
    row = judge_recordings(*found, Judging())
    first = shared_channels(found[0].trace, found[1].trace, [1]).of(UPDATE).relative
    assert 3e-6 < first.min() <= first.max() < 1e-5
    assert row.envelope is not None
    assert row.verdict is not None
    outcomes = {line.gate: line.outcome for line in row.verdict.evidence}
    assert (row.verdict.status, outcomes["rounding"], outcomes["envelope"]) == ("PASS", "pass", "pass")


def test_a_run_that_differs_by_rounding_is_inside(plain: Members, envelope: Envelope, reference: Trace) -> None:
    for number in (101, 102, 103):
        found = verdict(reference, plain.run(EnsembleMember("plain", 1, number, STEPS), initial(GRAPH)), envelope)
        assert found.outcome == "pass"
    assert f"({envelope.members} members, " in found.line
    assert "; closest to the bound: " in found.line


def trained(**fault: float) -> Trace:
    return members(GRAPH, config(**fault), STEPS).run(EnsembleMember("plain", 0, 0, STEPS), initial(GRAPH))


def rounding(a: Trace, b: Trace, envelope: Envelope | None) -> Answer | None:
    found = compare(Recording(a, None), Recording(under(b, a.header), None))
    return check_rounding(PairFacts(found, ALONE, envelope))


@pytest.mark.parametrize(
    ("fault", "kind"), [({"lr": 1.01e-2}, "optimizer"), ({"weight_decay": 0.011}, "optimizer")], ids=["rate", "decay"]
)
def test_a_fault_that_no_scalar_explains_is_outside(
    envelope: Envelope, reference: Trace, fault: dict[str, float], kind: str
) -> None:
    found = verdict(reference, trained(**fault), envelope)
    assert (found.outcome, found.fault) == ("fail", kind)
    assert "rounding alone allows" in found.line


def test_a_rate_that_is_a_thousandth_off_fails_with_and_without_an_envelope(
    envelope: Envelope, reference: Trace
) -> None:
    for known in (None, envelope):
        found = rounding(reference, trained(lr=1.001e-2), known)
        assert (found.outcome, found.fault) == ("fail", "optimizer")
        assert ("allowed by what was measured of this run" in found.line) == (known is not None)


def test_an_envelope_loosens_rounding_only_to_twice_what_its_members_reached(
    envelope: Envelope, reference: Trace
) -> None:
    """A loss of step 1 that is a ten-thousandth off: four times what right pairs keep."""
    off = replace(reference, loss=reference.loss * (1 + 1e-4 * (np.arange(STEPS) == 0)))
    loss = envelope.channels.index("loss")
    allowing = {}
    for reached in (0.0, 0.49e-4, 0.51e-4):
        rows = np.array(envelope.reached)
        rows[0, loss] = reached
        allowing[reached] = rounding(off, reference, msgspec.structs.replace(envelope, reached=rows.tolist()))
    assert rounding(off, reference, None) == allowing[0.0]
    assert [found.outcome for found in allowing.values()] == ["fail", "fail", "pass"]
    assert "1 of " in allowing[0.51e-4].line
    assert "as far as was measured of this run (2 times its envelope)" in allowing[0.51e-4].line


def test_what_a_pair_does_not_tell_loosens_nothing(envelope: Envelope, reference: Trace) -> None:
    bare = replace(reference, lines={})
    wide = msgspec.structs.replace(envelope, reached=[[1.0] * len(envelope.channels)] * STEPS)
    channels = shared_channels(bare, bare, range(1, STEPS + 1))
    found = [Share(Apart(1, kind, 0.0, 0.0, 0.0, kind, 1), "largest", 1e-5) for kind in ("loss", "grad:")]
    assert [share.allowed for share in or_reached(found, wide, channels)] == [2.0, 1e-5]


def test_a_smaller_false_positive_rate_allows_more(envelope: Envelope) -> None:
    allowances = [envelope.allowance(rate) for rate in (0.5, 0.05, 0.005, 0.0005)]
    for strict, lax in itertools.pairwise(allowances):
        assert (lax >= strict).all()
    assert (allowances[-1] > allowances[1]).all()
    assert (allowances[0] >= envelope.spread).all()


def test_losses_alone_are_judged_where_there_is_nothing_else(envelope: Envelope, reference: Trace) -> None:
    bare = replace(reference, lines={})
    assert verdict(bare, bare, envelope).outcome == "pass"
    off = replace(bare, loss=reference.loss * (1 + 1e-3 * (np.arange(STEPS) == 4)))
    assert verdict(bare, off, envelope).place == "step 5, loss"


def test_a_loss_that_is_no_number_is_outside(envelope: Envelope, reference: Trace) -> None:
    off = replace(reference, loss=np.where(np.arange(STEPS) == 2, np.nan, reference.loss))
    assert verdict(reference, off, envelope).outcome == "fail"


def test_steps_beyond_the_horizon_are_not_judged(envelope: Envelope, reference: Trace) -> None:
    near = msgspec.structs.replace(envelope, horizon=4)
    off = replace(reference, lines={}, loss=reference.loss * (1 + 1e-3 * (np.arange(STEPS) == 4)))
    assert verdict(reference, off, near).outcome == "pass"
    assert "steps 1 to 4" in verdict(reference, off, near).line


def test_a_spread_never_falls_and_is_never_below_the_median_channel() -> None:
    norms = ["loss", "grad:w", "update:w"]
    spread = pooled(np.array([[1e-3, 1e-6, 0.0], [1e-5, 1e-5, 0.0]]), norms)
    np.testing.assert_allclose(spread, [[1e-3, 1e-6, 1e-6], [1e-3, 1e-5, 1e-5]])
    assert (pooled(np.zeros((2, 3)), norms) == EPSILON).all()


def test_projections_widen_no_norm_and_norms_no_projection() -> None:
    reached = np.array([[1e-6, 2e-6, 3e-6, 1e-3, 2e-3, 3e-3]])
    names = ["loss", "grad:w", "update:w", "grad projection:w", "update projection:w", "update projection:b"]
    np.testing.assert_allclose(pooled(reached, names), [[2e-6, 2e-6, 3e-6, 2e-3, 2e-3, 3e-3]])


def test_growth_and_horizon_of_a_known_law() -> None:
    steps = np.arange(40)
    reference = 2.0 + np.cos(steps)
    grown = [np.minimum(start * 1.5**steps, 1e-3) for start in (1e-6, 1e-5)]
    found = measure_growth(reference, [reference * (1 + run) for run in grown], np.full(8, 1e-7))
    assert found.rate == pytest.approx(1.5, rel=0.05)
    assert found.ceiling == pytest.approx(1e-3)
    assert not found.observed
    assert found.horizon == pytest.approx(8 + np.log(1e4) / np.log(1.5), abs=2)


def test_a_horizon_within_the_ensemble_is_observed() -> None:
    reference = 2.0 + np.cos(np.arange(40))
    rounded = 1e-7 * 10.0 ** np.arange(8)
    found = measure_growth(reference, [reference * 1.001], rounded)
    assert (found.horizon, found.observed) == (4, True)
    assert found.rate == pytest.approx(10.0)


def test_what_does_not_grow_has_no_horizon() -> None:
    reference = 2.0 + np.cos(np.arange(40))
    shrinking = reference * (1 + 1e-4 * 0.9 ** np.arange(40))
    found = measure_growth(reference, [shrinking], np.full(8, 1e-7))
    assert found.horizon is None
    assert found.rate is None
