"""Depthwise convolution, batch norm, activation."""

from dataclasses import dataclass, field
from typing import ClassVar

from harness.nn.layers.batch_norm import EPSILON, BatchNorm
from harness.nn.layers.depthwise_convolution import DepthwiseConvolution
from harness.spec.fields import SAID_OFF_DEFAULT, Padding, Pair
from harness.spec.netspec import Activated, Block


@dataclass(frozen=True)
class DepthwiseBn(Activated):
    """y = act(batchnorm(depthwise(x, w))): a composition.

    Shapes: x (B, channels, H, W), w (channels, 1, kernel of H, of W), gamma, beta (channels,).
    Source: specs/README.md, Depthwise convolution.
    """

    channels: int
    kernel: Pair = 3
    stride: Pair = 1
    padding: Padding = field(default="SAME", metadata=SAID_OFF_DEFAULT)
    dilation: Pair = field(default=1, metadata=SAID_OFF_DEFAULT)
    epsilon: float = field(default=EPSILON, metadata=SAID_OFF_DEFAULT)
    kind: ClassVar[str] = "dw"

    def expand(self, block: Block, x: str) -> str:
        convolution = DepthwiseConvolution(self.channels, self.kernel, self.stride, self.padding, self.dilation)
        y = block.add(convolution, x)
        y = block.add(BatchNorm(self.channels, epsilon=self.epsilon), y)
        return y if self.activation is None else block.add(self.activation, y)
