"""What a module takes and gives: types, the names of its text, which result is the new value of which argument."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import ml_dtypes
import numpy as np

from harness.module.mlir import element_of, ir, kind_of, shape_of, stablehlo

Role = Literal["parameter", "state", "squares", "images", "labels", "one-hot", "rate", "step", "number", "data"]
_NUMPY: dict[str, Any] = {
    "bf16": ml_dtypes.bfloat16,
    "f16": np.float16,
    "f32": np.float32,
    "f64": np.float64,
    "i1": np.bool_,
    **{f"i{bits}": np.dtype(f"int{bits}").type for bits in (8, 16, 32, 64)},
    **{f"ui{bits}": np.dtype(f"uint{bits}").type for bits in (8, 16, 32, 64)},
}
ELEMENTS = frozenset(_NUMPY)
_IMAGES = r"(x|images?|inputs?|pixels)"
_NAMED: tuple[tuple[str, Role], ...] = (
    (r"(one_?hot|onehot).*", "one-hot"),
    (r"(labels?|targets?|y|classes)", "labels"),
    (_IMAGES, "images"),
    (r"(lr|rate|learning_?rate|eta)", "rate"),
    (r"(t|step|steps|iteration)", "step"),
    (r"([wb]\d*|weights?|bias(es)?|.*[._]([wb]|weights?|bias|kernel|gamma|beta|scale))", "parameter"),
)
# What stands between an old value and the new one: steps, decay, momentum, a largest value so far, a frozen part.
_ELEMENT_BY_ELEMENT = frozenset(
    {"add", "subtract", "multiply", "divide", "maximum", "minimum", "select", "convert", "optimization_barrier"}
)
_SQUARES = re.compile(r".*([._]v|[a-z0-9]v|[._]var|running_var(iance)?)")
_MOMENTS = re.compile(r".*([._]m|[a-z0-9]m|[._]mean|running_mean)")


@dataclass(frozen=True)
class TensorType:
    """Shape and element type, as MLIR writes it: `f32`."""

    shape: tuple[int, ...]
    element: str

    def __str__(self) -> str:
        return "x".join([*map(str, self.shape), self.element])

    @property
    def dtype(self) -> Any:
        """The element type of numpy."""
        return np.dtype(_NUMPY[self.element])

    @property
    def is_float(self) -> bool:
        """Whether its elements round."""
        return self.element.startswith(("f", "bf"))


@dataclass(frozen=True)
class ModuleArgument:
    """An argument. `result`: number of the result that is its new value; `positive`: a root or a logarithm is taken."""

    name: str
    type: TensorType
    role: Role
    result: int | None = None
    positive: bool = False


@dataclass(frozen=True)
class ModuleResult:
    """A result. `argument`: number of the argument of which it is the new value."""

    name: str
    type: TensorType
    argument: int | None = None


def tensor_type(kind: Any) -> TensorType:
    """A type of MLIR as ours."""
    return TensorType(shape_of(kind), element_of(kind))


def text_names(text: str, function: str) -> list[str]:
    """The names of a function's arguments in a text, which parsing loses; none where the text does not show them."""
    found = re.search(rf"func\.func\s+(?:\w+\s+)?@\"?{re.escape(function)}\"?\s*\(", text)
    if found is None:
        return []
    depth, names = 1, []
    for token in re.finditer(r'"(?:[^"\\]|\\.)*"|//[^\n]*|[()]|%([\w.$-]+)\s*:', text[found.end() :]):
        if token[0] in "()":
            depth += 1 if token[0] == "(" else -1
            if depth == 0:
                break
        elif token[1] is not None and depth == 1:
            names.append(token[1])
    return names


def returned_names(text: str, function: str) -> list[str]:
    """The names of the values that a function returns in a text; none where the text has only numbers for one."""
    start = re.search(rf"func\.func\s+(?:\w+\s+)?@\"?{re.escape(function)}\"?\s*\(", text)
    found = start and re.compile(r"^\s*(?:func\.)?return\s+((?://[^\n]*|[^:/])*)", re.MULTILINE).search(
        text, start.end()
    )
    names = [name.strip() for name in re.sub(r"//[^\n]*", "", found[1]).split(",")] if found else []
    return [name[1:] if re.fullmatch(r"%[A-Za-z_$.-][\w$.-]*", name) else "" for name in names]


