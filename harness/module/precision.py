"""Whether a fault is a lower precision of products: GPUs and some libraries round their operands to TF32 or bf16.

Two things show it, and size is none of them. The f64 version whose products have rounded operands computes what the
executor did; or the executor is right when the module asks for the highest precision.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.module.execute import Execution
from harness.module.experiment import ModuleExperiment
from harness.module.measure import NoisyEnsemble, difference, ratios
from harness.module.members import first_members
from harness.module.mlir import element_of, functions, ir, operations, parsed, shape_of, stablehlo
from harness.module.noise import NoisyWidener
from harness.module.signature import TensorType
from harness.module.task import Array
from harness.module.words import DOUBT, ExecutorCheck

PRODUCTS = frozenset({"stablehlo.dot_general", "stablehlo.dot", "stablehlo.convolution"})
_NAME = "precision_config"
_SUSPECT = ("doubt", "fault")
_MOST_LEFT = 0.5  # of an error that is explained; less tells its direction, and not only its size


@dataclass(frozen=True)
class ProductFormat:
    """What operands are rounded to: f32 with so few bits behind the point, the nearest number or the next to zero."""

    name: str
    bits: int
    truncated: bool = False

    def arguments(self) -> list[Array]:
        """As a module of `RoundedProducts` takes them."""
        step = 2 ** (23 - self.bits)
        numbers = (2**32 - step, 0, 0) if self.truncated else (2**32 - step, step // 2 - 1, step)
        return [np.array(number, np.uint32) for number in numbers]


FORMATS = (
    ProductFormat("TF32", 10),
    ProductFormat("bf16", 7),
    ProductFormat("TF32, towards zero", 10, truncated=True),
    ProductFormat("bf16, towards zero", 7, truncated=True),
)


class RoundedProducts(NoisyWidener):
    """The noisy f64 version in which the f32 operands of every product are rounded to a format.

    The format is in three more arguments, all ui32, before those of the noise, so that one program serves for all: the
    bits that are kept; what is added before; and the bit by which that is one more, which makes the even one of two
    numbers that are equally near.
    """

    def extra_arguments(self) -> Sequence[Any]:
        """The bits that are kept, what is added, the bit that decides between two; then those of the noise."""
        word = ir.RankedTensorType.get([], ir.IntegerType.get_unsigned(32))
        return word, word, word, *super().extra_arguments()

    def begin(self, module: Any, extra: Sequence[Any]) -> None:
        self._format, noise = extra[:3], extra[3:]
        super().begin(module, noise)

    def operands(self, op: Any, values: list[Any]) -> list[Any]:
        if op.operation.name in PRODUCTS:
            kinds = [element_of(operand.type) for operand in op.operands]
            values = [
                self._rounded(value) if kind == "f32" else value for value, kind in zip(values, kinds, strict=True)
            ]
        return super().operands(op, values)

    def _rounded(self, value: Any) -> Any:
        shape = shape_of(value.type)
        narrow = ir.RankedTensorType.get(shape, ir.F32Type.get())
        words = ir.RankedTensorType.get(shape, ir.IntegerType.get_unsigned(32))
        kept, added, even = (
            stablehlo.broadcast_in_dim(words, number, ir.DenseI64ArrayAttr.get([])) for number in self._format
        )
        one = stablehlo.constant(ir.DenseElementsAttr.get_splat(words, ir.IntegerAttr.get(words.element_type, 1)))
        bits = stablehlo.bitcast_convert(words, stablehlo.convert(narrow, value))
        odd = stablehlo.minimum(stablehlo.and_(bits, even), one)
        held = stablehlo.and_(stablehlo.add(stablehlo.add(bits, added), odd), kept)
        return stablehlo.convert(value.type, stablehlo.bitcast_convert(narrow, held))


def at_highest(text: str) -> str:
    """The module with every product at the highest precision; empty where it asks for that already."""
    with parsed(text) as module:
        asked = ir.ArrayAttr.get([stablehlo.PrecisionAttr.get("HIGHEST")] * 2)
        blocks = [function.regions[0].blocks[0] for function in functions(module)]
        products = [op for block in blocks for op in operations(block) if op.name in PRODUCTS]
        lower = [op for op in products if _NAME not in op.attributes or op.attributes[_NAME] != asked]
        for op in lower:
            op.attributes[_NAME] = asked
        return str(module) if lower else ""


def in_lower_precision(check: ModuleExperiment, one: ExecutorCheck) -> ExecutorCheck:
    """A fault that a lower precision of products explains is called so."""
    if one.word != "fault" or not any(name in check.module.ops for name in PRODUCTS):
        return one
    faulty = {i for i, result in enumerate(one.results) if result.word == "fault"}
    text = at_highest(check.module.text)
    asked = check.run(one.execution.executor, text) if text else None
    right = _right(check, asked) if asked is not None else set()
    healed = faulty <= right
    exact = check.ensemble.reference
    kinds = [result.type for result in check.module.results]

    def members(noisy: str, to: ProductFormat) -> NoisyEnsemble:
        check.say(f"products in {to.name} …")
        ensemble = NoisyEnsemble()
        check.members(first_members(check.seed), ensemble, noisy, to.arguments())
        return ensemble

    for told, explained in explained_by_format(check.module.inlined, members, one.execution.calls[0], exact, kinds):
        if faulty <= explained:
            return _retold(one, explained, told + ("; right at the highest precision" if healed else ""))
    return _retold(one, right, "right at the highest precision of products") if healed else one


def _right(check: ModuleExperiment, execution: Execution) -> set[int]:
    """Numbers of the results that are off by rounding."""
    if not execution.calls:
        return set()
    return {i for i, ratio in enumerate(check.ratios(execution.calls[0])) if ratio < DOUBT}


def explained_by_format(
    text: str,
    members: Callable[[str, ProductFormat], NoisyEnsemble],
    results: Sequence[Array],
    exact: Sequence[Array],
    kinds: Sequence[TensorType],
) -> Iterator[tuple[str, set[int]]]:
    """By format, in words: which results of a module are those of operands in it, up to rounding, and not the exact.

    `text`: the module, whose function is `main`. `members`: runs a module of `RoundedProducts`, and without results
    where that fails.
    """
    noisy = RoundedProducts().clone(text, "main")
    for to in FORMATS:
        rounded = members(noisy, to)
        yield f"as with operands of products in {to.name}", _explained(results, exact, rounded, kinds)


def _explained(
    results: Sequence[Array], exact: Sequence[Array], rounded: NoisyEnsemble, kinds: Sequence[TensorType]
) -> set[int]:
    if not rounded.reference:
        return set()
    found = ratios(results, rounded.reference, rounded.spreads, kinds)
    return {
        i
        for i, ratio in enumerate(found)
        if ratio < DOUBT
        and difference(results[i], rounded.reference[i]).norm <= _MOST_LEFT * difference(results[i], exact[i]).norm
    }


def _retold(one: ExecutorCheck, numbers: set[int], told: str) -> ExecutorCheck:
    results = [
        replace(result, word="precision", note=told) if i in numbers and result.word in _SUSPECT else result
        for i, result in enumerate(one.results)
    ]
    return replace(one, results=tuple(results))
