"""The function `observe` of a module: the numbers of a step that its trace carries beside the loss, as vectors.

Gradients, parameters before, parameters after, running statistics after -> Euclidean norms of the gradients, of the
parameters before and of what they moved by; projections of the gradients and of the moves; norms of the statistics,
where there are any. Source: traces/README.md, A step, Projections.
"""

from dataclasses import replace

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Callees, Named, Value
from harness.emit.hlo_module import PublicFunction, module_text
from harness.spec.netspec import Conventions, DType, arithmetic_of
from harness.spec.shapes import Graph, size
from harness.trace.projection import MULTIPLIERS, SHIFTS, STRIDE, projection_seed

_SQUARED_NORM = "The square of the Euclidean norm; rows first: one sum over everything adds up in sequence."
_PROJECTION = (
    "The sum of the elements under their signs: minus where the highest bit is set in the hash of an element's place "
    "and the seed."
)


def emit_observe(graph: Graph, dtype: DType, conventions: Conventions) -> str:
    """Text of a module with the function `observe` alone: the instrument for a step that was derived elsewhere."""
    callees = Callees()
    functions = [observe_function(graph, dtype, conventions, callees)]
    title = f"{graph.spec.name}: what is observed of a training step in {dtype}"
    return module_text(title, graph, conventions, functions, callees)


def observe_function(graph: Graph, dtype: DType, conventions: Conventions, callees: Callees) -> PublicFunction:
    """The function of a module; what it calls goes into `callees`."""
    h = HloBuilder(arithmetic_of(dtype), conventions, callees)
    for p in graph.params:
        h.input(f"{p.name}.grad", p.shape)
    for read in ("before", "after"):
        h.input_params((replace(p, name=f"{p.name}.{read}") for p in graph.params), wide=dtype == "wide")
    after = {s.name: h.input(f"{s.name}.after", s.shape) for s in graph.states}
    grads = {p.name: h.inputs[f"{p.name}.grad"] for p in graph.params}
    before = {p.name: h.params[f"{p.name}.before"] for p in graph.params}
    moves = {}
    for p in graph.params:
        with h.at(None, p.name):
            moves[p.name] = h.sub(h.params[f"{p.name}.after"], before[p.name], "move")
    results = [
        ("norms of gradients", _norms(h, "grad", grads)),
        ("norms of parameters before", _norms(h, "param", before)),
        ("norms of what they moved by", _norms(h, "update", moves)),
        ("projections of gradients", _projections(h, "grad", grads)),
        ("projections of what they moved by", _projections(h, "update", moves)),
        *([("norms of running statistics after", _norms(h, "stat", after))] if after else []),
    ]
    given = "gradients, parameters before, parameters after" + (", running statistics after" if after else "")
    return PublicFunction("observe", h, results, f"{given} -> {', '.join(what for what, _ in results)}")


def _norms(h: HloBuilder, kind: str, tensors: dict[str, Value]) -> Value:
    """Euclidean norms. Shapes: the result (tensors,)."""
    squares = []
    for name, x in tensors.items():
        with h.at(None, name):
            squares += h.call("squared_norm", _SQUARED_NORM, {"x": x}, _squared_norm, [f"{kind}_squared_norm"])
    return h.sqrt(h.concatenate(squares, 0, f"{kind}_squared_norms"), f"{kind}_norms")


def _squared_norm(h: HloBuilder, x: Value) -> list[Value]:
    return [_total(h, h.mul(x, x, "squares"), "squared_norm")]


def _projections(h: HloBuilder, kind: str, tensors: dict[str, Value]) -> Value:
    """Projections of tensors by their parameters' names. Shapes: the result (tensors,)."""
    projected = []
    for name, x in tensors.items():
        seed = h.constant(Named(projection_seed(name), f"{name.replace('.', '_')}_seed"), (), "ui32")
        with h.at(None, name):
            operands = {"x": x, "seed": seed}
            projected += h.call("projection", _PROJECTION, operands, _projection, [f"{kind}_projection"])
    return h.concatenate(projected, 0, f"{kind}_projections")


def _projection(h: HloBuilder, x: Value, seed: Value) -> list[Value]:
    """Words of 32 bits, which are multiplied and added modulo 2^32; tensors by rows, since fewer axes compile sooner.

    Seed and stride are behind a barrier: a compiler that knew them would store the words of all elements.
    """
    if len(x.shape) > 1:
        x = h.reshape(x, (x.shape[0], size(x.shape[1:])), "by_row")
    stride = h.constant(Named(STRIDE, "stride"), (), "ui32")
    stride, seed = h.barrier([stride, seed], ["stride_materialised", "seed_materialised"])
    word = h.broadcast(seed, x.shape, (), "seeds")
    for axis in range(len(x.shape)):
        is_last = axis == len(x.shape) - 1
        apart = stride if is_last else h.mul(stride, Named(x.shape[1], "row_length"), "row_stride")
        apart = h.broadcast(apart, x.shape, (), f"stride_of_axis{axis}")
        from_first = h.mul(h.iota(x.shape, axis, f"place_on_axis{axis}", "ui32"), apart, f"along_axis{axis}")
        word = h.add(word, from_first, f"words{axis}")
    for i, shift in enumerate(SHIFTS):
        word = h.xor(word, h.shift_right(word, Named(shift, f"shift{i}"), f"high{i}"), f"folded{i}")
        if i < len(MULTIPLIERS):
            word = h.mul(word, Named(MULTIPLIERS[i], f"multiplier{i}"), f"mixed{i}")
    minus = h.compare("GE", word, Named(2**31, "highest_bit"), "minus")
    return [_total(h, h.select(minus, h.negate(x, "negative"), x, "signed"), "projection")]


def _total(h: HloBuilder, x: Value, name: str) -> Value:
    """The sum of all elements, row by row. Shapes: the result (1,)."""
    if len(x.shape) > 1:
        x = h.sum(x, tuple(range(1, len(x.shape))), "row_totals")
    return h.reshape(h.sum(x, (0,), "total"), (1,), name)
