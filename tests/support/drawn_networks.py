"""Networks at random over the whole vocabulary, for hypothesis."""

import dataclasses
from collections.abc import Callable

from hypothesis import strategies as st

from harness.nn.layers.avg_pool import AvgPool
from harness.nn.layers.bottleneck_block import BottleneckBlock
from harness.nn.layers.conv2d import Conv2d
from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.dense import Dense
from harness.nn.layers.depthwise_bn import DepthwiseBn
from harness.nn.layers.dropout import Dropout
from harness.nn.layers.fire_module import FireModule
from harness.nn.layers.flatten import Flatten
from harness.nn.layers.fused_mb_conv import FusedMbConv
from harness.nn.layers.gelu import Gelu
from harness.nn.layers.global_avg_pool import GlobalAvgPool
from harness.nn.layers.hard_sigmoid import HardSigmoid
from harness.nn.layers.hard_swish import HardSwish
from harness.nn.layers.instance_norm import InstanceNorm
from harness.nn.layers.inverted_residual import InvertedResidual
from harness.nn.layers.layer_norm import LayerNorm
from harness.nn.layers.max_pool import MaxPool
from harness.nn.layers.mb_conv import MbConv
from harness.nn.layers.mb_conv_v3 import MbConvV3
from harness.nn.layers.patch_embed import PatchEmbed
from harness.nn.layers.relu import Relu
from harness.nn.layers.relu6 import Relu6
from harness.nn.layers.residual_block import ResidualBlock
from harness.nn.layers.separable_conv import SeparableConv
from harness.nn.layers.sigmoid import Sigmoid
from harness.nn.layers.squeeze_excite import SqueezeExcite
from harness.nn.layers.swish import Swish
from harness.nn.layers.transformer_encoder import TransformerEncoder
from harness.nn.layers.uib import Uib
from harness.nn.losses import SoftmaxCrossEntropy
from harness.nn.optimizers import Adam, Sgd
from harness.spec.fields import Padding
from harness.spec.netspec import Layer, NetSpec, Shape, TrainConfig
from harness.spec.shapes import infer_shapes, size
from harness.spec.windows import Windows

CLASSES = 4
ACTIVATIONS = st.sampled_from(
    [None, Relu(), Relu6(), Swish(), HardSwish(), HardSigmoid(), Sigmoid(), Gelu(), Gelu("none")]
)
SMALL, KERNEL, STRIDE, ODD_KERNEL = st.integers(1, 4), st.integers(1, 3), st.integers(1, 2), st.sampled_from([3, 5])
FLAG = st.booleans()
EITHER = st.one_of(KERNEL, st.tuples(KERNEL, KERNEL))
DILATION = st.one_of(STRIDE, st.tuples(STRIDE, STRIDE))
EPSILON = st.sampled_from([1e-5, 1e-3, 0.1])


