"""Inverted residual blocks: expand, depthwise, project."""

from dataclasses import dataclass
from typing import ClassVar

from harness.errors import SpecError
from harness.layers.add import Add
from harness.layers.conv_bn import ConvBn
from harness.layers.depthwise_bn import DepthwiseBn
from harness.layers.relu6 import Relu6
from harness.spec import Block, Layer


@dataclass(frozen=True)
class InvertedResidual(Layer):
    """`blocks` times y = BNconv1(relu6(BNdw3(relu6(BNconv1(x))))) (+ x where the shapes are alike): a composition.

    The first convolution widens `expansion` times and is left out at 1; only the first block has the stride.

    Shapes: x (B, in_channels, H, W), y (B, out_channels, H/stride, W/stride).
    Source: specs/README.md, Separable blocks; Sandler et al. 2018.
    """

    in_channels: int
    out_channels: int
    expansion: int = 1
    stride: int = 1
    blocks: int = 1
    kind: ClassVar[str] = "inverted"

    def validate(self) -> None:
        if self.blocks < 1 or self.expansion < 1:
            raise SpecError(f"blocks={self.blocks}, expansion={self.expansion}; both must be at least 1.")

    def expand(self, block: Block, x: str) -> str:
        for i in range(1, self.blocks + 1):
            inputs = self.in_channels if i == 1 else self.out_channels
            stride = self.stride if i == 1 else 1
            width, y = inputs * self.expansion, x
            if self.expansion != 1:
                y = block.nest(ConvBn(inputs, width, 1, activation=Relu6()), y, f"b{i}.expand")
            y = block.nest(DepthwiseBn(width, 3, stride, activation=Relu6()), y, f"b{i}.dw")
            y = block.nest(ConvBn(width, self.out_channels, 1, activation=None), y, f"b{i}.project")
            x = block.add(Add(), y, x, name=f"b{i}.sum") if inputs == self.out_channels and stride == 1 else y
        return x
