"""Mobile inverted bottleneck with squeeze and excitation."""

from dataclasses import dataclass
from typing import ClassVar

from harness.errors import SpecError
from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.depthwise_bn import DepthwiseBn
from harness.nn.layers.repeated import Repeated
from harness.nn.layers.squeeze_excite import SqueezeExcite
from harness.nn.layers.swish import Swish
from harness.spec.netspec import Block


@dataclass(frozen=True)
class MbConv(Repeated):
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
        super().validate()
        if self.expansion < 1:
            raise SpecError(f"expansion={self.expansion}; it must be at least 1.")

    def branch(self, block: Block, x: str, at: str, inputs: int, stride: int) -> str:
        width = inputs * self.expansion
        if self.expansion != 1:
            x = block.nest(ConvBn(inputs, width, 1, activation=Swish()), x, f"{at}.expand")
        y = block.nest(DepthwiseBn(width, self.kernel, stride, activation=Swish()), x, f"{at}.dw")
        if self.squeeze:
            y = block.nest(SqueezeExcite(width), y, f"{at}.se")
        return block.nest(ConvBn(width, self.out_channels, 1, activation=None), y, f"{at}.project")
