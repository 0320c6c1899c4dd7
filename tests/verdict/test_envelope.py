"""Envelopes: what they are built of, what is inside and outside of one, and which trace has which."""

import hashlib
import itertools
import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.commands.envelope import render
from harness.data.initial_parameters import initial_parameters
from harness.emit.header import header_facts
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.emit.jax_expr import PRODUCT
from harness.errors import EnvelopeError
from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.dense import Dense
from harness.nn.layers.flatten import Flatten
from harness.nn.layers.relu import Relu
from harness.nn.optimizers import Adam
from harness.nn.rules import registered_rules
from harness.run.inprocess import SHARED, FirstBatches, Phase2, first_batches, recorded
from harness.spec.models import load_model
from harness.spec.netspec import TrainConfig
from harness.spec.shapes import Graph, infer_shapes
from harness.system.seal import seal_file
from harness.trace.format import StepLine, Trace, TraceHeader
from harness.trace.recording import Recording
from harness.verdict.channels import GRAD, GRAD_PROJECTION, LOSS, UPDATE, UPDATE_PROJECTION, shared_channels
from harness.verdict.compare import Judging, compare
from harness.verdict.envelope.build import build_envelope
from harness.verdict.envelope.envelope import EPSILON, Envelope, pooled, read_envelope, write_envelope
from harness.verdict.envelope.find import SHIPPED, find_envelope, find_shared_envelope, keep_envelope
from harness.verdict.envelope.growth import measure_growth
from harness.verdict.envelope.members import BUILDERS, Members, moved
from harness.verdict.envelope.plan import BUDGET, LEAST, SCALARS, EnsembleMember, Program, affordable, make_plan
from harness.verdict.envelope_gate import check_envelope
from harness.verdict.evidence import Answer, PairFacts
from harness.verdict.pair import judge_recordings
from harness.verdict.rounding.excess import Share, or_reached
from harness.verdict.rounding.measure import Apart
from harness.verdict.rounding_gate import check_rounding
from tests.support.networks import config, network
from tests.support.paths import ROOT
from tests.support.programs import drawn

STEPS = 8
GRAPH = infer_shapes(network((6,), Dense(6, 8, activation=Relu()), Dense(8, 4)))
IMAGES = infer_shapes(network((2, 6, 6), ConvBn(2, 3), Flatten(), Dense(108, 4)))


def members(graph: Graph, train: TrainConfig, steps: int) -> Members:
    batches, steps_per_epoch = drawn(graph, train, "f32", steps)
    return Members(graph, train, FirstBatches(tuple(batches), steps_per_epoch, "drawn", "0" * 64))


def initial(graph: Graph) -> np.ndarray:
    return np.concatenate([p.ravel() for p in initial_parameters(graph.params)])


@pytest.fixture(scope="module")
def plain() -> Members:
    return members(GRAPH, config(), make_plan().reference.steps)


@pytest.fixture(scope="module")
def envelope(plain: Members) -> Envelope:
    return build_envelope(plain, make_plan())


@pytest.fixture(scope="module")
def reference(plain: Members) -> Trace:
    return plain.run(EnsembleMember("plain", 0, 0, STEPS), initial(GRAPH))


def verdict(a: Trace, b: Trace, envelope: Envelope, *rate: float):
    found = compare(Recording(a, None), Recording(under(b, a.header), None))
    return check_envelope(PairFacts(found, None, envelope, *rate))


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
    return check_rounding(PairFacts(found, None, envelope))


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
        assert ("of this run, as measured, at most" in found.line) == (known is not None)


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


def header(envelope: Envelope, **changes: object) -> TraceHeader:
    facts = header_facts(GRAPH, config(), "f32", SHARED, "phase2")
    known = {key: getattr(envelope, key) for key in ("dataset", "data_sha256", "init_sha256", "shuffle")}
    facts = facts | known | changes
    return msgspec.convert({key: value for key, value in facts.items() if value is not None}, TraceHeader)


