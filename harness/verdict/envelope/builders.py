"""Other ways to compute the same network: each rounds differently, and none is less right than the plain one."""

from collections.abc import Sequence

from harness.emit.jax_builder import Edges, Expr, JaxBuilder
from harness.emit.jax_expr import Operand
from harness.spec.fields import Pair
from harness.spec.netspec import Shape

_ONE_ULP = '''
def one_ulp(x, place):
    """x, each element times 1 or a float next to 1, as its own last bits have it; its gradient likewise."""
    if x.dtype != jnp.float32:
        return x
    word = (jax.lax.bitcast_convert_type(x, jnp.uint32) ^ jnp.uint32(place)) * jnp.uint32(0x2C1B3C6D)
    word = ((word ^ (word >> 15)) * jnp.uint32(0x297A2D39)) >> 30
    below, above = np.nextafter(np.float32(1), np.float32([0, 2]))
    return x * jnp.where(word == 0, below, jnp.where(word == 1, above, np.float32(1)))
'''


class NoisyBuilder(JaxBuilder):
    """One-ulp noise on every value that has a name: the output of every layer and what is kept on the way to it.

    It depends on the value's bits, so that parameters which differ a little meet other noise.
    """

    def let(self, name: str, value: Expr) -> Expr:
        """`name = one_ulp(value)`."""
        self._functions["one_ulp"] = _ONE_ULP.strip("\n") + "\n"
        place = str(self.source).count("one_ulp(")
        return super().let(name, Expr(f"one_ulp({value}, {place})"))

    def let_many(self, names: Sequence[str], value: Expr) -> tuple[Expr, ...]:
        """`a, b = value`, with noise on `a`: the output of a layer comes first, and what else it gives has its own."""
        first, *rest = super().let_many(names, value)
        return self.let(first.text, first), *rest


class RaisedBuilder(JaxBuilder):
    """Powers one ulp larger: the scalars, such as those of Adam's bias corrections, that a port may compute otherwise.

    Their rounding is not of the parameters' size: 1 - beta^t is a small difference of numbers near one.
    """

    beyond = "jnp.inf"

    def power(self, base: Operand, exponent: Expr) -> Expr:
        """The float next to base ** exponent."""
        return Expr(f"jnp.nextafter(jnp.float32({super().power(base, exponent)}), jnp.float32({self.beyond}))")


class LoweredBuilder(RaisedBuilder):
    """Powers one ulp smaller."""

    beyond = "-jnp.inf"


class ReversedBuilder(JaxBuilder):
    """Sums run backwards: every axis that is summed over is turned around first.

    All axes of a product are, so that the sums of its gradient run backwards too.
    """

    def dot(self, a: Expr, b: Expr) -> Expr:
        """a @ b, from the last term to the first."""
        return _turned(super().dot(_turned(a), _turned(b)))

    def sum(self, x: Expr, axis: int | Shape, *, keepdims: bool = False) -> Expr:
        """Sum over `axis`, from the last element to the first."""
        return super().sum(_turned(x, axis), axis, keepdims=keepdims)

    def mean(self, x: Expr, axis: int | Shape | None = None, *, keepdims: bool = False) -> Expr:
        """Mean over `axis`, from the last element to the first."""
        return super().mean(_turned(x, axis), axis, keepdims=keepdims)

    def conv(self, x: Expr, w: Expr, stride: Pair, padding: str | Edges, groups: int = 1, dilation: Pair = 1) -> Expr:
        """The convolution with its channels from last to first, and the images of the batch too."""
        turned = super().conv(_turned(x, (0, 3)), _turned(w, (0, 1)), stride, padding, groups, dilation)
        return _turned(turned, (0, 3))


def _turned(x: Expr, axis: int | Shape | None = None) -> Expr:
    # The barrier: a compiler knows that a sum does not mind being turned around.
    over = "" if axis is None else f", {axis}"
    return Expr(f"jax.lax.optimization_barrier(jnp.flip({x}{over}))")
