"""Which arguments hold samples, and along which axis: by their roles, or as the user says."""

from collections.abc import Sequence

from harness.errors import ModuleError, unknown
from harness.module.load import StableModule
from harness.module.signature import ModuleArgument, named_images

_LABELS = ("labels", "one-hot")
_NOT_DATA = ("parameter", "state", "squares", "rate", "step", "number")


def marked_axes(module: StableModule, said: Sequence[str]) -> dict[int, int]:
    """By number of the argument, the axis of the batch. `said`: ARG=AXIS, which goes before what roles suggest.

    Raises: ModuleError where the roles do not tell, or what is said does not fit.
    """
    given = dict(_read(module, one) for one in said)
    found = given or _guessed(module)
    sizes = {number: module.arguments[number].type.shape[axis] for number, axis in found.items()}
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{module.arguments[number].name} {size}" for number, size in sizes.items())
        raise ModuleError(f"{module.path}: the batch has several sizes: {told}. Say which are of it with --batch-of.")
    return found


def is_data(argument: ModuleArgument) -> bool:
    """Whether an argument may hold samples without anybody saying so."""
    return argument.role not in _NOT_DATA


def _guessed(module: StableModule) -> dict[int, int]:
    """The first axis of images, and of labels for as many."""
    arguments = [(number, one) for number, one in enumerate(module.arguments) if is_data(one) and one.type.shape]
    images = [(number, one) for number, one in arguments if one.role == "images"]
    if not images:
        raise ModuleError(f"{module.path}: no argument is taken for images. Say with --batch-of which hold samples.")
    first = {one.type.shape[0] for _, one in images}
    if not all(named_images(one.name) for _, one in images):
        # By type alone an unnamed weight may be taken for images: then all that is nobody's old value has to agree.
        first = {one.type.shape[0] for _, one in arguments}
        if len(first) > 1:
            shown = [f"{one.name} {one.type}" for _, one in arguments]
            told = ", ".join(shown if len(shown) < 7 else [*shown[:3], "…", *shown[-3:]])
            raise ModuleError(
                f"{module.path}: the names of its arguments do not tell which hold samples: {told}. "
                "Say it with --batch-of."
            )
    labels = [(number, one) for number, one in arguments if one.role in _LABELS and one.type.shape[0] in first]
    return {number: 0 for number, _ in (*images, *labels)}


def _read(module: StableModule, said: str) -> tuple[int, int]:
    name, _, axis = said.rpartition("=")
    names = [argument.name for argument in module.arguments]
    if name not in names:
        raise ModuleError(f"--batch-of {said}: {unknown('argument', name or said, names)}")
    number = names.index(name)
    rank = len(module.arguments[number].type.shape)
    if not axis.isdecimal() or int(axis) >= rank:
        raise ModuleError(f"--batch-of {said}: '{name}' has axes 0 to {rank - 1}, expected one of them after the =.")
    return number, int(axis)
