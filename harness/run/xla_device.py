"""StableHLO modules on XLA. This is the only place that calls JAX below its public interface.

JAX compiles what it has traced itself; there is no public way to give it a module's text.
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import numpy.typing as npt
from jax._src import compiler
from jax._src.interpreters import mlir
from jaxlib import _jax
from jaxlib.mlir import ir
from jaxlib.mlir.dialects import stablehlo

from harness.errors import EmitError

Array = npt.NDArray[Any]
_PRODUCTS = ("stablehlo.dot_general", "stablehlo.convolution")


class XlaDevice:
    """The default device of JAX with the modules of a cell; their functions are called by name.

    A function is compiled when it is first called, with the options that JAX compiles with. `full_precision`: products
    in that of emitted scripts, whatever the modules say; without it as they say.
    Raises: EmitError when XLA refuses it.
    """

    def __init__(self, modules: Sequence[Path], *, full_precision: bool = True) -> None:
        self._device = jax.devices()[0]
        self._full_precision = full_precision
        self._texts: dict[str, str] = {}
        for text in (path.read_text() for path in modules):
            with mlir.make_ir_context():
                self._texts |= {_name(f): text for f in ir.Module.parse(text).body if _is_public(f)}
        self._compiled = functools.cache(self._compile)

    def put(self, array: Array) -> Any:
        """A copy of `array` on the device."""
        with jax.enable_x64(True):  # else f64 would be demoted
            return jax.device_put(np.array(array, order="C"), self._device)

    def get(self, value: Any) -> Array:
        """A copy of a device array on the host."""
        return np.array(value)

    def compile(self, name: str) -> None:
        """Compile a function before it is called. Raises: EmitError when XLA refuses it."""
        self._compiled(name)

    def call(self, name: str, arguments: Sequence[Any]) -> list[Any]:
        """Run a function; arguments and results are device arrays."""
        results: list[Any] = self._compiled(name).execute(list(arguments))
        return results

    def _compile(self, name: str) -> Any:
        """The function as an executable: XLA runs what is called `main`."""
        with mlir.make_ir_context():
            module = ir.Module.parse(self._texts[name])
            (function,) = (function for function in module.body if _name(function) == name)
            function.attributes["sym_name"] = ir.StringAttr.get("main")
            if self._full_precision:
                module.operation.walk(_at_full_precision)
            options = compiler.get_compile_options(num_replicas=1, num_partitions=1, backend=self._device.client)
            devices = _jax.DeviceList((self._device,))
            try:
                return self._device.client.compile_and_load(module, devices, options)
            except jax.errors.JaxRuntimeError as error:
                raise EmitError(f"{name}: XLA: {str(error).splitlines()[0]}") from None


def _name(function: Any) -> str:
    name: str = ir.StringAttr(function.attributes["sym_name"]).value
    return name


def _is_public(function: Any) -> bool:
    given = function.attributes
    return "sym_visibility" not in given or ir.StringAttr(given["sym_visibility"]).value == "public"


def _at_full_precision(op: Any) -> Any:
    """Products in the precision that emitted scripts ask for: no TF32."""
    if op.operation.name in _PRODUCTS:
        op.attributes["precision_config"] = ir.ArrayAttr.get([stablehlo.PrecisionAttr.get("HIGHEST")] * 2)
    return ir.WalkResult.ADVANCE
