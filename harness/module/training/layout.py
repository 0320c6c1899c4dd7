"""Where a module keeps its axes otherwise than the network: transposes of tensors, and the layout of images."""

import math
from collections.abc import Sequence

import numpy as np

from harness.module.task import Array
from harness.module.training.step_file import ImageLayout

Shape = tuple[int, ...]
_CHANNELS = (1, 3)
# By rank, the axes of other layouts in the network's order: matrices (out, in), kernels (H, W, I, O) and (O, H, W, I),
# where the network has (in, out) and (O, I, H, W).
_OTHERS: dict[int, tuple[Shape, ...]] = {2: ((1, 0),), 4: ((3, 2, 0, 1), (0, 3, 1, 2))}


def transposed(shape: Sequence[int], axes: Sequence[int]) -> Shape:
    """The shape of a tensor whose axes are put into that order."""
    return tuple(shape[axis] for axis in axes)


def possible_axes(own: Shape, wanted: Shape) -> list[Shape]:
    """The orders of axes that make a module's shape the network's, as far as layouts in use go; as it is, first."""
    as_it_is = tuple(range(len(own)))
    orders = (as_it_is, *_OTHERS.get(len(own), ())) if len(own) == len(wanted) else ()
    return [axes for axes in orders if transposed(own, axes) == wanted]


def to_network(array: Array, axes: Shape) -> Array:
    """A tensor of the module as the network has it."""
    return array.transpose(axes)


def to_module(array: Array, axes: Shape) -> Array:
    """A tensor of the network as the module has it."""
    return np.ascontiguousarray(array.transpose(np.argsort(axes)))


def guess_layout(shape: Shape) -> ImageLayout | None:
    """The layout of a batch of images of a shape; None where the shape does not tell."""
    if len(shape) == 2:
        return "flat"
    if len(shape) == 4:
        first, last = shape[1] in _CHANNELS, shape[3] in _CHANNELS
        return "NCHW" if first and not last else "NHWC" if last and not first else None
    return None


def images_shape(image: Shape, batch: int, layout: ImageLayout) -> Shape:
    """The shape of a batch in a layout. `image`: (C, H, W), or a vector, which is only ever flat."""
    if layout == "flat":
        return batch, math.prod(image)
    channels, height, width = image
    return (batch, channels, height, width) if layout == "NCHW" else (batch, height, width, channels)


def laid_out(images: Array, image: Shape, layout: ImageLayout) -> Array:
    """A batch as the network is fed it, (B, C, H, W) or flat, in another layout."""
    if layout == "flat":
        return images.reshape(len(images), -1)
    batch = images.reshape(len(images), *image)
    return batch if layout == "NCHW" else np.ascontiguousarray(batch.transpose(0, 2, 3, 1))
