"""Squeeze and excitation: channels weighted by what the whole image holds."""

from dataclasses import dataclass, field
from typing import ClassVar

from harness.nn.layers.conv2d import Conv2d
from harness.nn.layers.global_avg_pool import GlobalAvgPool
from harness.nn.layers.scale_channels import ScaleChannels
from harness.nn.layers.sigmoid import Sigmoid
from harness.nn.layers.swish import Swish
from harness.nn.layers.to_pixel import ToPixel
from harness.spec.netspec import Block, Layer


@dataclass(frozen=True)
class SqueezeExcite(Layer):
    """y = x gate(W2 act(W1 mean_hw(x) + b1) + b2), with a quarter of the channels in the middle: a composition.

    Shapes: x and y (B, channels, H, W).
    Source: specs/README.md, Squeeze and excitation; Hu et al. 2018.
    """

    channels: int
    activation: Layer = field(default=Swish())
    gate: Layer = field(default=Sigmoid())
    kind: ClassVar[str] = "se"

    def expand(self, block: Block, x: str) -> str:
        middle = max(1, self.channels // 4)
        pixel = block.add(ToPixel(), block.add(GlobalAvgPool(), x, name="mean"), name="pixel")
        y = block.nest(Conv2d(self.channels, middle, 1, activation=self.activation), pixel, "reduce")
        gate = block.nest(Conv2d(middle, self.channels, 1, activation=self.gate), y, "expand")
        return block.add(ScaleChannels(), x, gate, name="scale")
