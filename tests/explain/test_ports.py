"""Wrong programs of somebody else, in f32 with norms: the search names what is wrong, and nothing of a right one.

What is wrong is written into the text of a script here, by no code of the search.
"""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from harness.explain.conventions.result import SearchResult
from harness.explain.conventions.search import search
from harness.explain.conventions.trials import TrialFeed, Trials
from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.dense import Dense
from harness.nn.layers.flatten import Flatten
from harness.nn.layers.gelu import Gelu
from harness.nn.layers.max_pool import MaxPool
from harness.nn.layers.relu import Relu
from harness.nn.optimizers import Adam, Sgd
from harness.run.inprocess import Batch, Phase2, script_module
from harness.spec.netspec import TrainConfig
from harness.spec.shapes import Graph, infer_shapes
from harness.trace.format import StepLine, Trace, TraceHeader
from tests.support.networks import config, network

pytestmark = pytest.mark.xdist_group("ports")  # they share what they compile
Rate = Callable[[Any, int], np.float32]
STEPS, PER_EPOCH = 5, 20
VECTORS = infer_shapes(network((36,), Dense(36, 24, activation=Relu()), Dense(24, 4)))
SMOOTH = infer_shapes(network((36,), Dense(36, 24, activation=Gelu()), Dense(24, 4)))
IMAGES = infer_shapes(network((1, 8, 8), ConvBn(1, 4, kernel=3), MaxPool(2, 2), Flatten(), Dense(64, 4)))
ADAM = config(batch_size=16, weight_decay=0.01, optimizer=Adam(), cosine=True, warmup_epochs=1)
SMOOTHED = config(batch_size=16, label_smoothing=0.1)
SGD = config(batch_size=16, optimizer=Sgd(momentum=0.9))
PLAIN = "new_params, new_slots = update(params, slots, grads, lr, t)"


def feed_of(graph: Graph, train: TrainConfig) -> TrialFeed:
    def batch(t: int) -> Batch:
        rng = np.random.default_rng(t)
        x = rng.random((train.batch_size, *graph.spec.input_shape)).astype(np.float32)
        return Batch(x, rng.integers(0, graph.spec.classes, train.batch_size).astype(np.int32))

    return TrialFeed(batch, PER_EPOCH, Phase2(graph, train, "f32").initial())


def own_rate(script: Any, t: int) -> np.float32:
    return script.learning_rate(t, PER_EPOCH)


def port(graph: Graph, train: TrainConfig, edits: dict[str, str], rate: Rate = own_rate) -> Trace:
    """The trace of a program whose text has each of those pieces replaced."""
    source = Phase2(graph, train, "f32").source
    for old, new in edits.items():
        assert old in source, old
        source = source.replace(old, new)
    script, feed = script_module(source), feed_of(graph, train)
    params = script.unflatten(feed.initial)
    slots = {slot: {name: np.zeros_like(p) for name, p in params.items()} for slot in script.SLOTS}
    stats = {name: np.zeros(shape, np.float32) for name, shape in script.STATS.items()}
    lines = {}
    for t in range(1, STEPS + 1):
        before = {name: np.array(p) for name, p in params.items()}
        batch, lr = feed.batch(t), rate(script, t)
        loss, params, slots, stats, grads = script.train_step(
            params, slots, stats, batch.x, batch.labels, np.float32(lr), np.float32(t)
        )
        told = script.observations(batch.x, batch.labels, grads, before, params, stats)
        del told["batch_sha256"]
        lines[t] = StepLine(kind="step", step=t, epoch=0, loss=float(loss), lr=float(lr), **told)
    header = msgspec.convert(script.HEADER | {"phase": "port", "backend": "cpu", "conventions": None}, TraceHeader)
    loss, rates = (np.array([float(getattr(line, of)) for line in lines.values()]) for of in ("loss", "lr"))
    return Trace("port.jsonl", header, np.zeros(STEPS, np.int64), loss, rates, lines=lines)


@pytest.fixture(scope="module")
def kept_trials() -> dict[str, Trials]:
    """One for each network, so that what one search has compiled the next one has."""
    return {}


@pytest.fixture
def explain(kept_trials):
    """The result of a search, with programs kept."""

    def explain(graph: Graph, train: TrainConfig, b: Trace) -> SearchResult:
        new = Trials(graph, train, "f32", feed_of(graph, train))
        return search(kept_trials.setdefault(repr((graph.spec, train)), new), b, steps=STEPS)

    return explain


