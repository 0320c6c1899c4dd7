"""Mobile bottleneck with one full convolution in the place of widening and depthwise."""

from dataclasses import dataclass
from typing import ClassVar

from harness.errors import SpecError
from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.repeated import Repeated
from harness.nn.layers.squeeze_excite import SqueezeExcite
from harness.nn.layers.swish import Swish
from harness.spec.netspec import Block


@dataclass(frozen=True)
class FusedMbConv(Repeated):
    """`blocks` times: convolution with swish, squeeze and excitation, project (+ x where the shapes are alike).

    A composition. At expansion 1 the convolution gives the output's channels and there is no projection; only the first
    block has the stride.

    Shapes: x (B, in_channels, H, W), y (B, out_channels, H/stride, W/stride).
    Source: specs/README.md, Mobile blocks; Tan and Le 2021.
    """

    in_channels: int
    out_channels: int
    expansion: int
    kernel: int = 3
    stride: int = 1
    blocks: int = 1
    squeeze: bool = False
    kind: ClassVar[str] = "fused"

    def validate(self) -> None:
        super().validate()
        if self.expansion < 1:
            raise SpecError(f"expansion={self.expansion}; it must be at least 1.")

    def branch(self, block: Block, x: str, at: str, inputs: int, stride: int) -> str:
        width = self.out_channels if self.expansion == 1 else inputs * self.expansion
        y = block.nest(ConvBn(inputs, width, self.kernel, stride, activation=Swish()), x, f"{at}.conv")
        if self.squeeze:
            y = block.nest(SqueezeExcite(width), y, f"{at}.se")
        if self.expansion == 1:
            return y
        return block.nest(ConvBn(width, self.out_channels, 1, activation=None), y, f"{at}.project")
