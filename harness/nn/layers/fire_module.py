"""The block of SqueezeNet."""

from dataclasses import dataclass
from typing import ClassVar

from harness.nn.layers.concat import Concat
from harness.nn.layers.conv_bn import ConvBn
from harness.spec.netspec import Block, Layer


@dataclass(frozen=True)
class FireModule(Layer):
    """Squeeze to a few channels by 1x1, expand by 1x1 and by 3x3 side by side, put together: a composition.

    Shapes: x (B, in_channels, H, W), y (B, expand1 + expand3, H, W).
    Source: specs/README.md, Fire module; Iandola et al. 2016.
    """

    in_channels: int
    squeeze: int
    expand1: int
    expand3: int
    kind: ClassVar[str] = "fire"

    def expand(self, block: Block, x: str) -> str:
        y = block.nest(ConvBn(self.in_channels, self.squeeze, 1), x, "squeeze")
        a = block.nest(ConvBn(self.squeeze, self.expand1, 1), y, "expand1")
        b = block.nest(ConvBn(self.squeeze, self.expand3, 3), y, "expand3")
        return block.add(Concat(), a, b, name="concat")
