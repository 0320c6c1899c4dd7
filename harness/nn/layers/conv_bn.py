"""Convolution, batch norm, activation."""

from dataclasses import dataclass, field
from typing import ClassVar

from harness.nn.layers.batch_norm import EPSILON, BatchNorm
from harness.nn.layers.convolution import Convolution
from harness.nn.layers.relu import Relu
from harness.spec.fields import SAID_OFF_DEFAULT, Padding, Pair
from harness.spec.netspec import Activated, Block, Initialiser, Layer


@dataclass(frozen=True)
class ConvBn(Activated):
    """y = act(batchnorm(conv(x, w))): a composition. No bias, since batch norm would take it away again.

    Shapes: x (B, in_channels, H, W), w (out_channels, in_channels/groups, kernel of H, of W),
    gamma, beta (out_channels,).
    Source: specs/README.md, Convolution with batch norm.
    """

    in_channels: int
    out_channels: int
    kernel: Pair = 3
    stride: Pair = 1
    padding: Padding = "SAME"
    dilation: Pair = field(default=1, metadata=SAID_OFF_DEFAULT)
    groups: int = field(default=1, metadata=SAID_OFF_DEFAULT)
    epsilon: float = field(default=EPSILON, metadata=SAID_OFF_DEFAULT)
    activation: Layer | None = field(default=Relu(), kw_only=True)
    kind: ClassVar[str] = "conv"
    gamma: ClassVar[Initialiser] = "ones"

    def expand(self, block: Block, x: str) -> str:
        y = block.add(
            Convolution(
                self.in_channels,
                self.out_channels,
                self.kernel,
                self.stride,
                self.padding,
                self.dilation,
                self.groups,
            ),
            x,
        )
        y = block.add(BatchNorm(self.out_channels, self.gamma, self.epsilon), y)
        return y if self.activation is None else block.add(self.activation, y)


@dataclass(frozen=True)
class ConvBnZeroGamma(ConvBn):
    """ConvBn whose gamma starts at 0. Source: specs/README.md, Residual blocks."""

    gamma: ClassVar[Initialiser] = "zeros"
