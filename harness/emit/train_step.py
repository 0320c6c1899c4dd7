"""NetSpec -> StableHLO: one training step, and the logits for evaluation.

The order of a function's arguments and results is the interface between the modules and whoever runs them:
`train_step`: parameters, optimizer slots (slot by slot), running statistics, x, labels, lr, t ->
              loss, parameters, slots, statistics, gradients.
`observe`:    gradients, parameters before, parameters after, running statistics after -> what `harness.emit.observe`
              says, a vector each.
`logits`:     parameters, running statistics, x -> logits.
`update`:     parameters, slots, gradients, lr, t -> parameters, slots; the end of the step alone, for the oracle.

A step with taps gives two more results for every node, in their order: the values of all, then their cotangents.

Observing is a function of its own beside the step, so that a step that is observed runs the same code as any other.
"""

from collections.abc import Sequence

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Callees, Value
from harness.emit.hlo_module import PublicFunction, module_text
from harness.emit.instruments import BARE, Instruments
from harness.emit.observe import observe_function
from harness.emit.update import add_params_and_slots, build_update, state_in_words, state_names
from harness.errors import RuleError
from harness.spec.netspec import Conventions, DType, Shape, TrainConfig, arithmetic_of
from harness.spec.rules import Rules
from harness.spec.shapes import Graph, Node, dims, inner


def emit_train_step(
    graph: Graph,
    config: TrainConfig,
    dtype: DType,
    conventions: Conventions,
    *,
    rules: Rules,
    observed: bool = True,
    instruments: Instruments = BARE,
    command: str | None = None,
) -> str:
    """Text of a module with the functions `train_step` and, where steps are to be observed, `observe`.

    `command` is what regenerates it, for the reader.
    Shapes: x (B, C, H, W) or (B, features); labels (B,) i32; lr and t scalars. Parameters of a wide cell are f32, all
    else f64.
    Raises: RuleError for a layer, loss or optimizer without a rule, or with one that leaves out a gradient.
    """
    callees = Callees()
    wide = dtype == "wide"
    h = HloBuilder(arithmetic_of(dtype), conventions, callees)
    add_params_and_slots(h, graph, config, wide)
    for s in graph.states:
        h.input(s.name, s.shape)
    x = h.input("x", (config.batch_size, *graph.spec.input_shape))
    labels = h.input("labels", (config.batch_size,), "i32")
    h.input("lr", ())
    h.input("t", ())

    values, saved = _forward(h, graph, rules, x, instruments.barriers)
    logits = values[graph.output]
    h.comment(f"Loss: {type(graph.spec.loss).__name__}")
    with h.at(None, "loss"):
        rule = rules.hlo_loss.of(type(graph.spec.loss))
        loss, dlogits = rule(graph.spec.loss, h, logits, labels, config.label_smoothing)
    cotangents = _backward(h, graph, rules, saved, dlogits, instruments.barriers)
    h.comment(
        "Gradients, materialised: otherwise the update is computed inside their sums, which run on fewer cores then"
    )
    for p in graph.params:
        if p.name not in h.grads:
            raise RuleError(f"{graph.spec.name}: no backward rule gives the gradient of '{p.name}'. Call h.grad there.")
        with h.at(None, p.name):
            h.grads[p.name] = h.barrier([h.grads[p.name]], ["grad"])[0]
    updated = build_update(h, graph, config, rules)
    if wide:
        updated[: len(graph.params)] = _rounded(h, graph, updated)
    results = [("loss", loss), *zip(state_names(graph, config), updated, strict=True)]
    results += [(s.name, h.new_states[s.name]) for s in graph.states]
    results += [(f"{p.name}.grad", h.grads[p.name]) for p in graph.params]
    if instruments.taps:
        results += [(f"value of {node.name}", values[node.name]) for node in graph.nodes]
        results += [(f"gradient w.r.t. {node.name}", cotangents[node.name]) for node in graph.nodes]
    state = ", ".join([state_in_words(config), *(["running statistics"] if graph.states else [])])
    order = f"{state}, x, labels, lr, t -> loss, {state}, gradients"
    functions = [PublicFunction("train_step", h, results, order)]
    if observed:
        functions.append(observe_function(graph, dtype, conventions, callees))
    title = f"{graph.spec.name}: one training step in {_in_words(dtype)}, batch {config.batch_size}"
    return module_text(title, graph, conventions, functions, callees, command)


