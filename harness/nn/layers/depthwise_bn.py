"""Depthwise convolution, batch norm, activation."""

from dataclasses import dataclass
from typing import ClassVar

from harness.nn.layers.batch_norm import BatchNorm
from harness.nn.layers.depthwise_convolution import DepthwiseConvolution
from harness.spec.netspec import Activated, Block


@dataclass(frozen=True)
class DepthwiseBn(Activated):
    """y = act(batchnorm(depthwise(x, w))): a composition.

    Shapes: x (B, channels, H, W), w (channels, 1, kernel, kernel), gamma, beta (channels,).
    Source: specs/README.md, Depthwise convolution.
    """

    channels: int
    kernel: int = 3
    stride: int = 1
    kind: ClassVar[str] = "dw"

    def expand(self, block: Block, x: str) -> str:
        y = block.add(DepthwiseConvolution(self.channels, self.kernel, self.stride), x)
        y = block.add(BatchNorm(self.channels), y)
        return y if self.activation is None else block.add(self.activation, y)
