"""Laws that every registered layer obeys: one meaning for all three rules, and a backward that is its VJP."""

import autograd
import autograd.numpy as anp
import jax
import numpy as np
import pytest
from autograd.scipy.special import erf

from harness.emit.jax_builder import Expr, JaxBuilder
from harness.nn.layers.add import Add
from harness.nn.layers.attention import Attention
from harness.nn.layers.avg_pool import AvgPool
from harness.nn.layers.batch_norm import BatchNorm
from harness.nn.layers.bias import Bias
from harness.nn.layers.class_token import ClassToken
from harness.nn.layers.concat import Concat
from harness.nn.layers.convolution import Convolution
from harness.nn.layers.dense import Dense
from harness.nn.layers.depthwise_convolution import DepthwiseConvolution
from harness.nn.layers.dropout import Dropout
from harness.nn.layers.first_token import FirstToken
from harness.nn.layers.flatten import Flatten
from harness.nn.layers.gelu import Gelu
from harness.nn.layers.global_avg_pool import GlobalAvgPool
from harness.nn.layers.hard_sigmoid import HardSigmoid
from harness.nn.layers.hard_swish import HardSwish
from harness.nn.layers.instance_norm import InstanceNorm
from harness.nn.layers.layer_norm import LayerNorm
from harness.nn.layers.max_pool import MaxPool
from harness.nn.layers.patch_convolution import PatchConvolution
from harness.nn.layers.positional_embedding import PositionalEmbedding
from harness.nn.layers.relu import Relu
from harness.nn.layers.relu6 import Relu6
from harness.nn.layers.scale_channels import ScaleChannels
from harness.nn.layers.sigmoid import Sigmoid
from harness.nn.layers.swish import Swish
from harness.nn.layers.to_pixel import ToPixel
from harness.nn.layers.to_sequence import ToSequence
from harness.nn.losses import SoftmaxCrossEntropy
from harness.nn.optimizers import Adam, Sgd
from harness.nn.rules import registered_rules
from harness.run.inprocess import SHARED, script_module
from harness.spec.reference import Reference
from tests.support.programs import hlo_layer, iree_call, jax_layer, layer_node

