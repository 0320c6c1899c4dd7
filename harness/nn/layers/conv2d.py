"""Convolution with bias."""

from dataclasses import dataclass, field
from typing import ClassVar

from harness.nn.layers.bias import Bias
from harness.nn.layers.convolution import Convolution
from harness.spec.fields import SAID_OFF_DEFAULT, Padding, Pair
from harness.spec.netspec import Activated, Block


@dataclass(frozen=True)
class Conv2d(Activated):
    """y = act(conv(x, w) + b): a composition of Convolution and Bias.

    Shapes: x (B, in_channels, H, W), w (out_channels, in_channels/groups, kernel of H, of W), b (out_channels,).
    Source: specs/README.md, Convolution.
    """

    in_channels: int
    out_channels: int
    kernel: Pair
    stride: Pair = 1
    padding: Padding = "SAME"
    dilation: Pair = field(default=1, metadata=SAID_OFF_DEFAULT)
    groups: int = field(default=1, metadata=SAID_OFF_DEFAULT)
    kind: ClassVar[str] = "conv"

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
        y = block.add(Bias(self.out_channels), y)
        return y if self.activation is None else block.add(self.activation, y)
