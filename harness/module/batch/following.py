"""The batch followed from the arguments through a function, forwards and backwards, dimension by dimension."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from harness.module.batch import rules
from harness.module.batch.dimension import BatchDimension
from harness.module.batch.indexing import gather, scatter
from harness.module.batch.products import convolution, dot, dot_general
from harness.module.batch.reshaping import reshape
from harness.module.batch.rules import Implied, Place, Rule, UnfollowedError
from harness.module.mlir import ir, kind_of, line_of

_ALIKE = """
    abs add and atan2 cbrt ceil clamp compare complex convert cosine count_leading_zeros divide exponential
    exponential_minus_one floor imag is_finite log log_plus_one logistic map maximum minimum multiply negate not or
    popcnt power real reduce_precision remainder round_nearest_afz round_nearest_even rsqrt select shift_left
    shift_right_arithmetic shift_right_logical sign sine sqrt square subtract tan tanh xor
    acos acosh asin asinh atan atanh bessel_i1e conj cosh digamma erf erf_inv erfc is_inf is_neg_inf is_pos_inf lgamma
    next_after polygamma sinh zeta
"""


def _loop(op: Any, place: Place) -> Iterator[Implied]:
    """What goes round in a loop has the same type before, within and after it."""
    condition, body = (region.blocks[0] for region in op.regions)
    returned = list(body.operations)[-1].operands[place.number]
    everywhere = (op.operands, op.results, condition.arguments, body.arguments)
    for value in (*(values[place.number] for values in everywhere), returned):
        yield Implied(value, place.axis, place.dimension)
    yield rules.SUMMED  # by the operations in it, perhaps


def _branches(op: Any, place: Place) -> Iterator[Implied]:
    """A result of each branch."""
    yield Implied(op.results[place.number], place.axis, place.dimension)
    for region in op.regions:
        returned = list(region.blocks[0].operations)[-1].operands[place.number]
        yield Implied(returned, place.axis, place.dimension)
    yield rules.SUMMED


RULES: dict[str, Rule] = {
    **dict.fromkeys(_ALIKE.split(), rules.alike),
    "bitcast_convert": rules.bitcast_convert,
    "broadcast_in_dim": rules.broadcast_in_dim,
    "case": _branches,
    "concatenate": rules.concatenate,
    "constant": rules.source,
    "convolution": convolution,
    "dot": dot,
    "dot_general": dot_general,
    "dynamic_slice": rules.dynamic_slice,
    "dynamic_update_slice": rules.dynamic_update_slice,
    "gather": gather,
    "if": _branches,
    "iota": rules.iota,
    "optimization_barrier": rules.each,
    "pad": rules.pad,
    "reduce": rules.reduce,
    "reduce_window": rules.reduce_window,
    "reshape": reshape,
    "reverse": rules.reverse,
    "scatter": scatter,
    "select_and_scatter": rules.select_and_scatter,
    "slice": rules.slice_,
    "sort": rules.sort,
    "top_k": rules.top_k,
    "transpose": rules.transpose,
    "while": _loop,
}


@dataclass
class FollowedBatch:
    """Where the batch is. `held`: axes by value; `through`: the operation that told it, None of marked arguments.

    `summing`: first results of the operations that take samples together.
    """

    held: dict[Any, dict[int, BatchDimension]] = field(default_factory=dict)
    through: dict[tuple[Any, int], Any] = field(default_factory=dict)
    summing: set[Any] = field(default_factory=set)

    def of(self, value: Any) -> dict[int, BatchDimension]:
        """The axes of a value that hold the batch."""
        return self.held.get(value, {})


def follow_batch(marked: list[tuple[Any, int]]) -> FollowedBatch:
    """Follow the batch from arguments and their axes until nothing new follows.

    Raises: UnfollowedError with the line of the operation that does not keep samples apart.
    """
    followed = FollowedBatch()
    ahead: list[tuple[Any, int]] = []

    def learn(implied: Implied, op: Any) -> None:
        axes = followed.held.setdefault(implied.value, {})
        known = axes.get(implied.axis)
        if known is None:
            axes[implied.axis] = implied.dimension
            followed.through[implied.value, implied.axis] = op
            ahead.append((implied.value, implied.axis))
        elif known != implied.dimension:
            raise UnfollowedError(f"a dimension would be {known} and {implied.dimension}")

    for value, axis in marked:
        learn(Implied(value, axis, BatchDimension()), None)
    while ahead:
        value, axis = ahead.pop()
        for op, operand, number in _touching(value):
            try:
                for implied in _rule(op)(op, Place(operand, number, axis, followed.held[value][axis])):
                    if implied is rules.SUMMED:
                        followed.summing.add(op.results[0])
                    else:
                        learn(implied, op)
            except UnfollowedError as error:
                raise UnfollowedError(f"{told(op)}: {error}") from None
    return followed


def told(op: Any) -> str:
    """An operation with its line, for people."""
    line = line_of(op.operation)
    return f"{'' if line is None else f'line {line}, '}{op.operation.name}"


def _rule(op: Any) -> Rule:
    kind = kind_of(op)
    if kind not in RULES:
        raise UnfollowedError("there is no rule by which the batch could be followed through it")
    return RULES[kind]


def _touching(value: Any) -> Iterator[tuple[Any, bool, int]]:
    """The operations that a value comes from and goes to, whether as an operand, and its number there."""
    owner = value.owner
    if not isinstance(owner, ir.Block):
        yield owner, False, int(ir.OpResult(value).result_number)
    elif owner.owner.operation.name != "func.func":
        yield owner.owner, True, int(ir.BlockArgument(value).arg_number)
    for use in value.uses:
        op = use.owner
        if op.operation.name == "func.return":
            continue
        if op.operation.name == "stablehlo.return":
            parent = op.operation.parent
            yield parent, parent.operation.name == "stablehlo.while", int(use.operand_number)
        else:
            yield op, True, int(use.operand_number)


def summed_values(block: Any, followed: FollowedBatch) -> set[Any]:
    """The values of a block that depend on several samples, because samples were taken together before."""
    summed: set[Any] = set()
    for op in block.operations:
        results = list(op.results)
        if results and (results[0] in followed.summing or any(operand in summed for operand in op.operands)):
            summed.update(results)
    return summed


def check_parameters(kept: dict[Any, str], followed: FollowedBatch) -> None:
    """Refuse a batch that reached a parameter. `kept`: such arguments with their names.

    Raises: UnfollowedError with the operation that led there.
    """
    for value, name in kept.items():
        for axis in followed.of(value):
            raise UnfollowedError(
                f"{told(followed.through[value, axis])}: the batch would be dimension {axis} of '{name}' too, "
                "which was taken for no data. If it is that, say so with --batch-of"
            )
