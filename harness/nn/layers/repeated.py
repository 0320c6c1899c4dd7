"""Blocks repeated: what the families of residual blocks have in common."""

from harness.errors import SpecError
from harness.nn.layers.add import Add
from harness.nn.layers.conv_bn import ConvBn, ConvBnZeroGamma
from harness.nn.layers.relu import Relu
from harness.spec.netspec import Block, Layer


class Repeated(Layer):
    """`blocks` times a branch and what joins it with its input; only the first has the stride and changes the channels.

    A family states its branch, and how it joins where that is not a plain sum. It orders the fields named here itself.
    """

    in_channels: int
    out_channels: int
    stride: int
    blocks: int

    def validate(self) -> None:
        for name in ("in_channels", "out_channels", "stride", "blocks"):
            if getattr(self, name) < 1:
                raise SpecError(f"{name}={getattr(self, name)}; it must be at least 1.")

    def branch(self, block: Block, x: str, at: str, inputs: int, stride: int) -> str:
        """Add the branch of one block, which has `inputs` channels, under names that start with `at`."""
        raise SpecError(f"{type(self).__name__} states no branch.")

    def join(self, block: Block, y: str, x: str, at: str, inputs: int, stride: int) -> str:
        """Add the input x to the branch y where their shapes are alike."""
        return block.add(Add(), y, x, name=f"{at}.sum") if inputs == self.out_channels and stride == 1 else y

    def expand(self, block: Block, x: str) -> str:
        for i in range(1, self.blocks + 1):
            inputs = self.in_channels if i == 1 else self.out_channels
            stride = self.stride if i == 1 else 1
            y = self.branch(block, x, f"b{i}", inputs, stride)
            x = self.join(block, y, x, f"b{i}", inputs, stride)
        return x


class Residual(Repeated):
    """y = relu(branch(x) + skip); the skip is a 1x1 convolution with batch norm unless the shapes are alike.

    `zero_gamma`: the branch's last gamma starts at 0, so that at first a block passes on its skip alone.
    Source: specs/README.md, Residual blocks; Goyal et al. 2017, section 5.1 (zero gamma).
    """

    zero_gamma: bool

    def last(self, inputs: int, channels: int, kernel: int) -> ConvBn:
        """The end of a branch."""
        make = ConvBnZeroGamma if self.zero_gamma else ConvBn
        return make(inputs, channels, kernel, activation=None)

    def join(self, block: Block, y: str, x: str, at: str, inputs: int, stride: int) -> str:
        if inputs != self.out_channels or stride != 1:
            x = block.nest(ConvBn(inputs, self.out_channels, 1, stride, activation=None), x, f"{at}.proj")
        return block.add(Relu(), block.add(Add(), y, x, name=f"{at}.sum"), name=f"{at}.relu")
