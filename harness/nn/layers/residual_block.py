"""Residual blocks of two 3x3 convolutions."""

from dataclasses import dataclass
from typing import ClassVar

from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.repeated import Residual
from harness.spec.netspec import Block


@dataclass(frozen=True)
class ResidualBlock(Residual):
    """`blocks` times y = relu(BNconv(relu(BNconv(x))) + skip): a composition.

    Only the first block has the stride; its skip is a 1x1 convolution with batch norm unless the shapes are alike.
    `zero_gamma`: the last gamma of each branch starts at 0.

    Shapes: x (B, in_channels, H, W), y (B, out_channels, H/stride, W/stride).
    Source: specs/README.md, Residual blocks; He et al. 2016, figure 2.
    """

    in_channels: int
    out_channels: int
    blocks: int = 1
    stride: int = 1
    zero_gamma: bool = False
    kind: ClassVar[str] = "residual"

    def branch(self, block: Block, x: str, at: str, inputs: int, stride: int) -> str:
        y = block.nest(ConvBn(inputs, self.out_channels, 3, stride), x, f"{at}.conv1")
        return block.nest(self.last(self.out_channels, self.out_channels, 3), y, f"{at}.conv2")
