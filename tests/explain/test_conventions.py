"""The search for conventions names what was injected, says what cannot be told apart, and refuses other runs."""

import dataclasses
import json
import os
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.data.dataset import resolve_data
from harness.emit.header import header_facts
from harness.explain.conventions import search as convention_search
from harness.explain.conventions.against import explain_against
from harness.explain.conventions.readings import Allowance, Reading, noise, spread_of
from harness.explain.conventions.result import SearchResult
from harness.explain.conventions.search import search
from harness.explain.conventions.switches import SWITCHES, Switch, applied, compatible, phrase, switches_of
from harness.explain.conventions.trials import TrialFeed, Trials, perturbed_by_one_ulp
from harness.nn.cases import find_case
from harness.nn.layers.conv2d import Conv2d
from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.convolution import Convolution
from harness.nn.layers.dense import Dense
from harness.nn.layers.depthwise_convolution import DepthwiseConvolution
from harness.nn.layers.flatten import Flatten
from harness.nn.layers.max_pool import MaxPool
from harness.nn.layers.relu import Relu
from harness.nn.optimizers import Sgd
from harness.nn.rules import registered_rules
from harness.run.inprocess import Batch, Phase2, Phase3, Side, first_batches, recorded
from harness.spec.netspec import Conventions, DType, TrainConfig
from harness.spec.rules import Rules
from harness.spec.shapes import Graph, infer_shapes
from harness.trace.format import StepLine, Trace, TraceHeader
from tests.support.networks import config, network

TRAIN = config(cosine=True, warmup_epochs=1, label_smoothing=0.1)
VECTORS = infer_shapes(network((6,), Dense(6, 5, activation=Relu()), Dense(5, 4)))
NORMED = infer_shapes(network((1, 9, 9), ConvBn(1, 2, kernel=1), MaxPool(2, 2), Flatten(), Dense(50, 4)))
STRIDED = infer_shapes(
    network((1, 8, 8), Convolution(1, 2, 3, stride=2), DepthwiseConvolution(2, 3, 2), Flatten(), Dense(8, 4))
)
GRAPHS = {"vectors": VECTORS, "normed": NORMED, "strided": STRIDED}
HOME = {
    **dict.fromkeys(("pool_ties", "batch_norm_inverse_count", "batch_norm_statistics", "batch_norm_epsilon"), NORMED),
    "padding": STRIDED,
}
BY_NAME = {str(switch): switch for switch in SWITCHES}
STEPS = 3


def feed_of(graph: Graph, train: TrainConfig, dtype: DType = "f64") -> TrialFeed:
    """Drawn batches, another one each step, of three shades: a window of a pool has ties that ReLU lets through."""
    kind = np.float32 if dtype == "f32" else np.float64

    def batch(t: int) -> Batch:
        rng = np.random.default_rng(t)
        x = rng.integers(0, 3, (train.batch_size, *graph.spec.input_shape)).astype(kind) / 2
        return Batch(x, rng.integers(0, graph.spec.classes, train.batch_size).astype(np.int32))

    return TrialFeed(batch, 5, Phase2(graph, train, dtype).initial())


def run(
    side: type[Side],
    graph: Graph,
    train: TrainConfig,
    *switches: Switch,
    dtype: DType = "f64",
    rules: Rules | None = None,
) -> Trace:
    """B: the trace of one side under those switches."""
    changed, chosen = applied(switches, train)
    program, given = side(graph, changed, dtype, chosen, rules=rules), feed_of(graph, train, dtype)
    batches = [given.batch(t) for t in range(1, STEPS + 1)]
    rates = program.rates(STEPS, 5)
    return recorded(program, program.train(batches, rates), batches, rates, steps_per_epoch=5).trace