def padding(draw: st.DrawFn, *reach: int) -> Padding:
    """Any padding of windows that reach over so many pixels of H and of W, by which one fits into three pixels."""
    fitting = ["SAME", "VALID"] if max(reach) <= 3 else ["SAME"]
    in_pixels = st.tuples(*(st.integers(max(0, (n - 2) // 2), n - 1) for n in reach))
    return draw(st.one_of(st.sampled_from(fitting), in_pixels))


def convolution(draw: st.DrawFn, channels: int, outputs: int) -> Layer:
    """One that uses all that a convolution has."""
    groups = draw(st.sampled_from([g for g in range(1, channels + 1) if channels % g == 0]))
    kernel, dilation = draw(EITHER), draw(DILATION)
    reach = Windows(kernel, 1, "SAME", dilation).reach
    stride, edges, act = draw(DILATION), padding(draw, *reach), draw(ACTIVATIONS)
    return Conv2d(channels, groups * outputs, kernel, stride, edges, dilation, groups, activation=act)


def depthwise(draw: st.DrawFn, channels: int) -> Layer:
    """The same of a depthwise one."""
    kernel, dilation = draw(EITHER), draw(DILATION)
    reach = Windows(kernel, 1, "SAME", dilation).reach
    return DepthwiseBn(channels, kernel, draw(DILATION), padding(draw, *reach), dilation, draw(EPSILON))


def pool(draw: st.DrawFn) -> Layer:
    """A pool of either kind."""
    window = draw(EITHER)
    stride, edges = draw(DILATION), padding(draw, *Windows(window, 1, "SAME").reach)
    return draw(st.sampled_from([MaxPool(window, stride, edges), AvgPool(window, stride, edges, draw(FLAG))]))


# Each takes `draw`, the channels before it and those after it; the layer may keep the former instead.
IMAGE_LAYERS: list[Callable[[st.DrawFn, int, int], Layer]] = [
    lambda draw, c, o: Conv2d(c, o, draw(KERNEL), draw(STRIDE), activation=draw(ACTIVATIONS)),
    lambda draw, c, o: Conv2d(c, o, draw(KERNEL), draw(STRIDE), padding="VALID", activation=draw(ACTIVATIONS)),
    lambda draw, c, o: ConvBn(c, o, draw(KERNEL), draw(STRIDE), activation=draw(ACTIVATIONS)),
    lambda draw, c, o: DepthwiseBn(c, draw(ODD_KERNEL), draw(STRIDE), activation=draw(ACTIVATIONS)),
    lambda draw, c, o: MaxPool(draw(KERNEL), draw(STRIDE)),
    lambda draw, c, o: convolution(draw, c, o),
    lambda draw, c, o: depthwise(draw, c),
    lambda draw, c, o: pool(draw),
    lambda draw, c, o: ConvBn(c, o, draw(KERNEL), draw(STRIDE), epsilon=draw(EPSILON)),
    lambda draw, c, o: ResidualBlock(c, o, draw(STRIDE), draw(STRIDE), zero_gamma=draw(FLAG)),
    lambda draw, c, o: BottleneckBlock(c, 4 * o, draw(STRIDE), draw(STRIDE), zero_gamma=draw(FLAG)),
    lambda draw, c, o: SeparableConv(c, o, draw(STRIDE)),
    lambda draw, c, o: InvertedResidual(c, o, draw(KERNEL), draw(STRIDE), draw(STRIDE)),
    lambda draw, c, o: MbConv(c, o, draw(STRIDE), draw(ODD_KERNEL), draw(STRIDE), draw(STRIDE), draw(FLAG)),
    lambda draw, c, o: MbConvV3(c, o, draw(SMALL), draw(ODD_KERNEL), draw(STRIDE), draw(FLAG), draw(FLAG)),
    lambda draw, c, o: FusedMbConv(c, o, draw(STRIDE), 3, draw(STRIDE), draw(STRIDE), draw(FLAG)),
    lambda draw, c, o: Uib(c, o, draw(STRIDE), 1, draw(st.sampled_from([0, 3, 5])), draw(st.sampled_from([0, 3, 5]))),
    lambda draw, c, o: Uib(c, o, draw(STRIDE), 2, *draw(st.sampled_from([(0, 3), (3, 0), (3, 5)]))),
    lambda draw, c, o: FireModule(c, draw(SMALL), o, draw(SMALL)),
    lambda draw, c, o: SqueezeExcite(c),
    lambda draw, c, o: InstanceNorm(c, draw(EPSILON)),
    lambda draw, c, o: Dropout(draw(st.sampled_from([0.0, 0.25, 0.5]))),
    lambda draw, c, o: draw(ACTIVATIONS.filter(bool)),
]


def network(shape: Shape, *layers: Layer) -> NetSpec:
    """On MNIST only by name: it is fed random numbers."""
    return NetSpec(
        name="net", dataset="mnist", input_shape=shape, classes=CLASSES, layers=layers, loss=SoftmaxCrossEntropy()
    )


def shape_behind(start: Shape, layers: list[Layer]) -> Shape:
    """Shape of an image after some layers."""
    if not layers:
        return start
    probe = infer_shapes(network(start, *layers, _Probe()))
    return probe.nodes[-1].in_shapes[0]


@dataclasses.dataclass(frozen=True)
class _Probe(Layer):
    """Takes anything and gives what a loss wants."""

    def out_shape(self, *inputs: Shape) -> Shape:
        return (CLASSES,)


@st.composite
def vector_layers(draw: st.DrawFn, width: int) -> list[Layer]:
    """End of a network: dense layers, perhaps with a norm or a dropout between them."""
    layers: list[Layer] = []
    for _ in range(draw(st.integers(0, 2))):
        units = draw(st.integers(2, 6))
        layers += [Dense(width, units, activation=draw(ACTIVATIONS))]
        layers += draw(st.sampled_from([[], [LayerNorm(units)], [LayerNorm(units, 0.1)], [Dropout(0.25)]]))
        width = units
    return [*layers, Dense(width, CLASSES)]


@st.composite
def networks(draw: st.DrawFn) -> NetSpec:
    """Image layers and a bridge to vectors, patches and a transformer, or vectors alone; then dense layers."""
    start = draw(st.integers(1, 3)), draw(st.integers(6, 10)), draw(st.integers(6, 10))
    kind = draw(st.sampled_from(["image", "image", "image", "patches", "vector"]))
    if kind == "vector":
        return network((start[1],), *draw(vector_layers(start[1])))
    if kind == "patches":
        patch, heads = draw(st.integers(2, 4)), draw(st.integers(1, 2))
        dim = heads * draw(st.integers(2, 3))
        patches = (start[1] // patch) * (start[2] // patch)
        form = draw(st.sampled_from(["tanh", "none"]))
        encoder = TransformerEncoder(dim, heads, draw(st.integers(2, 6)), draw(st.integers(1, 2)), draw(EPSILON), form)
        return network(start, PatchEmbed(start[0], dim, patch, patches), encoder, *draw(vector_layers(dim)))
    layers: list[Layer] = []
    shape: Shape = start
    for make in draw(st.lists(st.sampled_from(IMAGE_LAYERS), min_size=1, max_size=3)):
        if min(shape[1:]) >= 3:  # a window that is not padded needs room
            layers.append(make(draw, shape[0], draw(SMALL)))
            shape = shape_behind(start, layers)
    if draw(FLAG):
        return network(start, *layers, GlobalAvgPool(), *draw(vector_layers(shape[0])))
    return network(start, *layers, Flatten(), *draw(vector_layers(size(shape))))


CONFIGS = st.builds(
    TrainConfig,
    lr=st.just(0.01),
    batch_size=st.integers(2, 4),
    epochs=st.just(2),
    optimizer=st.sampled_from([Adam(), Sgd(), Sgd(momentum=0.9)]),
    weight_decay=st.sampled_from([0.0, 0.1]),
    label_smoothing=st.sampled_from([0.0, 0.1]),
)
