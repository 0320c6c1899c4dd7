"""Universal inverted bottleneck."""

from dataclasses import dataclass
from typing import ClassVar

from harness.errors import SpecError
from harness.nn.layers.add import Add
from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.depthwise_bn import DepthwiseBn
from harness.nn.layers.relu import Relu
from harness.spec.netspec import Block, Layer


@dataclass(frozen=True)
class Uib(Layer):
    """Depthwise `pre`, widen, depthwise `post`, project (+ x where the shapes are alike): a composition.

    `pre`, `post` are kernel sizes, 0 for none. ReLU follows all but the projection. The stride is that of `pre` if
    there is one, else that of `post`.

    Shapes: x (B, in_channels, H, W), y (B, out_channels, H/stride, W/stride).
    Source: specs/README.md, Mobile blocks; Qin et al. 2024.
    """

    in_channels: int
    out_channels: int
    expansion: int
    stride: int = 1
    pre: int = 0
    post: int = 0
    kind: ClassVar[str] = "uib"

    def validate(self) -> None:
        for name in ("in_channels", "out_channels", "expansion", "stride"):
            if getattr(self, name) < 1:
                raise SpecError(f"{name}={getattr(self, name)}; it must be at least 1.")
        if self.stride > 1 and not (self.pre or self.post):
            raise SpecError(f"stride={self.stride} needs a depthwise convolution. Set pre or post to its kernel size.")

    def expand(self, block: Block, x: str) -> str:
        width, y = self.in_channels * self.expansion, x
        if self.pre:
            y = block.nest(DepthwiseBn(self.in_channels, self.pre, self.stride, activation=Relu()), y, "pre")
        y = block.nest(ConvBn(self.in_channels, width, 1), y, "expand")
        if self.post:
            stride = 1 if self.pre else self.stride
            y = block.nest(DepthwiseBn(width, self.post, stride, activation=Relu()), y, "post")
        y = block.nest(ConvBn(width, self.out_channels, 1, activation=None), y, "project")
        return block.add(Add(), y, x, name="sum") if self.in_channels == self.out_channels and self.stride == 1 else y
