"""Residual blocks of a 1x1, a 3x3 and a 1x1 convolution."""

from dataclasses import dataclass
from typing import ClassVar

from harness.errors import SpecError
from harness.layers.add import Add
from harness.layers.conv_bn import ConvBn
from harness.layers.relu import Relu
from harness.spec import Block, Layer


@dataclass(frozen=True)
class BottleneckBlock(Layer):
    """`blocks` times y = relu(BNconv1(relu(BNconv3(relu(BNconv1(x))))) + skip): a composition.

    The middle has a quarter of the output's channels and, in the first block, the stride; its skip is a 1x1
    convolution with batch norm unless the shapes are alike.

    Shapes: x (B, in_channels, H, W), y (B, out_channels, H/stride, W/stride).
    Source: specs/README.md, Residual blocks; He et al. 2016, figure 5.
    """

    in_channels: int
    out_channels: int
    blocks: int = 1
    stride: int = 1
    kind: ClassVar[str] = "bottleneck"

    def validate(self) -> None:
        if self.blocks < 1 or self.out_channels % 4:
            raise SpecError(f"blocks={self.blocks}, out_channels={self.out_channels}; at least 1, a multiple of 4.")

    def expand(self, block: Block, x: str) -> str:
        middle = self.out_channels // 4
        for i in range(1, self.blocks + 1):
            inputs = self.in_channels if i == 1 else self.out_channels
            stride = self.stride if i == 1 else 1
            y = block.nest(ConvBn(inputs, middle, 1), x, f"b{i}.conv1")
            y = block.nest(ConvBn(middle, middle, 3, stride), y, f"b{i}.conv2")
            y = block.nest(ConvBn(middle, self.out_channels, 1, activation=None), y, f"b{i}.conv3")
            if inputs != self.out_channels or stride != 1:
                x = block.nest(ConvBn(inputs, self.out_channels, 1, stride, activation=None), x, f"b{i}.proj")
            x = block.add(Relu(), block.add(Add(), y, x, name=f"b{i}.sum"), name=f"b{i}.relu")
        return x
