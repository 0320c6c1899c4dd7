"""Other spellings of what a trace says, as programs of all kinds write them, in that of the format."""

import json
import math
from typing import Any

import numpy as np

from harness.trace.format import BY_NAME, WHOLE_NORMS, to_number

_DTYPES = {
    **dict.fromkeys(("float32", "fp32", "single"), "f32"),
    **dict.fromkeys(("float64", "fp64", "double"), "f64"),
    **dict.fromkeys(("bfloat16",), "bf16"),
    **dict.fromkeys(("float16", "fp16", "half"), "f16"),
}
_NUMBERS = ("loss", "lr", *WHOLE_NORMS, "wall_ms")
_NOT_FINITE = {"nan", "inf", "infinity"}


def usual_step(line: bytes) -> Any | None:
    """The JSON value of a step with its numbers as the format has them; None for a line that no spelling explains.

    Not finite are also the bare tokens NaN and Infinity, their names in other letters, and, in the place of a loss or a
    learning rate, null: whatever wrote it had no number.

    Raises: RecursionError.
    """
    try:
        step = json.loads(line.decode(), parse_float=_in_range)
    except ValueError:
        return None
    if not isinstance(step, dict):
        return None
    for name in ("loss", "lr"):
        if name in step and step[name] is None:
            step[name] = math.nan
    for name in _NUMBERS:
        if name in step:
            step[name] = _usual_number(step[name])
    for name in BY_NAME:
        if isinstance(values := step.get(name), dict):
            step[name] = {tensor: _usual_number(value) for tensor, value in values.items()}
    return step


def _in_range(digits: str) -> float:
    """Raises: ValueError for a number beyond the range of a double, which is an error and not infinite."""
    if not math.isfinite(value := float(digits)):
        raise ValueError(digits)
    return value


def _usual_number(value: Any) -> Any:
    if isinstance(value, float):
        return to_number(value)
    if isinstance(value, str) and value.lower().lstrip("+-") in _NOT_FINITE:
        return to_number(float(value))
    return value


def usual_dtype(name: str) -> str:
    """`f32` for `float32`, and so on; a name that nobody knows stays."""
    return _DTYPES.get(name.lower(), name.lower())


def is_float32_of(a: float, b: float) -> bool:
    """Whether one of two numbers is the other rounded to float32, as a program prints what it keeps in that."""
    with np.errstate(over="ignore"):
        return float(np.float32(a)) == b or float(np.float32(b)) == a
