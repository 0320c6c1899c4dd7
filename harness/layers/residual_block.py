"""Residual blocks of two 3x3 convolutions."""

from dataclasses import dataclass
from typing import ClassVar

from harness.errors import SpecError
from harness.layers.add import Add
from harness.layers.conv_bn import ConvBn
from harness.layers.relu import Relu
from harness.spec import Block, Layer


@dataclass(frozen=True)
class ResidualBlock(Layer):
    """`blocks` times y = relu(BNconv(relu(BNconv(x))) + skip): a composition.

    Only the first block has the stride; its skip is a 1x1 convolution with batch norm unless the shapes are alike.

    Shapes: x (B, in_channels, H, W), y (B, out_channels, H/stride, W/stride).
    Source: specs/README.md, Residual blocks; He et al. 2016, figure 2.
    """

    in_channels: int
    out_channels: int
    blocks: int = 1
    stride: int = 1
    kind: ClassVar[str] = "residual"

    def validate(self) -> None:
        if self.blocks < 1:
            raise SpecError(f"blocks={self.blocks}; it must be at least 1.")

    def expand(self, block: Block, x: str) -> str:
        for i in range(1, self.blocks + 1):
            inputs = self.in_channels if i == 1 else self.out_channels
            stride = self.stride if i == 1 else 1
            y = block.nest(ConvBn(inputs, self.out_channels, 3, stride), x, f"b{i}.conv1")
            y = block.nest(ConvBn(self.out_channels, self.out_channels, 3, activation=None), y, f"b{i}.conv2")
            if inputs != self.out_channels or stride != 1:
                x = block.nest(ConvBn(inputs, self.out_channels, 1, stride, activation=None), x, f"b{i}.proj")
            x = block.add(Relu(), block.add(Add(), y, x, name=f"b{i}.sum"), name=f"b{i}.relu")
        return x
