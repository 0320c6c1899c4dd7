"""Loss, optimizer and weight decay, whose rules belong to no layer."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.spec.netspec import Conventions, TrainConfig
from harness.validation.power.fault import Fault, Injection, Wrap
from harness.validation.power.faults.injecting import Injections, everywhere
from harness.validation.power.mutate import MutatedBuilder

_ALL = dict.fromkeys(("mlp", "cnn", "attention"))
_ADAM = dict.fromkeys(("mlp", "attention"))
_MLP = {"mlp": None}
_SOME = dict.fromkeys(("mlp", "cnn"))
_ADAPTIVE = dict.fromkeys(("mlp", "residual", "attention"))
_MOMENTUM = {"cnn": None}
_SMOOTHED = {"residual": None}
_BATCH = 4


def _loss(jax: Wrap, hlo: Wrap) -> Injections:
    return {"phase2": Injection(rules={"jax_loss": jax}), "phase3": Injection(rules={"hlo_loss": hlo})}


def _optimizer(wrap: Wrap) -> Injections:
    """Operations that both builders have."""
    return {"phase2": Injection(rules={"jax_optimizer": wrap}), "phase3": Injection(rules={"hlo_optimizer": wrap})}


def _configured(change: Callable[[TrainConfig], TrainConfig]) -> Injections:
    return everywhere(Injection(config=change))


def _of_optimizer(**changes: float) -> Injections:
    return _configured(lambda config: replace(config, optimizer=replace(config.optimizer, **changes)))


def _loss_over(divided_by: float) -> Injections:
    """Value and gradient with another divisor than the size of the batch."""

    def jax(rule: Any, loss: Any, j: JaxBuilder, z: Expr, labels: Expr, smoothing: float) -> Expr:
        return j.mul(_BATCH / divided_by, rule(loss, j, z, labels, smoothing))

    def hlo(rule: Any, loss: Any, h: HloBuilder, *values: Any) -> tuple[Value, Value]:
        value, dz = rule(loss, h, *values)
        return h.mul(value, _BATCH / divided_by), h.mul(dz, _BATCH / divided_by)

    return _loss(jax, hlo)


def _logits_gradient(factor: float) -> Injections:
    def jax(rule: Any, loss: Any, j: JaxBuilder, z: Expr, labels: Expr, smoothing: float) -> Expr:
        # In the loss function itself, whose script has the helper functions above it already.
        j.let("same", Expr("jax.custom_vjp(lambda x: x)"))
        j.source.line(f"same.defvjp(lambda x: (x, None), lambda _, dy: ({factor!r} * dy,))")
        expr: Expr = rule(loss, j, Expr(f"same({z})"), labels, smoothing)
        return expr

    def hlo(rule: Any, loss: Any, h: HloBuilder, *values: Any) -> tuple[Value, Value]:
        value, dz = rule(loss, h, *values)
        return value, h.mul(dz, factor)

    return _loss(jax, hlo)


def _last_part_logged() -> Injections:
    """The loss of the last microbatch in the log, while the gradient is that of the whole batch."""
    part = _BATCH // 2

    def jax(rule: Any, loss: Any, j: JaxBuilder, z: Expr, labels: Expr, smoothing: float) -> Expr:
        whole = j.let("whole", rule(loss, j, z, labels, smoothing))
        last = j.stop_gradient(rule(loss, j, Expr(f"{z}[-{part}:]"), Expr(f"{labels}[-{part}:]"), smoothing))
        return j.add(last, j.sub(whole, j.stop_gradient(whole)))

    def hlo(rule: Any, loss: Any, h: HloBuilder, z: Value, labels: Value, smoothing: float) -> tuple[Value, Value]:
        _, dz = rule(loss, h, z, labels, smoothing)
        n, classes = z.shape
        value, _ = rule(loss, h, h.slice(z, (n - part, 0), (n, classes)), h.slice(labels, (n - part,), (n,)), smoothing)
        return value, dz

    return _loss(jax, hlo)


def _next_label(j: JaxBuilder, original: Any, x: Expr, labels: Expr) -> Expr:
    picked: Expr = original(x, Expr(f"{labels}.at[-1].set(({labels}[-1] + 1) % {x}.shape[-1])"))
    return picked


def _hlo_next_label(rule: Any, loss: Any, h: HloBuilder, z: Value, labels: Value, smoothing: float) -> Any:
    last = h.compare("EQ", h.iota(labels.shape, 0), labels.shape[0] - 1)
    following = h.add(labels, 1)
    wrapped = h.select(h.compare("EQ", following, z.shape[1]), 0, following)
    return rule(loss, h, z, h.select(last, wrapped, labels), smoothing)


def _smoothing_without_share(rule: Any, loss: Any, h: HloBuilder, z: Value, labels: Value, smoothing: float) -> Any:
    """1 - a at the label in the place of 1 - a + a/K."""

    def constant(_: HloBuilder, original: Any, value: float, *shape: Any) -> Value:
        share = smoothing / z.shape[1]
        made: Value = original(1 - smoothing if value == 1 - smoothing + share else value, *shape)
        return made

    return rule(loss, MutatedBuilder(h, constant=constant), z, labels, smoothing)


def _jax_smoothing_without_share(rule: Any, loss: Any, j: JaxBuilder, z: Expr, labels: Expr, smoothing: float) -> Expr:
    def sub(_: JaxBuilder, original: Any, a: Any, b: Any) -> Expr:
        less: Expr = original(a - smoothing / 10 if b == smoothing else a, b)
        return less

    expr: Expr = rule(loss, MutatedBuilder(j, sub=sub), z, labels, smoothing)
    return expr


def _fresh(slot: int) -> Injections:
    """An optimizer that reads a slot as zero at every step."""

    def wrap(rule: Any, optimizer: Any, builder: Any, g: Any, *rest: Any) -> Any:
        *slots, t = rest
        slots[slot] = builder.mul(slots[slot], 0.0)
        return rule(optimizer, builder, g, *slots, t)

    return _optimizer(wrap)


def _at_time(shift: float) -> Injections:
    return _optimizer(lambda rule, optimizer, b, *values: rule(optimizer, b, *values[:-1], b.add(values[-1], shift)))


def _direction(change: Callable[[Any, Any], Any]) -> Injections:
    def wrap(rule: Any, optimizer: Any, builder: Any, *values: Any) -> Any:
        direction, *slots = rule(optimizer, builder, *values)
        return change(builder, direction), *slots

    return _optimizer(wrap)


def _epsilon_inside(rule: Any, optimizer: Any, builder: Any, *values: Any) -> Any:
    """sqrt(v + eps) in the place of sqrt(v) + eps."""
    eps = optimizer.epsilon
    inside = MutatedBuilder(
        builder,
        sqrt=lambda b, original, x, *name: original(builder.add(x, eps), *name),
        add=lambda b, original, x, y, *name: x if y == eps else original(x, y, *name),
    )
    return rule(optimizer, inside, *values)


def _dampened(rule: Any, optimizer: Any, builder: Any, g: Any, *rest: Any) -> Any:
    return rule(optimizer, builder, builder.mul(g, 1 - optimizer.momentum), *rest)


def _nesterov(rule: Any, optimizer: Any, builder: Any, g: Any, *rest: Any) -> Any:
    _, velocity = rule(optimizer, builder, g, *rest)
    return builder.add(g, builder.mul(velocity, optimizer.momentum)), velocity


FAULTS = (
    Fault("loss summed over the batch", "loss scale", "forward", _SOME, _loss_over(1)),
    Fault("loss over n - 1", "mean over n - 1", "forward", _ALL, _loss_over(_BATCH - 1)),
    Fault("gradient of the summed loss", "loss scale", "backward", _SOME, _logits_gradient(_BATCH)),
    Fault("gradient times 1.0035", "scaled gradient", "backward", _ALL, _logits_gradient(1.0035)),
    # Adam divides a factor of all gradients out again, but for its epsilon.
    Fault("gradient times 1.5", "scaled gradient", "backward", _ADAPTIVE, _logits_gradient(1.5)),
    Fault("gradient times 8", "scaled gradient", "backward", _ADAPTIVE, _logits_gradient(8.0)),
    Fault("gradient over the batch's size", "scaled gradient", "backward", _ADAPTIVE, _logits_gradient(1 / _BATCH)),
    Fault("loss times 1.5", "loss scale", "forward", _ADAPTIVE, _loss_over(_BATCH / 1.5)),
    Fault("loss of the last microbatch", "loss scale", "forward", _ADAPTIVE, _last_part_logged()),
    Fault(
        "the loss reads one label wrong",
        "one label",
        "forward",
        _SOME,
        _loss(lambda rule, loss, j, *values: rule(loss, MutatedBuilder(j, pick=_next_label), *values), _hlo_next_label),
    ),
    Fault(
        "smoothing forgotten", "smoothing", "forward", _SMOOTHED, _configured(lambda c: replace(c, label_smoothing=0.0))
    ),
    Fault(
        "smoothing without its share at the label",
        "smoothing",
        "forward",
        _SMOOTHED,
        _loss(_jax_smoothing_without_share, _smoothing_without_share),
    ),
    Fault("Adam epsilon of 1e-7", "epsilon", "optimizer", _ADAM, _of_optimizer(epsilon=1e-7)),
    Fault("Adam epsilon inside the root", "epsilon", "optimizer", _MLP, _optimizer(_epsilon_inside)),
    Fault("Adam betas swapped", "betas", "optimizer", _ADAM, _of_optimizer(beta1=0.999, beta2=0.9)),
    Fault("Adam beta2 of 0.99", "betas", "optimizer", _MLP, _of_optimizer(beta2=0.99)),
    Fault("bias correction one step late", "bias correction", "optimizer", _ADAM, _at_time(1.0)),
    Fault("bias correction left out", "bias correction", "optimizer", _MLP, _at_time(1e6)),
    Fault("first moment forgotten", "stale state", "optimizer", _MLP, _fresh(0)),
    Fault("second moment forgotten", "stale state", "optimizer", _MLP, _fresh(1)),
    Fault("velocity forgotten", "stale state", "optimizer", _MOMENTUM, _fresh(0)),
    Fault("dampened momentum", "momentum form", "optimizer", _MOMENTUM, _optimizer(_dampened)),
    Fault("Nesterov momentum", "momentum form", "optimizer", _MOMENTUM, _optimizer(_nesterov)),
    Fault("momentum of 0.99", "momentum form", "optimizer", _MOMENTUM, _of_optimizer(momentum=0.99)),
    Fault("step times 1.001", "learning rate", "optimizer", _SOME, _direction(lambda b, d: b.mul(d, 1.001))),
    Fault("step uphill", "sign of a gradient", "optimizer", _SOME, _direction(lambda b, d: b.mul(d, -1.0))),
    Fault(
        "weight decay coupled",
        "weight decay",
        "optimizer",
        _ALL,
        everywhere(Injection(conventions=Conventions(weight_decay="coupled"))),
    ),
    Fault(
        "weight decay of every parameter",
        "weight decay",
        "optimizer",
        _ALL,
        everywhere(Injection(conventions=Conventions(decay_set="all"))),
    ),
    Fault(
        "weight decay coupled, of every parameter",
        "weight decay",
        "optimizer",
        _SOME,
        everywhere(Injection(conventions=Conventions("coupled", "all"))),
    ),
    Fault(
        "weight decay forgotten",
        "weight decay",
        "optimizer",
        _SOME,
        _configured(lambda c: replace(c, weight_decay=0.0)),
    ),
)