def test_a_file_gives_back_what_was_written(tmp_path: Path, envelope: Envelope) -> None:
    write_envelope(tmp_path / "e.json", envelope)
    assert read_envelope(tmp_path / "e.json") == envelope
    json.loads((tmp_path / "e.json").read_text())


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 2}'])
def test_a_file_of_something_else_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "e.json").write_text(content)
    with pytest.raises(EnvelopeError, match=r"e\.json: not an envelope: .* Build it again"):
        read_envelope(tmp_path / "e.json")


def test_an_envelope_of_another_format_is_refused(tmp_path: Path, envelope: Envelope) -> None:
    write_envelope(tmp_path / "e.json", msgspec.structs.replace(envelope, format=1))
    with pytest.raises(EnvelopeError, match=r"of another format\. Build it again with `harness envelope`"):
        read_envelope(tmp_path / "e.json")
    (tmp_path / "old.json").write_text('{"format": 1, "channels": ["loss"], "spreads": [[1e-7]]}')
    with pytest.raises(EnvelopeError, match=r"of another format\. Build it again with `harness envelope`"):
        read_envelope(tmp_path / "old.json")


def test_an_envelope_without_a_number_for_each_channel_is_refused(tmp_path: Path, envelope: Envelope) -> None:
    write_envelope(tmp_path / "e.json", msgspec.structs.replace(envelope, channels=["loss"]))
    with pytest.raises(EnvelopeError, match="do not have a number for each channel"):
        read_envelope(tmp_path / "e.json")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"data_sha256": None, "shuffle": None},
        {"netspec_hash": None, "dtype": None},
        {"config": {**config().header(), "nesterov": True}},
        {"config": {**config().header(), "lr": float(np.float32(config().lr))}, "dtype": "float32"},
        {"backend": "cuda"},
    ],
    ids=["all", "unknown data", "unknown network", "unknown key", "another spelling", "elsewhere"],
)
def test_an_envelope_is_found_by_what_the_header_says(tmp_path: Path, envelope: Envelope, changes: dict) -> None:
    keep_envelope(envelope, tmp_path)
    assert find_envelope(header(envelope, **changes), tmp_path) == envelope


@pytest.mark.parametrize(
    "changes",
    [
        {"netspec_hash": "1" * 64},
        {"netspec_hash": None, "total_params": 7},
        {"config": config(lr=0.5).header()},
        {"init_sha256": "1" * 64},
        {"init_sha256": None},
        {"init_sha256": None, "netspec_hash": None, "data_sha256": None, "shuffle": None, "dtype": None},
        {"data_sha256": "1" * 64},
        {"shuffle": True},
        {"dtype": "f64"},
    ],
    ids=str,
)
def test_an_envelope_of_another_run_is_not(tmp_path: Path, envelope: Envelope, changes: dict) -> None:
    keep_envelope(envelope, tmp_path)
    assert find_envelope(header(envelope, **changes), tmp_path) is None


@pytest.mark.parametrize(
    "damage",
    [
        {"horizon": 0},
        {"reached": [[1e300]], "channels": ["loss"]},
        {"reached": [[-1.0]], "channels": ["loss"]},
        {"channels": []},
        None,
    ],
)
def test_a_damaged_file_is_said_and_never_taken_for_none(
    tmp_path: Path, envelope: Envelope, damage: dict | None
) -> None:
    path = keep_envelope(envelope, tmp_path)
    text = json.dumps(json.loads(path.read_text()) | damage) if damage is not None else "{"
    path.write_text(text)
    assert seal_file(path) is None  # damaged, and by nobody else
    with pytest.raises(EnvelopeError, match=r"Build it again with `harness envelope`\."):
        find_envelope(header(envelope), tmp_path)


def test_an_envelope_belongs_to_the_initial_parameters_that_both_sides_state(
    tmp_path: Path, envelope: Envelope
) -> None:
    other = msgspec.structs.replace(envelope, init_seed=43, init_sha256="ab")
    for one in (envelope, other):
        keep_envelope(one, tmp_path)
    told = header(other)
    untold = msgspec.structs.replace(told, init_sha256=None)
    assert find_shared_envelope(told, told, tmp_path) == other
    assert find_shared_envelope(told, untold, tmp_path) is find_shared_envelope(untold, told, tmp_path) is None


