"""Adam."""

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
class Adam(Optimizer):
    """m = b1 m + (1-b1) g; v = b2 v + (1-b2) g²; direction (m/(1-b1^t)) / (sqrt(v/(1-b2^t)) + eps).

    The powers are computed in the program, in the cell's dtype, from t as a float. By convention eps may lie inside the
    root, and the two divisions by 1 - b^t may be missing.
    Source: specs/README.md, Adam; Kingma and Ba 2015, algorithm 1.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    slots: ClassVar[tuple[str, ...]] = ("m", "v")

    def validate(self) -> None:
        if not (0 <= self.beta1 < 1 and 0 <= self.beta2 < 1 and self.epsilon > 0):
            raise SpecError(f"{self}: betas must lie in [0, 1) and epsilon above 0.")

    @property
    def magnification(self) -> float:
        """At t = 1, 1 - b^t is a small difference of numbers near one: an error of b^t grows by 1/(1-b).

        The first moment has it whole, the second under a root, so by half.
        """
        return 1 / (1 - self.beta1) + 0.5 / (1 - self.beta2)


@reference_optimizer(Adam)
def reference_adam(optimizer: Adam, np: Any, g: Array, m: Array, v: Array, t: int) -> tuple[Array, ...]:
    """The formulas."""
    m = optimizer.beta1 * m + (1 - optimizer.beta1) * g
    v = optimizer.beta2 * v + (1 - optimizer.beta2) * g * g
    m_hat, v_hat = m / (1 - optimizer.beta1**t), v / (1 - optimizer.beta2**t)
    return m_hat / (np.sqrt(v_hat) + optimizer.epsilon), m, v


@jax_optimizer(Adam)
def jax_adam(optimizer: Adam, j: JaxBuilder, g: Expr, m: Expr, v: Expr, t: Expr) -> tuple[Expr, ...]:
    """The direction and the new moments."""
    beta1, beta2 = Hyperparameter("BETA1", optimizer.beta1), Hyperparameter("BETA2", optimizer.beta2)
    epsilon = Hyperparameter("EPSILON", optimizer.epsilon)
    m = j.let("m", j.add(j.mul(beta1, m), j.mul(j.sub(1, beta1), g)))
    v = j.let("v", j.add(j.mul(beta2, v), j.mul(j.sub(1, beta2), j.square(g))))
    m_hat, v_hat = m, v
    if j.conventions.adam_bias_correction == "on":
        m_hat = j.let("m_hat", j.div(m, j.sub(1, j.power(beta1, t))))
        v_hat = j.let("v_hat", j.div(v, j.sub(1, j.power(beta2, t))))
    if j.conventions.adam_epsilon == "inside":
        return j.div(m_hat, j.sqrt(j.add(v_hat, epsilon))), m, v
    return j.div(m_hat, j.add(j.sqrt(v_hat), epsilon)), m, v


@hlo_optimizer(Adam)
def hlo_adam(optimizer: Adam, h: HloBuilder, g: Value, m: Value, v: Value, t: Value) -> tuple[Value, ...]:
    """The direction and the new moments."""

    beta1, beta2 = Named(optimizer.beta1, "beta1"), Named(optimizer.beta2, "beta2")
    epsilon = Named(optimizer.epsilon, "epsilon")

    def moment(old: Value, new: Value, beta: Named, name: str) -> Value:
        rest = Named(1 - beta, f"one_minus_{beta.name}")
        return h.add(h.mul(old, beta, f"{name}_kept"), h.mul(new, rest, f"{name}_gained"), f"{name}_new")

    def unbiased(moment: Value, beta: Named, name: str) -> Value:
        correction = h.sub(1.0, h.power(h.constant(beta), t, f"{beta.name}_to_t"), f"{name}_correction")
        return h.div(moment, h.broadcast(correction, moment.shape, (), f"{name}_corrections"), f"{name}_hat")

    m = moment(m, g, beta1, "m")
    v = moment(v, h.mul(g, g, "g_squared"), beta2, "v")
    m_hat, v_hat = m, v
    if h.conventions.adam_bias_correction == "on":
        m_hat, v_hat = unbiased(m, beta1, "m"), unbiased(v, beta2, "v")
    if h.conventions.adam_epsilon == "inside":
        root = h.sqrt(h.add(v_hat, epsilon, "v_hat_plus_epsilon"), "denominator")
    else:
        root = h.add(h.sqrt(v_hat, "sqrt_v_hat"), epsilon, "denominator")
    return h.div(m_hat, root, "direction"), m, v
