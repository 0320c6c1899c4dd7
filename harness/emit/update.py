"""The end of a training step: every parameter and slot moved by the optimizer, a function for each shape."""

import struct
from dataclasses import dataclass

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Callees, Named, Value
from harness.emit.hlo_module import PublicFunction, module_text
from harness.spec.netspec import Conventions, DType, TrainConfig, arithmetic_of
from harness.spec.rules import Rule, Rules
from harness.spec.shapes import Graph


def emit_update(graph: Graph, config: TrainConfig, dtype: DType, conventions: Conventions, *, rules: Rules) -> str:
    """Text of a module with the function `update`: what `train_step` does with its gradients."""
    callees = Callees()
    h, updated = update_function(graph, config, dtype, conventions, rules, callees)
    results = list(zip(state_names(graph, config), updated, strict=True))
    order = f"{state_in_words(config)}, gradients, lr, t -> {state_in_words(config)}"
    title = f"{graph.spec.name}: the update of a training step in {dtype}"
    return module_text(title, graph, conventions, [PublicFunction("update", h, results, order)], callees)


def update_function(
    graph: Graph,
    config: TrainConfig,
    dtype: DType,
    conventions: Conventions,
    rules: Rules,
    callees: Callees | None = None,
) -> tuple[HloBuilder, list[Value]]:
    """The function `update` and its results."""
    h = HloBuilder(arithmetic_of(dtype), conventions, callees)
    add_params_and_slots(h, graph, config)
    for p in graph.params:
        h.grads[p.name] = h.input(f"{p.name}.grad", p.shape)
    h.input("lr", ())
    h.input("t", ())
    return h, build_update(h, graph, config, rules)


def build_update(h: HloBuilder, graph: Graph, config: TrainConfig, rules: Rules) -> list[Value]:
    """The new parameters and slots, in the order of `state_names`."""
    kind, slots = type(config.optimizer).__name__.lower(), config.optimizer.slots
    updated: list[list[Value]] = []
    h.comment(f"Update: {config.optimizer}, weight decay {config.weight_decay:g} ({h.conventions.weight_decay})")
    for param in graph.params:
        p = h.params[param.name]
        operands = {"p": p, **{slot: h.inputs[f"{param.name}.{slot}"] for slot in slots}, "g": h.grads[param.name]}
        operands |= {"lr": h.inputs["lr"], "t": h.inputs["t"]}
        decay = config.weight_decay if h.conventions.decays(param) else 0.0
        function = f"{kind}_undecayed" if config.weight_decay and not decay else kind
        names = ["new", *(f"{slot}_new" for slot in slots)]
        with h.at(None, param.name):
            updated.append(
                h.call(
                    function,
                    _reason(h, decay),
                    operands,
                    _Update(config, decay, rules.hlo_optimizer.of(type(config.optimizer))),
                    names,
                )
            )
    return [values[i] for i in range(1 + len(slots)) for values in updated]


def _reason(h: HloBuilder, decay: float) -> str:
    """The comment above the function of an update."""
    if not decay:
        return "p_new = p - lr direction."
    if h.conventions.weight_decay == "coupled":
        return "p_new = p - lr direction, with the direction of g + weight_decay p."
    return "p_new = p - lr direction - lr weight_decay p."


@dataclass(frozen=True)
class _Update:
    """p_new = p - lr direction - lr wd p. Coupled decay goes into the gradient instead: g + wd p."""

    config: TrainConfig
    decay: float
    rule: Rule

    def __call__(self, h: HloBuilder, p: Value, *rest: Value) -> list[Value]:
        *slots, g, lr, t = rest
        optimizer, decoupled = self.config.optimizer, h.conventions.weight_decay == "decoupled"
        rate = h.broadcast(lr, p.shape, (), "rate")
        weight_decay = Named(_as_f32(self.decay), "weight_decay")
        if self.decay and not decoupled:
            g = h.add(g, h.mul(p, weight_decay, "decay"), "g_decayed")
        direction, *new_slots = self.rule(optimizer, h, g, *slots, t)
        moved = h.sub(p, h.mul(rate, direction, "step"), "p_stepped" if self.decay and decoupled else "p_new")
        if self.decay and decoupled:
            decay = h.mul(h.mul(rate, weight_decay, "decay_rate"), p, "decay")
            moved = h.sub(moved, decay, "p_new")
        return [moved, *new_slots]


def _as_f32(value: float) -> float:
    """A setting as every cell takes it, in f64 too: as the f32 value."""
    rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return rounded


def state_names(graph: Graph, config: TrainConfig) -> list[str]:
    """The tensors that an update changes, in its order: parameters, then slot by slot."""
    names = [p.name for p in graph.params]
    return [*names, *(f"{name}.{slot}" for slot in config.optimizer.slots for name in names)]


def state_in_words(config: TrainConfig) -> str:
    """The same in words."""
    return ", ".join(["parameters", *(f"their {slot}" for slot in config.optimizer.slots)])


def add_params_and_slots(h: HloBuilder, graph: Graph, config: TrainConfig, wide: bool = False) -> None:
    """The first arguments of a step. `wide`: its parameters are in f32."""
    h.input_params(graph.params, wide=wide)
    for slot in config.optimizer.slots:
        for p in graph.params:
            h.input(f"{p.name}.{slot}", p.shape)
