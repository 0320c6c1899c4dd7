"""The body of a StableHLO function: SSA values with names, arguments, constants, and the lines that results need.

Values carry names (`%conv1_dw`), so that emitted text and compiler messages can be read. Operations that no result
depends on are left out.
"""

import math
import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from harness.errors import EmitError
from harness.spec.netspec import Arithmetic, Conventions, Param, Shape
from harness.spec.shapes import Node, dims

ElementType = Literal["f32", "f64", "i32", "ui32", "i1"]
Task = Literal["forward", "backward"]
# Numbers that say all there is to say about them; any other one is `Named`.
_WORDS = "zero", "one", "two", "three", "four", "five", "six"
_SPELLED: dict[float, str] = {**dict(enumerate(_WORDS)), -math.inf: "minus_infinity"}


class Named(float):
    """A number with the name that its constant has in the emitted text: `Named(1e-5, "epsilon")`."""

    name: str

    def __new__(cls, value: float, name: str) -> "Named":
        """The number."""
        number = super().__new__(cls, value)
        number.name = name
        return number


@dataclass(frozen=True)
class Value:
    """An SSA value: its name without the percent sign, shape and element type.

    `part`: the part of the network that it was made for, if any; `local`: its name without that of the part.
    """

    name: str
    shape: Shape
    dtype: ElementType
    part: str = ""
    local: str = ""

    @property
    def type(self) -> str:
        """The MLIR type."""
        return f"tensor<{''.join(f'{n}x' for n in self.shape)}{self.dtype}>"

    def __str__(self) -> str:
        return f"%{self.name}"


@dataclass(frozen=True)
class Line:
    """An operation, or a comment when it has no results.

    `part`: the part of the network that it belongs to; `task`: what is done for it there. `is_constant`: it reads
    nothing, so that it can stand anywhere. `callee`: the function that it calls.
    """

    text: str
    results: tuple[Value, ...] = ()
    operands: tuple[Value, ...] = ()
    part: str = ""
    task: Task = "forward"
    is_constant: bool = False
    callee: str = ""


def part_of(name: str) -> str:
    """The largest piece of a network that may come again: a block `b1`, `b2`, … of a layer, or else the layer."""
    parts = name.split(".")
    ends = [i for i, word in enumerate(parts) if re.fullmatch(r"b\d+", word)]
    return ".".join(parts[: ends[0] + 1 if ends else 1])


def literal(value: float, dtype: ElementType) -> str:
    """A number as MLIR reads it without loss: decimal with a point, or the bits in hexadecimal."""
    if dtype in ("i32", "ui32", "i1"):
        return str(int(value))
    if not math.isfinite(value):
        code, width = ("<f", 8) if dtype == "f32" else ("<d", 16)
        return f"0x{int.from_bytes(struct.pack(code, value), 'little'):0{width}X}"
    text = repr(float(value))
    mantissa, e, exponent = text.partition("e")
    return text if "." in mantissa else f"{mantissa}.0{e}{exponent}"


@dataclass(frozen=True)
class Callee:
    """A function that other functions of a module call. `reason`: the comment above it."""

    reason: str
    function: "HloFunction"
    results: tuple[Value, ...]

    @property
    def meaning(self) -> tuple[str, ...]:
        """The text but for the function's name: two functions that have it in common are one."""
        arguments = (f"{value}: {value.type}" for value in self.function.inputs.values())
        return *arguments, *(line.text for line in self.function.body(self.results)), *map(str, self.results)


class Callees(dict[str, Callee]):
    """The functions of a module that others of its functions call, by name."""

    def include(self, wanted: str, callee: Callee) -> str:
        """The function's name: `wanted`, numbered when another function has it."""
        name, count = wanted, 1
        while name in self and self[name].meaning != callee.meaning:
            count += 1
            name = f"{wanted}_{count}"
        self.setdefault(name, callee)
        return name


