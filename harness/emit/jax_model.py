"""The part of the JAX script that comes from rules: network, loss, optimizer and the training step."""

from collections.abc import Callable

from harness.emit.instruments import BARE, Instruments
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.emit.source import Source
from harness.spec.netspec import Conventions, TrainConfig
from harness.spec.rules import Rule, Rules
from harness.spec.shapes import Graph, dims

TAP, PROBE = "tap:", "probe:"
TAPPED_STEP = f'''
@jax.jit
def tapped_step(params, slots, stats, x, labels, lr, t, probes):
    """One step as train_step, the values between layers, and their cotangents: the gradients by zeros added to them."""
    gradient = jax.value_and_grad(lambda p, z: loss_function(p, stats | z, x, labels, t), argnums=(0, 1), has_aux=True)
    (loss, new_stats), (grads, cotangents) = gradient(params, probes)
    new_params, _ = update(params, slots, grads, lr, t)
    values = {{name: value for name, value in new_stats.items() if name.startswith("{TAP}")}}
    return loss, new_params, grads, values, cotangents
'''

WIDENED = '''
def widened(params):
    """The parameters as a step calculates with them."""
    return {name: p.astype(DTYPE) for name, p in params.items()}


def rounded(params):
    """The parameters as a step leaves them: the nearest float32 of each element."""
    return {name: p.astype(np.float32) for name, p in params.items()}
'''


def write_model(
    out: Source,
    graph: Graph,
    config: TrainConfig,
    conventions: Conventions,
    rules: Rules,
    builder: type[JaxBuilder] = JaxBuilder,
    instruments: Instruments = BARE,
    *,
    wide: bool = False,
) -> dict[str, float]:
    """Write `forward`, `forward_eval`, `loss_function`, the optimizer, `update` and `train_step`.

    Returns the hyperparameters that they call by name.

    `builder`: how the expressions of all rules are printed. With taps also `tapped_step`; then the statistics after a
    step carry the values, and those before it numbers to be added to them: the gradients by these are the cotangents.
    `wide`: a step takes parameters in f32 and gives them back rounded to it.

    Raises: RuleError for a layer, loss or optimizer without a rule.
    """
    j = builder(conventions)
    with j.source.block("def forward(params, stats, x, t):"):
        statistics = "the" if graph.states else "no"
        j.source.line(f'"""Logits of a training batch, and {statistics} running statistics after it."""')
        j.source.line("new_stats = {}")
        logits = _write_layers(j, graph, rules.jax.of, instruments)
        j.source.line(f"return {logits}, new_stats")
    j.source.gap()
    with j.source.block("def forward_eval(params, stats, x):"):
        evaluated = ", with running statistics in the place of the batch's" if graph.states else ""
        j.source.line(f'"""Logits in evaluation{evaluated}."""')
        j.source.line(f"return {_write_layers(j, graph, rules.jax_eval_of)}")
    for function in (*j.functions, str(j.source)):
        out.text(function)
        out.gap()
    loss, optimizer = builder(conventions, out), builder(conventions, out)
    _write_loss(loss, graph, config, rules)
    _write_train_step(optimizer, config, rules, wide)
    if instruments.taps:
        out.gap()
        out.text(TAPPED_STEP)
    return optimizer.hyperparameters | loss.hyperparameters | j.hyperparameters


def _write_layers(
    j: JaxBuilder, graph: Graph, rule_of: Callable[[type], Rule], instruments: Instruments = BARE
) -> Expr:
    values = {"x": Expr("x")}
    if len(graph.spec.input_shape) == 3:
        j.source.line("# From the NCHW of the data to NHWC, which XLA's convolutions on a CPU want.")
        j.let("x", j.transpose(Expr("x"), (0, 2, 3, 1)))
    for node in graph.nodes:
        j.node = node
        shapes = ", ".join(map(dims, node.in_shapes))
        j.source.line(f"# {node.name}: {type(node.layer).__name__} {shapes} -> {dims(node.out_shape)}")
        xs = [values[name] for name in node.inputs]
        y = rule_of(type(node.layer))(node.layer, j, *xs)
        if y in xs and instruments == BARE:
            j.source.line(f"# Nothing to do: {y}.")
            values[node.name] = y
        else:
            values[node.name] = y if y.text == j.local() else j.let(j.local(), y)
        if node.name in instruments.barriers:
            j.let(str(values[node.name]), Expr(f"jax.lax.optimization_barrier({values[node.name]})"))
        if instruments.taps:
            j.let(str(values[node.name]), j.add(values[node.name], Expr(f'stats["{PROBE}{node.name}"]')))
            j.source.line(f'new_stats["{TAP}{node.name}"] = {values[node.name]}')
    j.node = None
    return values[graph.output]


