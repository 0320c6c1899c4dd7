"""Every convention switch against a formula of its own, in f64, on each side that has it; none is ever ignored."""

import dataclasses
import re
from dataclasses import replace
from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from harness.emit.jax_script import emit_jax_script
from harness.emit.phase3 import emit_phase3
from harness.emit.train_step import emit_logits
from harness.errors import EmitError, SpecError
from harness.nn.layers.batch_norm import BatchNorm
from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.convolution import Convolution
from harness.nn.layers.dense import Dense
from harness.nn.layers.depthwise_convolution import DepthwiseConvolution
from harness.nn.layers.flatten import Flatten
from harness.nn.layers.max_pool import MaxPool
from harness.nn.layers.separable_conv import SeparableConv
from harness.nn.rules import registered_rules
from harness.run.inprocess import Phase2, Phase3, Side
from harness.spec.netspec import Conventions, Layer, Shape
from harness.spec.shapes import infer_shapes
from tests.support.networks import config, network
from tests.support.programs import drawn, hlo_layer, iree_call, jax_layer, layer_node

BATCH = 3
# Everything that a switch is about.
EVERYTHING = infer_shapes(
    network((1, 12, 12), ConvBn(1, 2, stride=2), SeparableConv(2, 3, 2), MaxPool(2, 2), Flatten(), Dense(12, 4))
)
SWITCHES = [
    (field.name, value)
    for field in dataclasses.fields(Conventions)
    for value in get_args(field.type)
    if value != field.default
]
ONLY_PHASE_2 = {"batch_norm_statistics", "batch_norm_epsilon"}


def draws(layer: Layer, *in_shapes: Shape, whole: bool = False, scale: float = 1.0) -> Any:
    """A node, its drawn parameters, inputs and a cotangent; `whole` numbers tie."""
    node, rng = layer_node(layer, in_shapes), np.random.default_rng(3)
    params = {f"layer.{p.name}": rng.normal(size=p.shape) for p in layer.params()}
    shapes = [(BATCH, *shape) for shape in in_shapes]
    xs = [rng.integers(0, 3, s).astype(float) if whole else scale * rng.normal(size=s) for s in shapes]
    return node, params, xs, rng.normal(size=(BATCH, *node.out_shape))


def by_jax(node: Any, params: Any, xs: list, dy: Any, conventions: Conventions) -> list:
    """y, dx…, dparams… of the rule of phase 2."""
    stats = {f"layer.{s.name}": jnp.zeros(s.shape) for s in node.layer.states()}
    rule = jax_layer(node, conventions)
    return by_formula(lambda p, *x: rule(p, stats, *x), params, xs, dy)


def by_iree(node: Any, params: Any, xs: list, dy: Any, conventions: Conventions) -> list:
    """The same of the rules of phase 3."""
    stats = [np.zeros(s.shape) for s in node.layer.states()]
    return iree_call(hlo_layer(node, BATCH, conventions), [*params.values(), *stats, *xs, dy, np.array(1.0)])


def by_formula(formula: Any, params: Any, xs: list, dy: Any) -> list:
    """The same of a function (params, *x) -> y."""

    @jax.jit
    def both_ways(params, xs, dy):
        y, vjp = jax.vjp(formula, params, *xs)
        return y, vjp(dy)

    y, (dparams, *dxs) = both_ways(params, xs, dy)
    return [y, *dxs, *(dparams[name] for name in params)]


def assert_equal(found: list, expected: list) -> None:
    assert len(found) == len(expected)
    for mine, theirs in zip(found, expected, strict=True):
        scale = max(1.0, np.abs(theirs).max())
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-10 * scale)


