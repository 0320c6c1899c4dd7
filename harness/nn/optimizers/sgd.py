"""Stochastic gradient descent with momentum."""

from dataclasses import dataclass
from typing import Any, ClassVar

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Named, Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.emit.jax_expr import Hyperparameter
from harness.errors import SpecError
from harness.spec.netspec import Optimizer
from harness.spec.reference import Array
from harness.spec.rules import hlo_optimizer, jax_optimizer, reference_optimizer


@dataclass(frozen=True)
class Sgd(Optimizer):
    """velocity = momentum velocity + g; direction velocity. Momentum 0 is plain gradient descent.

    Source: specs/README.md, SGD; Polyak 1964 in the form of Sutskever et al. 2013 without the Nesterov term.
    """

    momentum: float = 0.0
    slots: ClassVar[tuple[str, ...]] = ("velocity",)

    def validate(self) -> None:
        if not 0 <= self.momentum < 1:
            raise SpecError(f"{self}: momentum must lie in [0, 1).")


@reference_optimizer(Sgd)
def reference_sgd(optimizer: Sgd, np: Any, g: Array, velocity: Array, t: int) -> tuple[Array, ...]:
    """The formula; its result is direction and velocity."""
    velocity = optimizer.momentum * velocity + g
    return velocity, velocity


@jax_optimizer(Sgd)
def jax_sgd(optimizer: Sgd, j: JaxBuilder, g: Expr, velocity: Expr, t: Expr) -> tuple[Expr, ...]:
    """The direction and the new velocity."""
    velocity = j.let("velocity", j.add(j.mul(Hyperparameter("MOMENTUM", optimizer.momentum), velocity), g))
    return velocity, velocity


@hlo_optimizer(Sgd)
def hlo_sgd(optimizer: Sgd, h: HloBuilder, g: Value, velocity: Value, t: Value) -> tuple[Value, ...]:
    """The direction and the new velocity."""
    velocity = h.add(h.mul(velocity, Named(optimizer.momentum, "momentum"), "velocity_kept"), g, "velocity_new")
    return velocity, velocity
