"""The search for conventions names what was injected, says what cannot be told apart, and refuses other runs."""

import dataclasses
from typing import Any, get_args

import msgspec
import numpy as np
import pytest

from harness.emit.header import header_facts
from harness.explain.conventions import search as convention_search
from harness.explain.conventions.judge import Judge, Reading, order
from harness.explain.conventions.result import SearchResult
from harness.explain.conventions.search import EARLIEST, search
from harness.explain.conventions.switches import Switch, applied, compatible, phrase
from harness.explain.conventions.table import SWITCHES, switches_of
from harness.explain.conventions.trials import TrialFeed, Trials
from harness.nn.layers.conv2d import Conv2d
from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.convolution import Convolution
from harness.nn.layers.dense import Dense
from harness.nn.layers.depthwise_convolution import DepthwiseConvolution
from harness.nn.layers.flatten import Flatten
from harness.nn.layers.gelu import Gelu
from harness.nn.layers.instance_norm import InstanceNorm
from harness.nn.layers.layer_norm import LayerNorm
from harness.nn.layers.max_pool import MaxPool
from harness.nn.layers.relu import Relu
from harness.nn.optimizers import Sgd
from harness.nn.rules import registered_rules
from harness.run.inprocess import Batch, Phase2, Phase3, Side, recorded
from harness.spec.netspec import Conventions, DType, Layer, TrainConfig
from harness.spec.rules import Rules
from harness.spec.shapes import Graph, infer_shapes
from harness.trace.format import Trace, TraceHeader
from harness.verdict.rounding.bounds import CLASSES, fitted_bounds
from tests.support.networks import config, network

pytestmark = pytest.mark.xdist_group("conventions")  # they share what they compile
TRAIN = config(epochs=4, cosine=True, warmup_epochs=2, label_smoothing=0.1)
VECTORS = infer_shapes(network((6,), Dense(6, 5, activation=Relu()), Dense(5, 4)))
NORMED = infer_shapes(network((1, 9, 9), ConvBn(1, 2, kernel=1), MaxPool(2, 2), Flatten(), Dense(50, 4)))
STRIDED = infer_shapes(
    network((1, 8, 8), Convolution(1, 2, 3, stride=2), DepthwiseConvolution(2, 3, 2), Flatten(), Dense(8, 4))
)
SMOOTH = infer_shapes(network((6,), Dense(6, 5), LayerNorm(5), Gelu(), Dense(5, 4)))
EXACT = infer_shapes(network((6,), Dense(6, 5), Gelu("none"), Dense(5, 4)))
BY_IMAGE = infer_shapes(network((3, 4, 4), Convolution(3, 2, 3), InstanceNorm(2), Flatten(), Dense(32, 4)))
SCALED = infer_shapes(dataclasses.replace(BY_IMAGE.spec, dataset="imagenette"))
# Every switch concerns one of them.
HOMES = (
    (VECTORS, TRAIN),
    (VECTORS, config()),
    (VECTORS, config(optimizer=Sgd(momentum=0.9))),
    (NORMED, TRAIN),
    (STRIDED, TRAIN),
    (SMOOTH, TRAIN),
    (EXACT, TRAIN),
    (BY_IMAGE, TRAIN),
    (SCALED, TRAIN),
)
BY_NAME = {str(switch): switch for switch in SWITCHES}
STEPS = 3
PER_EPOCH = 3


# The conventions, and one of each other kind.
NAMED_IN_F64 = [
    *(f"{field.name}={value}" for field in dataclasses.fields(Conventions) for value in get_args(field.type)[1:]),
    "schedule=step",
    "label_smoothing=0.0",
    "epsilon=1e-07",
    "betas=0.9/0.99",
    "weight_decay=after",
    "gradients=1.5",
    "rate=late",
    "pixels=centred",
    "gelu=exact",
    "gelu=tanh",
]