def emit_logits(
    graph: Graph,
    batch_size: int,
    dtype: DType,
    conventions: Conventions,
    *,
    rules: Rules,
    command: str | None = None,
) -> str:
    """Text of a module with the function `logits`, which evaluates with running statistics."""
    callees = Callees()
    h = HloBuilder(arithmetic_of(dtype), conventions, callees)
    h.input_params(graph.params, wide=dtype == "wide")
    for s in graph.states:
        h.input(s.name, s.shape)
    x = h.input("x", (batch_size, *graph.spec.input_shape))
    values = {"x": _to_inner(h, x)}
    for node in graph.nodes:
        inputs = [values[name] for name in node.inputs]
        _comment_forward(h, node, batch_size)
        with h.at(node, node.name):
            values[node.name] = rules.hlo_eval_of(type(node.layer))(node.layer, h, *inputs)
    title = f"{graph.spec.name}: logits in {_in_words(dtype)}, batch {batch_size}"
    order = f"parameters, {'running statistics, ' if graph.states else ''}x -> logits"
    function = PublicFunction("logits", h, [("logits", values[graph.output])], order)
    return module_text(title, graph, conventions, [function], callees, command)


def _in_words(dtype: DType) -> str:
    return "f64, of parameters in f32" if dtype == "wide" else dtype


def _rounded(h: HloBuilder, graph: Graph, updated: Sequence[Value]) -> list[Value]:
    """The new parameters, which come first, as the next step is given them: the nearest f32 of each element."""
    h.comment("Parameters rounded to f32, which pulls runs that differ by the rounding of f64 together again")
    rounded = []
    for p, value in zip(graph.params, updated, strict=False):
        with h.at(None, p.name):
            rounded.append(h.convert(value, "f32", "rounded"))
    return rounded


def _to_inner(h: HloBuilder, x: Value) -> Value:
    """Images are NHWC between layers on this side."""
    if len(x.shape) != 4:
        return x
    if x.shape[1] == 1:
        return h.reshape(x, (x.shape[0], *x.shape[2:], 1), "x_nhwc")
    return h.transpose(x, (0, 2, 3, 1), "x_nhwc")


def _forward(
    h: HloBuilder, graph: Graph, rules: Rules, x: Value, barriers: frozenset[str]
) -> tuple[dict[str, Value], dict[str, object]]:
    values: dict[str, Value] = {"x": _to_inner(h, x)}
    saved: dict[str, object] = {}
    for node in graph.nodes:
        _comment_forward(h, node, x.shape[0])
        with h.at(node, node.name):
            inputs = (values[name] for name in node.inputs)
            y, saved[node.name] = rules.hlo_forward.of(type(node.layer))(node.layer, h, *inputs)
            _check(graph, node, "forward", y, inner(x.shape[0], node.out_shape))
            values[node.name] = h.barrier([y], ["y_materialised"])[0] if node.name in barriers else y
    return values, saved


def _comment_forward(h: HloBuilder, node: Node, batch: int) -> None:
    """The layer and its shapes as they are here: with the batch, images NHWC."""
    shapes = ", ".join(dims(inner(batch, shape)) for shape in node.in_shapes)
    h.comment(f"{node.name}: {type(node.layer).__name__} {shapes} -> {dims(inner(batch, node.out_shape))}")


def _backward(
    h: HloBuilder, graph: Graph, rules: Rules, saved: dict[str, object], dlogits: Value, barriers: frozenset[str]
) -> dict[str, Value]:
    """Cotangents from the last node to the first; a value that several nodes read gets the sum of theirs."""
    cotangents = {graph.output: dlogits}
    for node in reversed(graph.nodes):
        h.comment(f"{node.name}: backward")
        with h.at(node, node.name, "backward"):
            if node.name in barriers:
                cotangents[node.name] = h.barrier([cotangents[node.name]], ["dy_materialised"])[0]
            dxs = rules.hlo_backward.of(type(node.layer))(node.layer, h, saved[node.name], cotangents[node.name])
            if len(dxs) != len(node.inputs):
                what = f"{len(dxs)} gradients, expected one w.r.t. each of its {len(node.inputs)} inputs"
                raise RuleError(f"{graph.spec.name}, '{node.name}': its backward rule gives {what}.")
            for name, dx, shape in zip(node.inputs, dxs, node.in_shapes, strict=True):
                _check(graph, node, "backward", dx, inner(dlogits.shape[0], shape))
                cotangents[name] = h.add(cotangents[name], dx, "dx_of_readers") if name in cotangents else dx
    return cotangents


def _check(graph: Graph, node: Node, direction: str, found: Value, expected: Shape) -> None:
    """Raise RuleError for a rule whose result is no value of that shape."""
    shape = found.shape if isinstance(found, Value) else None
    if shape != expected:
        what = f"a {type(found).__name__}" if shape is None else dims(shape) or "a scalar"
        where = f"{graph.spec.name}, '{node.name}'"
        raise RuleError(f"{where}: its {direction} rule gives {what}, expected a value of {dims(expected)}.")
