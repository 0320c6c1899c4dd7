"""Gradients of a step that does not give them, read off what it does give: exact to a few roundings, or not at all."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from harness.module.task import Array
from harness.module.training.binding import TrainingStep
from harness.module.training.increments import with_increments
from harness.nn.optimizers import Adam, Sgd
from harness.spec.models import Model

Kind = Literal["moment", "increment", "difference"]


@dataclass(frozen=True)
class GradientSource:
    """Where gradients come from.

    `moment`: what the optimizer keeps of them, whose old part is known. `increment`: what plain descent adds to a
    parameter, by the rate; `text` is the module that gives it, its function `function`, and `subtracted` the sign by
    parameter. `difference`: a parameter before and after, by the rate. In f32 the parameter absorbs most digits: it
    serves a state, which holds it for nobody to read, and no channel of a trace.
    """

    kind: Kind
    text: str = ""
    function: str = ""
    subtracted: tuple[bool, ...] = ()

    def serves_channels(self, dtype: str) -> bool:
        """Whether it is exact enough to be compared."""
        return self.kind != "difference" or dtype == "f64"


def gradient_source(step: TrainingStep, text: str, function: str) -> GradientSource | None:
    """The best source for a step; `text` is what it is called by, inlined. None where there is none."""
    optimizer = step.model.config.optimizer
    if isinstance(optimizer, Adam):
        return GradientSource("moment")
    if not isinstance(optimizer, Sgd):
        return None
    if "velocity" not in step.missing:
        return GradientSource("moment")
    tensors = [(tensor.argument, tensor.result) for tensor in step.held[: len(step.model.graph.params)]]
    name = f"{function}_increments"
    found = with_increments(text, function, tensors, name)
    return (
        GradientSource("difference") if found is None else GradientSource("increment", found[0], name, tuple(found[1]))
    )


def moment_of(model: Model) -> str:
    """The slot that the gradient goes into first."""
    return "m" if isinstance(model.config.optimizer, Adam) else "velocity"


def from_moments(model: Model, before: Mapping[str, Array], after: Mapping[str, Array]) -> dict[str, Array]:
    """Gradients from the moments around a step: of Adam (m' - b1 m) / (1 - b1), of a momentum v' - momentum v."""
    optimizer, slot = model.config.optimizer, moment_of(model)
    kept, gained = 0.0, 1.0
    if isinstance(optimizer, Adam):
        kept, gained = optimizer.beta1, 1 - optimizer.beta1
    elif isinstance(optimizer, Sgd):
        kept = optimizer.momentum

    def gradient(name: str) -> Array:
        old, new = (x[f"{name}.{slot}"] for x in (before, after))
        found: Array = ((new.astype(np.float64) - kept * old.astype(np.float64)) / gained).astype(new.dtype)
        return found

    return {param.name: gradient(param.name) for param in model.graph.params}


def by_rate(change: Array, rate: float, dtype: Any) -> Array:
    """The gradient of a tensor, from what descent subtracts from it. Shapes: both the same."""
    found: Array = (change.astype(np.float64) / rate).astype(dtype)
    return found