@pytest.mark.parametrize("path", sorted(SHIPPED.iterdir()), ids=lambda path: path.name.partition("-")[0])
def test_the_shipped_envelopes_are_of_the_networks_as_they_are(path: Path, tmp_path: Path) -> None:
    shipped = read_envelope(path)
    model = load_model(shipped.netspec_name.lower().replace("-", "_"))
    facts = header_facts(model.graph, model.config, "f32", SHARED, "phase3")
    digest = hashlib.sha256(initial(model.graph).astype("<f4").tobytes()).hexdigest()
    found = find_envelope(msgspec.convert(facts | {"init_sha256": digest}, TraceHeader), tmp_path)
    assert found == shipped
    assert found.training_steps <= BUDGET
    assert found.members >= 30
    kinds = (GRAD, UPDATE, GRAD_PROJECTION, UPDATE_PROJECTION)
    assert set(found.channels) == {LOSS} | {f"{kind}{p.name}" for kind in kinds for p in model.graph.params}
    assert f"{found.training_steps} training steps" in str(render(found))


def test_shipped_files_are_small() -> None:
    assert all(path.stat().st_size < 20_000 for path in SHIPPED.iterdir())


def test_judging_by_an_envelope_needs_neither_jax_nor_scipy() -> None:
    code = (
        "import sys; from harness.verdict.envelope_gate import check_envelope; "
        "from harness.verdict.envelope.find import *; "
        "from harness.verdict.envelope.margin import fitted_margin; fitted_margin(); "
        "print([name for name in ('jax', 'scipy', 'iree') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_cache_that_cannot_be_written_is_said_before_the_work(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "file"))
    done = CliRunner().invoke(main, ["envelope", "mnist_mlp"])
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert "the cache cannot be written" in done.stderr


def test_an_envelope_of_any_start_is_built_within_a_time(tmp_path: Path, mnist: Path) -> None:
    model = load_model("mnist_mlp", batch=4)
    parameters = np.full(model.graph.total_params, 0.01, "<f4")
    start, out = tmp_path / "start.bin", tmp_path / "e.json"
    start.write_bytes(parameters.tobytes())
    options = ["--batch", "4", "--data", str(mnist), "--init", str(start), "--seconds", "1", "--out", str(out)]
    done = CliRunner().invoke(main, ["envelope", "mnist_mlp", *options, "--steps-budget", str(LEAST)])
    assert done.exit_code == 0, done.output
    built = read_envelope(out)
    digest = hashlib.sha256(start.read_bytes()).hexdigest()
    assert (built.init_seed, built.init_sha256, built.training_steps) == (None, digest, LEAST)
    assert len(built.reached) == 3
    assert f"MNIST-MLP, initial parameters {digest[:12]}…: how far" in done.stdout
    (tmp_path / "cache").mkdir()
    keep_envelope(built, tmp_path / "cache")
    facts = header_facts(model.graph, model.config, "f32", SHARED, "phase2")
    told = msgspec.convert(facts | {"init_sha256": digest}, TraceHeader)
    assert find_envelope(told, tmp_path / "cache") == built


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--init", "start.bin", "--seed", "42"], "--seed and --init exclude each other."),
        (["--init", "start.bin"], "3 bytes found, 2678824 expected for 669706 parameters"),
        (["--steps-budget", "100"], "100 training steps are too few for an envelope"),
    ],
    ids=["both", "short file", "budget"],
)
def test_options_that_make_no_sense_are_said_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mnist: Path, options: list[str], line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("start.bin").write_bytes(b"abc")
    done = CliRunner().invoke(main, ["envelope", "mnist_mlp", "--data", str(mnist), "--out", "e.json", *options])
    assert (done.exit_code, done.stdout) == (2, "")
    assert line in done.stderr


def test_a_folder_for_the_file_that_is_not_there_is_said_before_the_work(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["envelope", "mnist_mlp", "--out", str(tmp_path / "no" / "e.json")])
    assert done.exit_code == 2
    assert "does not exist. Make it first." in done.stderr
