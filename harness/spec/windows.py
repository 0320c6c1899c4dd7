"""Facts of windows that move over an image: sizes, strides and padding along its two axes, and how many places fit."""

from dataclasses import dataclass
from typing import Literal

from harness.errors import SpecError
from harness.spec.fields import Padding, Pair
from harness.spec.netspec import Shape


def pair(value: Pair) -> tuple[int, int]:
    """(of H, of W), where one number stands for both."""
    return (value, value) if isinstance(value, int) else value


@dataclass(frozen=True)
class Windows:
    """The windows of a convolution or a pool. `dilation`: pixels from one tap to the next; 1: they are neighbours.

    Source: specs/README.md, Padding.
    """

    size: Pair
    stride: Pair
    padding: Padding | Literal["SYMMETRIC"]
    dilation: Pair = 1

    @property
    def reach(self) -> tuple[int, int]:
        """Pixels from the first tap of a window to its last, both included. Units: pixels of H, of W."""
        (rows, columns), (down, across) = pair(self.size), pair(self.dilation)
        return (rows - 1) * down + 1, (columns - 1) * across + 1

    def spans(self, sizes: Shape) -> list[tuple[int, int, int]]:
        """Of H and of W: (number of places, padding below, padding above). `sizes`: (H, W) of the image.

        Raises: SpecError when a window finds no place.
        """
        padding = self.padding if isinstance(self.padding, str) else pair(self.padding)
        each = (padding, padding) if isinstance(padding, str) else padding
        axes = zip(sizes, self.reach, pair(self.stride), each, strict=True)
        return [window_span(n, reach, stride, edge) for n, reach, stride, edge in axes]

    def places(self, sizes: Shape) -> Shape:
        """(H', W'), the number of places along H and along W. Raises SpecError when a window finds none."""
        return tuple(places for places, _, _ in self.spans(sizes))

    def validate(self, size: str) -> None:
        """Raise SpecError for what makes no sense. `size`: what the layer calls the size of its windows."""
        for name, value in ((size, self.size), ("stride", self.stride), ("dilation", self.dilation)):
            if min(pair(value)) < 1:
                raise SpecError(f"{name}={value}; it must be at least 1.")
        if isinstance(self.padding, str):
            if self.padding not in ("SAME", "VALID"):
                raise SpecError(f'padding={self.padding!r}; it must be "SAME", "VALID" or a number of pixels.')
            return
        for edge, reach in zip(pair(self.padding), self.reach, strict=True):
            if not 0 <= edge < reach:
                raise SpecError(
                    f"padding={self.padding}; it must be at least 0 and less than {reach}, the pixels that a window "
                    "reaches over, or some windows would see nothing but padding."
                )


def window_span(n: int, window: int, stride: int, padding: str | int) -> tuple[int, int, int]:
    """Places of a window along an axis of n: (number of places, padding below, padding above).

    SYMMETRIC padding below is what SAME has at stride 1. Above it is, as with a number of pixels, as much as the last
    place reaches.

    Raises: SpecError when the window finds no place.
    Source: specs/README.md, Padding.
    """
    if padding == "VALID":
        if n < window:
            raise SpecError(f"a window of {window} does not fit into {n} pixels. Use SAME padding or a smaller window.")
        return (n - window) // stride + 1, 0, 0
    if isinstance(padding, int):
        if n + 2 * padding < window:
            raise SpecError(
                f"a window of {window} does not fit into {n} pixels and {padding} of padding on each side. "
                "Use SAME padding or a smaller window."
            )
        places = (n + 2 * padding - window) // stride + 1
        return places, padding, max(0, (places - 1) * stride + window - n - padding)
    places = -(-n // stride)
    if padding == "SYMMETRIC":
        low = (window - 1) // 2
        return places, low, max(0, (places - 1) * stride + window - n - low)
    total = max(0, (places - 1) * stride + window - n)
    return places, total // 2, total - total // 2
