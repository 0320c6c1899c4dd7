"""NetSpec -> StableHLO: one training step with the norms of its gradients, and the logits for evaluation.

The order of a function's arguments and results is the interface between the modules and whoever runs them:
`train_step`: parameters, optimizer slots (slot by slot), running statistics, x, labels, lr, t ->
              loss, parameters, slots, statistics, gradients.
`norms`:      gradients, parameters before, parameters after -> the Euclidean norms of gradients, of parameters before
              and of their moves, in three vectors.
`logits`:     parameters, running statistics, x -> logits.
`update`:     parameters, slots, gradients, lr, t -> parameters, slots; the end of the step alone, for the oracle.

A step with taps gives two more results for every node, in their order: the values of all, then their cotangents.

Norms are a function of their own beside the step, so that a step that is observed runs the same code as any other.
"""

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Task, Value
from harness.emit.instruments import BARE, Instruments
from harness.emit.outline import outline
from harness.spec.netspec import Conventions, DType, TrainConfig
from harness.spec.rules import Rules
from harness.spec.shapes import Graph, dims


def emit_train_step(
    graph: Graph,
    config: TrainConfig,
    dtype: DType,
    conventions: Conventions,
    *,
    rules: Rules,
    observed: bool = True,
    instruments: Instruments = BARE,
) -> str:
    """Text of a module with the functions `train_step` and, where norms are to be observed, `norms`.

    Shapes: x (B, C, H, W) or (B, features); labels (B,) i32; lr and t scalars of the cell's dtype.
    Raises: RuleError for a layer, loss or optimizer without a rule.
    """
    h = HloBuilder(dtype, conventions)
    _params_and_slots(h, graph, config)
    for s in graph.states:
        h.input(s.name, s.shape)
    x = h.input("x", (config.batch_size, *graph.spec.input_shape))
    labels = h.input("labels", (config.batch_size,), "i32")
    h.input("lr", ())
    h.input("t", ())

    values, saved = _forward(h, graph, rules, x, instruments.fences)
    logits = values[graph.output]
    h.comment(f"Loss: {type(graph.spec.loss).__name__}")
    with h.at(None, "loss"):
        rule = rules.hlo_loss.of(type(graph.spec.loss))
        loss, dlogits = rule(graph.spec.loss, h, logits, labels, config.label_smoothing)
    cotangents = _backward(h, graph, rules, saved, dlogits, instruments.fences)
    # Without this the update is computed inside the matrix products of the gradients, which run on fewer cores then.
    h.comment("Gradients")
    names = [p.name for p in graph.params]
    flat = h.barrier([h.grads[name] for name in names], [f"{name.replace('.', '_')}_grad" for name in names])
    h.grads = dict(zip(names, flat, strict=True))
    results = [loss, *_update(h, graph, config, rules)]
    results += [h.new_states[s.name] for s in graph.states]
    results += [h.grads[p.name] for p in graph.params]
    if instruments.taps:
        results += [tensors[node.name] for tensors in (values, cotangents) for node in graph.nodes]
    title = f"{graph.spec.name}: one training step in {dtype}"
    functions = {"train_step": (h, results)}
    if observed:
        functions["norms"] = _norms(graph, dtype, conventions)
    return module_text(title, graph, functions)


def emit_norms(graph: Graph, dtype: DType, conventions: Conventions) -> str:
    """Text of a module with the function `norms` alone: the instrument for a step that was derived elsewhere."""
    title = f"{graph.spec.name}: norms of a training step in {dtype}"
    return module_text(title, graph, {"norms": _norms(graph, dtype, conventions)})


def emit_update(graph: Graph, config: TrainConfig, dtype: DType, conventions: Conventions, *, rules: Rules) -> str:
    """Text of a module with the function `update`: what `train_step` does with its gradients."""
    functions = {"update": update_function(graph, config, dtype, conventions, rules)}
    return module_text(f"{graph.spec.name}: the update of a training step in {dtype}", graph, functions)


def update_function(
    graph: Graph, config: TrainConfig, dtype: DType, conventions: Conventions, rules: Rules
) -> tuple[HloBuilder, list[Value]]:
    """The function `update` and its results."""
    h = HloBuilder(dtype, conventions)
    _params_and_slots(h, graph, config)
    for p in graph.params:
        h.grads[p.name] = h.input(f"{p.name}.grad", p.shape)
    h.input("lr", ())
    h.input("t", ())
    return h, _update(h, graph, config, rules)


def emit_logits(graph: Graph, batch_size: int, dtype: DType, conventions: Conventions, *, rules: Rules) -> str:
    """Text of a module with the function `logits`, which evaluates with running statistics."""
    h = HloBuilder(dtype, conventions)
    for p in graph.params:
        h.input(p.name, p.shape)
    for s in graph.states:
        h.input(s.name, s.shape)
    x = h.input("x", (batch_size, *graph.spec.input_shape))
    values = {"x": _to_inner(h, x)}
    for node in graph.nodes:
        inputs = [values[name] for name in node.inputs]
        with h.at(node, node.name):
            values[node.name] = rules.hlo_eval_of(type(node.layer))(node.layer, h, *inputs)
    return module_text(f"{graph.spec.name}: logits in {dtype}", graph, {"logits": (h, [values[graph.output]])})


def _params_and_slots(h: HloBuilder, graph: Graph, config: TrainConfig) -> None:
    """The first arguments of a step."""
    for p in graph.params:
        h.input(p.name, p.shape)
    for slot in config.optimizer.slots:
        for p in graph.params:
            h.input(f"{p.name}.{slot}", p.shape)