ADAM_ERRORS = {
    "epsilon=0.001": {"EPSILON = 1e-08": "EPSILON = 0.001"},
    "betas=0.9/0.99": {"BETA2 = 0.999": "BETA2 = 0.99"},
    "betas=0.8/0.999": {"BETA1 = 0.9\n": "BETA1 = 0.8\n"},
    "adam_bias_correction=off": {"m / (1 - BETA1**t)": "m", "v / (1 - BETA2**t)": "v"},
    "adam_bias_correction=second": {"m / (1 - BETA1**t)": "m"},
    "weight_decay=not-times-rate": {"p_new - lr * WEIGHT_DECAY * p": "p_new - WEIGHT_DECAY * p"},
    "weight_decay=coupled": {
        "p_new - lr * WEIGHT_DECAY * p": "p_new",
        "g = grads[name]": "g = grads[name] + (WEIGHT_DECAY * p if name in DECAYED else 0)",
    },
    "gradients=1.5": {PLAIN: "grads = {k: 1.5 * g for k, g in grads.items()}; " + PLAIN},
    "gradients=batch": {PLAIN: "grads = {k: BATCH_SIZE * g for k, g in grads.items()}; " + PLAIN},
    "clipping=0.5": {
        PLAIN: "size = jnp.sqrt(sum(jnp.vdot(g, g) for g in grads.values())); "
        "grads = {k: g * jnp.minimum(1, 0.5 / size) for k, g in grads.items()}; " + PLAIN
    },
    "pixels=symmetric": {"= forward(params, stats, x, t)": "= forward(params, stats, 2 * x - 1, t)"},
    "pixels=mnist": {"= forward(params, stats, x, t)": "= forward(params, stats, (x - 0.1307) / 0.3081, t)"},
    "labels=next": {"log_p, labels[:, None]": "log_p, (labels[:, None] + 1) % CLASSES"},
    "label_smoothing=0.1": {"-jnp.mean(likelihood)": "-jnp.mean(0.9 * likelihood + 0.1 * jnp.mean(log_p, axis=-1))"},
}
OTHER_ERRORS = {
    "label_smoothing=others": (
        VECTORS,
        SMOOTHED,
        {"LABEL_SMOOTHING * jnp.mean(log_p, axis=-1)": "LABEL_SMOOTHING * (jnp.sum(log_p, axis=-1) - likelihood) / 3"},
    ),
    "gelu=exact": (SMOOTH, ADAM, {"approximate=True": "approximate=False"}),
    "momentum=nesterov": (VECTORS, SGD, {"return velocity, velocity": "return g + MOMENTUM * velocity, velocity"}),
    "momentum=averaged": (VECTORS, SGD, {"MOMENTUM * velocity + g": "MOMENTUM * velocity + (1 - MOMENTUM) * g"}),
    "bn_epsilon=0.001": (IMAGES, ADAM, {"BN_EPSILON = 1e-05": "BN_EPSILON = 0.001"}),
    "running_momentum=0.1": (IMAGES, ADAM, {"BN_MOMENTUM = 0.9\n": "BN_MOMENTUM = 0.1\n"}),
    "running_variance=unbiased": (
        IMAGES,
        ADAM,
        {"conv1_bn_var, t)": "conv1_bn_var * (conv1[..., 0].size / (conv1[..., 0].size - 1)), t)"},
    ),
}
ERRORS = {name: (VECTORS, ADAM, edits) for name, edits in ADAM_ERRORS.items()} | OTHER_ERRORS


@pytest.mark.parametrize("name", ERRORS)
def test_what_is_wrong_with_a_port_is_named_from_f32(name: str, explain) -> None:
    graph, train, edits = ERRORS[name]
    found = explain(graph, train, port(graph, train, edits))
    assert found.matching, found.sentence()
    assert ({str(s) for s in found.matching[0].switches}, found.exit_code) == ({name}, 1), found.sentence()
    before, after = found.gap_closed_by(found.matching[0])
    assert after <= before.allowed < before.relative
    assert f"{before.relative:.1e} from B under the default conventions, {after:.1e} now" in found.sentence()


def test_a_rate_that_comes_a_step_late_is_named_from_f32(explain) -> None:
    b = port(VECTORS, ADAM, {}, lambda script, t: own_rate(script, t - 1) if t > 1 else np.float32(0))
    found = explain(VECTORS, ADAM, b)
    assert [str(s) for s in found.matching[0].switches] == ["rate=late"], found.sentence()


REVERSED = {' @ params["dense1.w"]': '[:, ::-1] @ params["dense1.w"][::-1]'}
PRECISE = {"(1 - BETA2**t)": "(-jnp.expm1(t * math.log(BETA2)))"}


@pytest.mark.parametrize(
    ("graph", "train", "edits"),
    [(VECTORS, ADAM, REVERSED | PRECISE), (VECTORS, SGD, REVERSED), (IMAGES, ADAM, REVERSED)],
    ids=["vectors", "momentum", "images"],
)
def test_nothing_is_named_of_a_right_port(graph: Graph, train: TrainConfig, edits: dict[str, str], explain) -> None:
    """It adds in another order, or has more digits in Adam's powers."""
    found = explain(graph, train, port(graph, train, edits))
    assert (found.default, found.exit_code) == (True, 0), found.sentence()
