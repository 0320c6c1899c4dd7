"""Residual blocks of a 1x1, a 3x3 and a 1x1 convolution."""

from dataclasses import dataclass
from typing import ClassVar

from harness.errors import SpecError
from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.repeated import Residual
from harness.spec.netspec import Block


@dataclass(frozen=True)
class BottleneckBlock(Residual):
    """`blocks` times y = relu(BNconv1(relu(BNconv3(relu(BNconv1(x))))) + skip): a composition.

    The middle has a quarter of the output's channels and, in the first block, the stride; its skip is a 1x1
    convolution with batch norm unless the shapes are alike.
    `zero_gamma`: the last gamma of each branch starts at 0.

    Shapes: x (B, in_channels, H, W), y (B, out_channels, H/stride, W/stride).
    Source: specs/README.md, Residual blocks; He et al. 2016, figure 5.
    """

    in_channels: int
    out_channels: int
    blocks: int = 1
    stride: int = 1
    zero_gamma: bool = False
    kind: ClassVar[str] = "bottleneck"

    def validate(self) -> None:
        super().validate()
        if self.out_channels % 4:
            raise SpecError(f"out_channels={self.out_channels}; it must be a multiple of 4.")

    def branch(self, block: Block, x: str, at: str, inputs: int, stride: int) -> str:
        middle = self.out_channels // 4
        y = block.nest(ConvBn(inputs, middle, 1), x, f"{at}.conv1")
        y = block.nest(ConvBn(middle, middle, 3, stride), y, f"{at}.conv2")
        return block.nest(self.last(middle, self.out_channels, 1), y, f"{at}.conv3")