def feed_of(graph: Graph, train: TrainConfig, dtype: DType = "f64") -> TrialFeed:
    """Drawn batches, another one each step, of three shades: a window of a pool has ties that ReLU lets through."""
    kind = np.float32 if dtype == "f32" else np.float64

    def batch(t: int) -> Batch:
        rng = np.random.default_rng(t)
        x = rng.integers(0, 3, (train.batch_size, *graph.spec.input_shape)).astype(kind) / 2
        return Batch(x, rng.integers(0, graph.spec.classes, train.batch_size).astype(np.int32))

    return TrialFeed(batch, PER_EPOCH, Phase2(graph, train, dtype).initial())


def run(
    side: type[Side],
    graph: Graph,
    train: TrainConfig,
    *switches: Switch,
    dtype: DType = "f64",
    rules: Rules | None = None,
) -> Trace:
    """B: the trace of one side under those switches."""
    practice, given = applied(switches, train), feed_of(graph, train, dtype)
    program = side(graph, practice.config, dtype, practice.conventions, rules=rules)
    batches = [given.batch(t) for t in range(1, STEPS + 1)]
    rates = program.rates(STEPS, PER_EPOCH)
    return recorded(program, program.train(batches, rates), batches, rates, steps_per_epoch=PER_EPOCH).trace


KEYS = frozenset({"grad_norms", "update_norms", "stat_norms"})


def readings(trials: Trials, *switches: Switch) -> list[Reading]:
    """What a trial of phase 2 says."""
    read = {reading.t: reading for reading in trials.run(frozenset(switches), STEPS, lambda t: KEYS)}
    return list(read.values())


def header_of(trials: Trials) -> dict[str, Any]:
    return header_facts(trials.graph, trials.config, trials.dtype, Conventions(), "phase2")


def tried(trials: Trials, *switches: Switch) -> Trace:
    """B: the same, with programs that are compiled already."""
    nothing = Trace("", msgspec.convert(header_of(trials), TraceHeader), *[np.zeros(STEPS)] * 3)
    return Judge(nothing, header_of(trials), trials.dtype, STEPS).trace(readings(trials, *switches))


def without_projections(trace: Trace) -> Trace:
    """As of a program that writes norms alone."""
    none = {"grad_projections": None, "update_projections": None, "stat_norms": None}
    lines = {step: msgspec.structs.replace(line, **none) for step, line in trace.lines.items()}
    return dataclasses.replace(trace, lines=lines)


def without_norms(trace: Trace) -> Trace:
    return dataclasses.replace(trace, lines={})


@pytest.fixture(scope="module")
def shared_trials() -> dict[str, Trials]:
    """One for each network, so that what one search has compiled the next one has."""
    return {}


@pytest.fixture
def find(shared_trials, monkeypatch):
    """search(graph, train, b), with programs kept, among the conventions and one switch of each other kind."""

    def find(graph: Graph, train: TrainConfig, b: Trace, dtype: DType = "f64") -> SearchResult:
        new = Trials(graph, train, dtype, feed_of(graph, train, dtype))
        return search(shared_trials.setdefault(repr((graph.spec, train, dtype)), new), b, steps=STEPS)

    def few(graph: Graph, train: TrainConfig) -> list[Switch]:
        return [switch for switch in switches_of(graph, train) if str(switch) in NAMED_IN_F64]

    monkeypatch.setattr(convention_search, "switches_of", few)
    return find


@pytest.mark.parametrize(("dtype", "rounding"), [("f32", 1e-6), ("f64", 1e-14)])
def test_a_first_update_is_had_uncompiled_and_then_compiled(dtype: DType, rounding: float) -> None:
    """So that a set which it shows to be wrong is never compiled."""
    trials = Trials(VECTORS, TRAIN, dtype, feed_of(VECTORS, TRAIN, dtype))
    uncompiled, compiled = trials.run(frozenset(), 1, lambda t: KEYS)
    assert (uncompiled.provisional, compiled.provisional) == (True, False)
    assert uncompiled.tensors is not None
    assert compiled.tensors is not None
    for key, numbers in uncompiled.tensors.items():
        assert compiled.tensors[key] == pytest.approx(numbers, rel=rounding)
    assert [reading.provisional for reading in trials.run(frozenset(), 1, lambda t: KEYS)] == [False]