class HloFunction:
    """One function. A rule sees its node's tensors through `param`, `grad`, `state` and `set_state`.

    `callees`: where functions go that this one calls; without it their operations are built in their place.
    `is_callee`: it is one of them, so that nearly all of its tensors have one shape.
    """

    def __init__(
        self, dtype: Arithmetic, conventions: Conventions, callees: Callees | None = None, *, is_callee: bool = False
    ) -> None:
        self.dtype: Arithmetic = dtype
        self.conventions = conventions
        self.callees = callees
        self._is_callee = is_callee
        self.node: Node | None = None
        self.grads: dict[str, Value] = {}
        self.new_states: dict[str, Value] = {}
        self.inputs: dict[str, Value] = {}
        self.params: dict[str, Value] = {}
        self._lines: list[Line] = []
        self._taken: set[str] = set()
        self._prefix = self._part = ""
        self._task: Task = "forward"
        self._constants: dict[tuple[float, str, Shape, ElementType], Value] = {}

    # Names, inputs, parameters

    @contextmanager
    def at(self, node: Node | None, prefix: str, task: Task = "forward") -> Iterator[None]:
        """Build for `node`: its tensors are in reach, names start with `prefix`, and the lines do that task.

        Without a node the lines belong to no part of the network.
        """
        previous = self.node, self._prefix, self._part, self._task
        part = part_of(prefix) if node is not None else ""
        self.node, self._prefix, self._part, self._task = node, prefix.replace(".", "_"), part, task
        try:
            yield
        finally:
            self.node, self._prefix, self._part, self._task = previous

    def input(self, name: str, shape: Shape, dtype: ElementType | None = None) -> Value:
        """Declare an argument of the function."""
        part = part_of(name) if "." in name else ""
        self.inputs[name] = self._value(name.replace(".", "_"), shape, dtype or self.dtype, part)
        return self.inputs[name]

    def input_params(self, params: Iterable[Param], *, wide: bool = False) -> None:
        """Declare parameters as arguments of the function. `wide`: in f32, and widened to calculate with them.

        They are widened once and materialised: IREE compiles for CUDA no sum in which every element is widened.
        """
        for p in params:
            self.params[p.name] = x = self.input(p.name, p.shape, "f32" if wide else self.dtype)
            if wide:
                widened, y = (
                    self._value(f"{x.name}_{what}", p.shape, self.dtype, x.part) for what in ("widened", self.dtype)
                )
                convert = f"{widened} = stablehlo.convert {x} : ({x.type}) -> {y.type}"
                barrier = f"{y} = stablehlo.optimization_barrier {widened} : {y.type}"
                self._lines += [Line(convert, (widened,), (x,)), Line(barrier, (y,), (widened,))]
                self.params[p.name] = y

    def param(self, name: str) -> Value:
        """The node's parameter."""
        return self.params[self._scoped(name)]

    def grad(self, name: str, value: Value) -> None:
        """Set the gradient of the loss w.r.t. the node's parameter."""
        want = self.param(name).shape
        check(value.shape == want, f"gradient of {self._scoped(name)} has shape {value.shape}, expected {want}")
        self.grads[self._scoped(name)] = value

    def state(self, name: str) -> Value:
        """The node's running statistic before this step."""
        return self.inputs[self._scoped(name)]

    def set_state(self, name: str, value: Value) -> None:
        """The node's running statistic after this step."""
        self.new_states[self._scoped(name)] = value

    def comment(self, text: str) -> None:
        """A line for the reader."""
        self._lines.append(Line(f"// {text}"))

    def only(self, convention: str, value: str) -> None:
        """Raise EmitError where a convention has not the only value that a rule implements."""
        found = getattr(self.conventions, convention)
        if found != value:
            where = self.node.name if self.node is not None else "the training step"
            raise EmitError(
                f"{where}: phase 3 has no {convention}={found!r}, only {value!r}. Phase 2 has it; or leave the switch."
            )

    def _scoped(self, name: str) -> str:
        assert self.node is not None
        return f"{self.node.scope}.{name}"

    def _named(self, hint: str) -> str:
        return f"{self._prefix}_{hint}" if self._prefix else hint

    def _fresh(self, name: str) -> str:
        unique, count = name, 1
        while unique in self._taken:
            count += 1
            unique = f"{name}_{count}"
        self._taken.add(unique)
        return unique

    def _value(self, name: str, shape: Shape, dtype: ElementType, part: str) -> Value:
        unique = self._fresh(name)
        return Value(unique, shape, dtype, part, unique[len(part) + 1 :] if part else unique)

    def _emit(self, name: str | None, shape: Shape, dtype: ElementType, text: str, *operands: Value) -> Value:
        return self._emit_many([(name or "value", shape, dtype)], text, *operands)[0]

    def _emit_many(
        self, results: Sequence[tuple[str, Shape, ElementType]], text: str, *operands: Value, callee: str = ""
    ) -> list[Value]:
        """Add an operation with results of those names; `{result}` in its text is the type of the first."""
        values = [self._value(self._named(name), shape, dtype, self._part) for name, shape, dtype in results]
        text = f"{', '.join(map(str, values))} = {text.replace('{result}', values[0].type)}"
        self._lines.append(Line(text, tuple(values), operands, self._part, self._task, callee=callee))
        return values

    def body(self, results: Sequence[Value]) -> list[Line]:
        """The lines that the results depend on, in order; a comment stays while a line below it does."""
        needed, used = {value.name for value in results}, []
        for line in reversed(self._lines):
            if not line.results or any(value.name in needed for value in line.results):
                needed.update(value.name for value in line.operands)
                used.append(line)
        kept: list[Line] = []
        for line in reversed(used):
            if not line.results and kept and not kept[-1].results:
                kept.pop()
            kept.append(line)
        return kept

    def constant(self, value: float, shape: Shape = (), dtype: ElementType | None = None) -> Value:
        """A tensor whose elements all are `value`. Every use of one constant shares one definition."""
        kind = dtype or self.dtype
        name = value.name if isinstance(value, Named) else _SPELLED.get(value) or _digits(value)
        key = (float(value), name, shape, kind)
        if key not in self._constants:
            short = name not in self._taken if self._is_callee else not shape
            made = Value(self._fresh(name if short else f"{name}_{dims(shape) or 'scalar'}"), shape, kind)
            text = f"{made} = stablehlo.constant dense<{literal(value, kind)}> : {made.type}"
            self._lines.append(Line(text, (made,), is_constant=True))
            self._constants[key] = made
        return self._constants[key]


def _digits(value: float) -> str:
    """A name for a number that has none."""
    spelled = repr(float(value)).removesuffix(".0").replace("-", "minus_").replace(".", "_").replace("+", "")
    return f"number_{spelled}"


def check(holds: bool, what: str) -> None:
    """Raise EmitError when the shapes of an operation do not fit."""
    if not holds:
        raise EmitError(f"{what}: shapes do not fit.")
