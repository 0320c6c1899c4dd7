"""Mobile inverted bottleneck with squeeze and excitation."""

from dataclasses import dataclass
from typing import ClassVar

from harness.errors import SpecError
from harness.layers.add import Add
from harness.layers.conv_bn import ConvBn
from harness.layers.depthwise_bn import DepthwiseBn
from harness.layers.squeeze_excite import SqueezeExcite
from harness.layers.swish import Swish
from harness.spec import Block, Layer


@dataclass(frozen=True)
class MbConv(Layer):
    """`blocks` times: widen, depthwise, squeeze and excitation, project (+ x where the shapes are alike).

    A composition. Swish follows the first two; no widening at expansion 1; only the first block has the stride.

    Shapes: x (B, in_channels, H, W), y (B, out_channels, H/stride, W/stride).
    Source: specs/README.md, Mobile blocks; Tan and Le 2019.
    """

    in_channels: int
    out_channels: int
    expansion: int
    kernel: int = 3
    stride: int = 1
    blocks: int = 1
    squeeze: bool = True
    kind: ClassVar[str] = "mbconv"

    def validate(self) -> None:
        if self.blocks < 1 or self.expansion < 1:
            raise SpecError(f"blocks={self.blocks}, expansion={self.expansion}; both must be at least 1.")

    def expand(self, block: Block, x: str) -> str:
        for i in range(1, self.blocks + 1):
            inputs = self.in_channels if i == 1 else self.out_channels
            stride = self.stride if i == 1 else 1
            width, y = inputs * self.expansion, x
            if self.expansion != 1:
                y = block.nest(ConvBn(inputs, width, 1, activation=Swish()), y, f"b{i}.expand")
            y = block.nest(DepthwiseBn(width, self.kernel, stride, activation=Swish()), y, f"b{i}.dw")
            if self.squeeze:
                y = block.nest(SqueezeExcite(width), y, f"b{i}.se")
            y = block.nest(ConvBn(width, self.out_channels, 1, activation=None), y, f"b{i}.project")
            x = block.add(Add(), y, x, name=f"b{i}.sum") if inputs == self.out_channels and stride == 1 else y
        return x
