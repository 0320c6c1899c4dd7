"""Whether a step can be fed a network's batches: the layout of its images, the form of its labels."""

import math

from harness.data import task
from harness.errors import ModuleError
from harness.module.signature import ModuleArgument
from harness.module.training.layout import Shape, guess_layout, images_shape
from harness.module.training.step_file import LABELS, LAYOUTS, ONE_HOT, ImageLayout
from harness.spec.netspec import NetSpec


def choose_layout(argument: ModuleArgument, asked: ImageLayout | None, spec: NetSpec) -> tuple[Shape, ImageLayout]:
    """What one image is, (C, H, W) or a vector, and how an argument has a batch of them.

    Raises: ModuleError without a full stop, for an argument that cannot have them so.
    """
    own, shape = spec.input_shape, argument.type.shape
    of_dataset = task(spec.dataset, own).facts.image_shape
    image = of_dataset if len(own) == 1 and math.prod(of_dataset) == own[0] else own
    possible = LAYOUTS if len(image) == 3 else LAYOUTS[:1]
    ways = {layout: images_shape(image, shape[0] if shape else 1, layout) for layout in possible}
    fitting = [layout for layout in ([asked] if asked else possible) if ways.get(layout) == shape]
    if not fitting or argument.type.element != "f32":
        wanted = [f"{'x'.join(map(str, way))}xf32 ({layout})" for layout, way in ways.items()]
        told = f", images = {asked!r}" if asked else ""
        raise ModuleError(
            f"the images, {argument.name}, are {argument.type}{told}; {spec.name} is fed {' or '.join(wanted)}"
        )
    guess = guess_layout(shape)
    return image, guess if guess in fitting else fitting[0]


def check_labels(argument: ModuleArgument, role: str, batch: int, classes: int) -> None:
    """Raises: ModuleError without a full stop, for an argument that cannot have the labels of a batch."""
    kind, name = argument.type, argument.name
    if role == ONE_HOT and not (kind.element == "f32" and kind.shape == (batch, classes)):
        raise ModuleError(f"one-hot labels, {name}, are {kind}, expected {batch}x{classes}xf32")
    whole = not kind.is_float and kind.element != "i1"
    if role == LABELS and not (whole and math.prod(kind.shape) == batch):
        raise ModuleError(f"labels, {name}, are {kind}, expected {batch}xi32")