def tried(trials: Trials, *switches: Switch) -> Trace:
    """B: what a trial of phase 2 says, with programs that are compiled already."""
    read = {r.position: r.values for r in trials.run(frozenset(switches), STEPS, lambda t: True)}
    norms = [
        {f"{kind}_norms": dict(zip(trials.names, read[t, kind].tolist(), strict=True)) for kind in ("grad", "update")}
        for t in range(1, STEPS + 1)
    ]
    losses = np.concatenate([read[t, "loss"] for t in range(1, STEPS + 1)])
    lines = {
        t: StepLine(kind="step", step=t, epoch=0, loss=float(losses[t - 1]), lr=0.0, **norms[t - 1])
        for t in range(1, STEPS + 1)
    }
    header = header_facts(trials.graph, trials.config, trials.dtype, Conventions(), "phase2")
    zeros = np.zeros(STEPS)
    return Trace("b", msgspec.convert(header, TraceHeader), zeros.astype(int), losses, zeros, lines=lines)


def without_norms(trace: Trace) -> Trace:
    return dataclasses.replace(trace, lines={})


@pytest.fixture(scope="module")
def shared_trials() -> dict[str, Trials]:
    """One for each network, so that what one search has compiled the next one has."""
    return {}


@pytest.fixture
def find(shared_trials, monkeypatch):
    """search(graph, train, b), with programs kept."""

    def kept(graph: Graph, train: TrainConfig, dtype: DType, given: TrialFeed) -> Trials:
        key = repr((graph.spec, train, dtype))
        return shared_trials.setdefault(key, Trials(graph, train, dtype, given))

    def find(graph: Graph, train: TrainConfig, b: Trace, dtype: DType = "f64") -> SearchResult:
        return search(graph, train, b, feed_of(graph, train, dtype), dtype=dtype, steps=STEPS)

    monkeypatch.setattr(convention_search, "Trials", kept)
    return find


def named(found: SearchResult) -> set[str]:
    return {str(switch) for switch in found.matching[0].switches}


def test_every_switch_is_in_the_search() -> None:
    fields = {field.name for field in dataclasses.fields(Conventions)}
    assert {switch.name for switch in SWITCHES if switch.of == "conventions"} == fields
    assert {switch for graph in GRAPHS.values() for switch in switches_of(graph, TRAIN)} == set(SWITCHES)


def test_switches_that_concern_nothing_are_not_tried() -> None:
    names = [str(switch) for switch in switches_of(VECTORS, config(weight_decay=0.0, optimizer=Sgd()))]
    assert names == ["loss_reduction=sum"]
    square = infer_shapes(network((1, 6, 6), Conv2d(1, 2, 3), Flatten(), Dense(72, 4)))
    assert "padding=symmetric" not in map(str, switches_of(square, TRAIN))


def test_a_trial_is_phase_2() -> None:
    """Its three programs give what the training step of the script gives."""
    both = [BY_NAME["weight_decay=coupled"], BY_NAME["label_smoothing=0.0"]]
    whole = run(Phase2, VECTORS, TRAIN, *both)
    parts = tried(Trials(VECTORS, TRAIN, "f64", feed_of(VECTORS, TRAIN)), *both)
    np.testing.assert_allclose(parts.loss, whole.loss, rtol=1e-12)
    for t in range(1, STEPS + 1):
        for norms in ("grad_norms", "update_norms"):
            mine, theirs = (getattr(trace.lines[t], norms) for trace in (parts, whole))
            assert mine == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("name", BY_NAME)
def test_each_injected_switch_is_named_in_f64(name: str, find) -> None:
    graph = HOME.get(BY_NAME[name].name, VECTORS)
    trials = convention_search.Trials(graph, TRAIN, "f64", feed_of(graph, TRAIN))
    found = find(graph, TRAIN, tried(trials, BY_NAME[name]))
    assert (named(found), len(found.matching), found.exit_code) == ({name}, 1, 1)
    assert found.sentence().startswith(f"phase 2 with {phrase([BY_NAME[name]])} reproduces B ")


