"""Inverted residual blocks: expand, depthwise, project."""

from dataclasses import dataclass
from typing import ClassVar

from harness.errors import SpecError
from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.depthwise_bn import DepthwiseBn
from harness.nn.layers.relu6 import Relu6
from harness.nn.layers.repeated import Repeated
from harness.spec.netspec import Block


@dataclass(frozen=True)
class InvertedResidual(Repeated):
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
        super().validate()
        if self.expansion < 1:
            raise SpecError(f"expansion={self.expansion}; it must be at least 1.")

    def branch(self, block: Block, x: str, at: str, inputs: int, stride: int) -> str:
        width = inputs * self.expansion
        if self.expansion != 1:
            x = block.nest(ConvBn(inputs, width, 1, activation=Relu6()), x, f"{at}.expand")
        y = block.nest(DepthwiseBn(width, 3, stride, activation=Relu6()), x, f"{at}.dw")
        return block.nest(ConvBn(width, self.out_channels, 1, activation=None), y, f"{at}.project")
