"""Depthwise convolution, then a pointwise one."""

from dataclasses import dataclass
from typing import ClassVar

from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.depthwise_bn import DepthwiseBn
from harness.nn.layers.relu6 import Relu6
from harness.spec.netspec import Block, Layer


@dataclass(frozen=True)
class SeparableConv(Layer):
    """y = relu6(BNconv1(relu6(BNdw3(x)))): a composition; the depthwise part has the stride.

    Shapes: x (B, in_channels, H, W), y (B, out_channels, H/stride, W/stride).
    Source: specs/README.md, Separable blocks; Howard et al. 2017.
    """

    in_channels: int
    out_channels: int
    stride: int = 1
    kind: ClassVar[str] = "separable"

    def expand(self, block: Block, x: str) -> str:
        y = block.nest(DepthwiseBn(self.in_channels, 3, self.stride, activation=Relu6()), x, "dw")
        return block.nest(ConvBn(self.in_channels, self.out_channels, 1, activation=Relu6()), y, "pw")
