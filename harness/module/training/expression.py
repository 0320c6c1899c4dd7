"""Small formulas of a step file, such as `1 - 0.9**step`: numbers, a few names, arithmetic and roots.

A formula is parsed and walked, never evaluated as Python.
"""

import ast
import math
import operator
from collections.abc import Callable, Mapping

from harness.errors import ModuleError

NAMES = ("step", "rate", "epoch", "batch")
_BINARY: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: math.pow,
}
_UNARY: dict[type[ast.unaryop], Callable[[float], float]] = {ast.USub: operator.neg, ast.UAdd: operator.pos}
_FUNCTIONS: dict[str, Callable[[float], float]] = {"sqrt": math.sqrt}
_LONGEST = 200  # characters; also bounds how deep the walk goes


class Formula:
    """One number a step. Everything is computed in f64.

    Raises: ModuleError for a text that is no formula; it says what of it is not known.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > _LONGEST:
            raise ModuleError(f"{text[:40]!r}… is longer than {_LONGEST} characters, expected a formula")
        try:
            self._tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            raise ModuleError(f"{text!r} is no formula, expected one such as '1 - 0.9**step'") from None
        _check(self._tree, text)

    def __call__(self, values: Mapping[str, float]) -> float:
        """The number for those values of `NAMES`. Raises: ModuleError where there is none."""
        try:
            return _value(self._tree, values)
        except (ArithmeticError, ValueError) as error:
            given = ", ".join(f"{name} {value:g}" for name, value in values.items())
            raise ModuleError(f"{self.text!r} has no value at {given}: {error}") from None


def _check(tree: ast.expr, text: str) -> None:
    """Refuse whatever is not of this language."""
    match tree:
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            _check(left, text)
            _check(right, text)
        case ast.UnaryOp(op=unary, operand=operand) if type(unary) in _UNARY:
            _check(operand, text)
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in _FUNCTIONS:
            _check(argument, text)
        case ast.Name(id=name) if name in NAMES:
            pass
        case ast.Constant(value=int() | float()) if not isinstance(tree.value, bool):
            pass
        case _:
            known = f"numbers, {', '.join(NAMES)}, + - * / **, {', '.join(_FUNCTIONS)}()"
            raise ModuleError(f"{text!r} has {ast.unparse(tree)[:40]!r} in it; a formula is made of {known}")


def _value(tree: ast.expr, values: Mapping[str, float]) -> float:
    match tree:
        case ast.BinOp(left=left, op=op, right=right):
            return _BINARY[type(op)](_value(left, values), _value(right, values))
        case ast.UnaryOp(op=unary, operand=operand):
            return _UNARY[type(unary)](_value(operand, values))
        case ast.Call(func=ast.Name(id=name), args=[argument]):
            return _FUNCTIONS[name](_value(argument, values))
        case ast.Name(id=name):
            return values[name]
        case ast.Constant(value=int() | float() as number):
            return float(number)
    raise AssertionError(f"{ast.dump(tree)} passed the check")
