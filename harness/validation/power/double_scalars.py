"""Phase 2 with another right rule of Adam, that of a port whose bias corrections lose no digits."""

from typing import Any

from harness.emit.instruments import Instruments
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.nn.optimizers import Adam
from harness.run.inprocess import Phase2
from harness.validation.power.mutate import MutatedBuilder


class DoubleScalars(Phase2):
    """Bias corrections as double precision has them; a program that computes its scalars on the host does so."""

    def _emit(self, instruments: Instruments) -> None:
        rule = self.rules.jax_optimizer.of(Adam)

        def wrap(optimizer: Adam, j: JaxBuilder, *values: Expr) -> Any:
            return rule(optimizer, MutatedBuilder(j, power=_power, sub=_less), *values)

        self.rules = self.rules.replace(jax_optimizer={Adam: wrap})
        super()._emit(instruments)


def _power(j: JaxBuilder, original: Any, base: Any, t: Expr) -> Expr:
    """b^t - 1 with all digits, of which a small difference of numbers near one loses some; log(b) is a double."""
    return Expr(f"jnp.expm1({t} * float(np.log({j.operand(base)})))")


def _less(j: JaxBuilder, original: Any, a: Any, b: Any) -> Any:
    return j.neg(b) if isinstance(b, Expr) and b.text.startswith("jnp.expm1(") else original(a, b)