def test_the_pair_of_the_published_phase_3_is_named_by_norms(find) -> None:
    """Adam takes no notice of a gradient that is too large by a factor: losses do not tell a rounded 1/N."""
    pair = {"pool_ties=all", "batch_norm_inverse_count=six-decimals"}
    b = run(Phase3, NORMED, TRAIN, *(BY_NAME[name] for name in pair))
    found = find(NORMED, TRAIN, b)
    assert (named(found), len(found.matching)) == (pair, 1), found.sentence()
    by_losses = find(NORMED, TRAIN, without_norms(b))
    assert named(by_losses) == {"pool_ties=all"}
    assert (
        "not distinguish it from: 1/N of batch norm's backward pass in six decimals as well (" in by_losses.sentence()
    )


def test_the_pair_of_the_published_phase_2_is_named_by_losses(find) -> None:
    pair = {"weight_decay=coupled", "decay_set=all"}
    found = find(VECTORS, TRAIN, without_norms(run(Phase3, VECTORS, TRAIN, *(BY_NAME[name] for name in pair))))
    assert (named(found), len(found.matching)) == (pair, 1), found.sentence()
    assert found.matching[0].gap < 1e-9


def test_what_a_header_says_of_conventions_makes_no_difference(find) -> None:
    b = run(Phase3, VECTORS, TRAIN, BY_NAME["loss_reduction=sum"])
    stripped = dataclasses.replace(b, header=type(b.header)(**{**_fields(b.header), "conventions": None}))
    assert find(VECTORS, TRAIN, b).sentence() == find(VECTORS, TRAIN, stripped).sentence()


def _fields(header) -> dict:
    return {name: getattr(header, name) for name in header.__struct_fields__}


def test_the_default_reproduces_the_other_derivation(find) -> None:
    found = find(NORMED, TRAIN, run(Phase3, NORMED, TRAIN))
    assert (named(found), found.exit_code) == (set(), 0)
    assert found.sentence().startswith("phase 2 with the default conventions reproduces B to ")


def test_what_is_the_same_by_mathematics_cannot_be_told(find) -> None:
    """Plain gradient descent decays alike, coupled or not."""
    train = config(optimizer=Sgd())
    found = find(VECTORS, train, run(Phase2, VECTORS, train, BY_NAME["weight_decay=coupled"]))
    assert {frozenset(map(str, c.switches)) for c in found.matching} == {
        frozenset(),
        frozenset({"weight_decay=coupled"}),
    }
    assert "These steps do not distinguish it from: coupled weight decay on weights alone (" in found.sentence()


def test_one_step_cannot_tell(find) -> None:
    b = run(Phase2, VECTORS, TRAIN)
    short = dataclasses.replace(without_norms(b), **{name: getattr(b, name)[:1] for name in ("loss", "lr", "epoch")})
    found = find(VECTORS, TRAIN, short)
    assert (found.default, found.exit_code) == (True, 3)
    assert "over 1 step. That is too few steps to distinguish it from other conventions." in found.sentence()


def test_a_bug_is_no_convention(find) -> None:
    def wrong(layer, h, saved, dy):
        return tuple(h.mul(dx, 1.001) for dx in right.hlo_backward[Relu](layer, h, saved, dy))

    right = registered_rules()
    b = run(Phase3, VECTORS, TRAIN, rules=right.replace(hlo_backward={Relu: wrong}))
    found = find(VECTORS, TRAIN, b)
    assert (found.matching, found.exit_code) == ((), 1)
    assert "differs from it first in the norms of the gradients of step 1." in found.sentence()
    assert found.sentence().startswith(f"none of {len(found.tried)} sets of known conventions reproduces B: ")


def test_in_f32_rounding_is_measured_and_what_it_hides_is_said(find) -> None:
    b = run(Phase3, VECTORS, TRAIN, BY_NAME["adam_bias_correction=off"], dtype="f32")
    rounded = dataclasses.replace(without_norms(b), loss=b.loss.round(6))
    found = find(VECTORS, TRAIN, rounded, "f32")
    assert named(found) == {"adam_bias_correction=off"}
    assert "reproduces B to its print resolution, 1e-06, over 3 steps." in found.sentence()


