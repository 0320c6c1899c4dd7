"""From an image to a sequence of its patches."""

from dataclasses import dataclass
from typing import ClassVar

from harness.errors import SpecError
from harness.nn.layers.bias import Bias
from harness.nn.layers.class_token import ClassToken
from harness.nn.layers.patch_convolution import PatchConvolution
from harness.nn.layers.positional_embedding import PositionalEmbedding
from harness.nn.layers.to_sequence import ToSequence
from harness.spec.netspec import Block, Layer


@dataclass(frozen=True)
class PatchEmbed(Layer):
    """A class token, then a linear map of every patch in row-major order, plus what each place adds: a composition.

    What is left of the image at the right and at the bottom beyond whole patches is not looked at.

    Shapes: x (B, in_channels, H, W), w (dim, in_channels, patch, patch), b, cls (dim,), pos (patches + 1, dim),
    y (B, patches + 1, dim).
    Source: specs/README.md, Patch embedding; Dosovitskiy et al. 2021.
    """

    in_channels: int
    dim: int
    patch: int
    patches: int
    kind: ClassVar[str] = "patch"

    def validate(self) -> None:
        for name in ("in_channels", "dim", "patch", "patches"):
            if getattr(self, name) < 1:
                raise SpecError(f"{name}={getattr(self, name)}; it must be at least 1.")

    def expand(self, block: Block, x: str) -> str:
        y = block.add(PatchConvolution(self.in_channels, self.dim, self.patch), x)
        y = block.add(ToSequence(), block.add(Bias(self.dim), y))
        found, _ = block.shape(y)
        if found != self.patches:
            raise SpecError(f"the image has {found} patches, pos was declared for {self.patches}. Set patches={found}.")
        return block.add(PositionalEmbedding(self.patches + 1, self.dim), block.add(ClassToken(self.dim), y))