RULES = registered_rules()
# Layer -> its samples: (layer, shapes of its inputs without the batch).
SAMPLES = {
    Dense: [
        (Dense(5, 3), ((5,),)),
        (Dense(17, 8), ((17,),)),
        (Dense(784, 6), ((784,),)),
        (Dense(502, 3), ((502,),)),
        (Dense(5, 3), ((4, 5),)),
        (Dense(6, 7), ((1, 6),)),
        (Dense(784, 6), ((2, 784),)),
    ],
    Convolution: [
        (Convolution(1, 4, 3), ((1, 6, 7),)),
        (Convolution(3, 2, 3), ((3, 5, 5),)),
        (Convolution(3, 2, 3, stride=2), ((3, 8, 7),)),
        (Convolution(3, 5, 1, stride=2), ((3, 8, 7),)),
        (Convolution(2, 3, 5, stride=3), ((2, 9, 10),)),
        (Convolution(2, 3, 4, stride=2, padding="VALID"), ((2, 9, 8),)),
        (Convolution(2, 3, 2), ((2, 5, 4),)),
        # One place along an axis, and pixels beyond it that no window sees.
        (Convolution(2, 3, 1, stride=2), ((2, 2, 2),)),
        (Convolution(2, 3, 3, 3, "VALID"), ((2, 5, 7),)),
        (Convolution(2, 3, 2, 3, "VALID"), ((2, 8, 7),)),
        (Convolution(2, 3, 3, 1, "VALID"), ((2, 5, 3),)),
        # Oblong kernels and strides.
        (Convolution(2, 3, (1, 3)), ((2, 5, 6),)),
        (Convolution(2, 3, (5, 1), (2, 1)), ((2, 8, 5),)),
        (Convolution(2, 3, (3, 2), (1, 3), "VALID"), ((2, 7, 8),)),
        # Padding in pixels: of stride 2 it begins elsewhere than SAME; rests that no window sees.
        (Convolution(2, 3, 3, 2, 1), ((2, 8, 7),)),
        (Convolution(2, 3, (1, 7), 1, (0, 3)), ((2, 4, 6),)),
        (Convolution(2, 3, 3, 3, (0, 2)), ((2, 8, 6),)),
        (Convolution(2, 3, 4, 4, 1), ((2, 5, 4),)),
        # Taps apart.
        (Convolution(2, 3, 3, dilation=2), ((2, 7, 6),)),
        (Convolution(2, 3, 3, 2, "SAME", 3), ((2, 8, 9),)),
        (Convolution(2, 3, (3, 2), (1, 2), "VALID", (2, 3)), ((2, 7, 8),)),
        (Convolution(2, 3, 3, 2, 2, 2), ((2, 7, 8),)),
        (Convolution(2, 3, (1, 3), 1, (0, 2), (1, 2)), ((2, 4, 5),)),
        # Groups, up to one a channel.
        (Convolution(4, 6, 3, groups=2), ((4, 5, 6),)),
        (Convolution(6, 3, 1, 2, groups=3), ((6, 4, 5),)),
        (Convolution(3, 6, 3, groups=3), ((3, 5, 4),)),
        (Convolution(3, 3, (2, 3), groups=3), ((3, 5, 4),)),
        (Convolution(4, 4, (3, 1), 2, 1, groups=2), ((4, 7, 6),)),
        (Convolution(4, 2, 3, (2, 1), "VALID", (1, 2), 2), ((4, 6, 7),)),
    ],
    Bias: [(Bias(3), ((3, 4, 5),))],
    BatchNorm: [(BatchNorm(3), ((3, 4, 5),)), (BatchNorm(1), ((1, 7, 7),)), (BatchNorm(2, epsilon=0.1), ((2, 3, 4),))],
    MaxPool: [
        (MaxPool(2, 2), ((3, 6, 8),)),
        (MaxPool(2, 2), ((2, 7, 5),)),
        (MaxPool(3, 2), ((2, 8, 7),)),
        (MaxPool(3, 2), ((2, 7, 7),)),
        (MaxPool(3, 2), ((1, 6, 8),)),
        (MaxPool(3, 3), ((1, 9, 9),)),
        (MaxPool(2, 1), ((2, 4, 4),)),
        (MaxPool(1, 2), ((2, 5, 4),)),
        (MaxPool((2, 3), (2, 3)), ((2, 4, 6),)),
        (MaxPool((3, 1), (2, 1)), ((2, 6, 4),)),
        (MaxPool((1, 2), 2, "VALID"), ((2, 5, 5),)),
        (MaxPool(3, 2, 1), ((2, 8, 7),)),
        (MaxPool(2, 2, 1), ((2, 6, 4),)),
        # As many windows as would tile the image, but the first begins outside.
        (MaxPool(3, 3, 1), ((2, 6, 6),)),
        (MaxPool((2, 3), (3, 2), (0, 1)), ((2, 7, 5),)),
    ],
    AvgPool: [
        (AvgPool(), ((3, 6, 8),)),
        (AvgPool(2, 2, "VALID"), ((2, 7, 5),)),
        (AvgPool(3, 1), ((2, 5, 6),)),
        (AvgPool(3, 1, count_include_pad=False), ((2, 5, 6),)),
        (AvgPool(3, 2, "SAME", False), ((2, 8, 7),)),
        (AvgPool(3, 2, 1), ((2, 8, 7),)),
        (AvgPool((2, 3), (1, 2), (1, 2), count_include_pad=False), ((2, 4, 5),)),
        (AvgPool((1, 3), (2, 3), "VALID"), ((2, 5, 7),)),
        (AvgPool(1, 2), ((2, 5, 4),)),
        (AvgPool(5, 1, count_include_pad=False), ((1, 3, 3),)),
    ],
    GlobalAvgPool: [(GlobalAvgPool(), ((3, 4, 5),))],
    Flatten: [(Flatten(), ((3, 4, 5),)), (Flatten(), ((7,),))],
    Relu: [(Relu(), ((3, 4, 5),)), (Relu(), ((9,),))],
    Relu6: [(Relu6(), ((3, 4, 5),)), (Relu6(), ((9,),))],
    Sigmoid: [(Sigmoid(), ((3, 4, 5),))],
    Swish: [(Swish(), ((3, 4, 5),))],
    HardSigmoid: [(HardSigmoid(), ((3, 4, 5),)), (HardSigmoid(), ((9,),))],
    HardSwish: [(HardSwish(), ((3, 4, 5),)), (HardSwish(), ((9,),))],
    Gelu: [(Gelu(), ((3, 4, 5),)), (Gelu("none"), ((3, 4, 5),)), (Gelu("none"), ((9,),))],
    DepthwiseConvolution: [
        (DepthwiseConvolution(3), ((3, 5, 6),)),
        (DepthwiseConvolution(2, 5), ((2, 7, 7),)),
        (DepthwiseConvolution(4, 3, stride=2), ((4, 8, 7),)),
        (DepthwiseConvolution(2, 5, stride=2), ((2, 8, 9),)),
        (DepthwiseConvolution(2, 3, stride=2, padding="VALID"), ((2, 8, 7),)),
        (DepthwiseConvolution(1, 1), ((1, 3, 3),)),
        (DepthwiseConvolution(2, (3, 1), (1, 2)), ((2, 5, 6),)),
        (DepthwiseConvolution(2, 3, 2, 1), ((2, 8, 7),)),
        (DepthwiseConvolution(2, 3, dilation=2), ((2, 6, 7),)),
        (DepthwiseConvolution(2, (3, 2), (2, 3), "VALID", (2, 1)), ((2, 9, 8),)),
        (DepthwiseConvolution(2, 3, 1, (2, 3), (2, 3)), ((2, 6, 5),)),
    ],
    LayerNorm: [
        (LayerNorm(6), ((5, 6),)),
        (LayerNorm(9), ((9,),)),
        (LayerNorm(4), ((1, 4),)),
        (LayerNorm(6, 0.1), ((5, 6),)),
    ],
    Attention: [
        (Attention(1), ((5, 4),) * 3),
        (Attention(2), ((5, 6),) * 3),
        (Attention(3), ((4, 3),) * 3),
        (Attention(2), ((1, 4),) * 3),
    ],
    Dropout: [(Dropout(0.25), ((3, 4, 5),)), (Dropout(0.5, seed=7), ((9,),)), (Dropout(0.9), ((4, 5),))],
    InstanceNorm: [
        (InstanceNorm(3), ((3, 4, 5),)),
        (InstanceNorm(1), ((1, 7, 7),)),
        (InstanceNorm(2), ((2, 1, 3),)),
        (InstanceNorm(2, 0.1), ((2, 3, 3),)),
    ],
    PatchConvolution: [
        (PatchConvolution(1, 4, 2), ((1, 4, 6),)),
        (PatchConvolution(2, 3, 3), ((2, 5, 7),)),
        (PatchConvolution(3, 2, 1), ((3, 2, 2),)),
    ],
    ToSequence: [(ToSequence(), ((3, 4, 5),)), (ToSequence(), ((2, 1, 1),))],
    ClassToken: [(ClassToken(4), ((3, 4),))],
    PositionalEmbedding: [(PositionalEmbedding(5, 4), ((5, 4),))],
    FirstToken: [(FirstToken(), ((5, 4),)), (FirstToken(), ((1, 3),))],
    ToPixel: [(ToPixel(), ((5,),))],
    ScaleChannels: [(ScaleChannels(), ((3, 4, 5), (3, 1, 1)))],
    Concat: [(Concat(), ((3, 4, 5), (2, 4, 5)))],
    Add: [(Add(), ((3, 4, 5), (3, 4, 5))), (Add(), ((9,), (9,)))],
}
CASES = [
    pytest.param(*case, id=f"{cls.__name__}-{i}") for cls, cases in SAMPLES.items() for i, case in enumerate(cases)
]


