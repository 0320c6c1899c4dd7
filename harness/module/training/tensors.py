"""Which argument of a step holds which tensor of the network: by name, by order, and in which order of axes."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import ModuleError, unknown
from harness.module.load import StableModule
from harness.module.training.layout import Shape, possible_axes, transposed
from harness.module.training.step_file import PARAMETER, SLOT, STATISTIC, StepFile
from harness.nn.optimizers import Sgd
from harness.spec.models import Model


@dataclass(frozen=True)
class HeldTensor:
    """A tensor of a training's state. `argument`, `result`: their numbers.

    Shapes: `shape` is the network's; `axes` are the module's in the order that makes it so.
    """

    name: str
    shape: Shape
    argument: int
    result: int
    axes: Shape


def hold_tensors(
    file: StepFile, module: StableModule, model: Model, roles: Sequence[str], new: dict[int, int]
) -> tuple[tuple[HeldTensor, ...], tuple[str, ...]]:
    """All that a step changes, in the network's order, and the slots that the module does without.

    `roles`: by argument; `new`: by argument, the result that is its new value.
    Raises: ModuleError without the file and the full stop.
    """
    binder = _Binder(file, module, model, new)
    params = {param.name: param.shape for param in model.graph.params}
    of_role = _by_role(roles)
    binder.hold(of_role.get(PARAMETER, []), params, PARAMETER)
    binder.refuse_undecided()
    known = model.config.optimizer.slots
    for role in of_role:
        if role.startswith(SLOT) and role.removeprefix(SLOT) not in known:
            slot = role.removeprefix(SLOT)
            told = f"unknown slot {slot!r}; known are {', '.join(known)}" if known else f"it keeps no slot {slot!r}"
            raise ModuleError(f"{model.spec.name} is trained with {model.config.optimizer}: {told}")
    missing = tuple(slot for slot in known if SLOT + slot not in of_role)
    for slot in known:
        if slot not in missing:
            binder.hold_slot(of_role[SLOT + slot], of_role[PARAMETER], slot)
    if missing and not _is_plain(model):
        raise ModuleError(
            f"{model.spec.name} is trained with {model.config.optimizer}, which keeps {', '.join(missing)} of each "
            f"parameter; no argument has the role 'slot {missing[0]}'"
        )
    statistics = {state.name: state.shape for state in model.graph.states}
    binder.hold(of_role.get(STATISTIC, []), statistics, STATISTIC)
    names = [*params, *(f"{name}.{slot}" for slot in known if slot not in missing for name in params), *statistics]
    return tuple(binder.held[name] for name in names), missing


def _is_plain(model: Model) -> bool:
    """Whether the optimizer's only slot is the gradient itself, which no step reads and an update tells."""
    optimizer = model.config.optimizer
    return isinstance(optimizer, Sgd) and optimizer.momentum == 0 and not model.config.weight_decay


