"""The inverted bottleneck of MobileNet v3."""

from dataclasses import dataclass
from typing import ClassVar

from harness.nn.layers.add import Add
from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.depthwise_bn import DepthwiseBn
from harness.nn.layers.hard_sigmoid import HardSigmoid
from harness.nn.layers.hard_swish import HardSwish
from harness.nn.layers.relu import Relu
from harness.nn.layers.squeeze_excite import SqueezeExcite
from harness.spec.netspec import Block, Layer


@dataclass(frozen=True)
class MbConvV3(Layer):
    """Widen to `width` channels, depthwise, squeeze and excitation, project (+ x where the shapes are alike).

    A composition. The activation is h-swish or ReLU; the gate has ReLU inside and ends in h-sigmoid; widening is left
    out where `width` is the number of channels already.

    Shapes: x (B, in_channels, H, W), y (B, out_channels, H/stride, W/stride).
    Source: specs/README.md, Mobile blocks; Howard et al. 2019.
    """

    in_channels: int
    out_channels: int
    width: int
    kernel: int = 3
    stride: int = 1
    squeeze: bool = False
    hard_swish: bool = False
    kind: ClassVar[str] = "mbconv"

    def expand(self, block: Block, x: str) -> str:
        activation = HardSwish() if self.hard_swish else Relu()
        y = x
        if self.width != self.in_channels:
            y = block.nest(ConvBn(self.in_channels, self.width, 1, activation=activation), y, "expand")
        y = block.nest(DepthwiseBn(self.width, self.kernel, self.stride, activation=activation), y, "dw")
        if self.squeeze:
            y = block.nest(SqueezeExcite(self.width, Relu(), HardSigmoid()), y, "se")
        y = block.nest(ConvBn(self.width, self.out_channels, 1, activation=None), y, "project")
        return block.add(Add(), y, x, name="sum") if self.in_channels == self.out_channels and self.stride == 1 else y