def named(found: SearchResult) -> set[str]:
    return {str(switch) for switch in found.matching[0].switches}


def home(switch: Switch) -> tuple[Graph, TrainConfig]:
    """A network and a training that it concerns."""
    return next((graph, train) for graph, train in HOMES if switch.concerns(graph, train))


def test_every_convention_is_a_switch_and_every_switch_concerns_a_network() -> None:
    changed = [dataclasses.asdict(applied([switch], home(switch)[1]).conventions) for switch in SWITCHES]
    default = dataclasses.asdict(Conventions())
    assert {name for values in changed for name in values if values[name] != default[name]} == set(default)
    assert len(BY_NAME) == len(SWITCHES)


@pytest.mark.parametrize("name", BY_NAME)
def test_a_switch_changes_the_part_that_it_names_and_nothing_before_it(name: str, shared_trials) -> None:
    """Gradients of a large loss, so that every clipping clips."""
    switch = BY_NAME[name]
    graph, train = home(switch)
    given = feed_of(graph, train, "f32" if switch.rounds else "f64")
    if switch.name == "clipping":
        given = dataclasses.replace(given, initial=given.initial * 30)
    key = repr((graph.spec, train, switch.rounds, switch.name == "clipping"))
    dtype: DType = "f32" if switch.rounds else "f64"
    trials = shared_trials.setdefault(key, Trials(graph, train, dtype, given))
    found = Judge(tried(trials), header_of(trials), "f64", STEPS).judged(readings(trials, switch))
    assert found.failed_at is not None
    assert order(found.failed_at) >= order(EARLIEST[switch.stage])
    assert found.failed_at[0] == 1 or switch.stage in ("statistics", "optimizer", "schedule")


def test_switches_that_concern_nothing_are_not_tried() -> None:
    names = [str(switch) for switch in switches_of(VECTORS, config(weight_decay=0.0, optimizer=Sgd()))]
    assert names
    assert not any(word in name for name in names for word in ("adam", "decay", "norm", "pool", "padding", "schedule"))
    square = infer_shapes(network((1, 6, 6), Conv2d(1, 2, 3), Flatten(), Dense(72, 4)))
    assert "padding=symmetric" not in map(str, switches_of(square, TRAIN))


def test_a_norm_is_tried_with_every_epsilon_but_its_own() -> None:
    def tried_of(*layers: Layer) -> set[str]:
        graph = infer_shapes(network((1, 6, 6), *layers, Flatten(), Dense(72, 4)))
        return {name for name in map(str, switches_of(graph, TRAIN)) if name.startswith("bn_epsilon")}

    common = {"bn_epsilon=0.0001", "bn_epsilon=1e-06"}
    assert tried_of(ConvBn(1, 2)) == common | {"bn_epsilon=0.001"}
    assert tried_of(ConvBn(1, 2, epsilon=1e-3)) == common
    assert tried_of(ConvBn(1, 2, epsilon=1e-3), ConvBn(2, 2)) == common | {"bn_epsilon=0.001"}


def test_an_epsilon_is_that_of_all_norms_of_a_kind() -> None:
    graph = infer_shapes(network((1, 4, 4), ConvBn(1, 2, epsilon=0.1), ConvBn(2, 2), Flatten(), Dense(32, 4)))
    script = applied([BY_NAME["bn_epsilon=0.001"]], TRAIN).side(graph, "f64").script
    assert (script.BN_EPSILON, script.BN_EPSILON_2) == (1e-3, 1e-3)


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


@pytest.mark.parametrize("name", NAMED_IN_F64)
def test_each_injected_switch_is_named_in_f64(name: str, find) -> None:
    graph, train = home(BY_NAME[name])
    trials = Trials(graph, train, "f64", feed_of(graph, train))
    found = find(graph, train, tried(trials, BY_NAME[name]))
    assert (named(found), found.exit_code) == ({name}, 1), found.sentence()
    # Behind a 1x1 convolution, batch norm takes a shift of all pixels away, and so it does for each image.
    others = [{str(s) for s in c.switches} - {name} for c in found.matching[1:]]
    assert others in ([], [{"pixels=centred"}] if graph is NORMED else []), found.sentence()
    assert found.sentence().startswith(f"phase 2 with {phrase([BY_NAME[name]])} reproduces B ")


