"""A step held against a network of this project: the loss of its phase 2, and the conventions that `explain` knows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.errors import ModuleError
from harness.explain.conventions.practice import GradientFacts, Practice
from harness.explain.conventions.switches import Switch, applied
from harness.explain.conventions.table import switches_of
from harness.module.load import StableModule
from harness.module.task import Array
from harness.module.tie.function import LossFunction, data_arguments
from harness.module.tie.slots import TiedParameter, plain
from harness.spec.models import Model, load_model


@dataclass(frozen=True)
class NetworkLoss:
    """Phase 2 of a network as a loss of a module's arguments. `names`: its parameters in the order of `numbers`."""

    model: Model
    module: StableModule
    names: tuple[str, ...]
    numbers: tuple[int, ...]

    def loss(self) -> LossFunction:
        """The loss with everything at its default."""
        return self._by(applied([], self.model.config))

    def under(self, switches: Sequence[Switch]) -> LossFunction:
        """The loss under some switches."""
        return self._by(applied(switches, self.model.config))

    def _by(self, practice: Practice) -> LossFunction:
        """The emitted script's own loss, emitted for each precision."""
        sides: dict[bool, Any] = {}

        def call(arrays: Sequence[Any]) -> Any:
            *params, x, labels = arrays
            wide = x.dtype == np.float64
            if wide not in sides:
                sides[wide] = practice.side(self.model.graph, "f64" if wide else "f32").script
            script = sides[wide]
            named = dict(zip(self.names, params, strict=True))
            stats = {name: np.zeros(shape, script.DTYPE) for name, shape in script.STATS.items()}
            images = x.reshape(x.shape[0], *script.INPUT_SHAPE)
            return script.loss_function(named, stats, images, labels, script.DTYPE(1))[0]

        positions = tuple(range(len(self.names)))
        return LossFunction(f"phase 2 of {self.model.name}", self.numbers, positions, call)

    def switches(self) -> list[Switch]:
        """Those that can change the gradients of a given batch."""
        of = switches_of(self.model.graph, self.model.config)
        return [one for one in of if one.before_update and one.stage in ("forward", "backward") and not one.rounds]

    def recorded(
        self, switches: Sequence[Switch], grads: dict[str, Array], params: dict[str, Array]
    ) -> dict[str, Array]:
        """Gradients as they are recorded under some switches; by the module's names, in f64."""
        practice = applied(switches, self.model.config)
        if not practice.gradients:
            return grads
        own = dict(zip((self.module.arguments[number].name for number in self.numbers), self.names, strict=False))
        decaying = [p.name for p in self.model.graph.params if practice.conventions.decays(p)]
        facts = GradientFacts(
            {own[name]: value for name, value in params.items()},
            practice.config.batch_size,
            dict.fromkeys(decaying, np.float32(practice.config.weight_decay)),
        )
        changed = {own[name]: value for name, value in grads.items()}
        for change in practice.gradients:
            changed = change(changed, facts)
        back = {name: ours for ours, name in own.items()}
        return {back[name]: value for name, value in changed.items()}


def find_network(name: str, module: StableModule, parameters: Sequence[TiedParameter]) -> NetworkLoss:
    """The network, its parameters found among those of the module by name, else in order, by shape.

    Raises: ModuleError where they are others; SpecError for a network that is none.
    """
    number, *_ = data_arguments(f"--model {name}", module, [parameter.argument for parameter in parameters])
    model = load_model(name, batch=module.arguments[number].type.shape[0])
    own = model.graph.params
    by_name = {plain(parameter.name): parameter for parameter in parameters}
    if all(plain(one.name) in by_name for one in own):
        chosen = [by_name[plain(one.name)] for one in own]
    else:
        chosen = list(parameters)
    shapes = [tuple(one.shape) for one in own]
    found = [module.arguments[parameter.argument].type.shape for parameter in chosen]
    if shapes != found:
        told = next(
            (
                f"'{chosen[i].name}' is {found[i]}, '{own[i].name}' {shapes[i]}"
                for i in range(min(len(own), len(found)))
                if shapes[i] != found[i]
            ),
            f"{len(found)} parameters, expected {len(shapes)}",
        )
        raise ModuleError(
            f"{module.path}: its parameters are not those of {name}: {told}. Choose the network it is of."
        )
    data = data_arguments(name, module, [parameter.argument for parameter in parameters])
    names = tuple(one.name for one in own)
    return NetworkLoss(model, module, names, (*(parameter.argument for parameter in chosen), *data))