def test_parameters_are_perturbed_by_one_ulp() -> None:
    start = np.array([1.0, -2.0, 0.0, 3e-5] * 50, np.float32)
    moved = perturbed_by_one_ulp(start, 1)
    assert ((moved == start) == (start == 0)).all()
    assert (np.abs(moved - start) <= np.spacing(np.abs(start))).all()
    assert (moved > start).any() and (moved < start).any()


def test_readings_are_near_up_to_rounding_resolution_and_the_spread_of_copies() -> None:
    one = Reading(2, "loss", np.array([1.0]))
    assert Allowance(1e-3).excess(one, np.array([1.002])) == pytest.approx(2, rel=0.01)
    assert Allowance(0.0, 1e-6).excess(one, np.array([1 + 1e-6])) == pytest.approx(1, rel=1e-6)
    assert Allowance(0.0).excess(one, np.array([1.0])) == 0
    assert Allowance(1e-3).excess(one, np.array([np.nan])) == np.inf
    copy = [Reading(t, "loss", np.array([1.0 + 10.0**-t])) for t in (1, 2, 3)]
    base = [Reading(t, "loss", np.array([1.0])) for t in (1, 2, 3)]
    spread = spread_of(base[::-1], [copy[::-1]])
    assert spread[3, "loss"] == pytest.approx(10 * 1e-2, rel=1e-6)  # what the next one shows
    assert spread[1, "loss"] == pytest.approx(10 * 1e-1, rel=1e-6)


def test_norms_that_are_absent_or_noise_are_passed_over() -> None:
    norms = Reading(1, "update", np.array([1.0, 2.0]))
    assert Allowance(1e-9).excess(norms, np.array([1.0, np.nan])) == 0
    assert Allowance(1e-9).excess(norms, np.array([1.0, 3.0]), dead=noise(np.array([1.0, 1e-12]))) == 0
    assert Allowance(1e-9).excess(norms, np.array([1.0, 3.0]), dead=noise(np.array([1.0, 1e-6]))) > 1


def test_words() -> None:
    chosen = [BY_NAME[name] for name in ("pool_ties=all", "weight_decay=coupled", "decay_set=all")]
    assert phrase(chosen) == "coupled weight decay on all parameters and the gradient of a pool to all tied maxima"
    assert phrase([]) == "the default conventions"
    assert phrase([BY_NAME["weight_decay=coupled"]]) == "coupled weight decay on weights alone"
    assert not compatible([BY_NAME["padding=symmetric"], BY_NAME["padding=symmetric-depthwise"]])


# `harness explain CASE --against FILE`, on a case of the oracle and synthetic data


@pytest.fixture(scope="module")
def uncorrected(tmp_path_factory) -> Path:
    """A trace of the case `dense`, of phase 3 without bias correction, twelve steps; its header says none of that."""
    case = find_case("dense")
    graph, spec = case.graph(), case.spec
    choice = resolve_data("synthetic", spec.dataset, spec.input_shape)
    first = first_batches(graph, case.config, choice.folder, 12)
    side = Phase3(graph, case.config, "f32", Conventions(adam_bias_correction="off"))
    rates = side.rates(12, first.steps_per_epoch)
    steps = side.train(first.batches, rates)
    trace = recorded(side, steps, first.batches, rates, steps_per_epoch=first.steps_per_epoch).trace
    header = type(trace.header)(**{**_fields(trace.header), "dataset": choice.name, "conventions": None})
    path = tmp_path_factory.mktemp("uncorrected") / "b.jsonl"
    path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in (header, *trace.lines.values())))
    return path


def explain(*arguments: object):
    return CliRunner().invoke(main, ["explain", *map(str, arguments)])