def test_every_layer_has_every_rule_and_a_sample() -> None:
    layers = set(RULES.jax)
    assert layers == set(RULES.hlo_forward) == set(RULES.hlo_backward) == set(SAMPLES)
    assert layers == set(RULES.reference)
    assert set(RULES.jax_eval) == set(RULES.hlo_eval)
    assert set(RULES.jax_loss) == set(RULES.hlo_loss) == set(RULES.reference_loss) == {SoftmaxCrossEntropy}
    assert set(RULES.jax_optimizer) == set(RULES.hlo_optimizer) == set(RULES.reference_optimizer) == {Adam, Sgd}


@pytest.mark.parametrize(("layer", "in_shapes"), CASES)
@pytest.mark.parametrize("kind", ["smooth", "tied"])
def test_both_sides_and_the_reference_mean_one_thing(layer, in_shapes, kind) -> None:
    """Forward equal, and every cotangent that of jax.vjp, in f64; small whole numbers give ties, zeros and sixes."""
    batch, step = 3, 3
    node = layer_node(layer, in_shapes)
    rng = np.random.default_rng(7)

    def draw(shape):
        return rng.normal(size=shape) if kind == "smooth" else rng.integers(-4, 8, shape).astype(np.float64)

    def reference(params, *xs):
        xs = [anp.moveaxis(x, 1, -1) if x.ndim == 4 else x for x in xs]
        y = RULES.reference.of(type(layer))(layer, Reference(anp, node, params, step, erf), *xs)
        return anp.moveaxis(y, -1, 1) if y.ndim == 4 else y

    params = {f"layer.{p.name}": rng.normal(size=p.shape) for p in layer.params()}
    stats = {f"layer.{s.name}": rng.random(s.shape) for s in layer.states()}
    xs = [draw((batch, *shape)) for shape in in_shapes]
    dy = rng.normal(size=(batch, *node.out_shape))

    y, jax_vjp = jax.vjp(lambda p, *x: jax_layer(node)(p, stats, *x, float(step)), params, *xs)
    dparams, *dxs = jax_vjp(dy)
    expected = [y, *dxs, *(dparams[name] for name in params)]
    vjp, y = autograd.make_vjp(lambda p, *x: reference(p, *x), argnum=tuple(range(1 + len(xs))))(params, *xs)
    dparams, *dxs = vjp(dy)
    plain = [y, *dxs, *(dparams[name] for name in params)]
    found = iree_call(hlo_layer(node, batch), [*params.values(), *stats.values(), *xs, dy, np.array(float(step))])
    names = ["y", *(f"d{name}" for name in node.inputs), *(f"d{name}" for name in params)]
    assert len(found) == len(plain) == len(expected)
    for name, hlo, definition, theirs in zip(names, found, plain, expected, strict=True):
        scale = max(1.0, np.abs(theirs).max())
        assert definition.dtype == np.float64
        np.testing.assert_allclose(hlo, theirs, rtol=0, atol=1e-10 * scale, err_msg=f"{name}: analytic, numeric")
        np.testing.assert_allclose(definition, theirs, rtol=0, atol=1e-12 * scale, err_msg=f"{name}: reference")


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_reference_loss_means_what_jax_means(smoothing) -> None:
    rng = np.random.default_rng(3)
    z, labels = rng.normal(size=(5, 7)), rng.integers(0, 7, 5).astype(np.int32)
    loss, j = SoftmaxCrossEntropy(), JaxBuilder(SHARED)
    with j.source.block("def loss(z, labels):"):
        j.source.line(f"return {RULES.jax_loss.of(type(loss))(loss, j, Expr('z'), Expr('labels'), smoothing)}")
    theirs = script_module(f"import jax, jax.numpy as jnp\n{j.module()}").loss
    mine = RULES.reference_loss.of(type(loss))
    found = autograd.value_and_grad(lambda z: mine(loss, anp, z, labels, smoothing))(z)
    expected = jax.value_and_grad(lambda z: theirs(z, labels))(z)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-14)
    np.testing.assert_allclose(found[1], expected[1], rtol=0, atol=1e-15)