def _to_inner(h: HloBuilder, x: Value) -> Value:
    """Images are NHWC between layers on this side."""
    if len(x.shape) != 4:
        return x
    if x.shape[1] == 1:
        return h.reshape(x, (x.shape[0], *x.shape[2:], 1), "x_nhwc")
    return h.transpose(x, (0, 2, 3, 1), "x_nhwc")


def _forward(
    h: HloBuilder, graph: Graph, rules: Rules, x: Value, fences: frozenset[str]
) -> tuple[dict[str, Value], dict[str, object]]:
    values: dict[str, Value] = {"x": _to_inner(h, x)}
    saved: dict[str, object] = {}
    for node in graph.nodes:
        shapes = ", ".join(map(dims, node.in_shapes))
        h.comment(f"{node.name}: {type(node.layer).__name__} {shapes} -> {dims(node.out_shape)}")
        with h.at(node, node.name):
            inputs = (values[name] for name in node.inputs)
            y, saved[node.name] = rules.hlo_forward.of(type(node.layer))(node.layer, h, *inputs)
            values[node.name] = h.barrier([y], ["y_fenced"])[0] if node.name in fences else y
    return values, saved


def _backward(
    h: HloBuilder, graph: Graph, rules: Rules, saved: dict[str, object], dlogits: Value, fences: frozenset[str]
) -> dict[str, Value]:
    """Cotangents from the last node to the first; a value that several nodes read gets the sum of theirs."""
    cotangents = {graph.output: dlogits}
    for node in reversed(graph.nodes):
        h.comment(f"{node.name}: backward")
        with h.at(node, f"d_{node.name}", "backward"):
            if node.name in fences:
                cotangents[node.name] = h.barrier([cotangents[node.name]], ["dy_fenced"])[0]
            dxs = rules.hlo_backward.of(type(node.layer))(node.layer, h, saved[node.name], cotangents[node.name])
            for name, dx in zip(node.inputs, dxs, strict=True):
                cotangents[name] = h.add(cotangents[name], dx, "dx_sum") if name in cotangents else dx
    return cotangents


def _update(h: HloBuilder, graph: Graph, config: TrainConfig, rules: Rules) -> list[Value]:
    """p_new = p - lr direction - lr wd p. Coupled decay goes into the gradient instead: g + wd p."""
    rule = rules.hlo_optimizer.of(type(config.optimizer))
    lr, t = h.inputs["lr"], h.inputs["t"]
    new_params: list[Value] = []
    new_slots: dict[str, list[Value]] = {slot: [] for slot in config.optimizer.slots}
    for param in graph.params:
        h.comment(f"{param.name}: update")
        with h.at(None, param.name, "update"):
            p, g = h.inputs[param.name], h.grads[param.name]
            rate = h.broadcast(lr, p.shape, (), "rate")
            decay = config.weight_decay if h.conventions.decays(param) else 0.0
            wd = h.constant(decay, p.shape, rounded_to_f32=True)
            if decay and h.conventions.weight_decay == "coupled":
                g = h.add(g, h.mul(p, wd, "decay"), "g_decayed")
            slots = [h.inputs[f"{param.name}.{slot}"] for slot in config.optimizer.slots]
            direction, *updated = rule(config.optimizer, h, g, *slots, t)
            p_new = h.sub(p, h.mul(rate, direction, "step"), "stepped")
            if decay and h.conventions.weight_decay == "decoupled":
                p_new = h.sub(p_new, h.mul(h.mul(rate, wd, "decay_rate"), p, "decay"), "decayed")
            new_params.append(p_new)
            for slot, value in zip(config.optimizer.slots, updated, strict=True):
                new_slots[slot].append(value)
    return [*new_params, *(value for slot in config.optimizer.slots for value in new_slots[slot])]


def _norms(graph: Graph, dtype: DType, conventions: Conventions) -> tuple[HloBuilder, list[Value]]:
    """The Euclidean norms of the gradients, as one vector, those of the parameters, and those of the parameters' moves.

    Rows are summed first and their sums then: one sum over everything adds up in sequence and loses four digits in f32.
    """
    h = HloBuilder(dtype, conventions)
    results = []
    kinds: tuple[tuple[str, Task], ...] = (("grad", "grad_norms"), ("param", "param_norms"), ("update", "update_norms"))
    for kind, task in kinds:
        squares = []
        for p in graph.params:
            name = f"{p.name}.{kind}"
            x = h.input(name if kind != "update" else f"{p.name}.after", p.shape)
            with h.at(None, name, task):
                if kind == "update":
                    x = h.sub(x, h.inputs[f"{p.name}.param"], "move")
                total = h.mul(x, x, "square")
                if len(p.shape) > 1:
                    total = h.sum(total, tuple(range(1, len(p.shape))), "row_sums")
                squares.append(h.reshape(h.sum(total, (0,), "sum"), (1,), "sum_1"))
        results.append(h.sqrt(h.concatenate(squares, 0, f"{kind}_squares"), f"{kind}_norms"))
    return h, results


def module_text(title: str, graph: Graph, functions: dict[str, tuple[HloBuilder, list[Value]]]) -> str:
    """Text of a module with functions of those names, each given by its builder and its results."""
    lines = [f"// {title}.", f"// netspec {graph.spec.netspec_hash()}", f"module @{next(iter(functions))} {{"]
    for name, (h, results) in functions.items():
        arguments = ",\n    ".join(f"{value}: {value.type}" for value in h.inputs.values())
        types = ", ".join(value.type for value in results)
        shared, body = outline(h.body(results), results)
        lines += [f"  {line}" for line in shared]
        lines.append(f"  func.func @{name}(\n    {arguments}\n  ) -> ({types}) {{")
        lines += [f"    {line}" for line in body]
        lines += [f"    return {', '.join(map(str, results))} : {types}", "  }"]
    return "\n".join([*lines, "}", ""])