def test_a_file_is_explained(uncorrected: Path) -> None:
    done = explain("dense", "--against", uncorrected, "--data", "synthetic", "--format", "json")
    assert done.exit_code == 1, done.output
    document = json.loads(done.stdout)
    assert document["closing"][0]["switches"] == {"adam_bias_correction": "off"}
    assert document["stated"] is None
    tried = [t["switches"] for t in document["tried"]]
    assert {} in tried
    assert {"weight_decay": "coupled"} not in tried  # this case has no weight decay
    shown = explain("dense", "--against", uncorrected, "--data", "synthetic", "--steps", 3).output
    assert "its header states no conventions" in shown
    assert "phase 2 with no bias correction in Adam reproduces B " in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("dense-relu", "--data", "synthetic"), "netspec_name is 'dense', for dense-relu it is 'dense-relu'"),
        (("dense", "--data", "synthetic", "--batch", 8), "config.batch_size is 4, for dense it is 8"),
        (("dense", "--data", "synthetic", "--dtype", "f64"), "--against and --dtype exclude each other"),
    ],
)
def test_another_run_is_refused_in_one_line(arguments, said: str, uncorrected: Path) -> None:
    done = explain(*arguments, "--against", uncorrected)
    assert done.exit_code == 2
    assert said in done.output
    assert "Traceback" not in done.output


def test_a_batch_of_other_images_is_refused(uncorrected: Path, tmp_path: Path) -> None:
    text = uncorrected.read_text()
    other = tmp_path / "other.jsonl"
    digest = json.loads(text.splitlines()[2])["batch_sha256"]
    other.write_text(text.replace(digest, "0" * 64))
    done = explain("dense", "--against", other, "--data", "synthetic")
    assert done.exit_code == 2
    assert "batch_sha256 of step 2 is '000" in done.output


def test_a_trace_without_steps_is_refused(uncorrected: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text(uncorrected.read_text().splitlines()[0] + "\n")
    done = explain("dense", "--against", empty, "--data", "synthetic")
    assert (done.exit_code, "the trace has no steps" in done.output) == (2, True)


@pytest.mark.parametrize("name", ["rocm", "cuda"])
def test_the_published_traces_ran_the_defaults(name: str) -> None:
    folder = os.environ.get("HARNESS_REFERENCE_TRACES")
    if not folder:
        pytest.skip("HARNESS_REFERENCE_TRACES does not name the folder of the two published traces")
    found = explain_against("mnist_mlp", Path(folder) / f"mnist_mlp.phase3-noshuf-{name}.jsonl", steps=30).result
    assert (found.default, found.exit_code) == (True, 0)
    assert "the default conventions reproduces B to its print resolution, 1e-06, over the first" in found.sentence()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"loss": lambda step, loss: loss * (1 if step["step"] < 10 else 1.5)},
            "At step 10 B diverges from it suddenly",
        ),
        ({"loss": lambda step, loss: loss if step["step"] < 10 else "NaN"}, "B is not finite from step 10 on."),
        ({"lr": lambda step, rate: 1.2 * rate}, "Its learning rate at step 1 is 0.0012"),
        ({"epoch": lambda step, epoch: epoch + (step["step"] > 2)}, "Step 3 is in its epoch 1 and not in 0."),
    ],
    ids=["loss", "NaN", "rate", "epoch"],
)
def test_what_conventions_do_not_explain_is_said(changes, said: str, uncorrected: Path, tmp_path: Path) -> None:
    head, *steps = map(json.loads, uncorrected.read_text().splitlines())
    for step in steps:
        step |= {key: change(step, step[key]) for key, change in changes.items()}
    other = tmp_path / "other.jsonl"
    other.write_text("".join(json.dumps(line) + "\n" for line in (head, *steps)))
    done = explain("dense", "--against", other, "--data", "synthetic")
    assert done.exit_code == 1
    assert said in done.output


def test_norms_of_other_parameters_are_refused(uncorrected: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    head, _, steps = uncorrected.read_text().partition("\n")
    other.write_text(head + "\n" + steps.replace('"dense1.w"', '"dense9.w"'))
    done = explain("dense", "--against", other, "--data", "synthetic")
    assert (done.exit_code, "step 1 has norms of dense9.w, which dense has not" in done.output) == (2, True)
