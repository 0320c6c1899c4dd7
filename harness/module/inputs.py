"""What a module is fed: arrays of a file, or drawn so that an error has where to show.

Drawn biases are not zero, weights are not alike, gains are not one: a lost bias or a transposed weight would not show.
The rate is large, because what a step adds to a parameter is all that a check sees of its gradient.
"""

import hashlib
import math
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from harness.errors import ModuleError
from harness.module.load import StableModule
from harness.module.signature import ModuleArgument, TensorType
from harness.module.task import Array

_RATE = 0.1
_STEP = 3
_FEWEST_VALUES = 2  # of a whole number of which nothing is known


def draw(module: StableModule, seed: int) -> list[Array]:
    """Arguments by their roles; the same for the same module and seed on every machine."""
    drawn = []
    for number, argument in enumerate(module.arguments):
        random = np.random.Generator(np.random.PCG64([seed, number]))
        values = _draw(argument, module.classes.get(number, _FEWEST_VALUES), random)
        drawn.append(np.asarray(values).astype(argument.type.dtype))
    return drawn


def _draw(argument: ModuleArgument, classes: int, random: np.random.Generator) -> Any:
    kind, shape, role = argument.type, argument.type.shape, argument.role
    if not kind.is_float and role in ("images", "parameter", "rate"):
        role = "labels"  # words, or rows of a table: a fraction would be zero
    normal = random.standard_normal(shape)
    match role:
        case "rate":
            return np.full(shape, _RATE)
        case "step":
            return np.full(shape, _STEP)
        case "number":
            return random.uniform(0.1, 0.2, shape)
        case "labels":
            return random.integers(0, 2 if kind.element == "i1" else max(1, classes), shape)
        case "one-hot":
            rows = np.asarray(random.integers(0, max(1, shape[-1]), shape[:-1]))
            return rows[..., None] == np.arange(shape[-1])
        case "images":
            return random.uniform(0.0, 1.0, shape)
        case "state":
            return 1e-3 * normal
        case "squares":
            # Those of gradients are small; a variance is not. Both are arguments of a root.
            large = argument.name.endswith("var")
            return 1.0 + random.uniform(0.0, 0.1, shape) if large else 1e-6 * random.uniform(0.1, 1.0, shape)
        case "parameter":
            return _parameter(argument, normal)
    return np.abs(normal) if argument.positive else normal


def _parameter(argument: ModuleArgument, normal: Array) -> Array:
    shape = argument.type.shape
    if len(shape) < 2:
        gain = argument.name.lower().endswith(("gamma", "scale", "g"))
        return 0.1 * normal + (1.0 if gain else 0.0)
    terms = math.prod(shape[1:]) if len(shape) == 4 else shape[-2]
    return normal * math.sqrt(2.0 / max(1, terms))


def read(path: Path, module: StableModule) -> list[Array]:
    """Arguments of an .npz, by their names or their numbers.

    Raises: ModuleError for what is missing, unknown or of another type; OSError.
    """
    held = _arrays(path)
    known = {argument.name for argument in module.arguments} | {str(i) for i in range(len(module.arguments))}
    unknown = [name for name in held if name not in known]
    if unknown:
        names = ", ".join(argument.name for argument in module.arguments)
        raise ModuleError(f"{path}: '{unknown[0]}' is no argument of @{module.function}; expected {names}.")
    arguments = []
    for number, argument in enumerate(module.arguments):
        array = held.get(argument.name, held.get(str(number)))
        if array is None:
            raise ModuleError(f"{path}: '{argument.name}' is missing; expected a {argument.type} under that name.")
        if argument.type.element == "bf16":
            array = _narrowed(array)
        if TensorType(array.shape, _element(array)) != argument.type:
            found = "x".join([*map(str, array.shape), str(array.dtype)])
            wanted = "x".join([*map(str, argument.type.shape), str(argument.type.dtype)])
            exact = " or float32 that it can hold" if argument.type.element == "bf16" else ""
            raise ModuleError(f"{path}: '{argument.name}' is {found}, expected {wanted}{exact}. Convert it.")
        arguments.append(array)
    return arguments


def _arrays(path: Path) -> dict[str, Array]:
    content = path.open("rb")
    try:
        with content, np.load(content, allow_pickle=False) as file:
            if isinstance(file, np.ndarray):
                raise ModuleError(f"{path}: a single array; expected an .npz of arrays by the names of arguments.")
            return {name: _native(file[name]) for name in file.files}
    except (ValueError, EOFError, zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error) as error:
        told = str(error).splitlines()[0].rstrip(".")
        raise ModuleError(f"{path}: not an .npz of arrays ({told}). Write it with numpy.savez.") from None


def _native(array: Array) -> Array:
    """In this machine's order of bytes, which executors take for granted."""
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def digest(arguments: Sequence[Array]) -> str:
    """SHA-256 of arguments, their types and shapes."""
    made = hashlib.sha256()
    for array in arguments:
        made.update(f"{array.dtype.str}{array.shape}".encode())
        made.update(np.ascontiguousarray(array).tobytes())
    return made.hexdigest()


def _narrowed(array: Array) -> Array:
    """As bf16: what numpy.savez makes of it, which is 16 bits without a name, and f32 that loses nothing by it."""
    if array.dtype.kind == "V" and array.dtype.itemsize == 2:
        return array.view(ml_dtypes.bfloat16)
    if array.dtype == np.float32:
        narrow = array.astype(ml_dtypes.bfloat16)
        if np.array_equal(narrow.astype(np.float32), array, equal_nan=True):
            return narrow
    return array


def _element(array: Array) -> str:
    """Element type of an array as MLIR writes it, its own name where MLIR has none."""
    if array.dtype == ml_dtypes.bfloat16:
        return "bf16"
    kind, bits = array.dtype.kind, array.dtype.itemsize * 8
    return {"f": f"f{bits}", "i": f"i{bits}", "u": f"ui{bits}", "b": "i1"}.get(kind, str(array.dtype))
