"""Gradients that are scaled, lost or turned around on their way."""

from harness.validation.power.fault import Fault
from harness.validation.power.faults.injecting import input_gradient, parameter_gradient

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
    Fault(
        "squeeze gradient lost",
        "lost gradient",
        "backward",
        {"mobile": "mbconv1.b1.se.scale"},
        input_gradient(1, "0 * dy", lambda h, dg: h.mul(dg, 0.0)),
    ),
)