@pytest.mark.parametrize("optimizer", [Adam(), Sgd(), Sgd(momentum=0.9)], ids=repr)
def test_the_reference_optimizer_means_what_jax_means(optimizer) -> None:
    rng, j, slots = np.random.default_rng(3), JaxBuilder(SHARED), type(optimizer).slots
    with j.source.block(f"def direction(g, {', '.join(slots)}, t):"):
        results = RULES.jax_optimizer.of(type(optimizer))(optimizer, j, *map(Expr, ("g", *slots, "t")))
        j.source.line(f"return {', '.join(map(str, results))}")
    theirs = script_module(f"import jax, jax.numpy as jnp\n{j.module()}").direction
    mine, state = RULES.reference_optimizer.of(type(optimizer)), [np.zeros(6) for _ in slots]
    for t in (1, 2, 3):
        g = rng.normal(size=6)
        found, expected = mine(optimizer, np, g, *state, t), theirs(g, *state, np.float64(t))
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)  # 1 - 0.999^t is a small difference
        state = [np.asarray(slot) for slot in found[1:]]


def test_precedence_in_printed_expressions() -> None:
    from harness.spec.netspec import Conventions

    j = JaxBuilder(Conventions())
    a, b, c = Expr("a"), Expr("b"), Expr("c")
    assert str(j.mul(j.add(a, b), c)) == "(a + b) * c"
    assert str(j.sub(a, j.sub(b, c))) == "a - (b - c)"
    assert str(j.div(a, j.mul(b, c))) == "a / (b * c)"
    assert str(j.neg(j.add(a, b))) == "-(a + b)"
    assert str(j.mul(j.neg(a), b)) == "-a * b"
    assert str(j.power(0.9, a)) == "0.9**a"
    assert str(j.dot(j.dot(a, b), j.dot(b, c))) == "a @ b @ (b @ c)"