def _write_loss(j: JaxBuilder, graph: Graph, config: TrainConfig, rules: Rules) -> None:
    loss, out = graph.spec.loss, j.source
    with out.block("def loss_function(params, stats, x, labels, t):"):
        reduced = {"mean": "averaged", "sum": "summed"}[j.conventions.loss_reduction]
        out.line(f'"""{type(loss).__name__}, {reduced} over the batch; also the running statistics."""')
        out.line("logits, new_stats = forward(params, stats, x, t)")
        value = rules.jax_loss.of(type(loss))(loss, j, Expr("logits"), Expr("labels"), config.label_smoothing)
        out.line(f"return {value}, new_stats")
    out.gap()


def _write_train_step(j: JaxBuilder, config: TrainConfig, rules: Rules, wide: bool) -> None:
    optimizer, slots, out = config.optimizer, config.optimizer.slots, j.source
    name = type(optimizer).__name__.lower()
    kept = f", then {', '.join(slots)} after it" if slots else ""
    with out.block(f"def {name}({', '.join(['g', *slots, 't'])}):"):
        out.line(f'"""{type(optimizer).__name__}: the direction of the step{kept}."""')
        rule = rules.jax_optimizer.of(type(optimizer))
        results = rule(optimizer, j, Expr("g"), *map(Expr, slots), Expr("t"))
        out.line(f"return {', '.join(map(str, results))}")
    out.gap()
    with out.block("def update(params, slots, grads, lr, t):"):
        out.line('"""Parameters and slots after one step along the gradients."""')
        empty = ", ".join(f'"{slot}": {{}}' for slot in slots)
        out.line(f"new_params, new_slots = {{}}, {{{empty}}}")
        with out.block("for name, p in params.items():"):
            out.line("g = grads[name]")
            decay, p, lr = Expr("WEIGHT_DECAY"), Expr("p"), Expr("lr")
            decayed = config.weight_decay > 0
            if decayed and j.conventions.weight_decay == "coupled":
                with out.block("if name in DECAYED:"):
                    j.let("g", j.add(Expr("g"), j.mul(decay, p)))
            targets = ", ".join(["direction", *(f'new_slots["{slot}"][name]' for slot in slots)])
            given = ", ".join(["g", *(f'slots["{slot}"][name]' for slot in slots), "t"])
            out.line(f"{targets} = {name}({given})")
            j.let("p_new", j.sub(p, j.mul(lr, Expr("direction"))))
            if decayed and j.conventions.weight_decay == "decoupled":
                with out.block("if name in DECAYED:"):
                    j.let("p_new", j.sub(Expr("p_new"), j.mul(j.mul(lr, decay), p)))
            out.line("new_params[name] = p_new")
        out.line("return new_params, new_slots")
    out.gap()
    if wide:
        out.text(WIDENED)
        out.gap()
    out.line("@partial(jax.jit, donate_argnums=(0, 1, 2))")
    with out.block("def train_step(params, slots, stats, x, labels, lr, t):"):
        out.line('"""One update; loss and gradients are those of the parameters before it. t counts steps from 1."""')
        if wide:
            out.line("params = widened(params)")
        out.line("gradient = jax.value_and_grad(loss_function, has_aux=True)")
        out.line("(loss, new_stats), grads = gradient(params, stats, x, labels, t)")
        out.line("new_params, new_slots = update(params, slots, grads, lr, t)")
        out.line(f"return loss, {'rounded(new_params)' if wide else 'new_params'}, new_slots, new_stats, grads")
    out.gap()
    out.line("@jax.jit")
    with out.block("def predict(params, stats, x):"):
        out.line('"""Logits of a batch in evaluation."""')
        out.line(f"return forward_eval({'widened(params)' if wide else 'params'}, stats, x)")
