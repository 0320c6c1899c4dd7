"""A module, its step file and a network put together: every argument has a source, every tensor a place."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ModuleError
from harness.module.load import StableModule, load
from harness.module.training.expression import NAMES, Formula
from harness.module.training.feeding import check_labels, choose_layout
from harness.module.training.guess import guessed_results, guessed_roles
from harness.module.training.layout import Shape
from harness.module.training.step_file import (
    IMAGES,
    LABELS,
    LOSS,
    NEW,
    ONE_HOT,
    PARAMETER,
    SLOT,
    STATISTIC,
    UNUSED,
    ImageLayout,
    StepFile,
    read_step_file,
)
from harness.module.training.tensors import HeldTensor, hold_tensors
from harness.spec.models import Model


@dataclass(frozen=True)
class TrainingStep:
    """A module that trains a network, and how it is called.

    `images`, `labels`: numbers of those arguments; `image`: what one image is, (C, H, W) or a vector; `formulas`: of
    the arguments that are numbers. `held`: parameters in the network's order, then what the optimizer keeps, slot by
    slot, then running statistics. `missing`: slots of the network's optimizer that the module does without.
    `loss`: number of that result.
    """

    path: Path
    file: StepFile
    module: StableModule
    model: Model
    images: int
    image: Shape
    layout: ImageLayout
    labels: int
    one_hot: bool
    formulas: dict[int, Formula]
    held: tuple[HeldTensor, ...]
    missing: tuple[str, ...]
    loss: int


def load_step(path: Path, model: Model) -> TrainingStep:
    """The step of a file, for a network. Raises: ModuleError in one line for what does not fit; OSError."""
    file = read_step_file(path)
    module_path = path.parent / file.module
    if not module_path.is_file():
        raise ModuleError(f"{path}: module is {file.module!r}, which is no file beside it. Give its path from there.")
    module = load(module_path, file.function)
    if module.refusals:
        raise ModuleError(
            f"{module_path}: {module.refusals[0]}. A step with it is not traced; `harness module inspect` lists them."
        )
    try:
        return _bind(path, file, module, model)
    except ModuleError as error:
        raise ModuleError(f"{path}: {error}.") from None


def _bind(path: Path, file: StepFile, module: StableModule, model: Model) -> TrainingStep:
    """Raises: ModuleError without the file and the full stop."""
    roles = _roles(file, module)
    new = _new_values(file, module)
    images = _only(module, roles, (IMAGES,))
    labels = _only(module, roles, (LABELS, ONE_HOT))
    image, layout = choose_layout(module.arguments[images], file.images, model.spec)
    batch, wanted = module.arguments[images].type.shape[0], model.config.batch_size
    if batch != wanted:
        raise ModuleError(
            f"the module takes {batch} images a step, {model.spec.name} trains with {wanted}. Give --batch {batch}"
        )
    check_labels(module.arguments[labels], roles[labels], batch, model.spec.classes)
    formulas = {}
    for number, role in enumerate(roles):
        if not (role in (IMAGES, LABELS, ONE_HOT, PARAMETER, STATISTIC) or role.startswith(SLOT)):
            try:
                formulas[number] = Formula(role)
            except ModuleError as error:
                name = module.arguments[number].name
                raise ModuleError(
                    f"argument {name}: {error}. Roles are images, labels, one-hot, parameter, slot NAME, statistic"
                ) from None
    for argument in new:
        if argument in (images, labels, *formulas):
            name = module.arguments[argument].name
            raise ModuleError(f"a result is the new {name}, whose role is {roles[argument]}. Correct either")
    held, missing = hold_tensors(file, module, model, roles, new)
    return TrainingStep(
        path=path,
        file=file,
        module=module,
        model=model,
        images=images,
        image=image,
        layout=layout,
        labels=labels,
        one_hot=roles[labels] == ONE_HOT,
        formulas=formulas,
        held=held,
        missing=missing,
        loss=_loss(file, module),
    )


def _loss(file: StepFile, module: StableModule) -> int:
    found = [number for number, result in enumerate(_results(file, module)) if result == LOSS]
    if len(found) != 1:
        told = "no result is" if not found else f"{len(found)} results are"
        raise ModuleError(f'{told} the loss. List what the results are: results = ["new …", …, "loss"]')
    kind = module.results[found[0]].type
    if not kind.is_float or any(size != 1 for size in kind.shape):
        raise ModuleError(f"the loss, result {found[0]}, is a {kind}, expected one number")
    return found[0]


def _roles(file: StepFile, module: StableModule) -> list[str]:
    names = [argument.name for argument in module.arguments]
    for key in file.arguments:
        if key not in names and not any(key in file.fitting(name) for name in names):
            raise ModuleError(f"arguments has {key!r}, which fits none of {', '.join(names)}")
    for key in file.parameters:
        if key not in names:
            raise ModuleError(f"parameters has {key!r}, which is none of {', '.join(names)}")
    guessed = guessed_roles(module)
    roles = []
    for name, guess, argument in zip(names, guessed, module.arguments, strict=True):
        stated = file.role(name)
        role = guess if stated is None else stated
        if not role:
            raise ModuleError(
                f"argument {name}, a {argument.type}, has no role. Say under [arguments] what it is: a role, or a "
                f"formula of {', '.join(NAMES)}"
            )
        roles.append(role)
    return roles


def _results(file: StepFile, module: StableModule) -> list[str]:
    return guessed_results(module) if file.results is None else file.results


def _new_values(file: StepFile, module: StableModule) -> dict[int, int]:
    """By argument, the result that is its new value."""
    results = _results(file, module)
    if len(results) != len(module.results):
        raise ModuleError(f"results has {len(results)} entries, @{module.function} has {len(module.results)} results")
    numbers = {argument.name: number for number, argument in enumerate(module.arguments)}
    new: dict[int, int] = {}
    for number, result in enumerate(results):
        if result in (LOSS, UNUSED):
            continue
        name = result.removeprefix(NEW)
        if not result.startswith(NEW) or name not in numbers:
            raise ModuleError(f"results has {result!r}, expected 'new ARGUMENT', 'loss' or 'unused'")
        if numbers[name] in new:
            raise ModuleError(f"results has {result!r} twice")
        own, made = module.arguments[numbers[name]].type, module.results[number].type
        if own != made:
            raise ModuleError(f"result {number} is a {made} and cannot be the new {name}, a {own}")
        new[numbers[name]] = number
    return new


def _only(module: StableModule, roles: Sequence[str], wanted: Sequence[str]) -> int:
    found = [number for number, role in enumerate(roles) if role in wanted]
    if len(found) != 1:
        names = ", ".join(module.arguments[number].name for number in found) or "no argument"
        raise ModuleError(f"{names} has the role {' or '.join(wanted)}, expected exactly one argument")
    return found[0]
