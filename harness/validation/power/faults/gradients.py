"""Gradients that are scaled, lost or turned around on their way."""

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Value
from harness.validation.power.fault import Fault
from harness.validation.power.faults.injecting import Injections, input_gradient, parameter_gradient

_WEIGHTS = {
    "mlp": "dense2",
    "cnn": "conv2",
    "residual": "residual1.b1.conv2",
    "attention": "encoder1.b1.v",
    "mobile": "mbconv1.b1.dw",
}
_BIASES = {
    "mlp": "dense2",
    "cnn": "conv2.bias",
    "attention": "encoder1.b1.mlp1",
    "mobile": "mbconv1.b1.se.reduce.bias",
}
_SUMS = {"residual": "residual1.b1.sum", "attention": "encoder1.b1.sum1"}
_INNER = {"mlp": "dense3", "cnn": "conv2.relu", "residual": "residual1.b1.conv1.bn"}


def _permuted(param: str, axis: int) -> Injections:
    """The first two slices of a gradient along an axis in each other's place; its norm is the same."""

    def swapped(h: HloBuilder, x: Value) -> Value:
        n = x.shape[axis]
        parts = []
        for start, stop in ((1, 2), (0, 1), (2, n)):
            low, high = [0] * len(x.shape), list(x.shape)
            low[axis], high[axis] = start, stop
            parts.append(h.slice(x, tuple(low), tuple(high)))
        return h.concatenate(parts, axis)

    places = f"jnp.array([1, 0, *range(2, dy.shape[{axis}])])"
    return parameter_gradient(param, f"jnp.take(dy, {places}, axis={axis})", swapped)


FAULTS = (
    Fault(
        "weight gradient times 1.0035",
        "scaled gradient",
        "backward",
        {name: _WEIGHTS[name] for name in ("mlp", "cnn", "residual")},
        parameter_gradient("w", "dy * 1.0035", lambda h, dw: h.mul(dw, 1.0035)),
    ),
    Fault(
        "weight gradient times 1 + 1e-6",
        "scaled gradient",
        "backward",
        {name: _WEIGHTS[name] for name in ("mlp", "cnn")},
        parameter_gradient("w", "dy * (1 + 1e-6)", lambda h, dw: h.mul(dw, 1 + 1e-6)),
    ),
    Fault(
        "input gradient times 1.0035",
        "scaled gradient",
        "backward",
        _INNER,
        input_gradient(0, "dy * 1.0035", lambda h, dx: h.mul(dx, 1.0035)),
    ),
    Fault(
        "weight gradient of the wrong sign",
        "sign of a gradient",
        "backward",
        {name: _WEIGHTS[name] for name in ("mlp", "attention")},
        parameter_gradient("w", "-dy", lambda h, dw: h.negate(dw)),
    ),
    Fault(
        "bias gradient lost",
        "lost gradient",
        "backward",
        {name: _BIASES[name] for name in ("mlp", "mobile")},
        parameter_gradient("b", "0 * dy", lambda h, db: h.mul(db, 0.0)),
    ),
    Fault(
        "bias gradient averaged over the batch",
        "loss scale",
        "backward",
        {name: _BIASES[name] for name in ("cnn", "attention")},
        parameter_gradient("b", "dy / 4", lambda h, db: h.div(db, 4.0)),
    ),
    Fault(
        "gamma gradient lost",
        "lost gradient",
        "backward",
        {"cnn": "conv1.bn", "attention": "encoder1.ln"},
        parameter_gradient("gamma", "0 * dy", lambda h, dgamma: h.mul(dgamma, 0.0)),
    ),
    Fault(
        "class token gradient lost",
        "lost gradient",
        "backward",
        {"attention": "patch1.token"},
        parameter_gradient("cls", "0 * dy", lambda h, dcls: h.mul(dcls, 0.0)),
    ),
    Fault(
        "position gradient lost",
        "lost gradient",
        "backward",
        {"attention": "patch1.position"},
        parameter_gradient("pos", "0 * dy", lambda h, dpos: h.mul(dpos, 0.0)),
    ),
    Fault(
        "skip gradient doubled",
        "skip gradient",
        "backward",
        _SUMS,
        input_gradient(1, "2 * dy", lambda h, db: h.mul(db, 2.0)),
    ),
    Fault(
        "skip gradient lost",
        "skip gradient",
        "backward",
        _SUMS,
        input_gradient(1, "0 * dy", lambda h, db: h.mul(db, 0.0)),
    ),
    Fault("two rows of a gradient swapped", "permuted tensor", "backward", _WEIGHTS, _permuted("w", 0)),
    Fault(
        "two columns of a gradient swapped",
        "permuted tensor",
        "backward",
        {name: _WEIGHTS[name] for name in ("mlp", "cnn", "attention")},
        _permuted("w", 1),
    ),
    Fault("two elements of a gradient swapped", "permuted tensor", "backward", _BIASES, _permuted("b", 0)),
    Fault(
        "gradient transposed",
        "permuted tensor",
        "backward",
        {"mlp": "dense2", "attention": "encoder1.b1.v"},
        parameter_gradient("w", "dy.T", lambda h, dw: h.transpose(dw, (1, 0))),
    ),
    Fault(
        "squeeze gradient lost",
        "lost gradient",
        "backward",
        {"mobile": "mbconv1.b1.se.scale"},
        input_gradient(1, "0 * dy", lambda h, dg: h.mul(dg, 0.0)),
    ),
)