@pytest.mark.parametrize("by", [by_jax, by_iree])
@pytest.mark.parametrize(("window", "stride", "size"), [(2, 2, (6, 8)), (3, 2, (7, 8)), (2, 3, (7, 6))])
def test_all_tied_maxima_get_the_whole_gradient(by, window, stride, size) -> None:
    _, _, (x,), dy = case = draws(MaxPool(window, stride), (2, *size), whole=True)
    y, dx = np.zeros(dy.shape), np.zeros(x.shape)
    low = [max(0, (out - 1) * stride + window - n) // 2 for out, n in zip(dy.shape[2:], size, strict=True)]
    for h, w in np.ndindex(dy.shape[2:]):
        top, left = h * stride - low[0], w * stride - low[1]
        inside = np.s_[:, :, max(top, 0) : top + window, max(left, 0) : left + window]
        y[:, :, h, w] = x[inside].max(axis=(2, 3))
        dx[inside] += (x[inside] == y[:, :, h, w, None, None]) * dy[:, :, h, w, None, None]
    assert_equal(by(*case, Conventions(pool_ties="all")), [y, dx])
    assert np.abs(by(*case, Conventions())[1] - dx).max() > 0.1


@pytest.mark.parametrize("padding", ["SAME", "VALID", 1, (0, 1)])
@pytest.mark.parametrize(("window", "stride"), [((2, 3), (1, 2)), (3, 2), (2, 2)])
def test_both_sides_share_a_gradient_among_ties(window, stride, padding) -> None:
    case, ties = draws(MaxPool(window, stride, padding), (2, 6, 7), whole=True), Conventions(pool_ties="all")
    assert_equal(by_iree(*case, ties), by_jax(*case, ties))
    assert np.abs(by_jax(*case, ties)[1] - by_jax(*case, Conventions())[1]).max() > 0.1


@pytest.mark.parametrize("by", [by_jax, by_iree])
def test_a_count_of_six_decimals_scales_the_input_gradient_alone(by) -> None:
    case = draws(BatchNorm(3), (3, 5, 7))
    n = BATCH * 5 * 7
    y, dx, *others = by(*case, Conventions())
    found = by(*case, Conventions(batch_norm_inverse_count="six-decimals"))
    assert_equal(found, [y, dx * (0.009524 * n), *others])
    assert abs(0.009524 * n - 1) > 1e-6


def batch_norm(axes: tuple[int, ...], inside: bool) -> Any:
    def formula(params, x):
        centred = x - x.mean(axes, keepdims=True)
        var = (centred**2).mean(axes, keepdims=True)
        deviation = jnp.sqrt(var + 1e-5) if inside else jnp.sqrt(var) + 1e-5
        gamma, beta = (params[f"layer.{name}"][:, None, None] for name in ("gamma", "beta"))
        return gamma * centred / deviation + beta

    return formula


@pytest.mark.parametrize("epsilon", ["inside", "outside"])
@pytest.mark.parametrize("statistics", ["batch", "instance"])
def test_batch_norm_by_its_formula(statistics, epsilon) -> None:
    """On a small image, where 1e-5 counts."""
    node, params, xs, dy = draws(BatchNorm(3), (3, 5, 7), scale=0.02)
    conventions = Conventions(batch_norm_statistics=statistics, batch_norm_epsilon=epsilon)
    formula = batch_norm({"batch": (0, 2, 3), "instance": (2, 3)}[statistics], epsilon == "inside")
    expected = by_formula(formula, params, xs, dy)
    assert_equal(by_jax(node, params, xs, dy, conventions), expected)
    if conventions != Conventions():
        assert np.abs(by_jax(node, params, xs, dy, Conventions())[0] - expected[0]).max() > 1e-3


def test_a_batch_norm_by_image_evaluates_as_it_trains() -> None:
    graph = infer_shapes(network((1, 6, 6), ConvBn(1, 2), Flatten(), Dense(72, 4)))
    script = Phase2(graph, config(), "f64", Conventions(batch_norm_statistics="instance")).script
    params = script.unflatten(np.linspace(-1, 1, graph.total_params).astype(np.float32))
    stats = {name: jnp.zeros(shape) for name, shape in script.STATS.items()}
    x = np.random.default_rng(0).random((5, 1, 6, 6))
    logits, after = script.forward(params, stats, x, 1.0)
    np.testing.assert_array_equal(logits, script.forward_eval(params, stats, x))
    assert after.keys() == stats.keys()


def correlation(x: np.ndarray, w: np.ndarray, stride: int, grouped: bool) -> np.ndarray:
    """With the padding of stride 1, whatever the stride, put around the image by hand."""
    edges = ((w.shape[2] - 1) // 2, w.shape[2] // 2)
    padded = jnp.pad(x, ((0, 0), (0, 0), edges, edges))
    return jax.lax.conv_general_dilated(
        padded, w, (stride, stride), "VALID", feature_group_count=x.shape[1] if grouped else 1
    )


@pytest.mark.parametrize("by", [by_jax, by_iree])
@pytest.mark.parametrize(("kernel", "stride", "size"), [(3, 2, (8, 7)), (4, 3, (6, 7))])
@pytest.mark.parametrize("kind", [Convolution, DepthwiseConvolution])
def test_symmetric_padding_is_that_of_stride_1(by, kind, kernel, stride, size) -> None:
    grouped = kind is DepthwiseConvolution
    layer = kind(2, kernel, stride) if grouped else kind(2, 3, kernel, stride)
    _, params, xs, dy = case = draws(layer, (2, *size))
    expected = by_formula(lambda p, x: correlation(x, p["layer.w"], stride, grouped), params, xs, dy)
    assert_equal(by(*case, Conventions(padding="symmetric")), expected)


@pytest.mark.parametrize("kind", [Convolution, DepthwiseConvolution])
def test_symmetric_padding_of_taps_that_are_apart(kind) -> None:
    own = (3, (1, 2), "SAME", (2, 1))
    layer = kind(2, *own) if kind is DepthwiseConvolution else kind(2, 3, *own)
    case = draws(layer, (2, 8, 7))
    symmetric, by_pixels = Conventions(padding="symmetric"), replace(layer, padding=(2, 1))
    expected = by_jax(layer_node(by_pixels, ((2, 8, 7),)), *case[1:], Conventions())
    for by in (by_jax, by_iree):
        assert_equal(by(*case, symmetric), expected)


def test_which_convolutions_are_padded_symmetrically() -> None:
    pads = {value: Conventions(padding=value).pads for value in ("same", "symmetric", "symmetric-depthwise")}
    assert [pad("SAME") for pad in pads.values()] == ["SAME", "SYMMETRIC", "SAME"]
    assert [pad("SAME", depthwise=True) for pad in pads.values()] == ["SAME", "SYMMETRIC", "SYMMETRIC"]
    assert {pad("VALID", depthwise=True) for pad in pads.values()} == {"VALID"}


@pytest.mark.parametrize("side", [Phase2, Phase3])
@pytest.mark.parametrize("epsilon", ["outside", "inside"])
@pytest.mark.parametrize("correction", ["on", "off"])
def test_adam_by_its_formula(side: type[Side], epsilon, correction) -> None:
    graph, train = infer_shapes(network((6,), Dense(6, 4))), config(weight_decay=0.0)
    conventions = Conventions(adam_epsilon=epsilon, adam_bias_correction=correction)
    rng = np.random.default_rng(1)
    start = {p.name: rng.normal(size=p.shape) for p in graph.params}
    gradients = [{name: 1e-4 * rng.normal(size=p.shape) for name, p in start.items()} for _ in range(3)]
    found = side(graph, train, "f64", conventions).update(start, gradients)
    for name, p in start.items():
        m = v = 0.0
        for t, grads in enumerate(gradients, 1):
            m, v = 0.9 * m + 0.1 * grads[name], 0.999 * v + 0.001 * grads[name] ** 2
            m_hat, v_hat = (m / (1 - 0.9**t), v / (1 - 0.999**t)) if correction == "on" else (m, v)
            root = np.sqrt(v_hat + 1e-8) if epsilon == "inside" else np.sqrt(v_hat) + 1e-8
            p = p - float(np.float32(0.01)) * m_hat / root
            np.testing.assert_allclose(found[t - 1].params[name], p, rtol=1e-12)


@pytest.mark.parametrize("side", [Phase2, Phase3])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_loss_that_is_summed_is_the_mean_times_the_batch(side: type[Side], smoothing: float) -> None:
    graph, train = infer_shapes(network((6,), Dense(6, 4))), config(label_smoothing=smoothing)
    batches, steps_per_epoch = drawn(graph, train, steps=1)
    sides = [side(graph, train, "f64", Conventions(loss_reduction=value)) for value in ("mean", "sum")]
    (mean,), (total,) = (s.train(batches, s.rates(1, steps_per_epoch)) for s in sides)
    assert total.loss == pytest.approx(train.batch_size * mean.loss, rel=1e-12)
    for name, gradient in mean.grads.items():
        np.testing.assert_allclose(total.grads[name], train.batch_size * gradient, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize(("name", "value"), SWITCHES)
def test_no_side_ignores_a_switch(name: str, value: str) -> None:
    """It changes the program, or is an error that names it."""
    default, switched = Conventions(), Conventions(**{name: value})

    def body(conventions: Conventions) -> str:
        script = emit_jax_script(EVERYTHING, config(), "f32", conventions, command="a test", rules=registered_rules())
        return re.sub(r'"conventions": \{.*?\}', "", script, flags=re.DOTALL)

    assert body(switched) != body(default)
    if name in ONLY_PHASE_2:
        expected = f"conv1.bn: phase 3 has no {name}='{value}', only '{getattr(default, name)}'"
        with pytest.raises(EmitError, match=expected):
            emit_phase3(EVERYTHING, config(), "f32", switched, rules=registered_rules())
        with pytest.raises(EmitError, match=expected):
            emit_logits(EVERYTHING, 4, "f32", switched, rules=registered_rules())
    else:
        rules = registered_rules()
        texts = [emit_phase3(EVERYTHING, config(), "f32", c, rules=rules)[0]["train_step"] for c in (default, switched)]
        assert texts[0] != texts[1]


def test_every_switch_together_still_is_a_program() -> None:
    everything = Conventions(**dict(SWITCHES))
    batches, steps_per_epoch = drawn(EVERYTHING, config())
    side = Phase2(EVERYTHING, config(), "f64", everything)
    assert all(np.isfinite(step.loss) for step in side.train(batches, side.rates(3, steps_per_epoch)))


def test_both_sides_agree_under_the_switches_that_both_have() -> None:
    shared = Conventions(**{name: value for name, value in SWITCHES if name not in ONLY_PHASE_2})
    batches, steps_per_epoch = drawn(EVERYTHING, config())
    sides = [side(EVERYTHING, config(), "f64", shared) for side in (Phase2, Phase3)]
    for a, b in zip(*(side.train(batches, side.rates(3, steps_per_epoch)) for side in sides), strict=True):
        assert a.loss == pytest.approx(b.loss, rel=1e-10)
        assert_equal(list(a.params.values()), list(b.params.values()))


def test_a_value_that_a_switch_does_not_have() -> None:
    with pytest.raises(SpecError, match=r"pool_ties is 'last', expected 'first' or 'all'\."):
        Conventions(pool_ties="last")