def pair(
    arguments: Sequence[TensorType], results: Sequence[TensorType], reached: Sequence[Collection[int]]
) -> dict[int, int]:
    """For results by number the argument whose new value each is: the next of the same type, in order.

    `reached`: by argument, the results that it may be the old value of. Numbers are never paired: a loss has the type
    of a learning rate.
    """
    left = {number: kind for number, kind in enumerate(arguments) if kind.shape}
    pairs = {}
    for number, kind in enumerate(results):
        alike = (argument for argument, other in left.items() if other == kind and number in reached[argument])
        match = next(alike, None)
        if match is not None:
            pairs[number] = match
            del left[match]
    return pairs


def named_images(name: str) -> bool:
    """Whether a name is that of what a network is fed."""
    return re.fullmatch(_IMAGES, name.lower()) is not None


def guess_role(name: str, kind: TensorType, *, paired: bool, positive: bool, images: bool) -> Role:
    """The role of an argument by its name, else by its type. `images`: whether another argument has that role."""
    short = name.lower()
    for pattern, role in _NAMED:
        if not re.fullmatch(pattern, short) or (role == "one-hot" and not kind.shape):
            continue
        if role == "labels" and kind.is_float:
            return "one-hot" if len(kind.shape) == 2 else "data"
        return role
    if not kind.is_float:
        return "labels" if kind.shape else "step"
    if not kind.shape:
        return "number"
    if paired:
        if positive or _SQUARES.fullmatch(short):
            return "squares"
        return "state" if _MOMENTS.fullmatch(short) else "parameter"
    if not images:
        return "images"
    return "one-hot" if len(kind.shape) == 2 else "data"


def reached_results(argument: Any) -> set[int]:
    """Numbers of the results that an argument reaches element by element, as an old value reaches the new one."""
    ahead, seen, found = [argument], {argument}, set()
    while ahead:
        for use in ahead.pop().uses:
            op, kind = use.owner, kind_of(use.owner)
            if kind == "return":
                found.add(int(use.operand_number))
            elif kind in _ELEMENT_BY_ELEMENT:
                result = op.results[use.operand_number if kind == "optimization_barrier" else 0]
                if result not in seen:
                    seen.add(result)
                    ahead.append(result)
    return found


def takes_root(argument: Any) -> bool:
    """Whether a square root or a logarithm is taken of an argument, scaled and added to as it may be on the way."""
    ahead, seen = [(argument, 0)], set()
    while ahead:
        value, depth = ahead.pop()
        for use in value.uses:
            kind = kind_of(use.owner)
            if kind in ("sqrt", "rsqrt", "log"):
                return True
            linear = kind in ("multiply", "add", "broadcast_in_dim", "reshape", "convert")
            if (linear or (kind == "divide" and use.operand_number == 0)) and depth < 8:
                result = use.owner.results[0]
                if result not in seen:
                    seen.add(result)
                    ahead.append((result, depth + 1))
    return False


def classes_of(argument: Any) -> int | None:
    """Number of values that a whole number may have: the classes that it is compared with, or rows that it picks."""
    ahead = [argument]
    while ahead:
        value = ahead.pop()
        for use in value.uses:
            kind = kind_of(use.owner)
            if kind in ("broadcast_in_dim", "reshape", "convert", "concatenate", "select"):
                ahead.append(use.owner.results[0])
            elif kind == "gather" and use.operand_number == 1:
                numbers = stablehlo.GatherDimensionNumbers(use.owner.attributes["dimension_numbers"])
                shape = shape_of(use.owner.operands[0].type)
                picked: list[int] = list(numbers.start_index_map)
                return min((shape[axis] for axis in picked), default=None)
            elif kind == "compare":
                other = use.owner.operands[1 - use.operand_number]
                counted = _iota_behind(other)
                if counted is not None:
                    return counted
    return None


def _iota_behind(value: Any) -> int | None:
    """Length of the axis along which a value counts, None where it does not."""
    while not isinstance(value.owner, ir.Block):
        op = value.owner
        kind = kind_of(op)
        if kind == "iota":
            axis: int = ir.IntegerAttr(op.attributes["iota_dimension"]).value
            return shape_of(value.type)[axis]
        if kind not in ("broadcast_in_dim", "reshape", "convert"):
            return None
        value = op.operands[0]
    return None