def test_the_pair_of_the_published_phase_3_is_named_by_norms(find) -> None:
    """Adam takes no notice of a gradient that is too large by a factor: losses do not tell a rounded 1/N."""
    pair = {"pool_ties=all", "batch_norm_inverse_count=six-decimals"}
    b = run(Phase3, NORMED, TRAIN, *(BY_NAME[name] for name in pair))
    found = find(NORMED, TRAIN, b)
    assert named(found) == pair, found.sentence()
    assert found.matching[1:] == ()
    # Behind a 1x1 convolution, batch norm takes a shift of all pixels away, but for a projection.
    by_norms = find(NORMED, TRAIN, without_projections(b))
    assert named(by_norms) == pair
    assert [{str(s) for s in c.switches} - pair for c in by_norms.matching[1:]] == [{"pixels=centred"}]
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
    assert "differs from it first in step 1, gradient of " in found.sentence()
    assert found.sentence().startswith(f"none of {len(found.tried)} sets of known conventions reproduces B: ")


def test_in_f32_rounding_is_measured_and_what_it_hides_is_said(find) -> None:
    b = run(Phase3, VECTORS, TRAIN, BY_NAME["adam_bias_correction=off"], dtype="f32")
    rounded = dataclasses.replace(without_norms(b), loss=b.loss.round(6))
    found = find(VECTORS, TRAIN, rounded, "f32")
    assert named(found) == {"adam_bias_correction=off"}
    assert "reproduces B to its print resolution, 1e-06, over 3 steps." in found.sentence()


def test_a_trial_is_judged_as_the_verdict_judges_a_pair() -> None:
    """In f64 by 1e-9, in f32 by the fitted bounds; what only one side has decides nothing."""
    header = header_of(Trials(VECTORS, TRAIN, "f64", feed_of(VECTORS, TRAIN)))
    reading = Reading(1, 1.0, 0.01, {"grad_norms": {"dense1.w": 1.0, "dense1.b": 2.0}})
    b = Judge(Trace("", msgspec.convert(header, TraceHeader), *[np.zeros(1)] * 3), header, "f64", 1).trace([reading])
    apart = dataclasses.replace(reading, tensors={"grad_norms": {"dense1.w": 1.0, "dense1.b": 2.002}})
    for dtype, factor in (("f64", 1e-9), ("f32", 2e-3)):
        judge = Judge(b, header, dtype, 1)
        assert judge.judged([reading]).failed_at is None
        assert judge.judged([dataclasses.replace(apart, loss=2.0)]).failed_at == (1, "loss")
        assert judge.judged([dataclasses.replace(reading, loss=float("nan"))]).excess == np.inf
        assert judge.judged([Reading(1, 1.0, 0.01)]).failed_at is None
        figure = judge.judged([dataclasses.replace(apart, tensors={"grad_norms": {"dense1.b": 3.0}})]).worst
        assert (figure.position, figure.relative) == ((1, "gradient"), pytest.approx(1 / 3))
        assert figure.allowed <= max(factor, fitted_bounds().allowed("largest", "grad:", 1, CLASSES))
    assert Judge(b, header, "f64", 1).judged([apart]).worst.place == "step 1, gradient of dense1.b"


def test_words() -> None:
    chosen = [BY_NAME[name] for name in ("pool_ties=all", "weight_decay=coupled", "decay_set=all")]
    assert phrase(chosen) == "coupled weight decay on all parameters and the gradient of a pool to all tied maxima"
    assert phrase([]) == "the default conventions"
    assert phrase([BY_NAME["weight_decay=coupled"]]) == "coupled weight decay on weights alone"
    assert not compatible([BY_NAME["padding=symmetric"], BY_NAME["padding=symmetric-depthwise"]])
