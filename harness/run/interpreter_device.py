"""The StableHLO reference interpreter in the place of a device: modules as they are, and no compiler."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.run.inprocess.reference_interpreter import interpret

Array = npt.NDArray[Any]
_PUBLIC = re.compile(r"func\.func (?:public )?@(\w+)\(")  # a private one has `private` in between


class InterpreterDevice:
    """The modules of a cell; their functions are called by name, with arrays of the host."""

    def __init__(self, modules: Sequence[Path]) -> None:
        texts = [path.read_text() for path in modules]
        self._texts = {name: text for text in texts for name in _PUBLIC.findall(text)}

    def put(self, array: Array) -> Array:
        """A copy of `array`."""
        return np.array(array, order="C")

    def get(self, value: Array) -> Array:
        """A copy of `value`."""
        return np.array(value)

    def call(self, name: str, arguments: Sequence[Array]) -> list[Array]:
        """Run a function. Raises: EmitError when the interpreter refuses it."""
        return interpret(self._texts[name], name, arguments)