def _by_role(roles: Sequence[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for number, role in enumerate(roles):
        found.setdefault(role, []).append(number)
    return found


class _Binder:
    """The tensors as they find their places. `held`: those that have."""

    def __init__(self, file: StepFile, module: StableModule, model: Model, new: dict[int, int]) -> None:
        self._file, self._module, self._model, self._new = file, module, model, new
        self.held: dict[str, HeldTensor] = {}

    def hold(self, arguments: Sequence[int], table: dict[str, Shape], role: str) -> None:
        """Give each argument the tensor that the file names for it, the others those that are left, in order."""
        if len(arguments) != len(table):
            raise ModuleError(
                f"{len(arguments)} arguments have the role {role}, {self._model.spec.name} has {len(table)}: "
                f"{', '.join(table) or 'none'}"
            )
        named = {number: self._named(number, table, role) for number in arguments}
        left = [name for name in table if name not in named.values()]
        for number in arguments:
            name = named[number] or left.pop(0)
            self._place(number, name, table[name], None)

    def hold_slot(self, arguments: Sequence[int], parameters: Sequence[int], slot: str) -> None:
        """Give each argument the slot of a parameter, in the order of the parameters' arguments."""
        of = {tensor.argument: name for name, tensor in self.held.items() if tensor.argument in parameters}
        table = {f"{of[number]}.{slot}": self.held[of[number]].shape for number in parameters}
        if len(arguments) != len(table):
            raise ModuleError(f"{len(arguments)} arguments have the role 'slot {slot}', expected {len(table)}")
        named = {number: self._named(number, table, f"{SLOT}{slot}") for number in arguments}
        left = [name for name in table if name not in named.values()]
        for number in arguments:
            name = named[number] or left.pop(0)
            self._place(number, name, table[name], self.held[name.removesuffix(f".{slot}")].axes)

    def _named(self, number: int, table: dict[str, Shape], role: str) -> str | None:
        argument = self._module.arguments[number].name
        stated = self._file.tensor(argument)
        if stated is None:
            return None
        if stated.name not in table:
            raise ModuleError(f"parameters has {argument}: {unknown(role, stated.name, list(table))}".rstrip("."))
        same = [key for key in self._file.parameters if self._tensor_name(key) == stated.name]
        if len(same) > 1:
            raise ModuleError(f"parameters has {stated.name!r} twice: {' and '.join(same)}")
        return stated.name

    def _tensor_name(self, argument: str) -> str | None:
        stated = self._file.tensor(argument)
        return None if stated is None else stated.name

    def _place(self, number: int, name: str, shape: Shape, like: Shape | None) -> None:
        """`like`: the axes of the parameter that a slot belongs to."""
        argument = self._module.arguments[number]
        if argument.type.element != "f32":
            raise ModuleError(f"{argument.name} is a {argument.type}, expected f32")
        if number not in self._new:
            raise ModuleError(f"no result is the new {argument.name}. List what the results are, or correct its role")
        own, stated = argument.type.shape, self._file.tensor(argument.name)
        axes = like if stated is None or stated.transpose is None else stated.transpose
        if axes is None:
            axes = self._guess(argument.name, own, name, shape)
        if sorted(axes) != list(range(len(own))):
            raise ModuleError(
                f"parameters: transpose of {argument.name} is {list(axes)}, expected an order of {len(own)} axes"
            )
        if transposed(own, axes) != shape:
            raise ModuleError(
                f"{argument.name} is {_by(own)}, transposed by {list(axes)} {_by(transposed(own, axes))}; {name} is "
                f"{_by(shape)}"
            )
        self.held[name] = HeldTensor(name, shape, number, self._new[number], axes)

    def _guess(self, argument: str, own: Shape, name: str, shape: Shape) -> Shape:
        found = possible_axes(own, shape)
        if not found:
            raise ModuleError(
                f"{argument} is {_by(own)}, {name} of {self._model.spec.name} is {_by(shape)}. Say under [parameters] "
                "which tensor it holds"
            )
        if len(found) > 1 and found[0] != tuple(range(len(own))):
            raise self._undecided(argument, name, found)
        return found[0]

    def refuse_undecided(self) -> None:
        """Where shapes tell that some tensors are held transposed, one that could be either way has to be stated."""
        guessed = []
        for tensor in self.held.values():
            argument = self._module.arguments[tensor.argument]
            stated = self._file.tensor(argument.name)
            if stated is None or stated.transpose is None:
                guessed.append((argument, tensor))
        turned = {tensor.axes for _, tensor in guessed if tensor.axes != tuple(range(len(tensor.axes)))}
        for argument, tensor in guessed:
            possible = possible_axes(argument.type.shape, tensor.shape)
            if len(possible) > 1 and turned & set(possible):
                raise self._undecided(argument.name, tensor.name, possible)

    def _undecided(self, argument: str, name: str, possible: Sequence[Shape]) -> ModuleError:
        ways = " or ".join(str(list(axes)) for axes in possible)
        return ModuleError(
            f"the shape of {argument} does not tell the order of its axes. Write under [parameters]: {argument} = "
            f'{{ name = "{name}", transpose = {ways} }}'
        )


def _by(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "one number"
