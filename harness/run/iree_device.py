"""An IREE device with compiled modules on it. Arrays go there and come back, whatever memory the device has."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import iree.runtime as rt
import numpy as np
import numpy.typing as npt

from harness.errors import ContractError

Array = npt.NDArray[Any]
_ELEMENTS = {
    "bfloat16": "BFLOAT_16",
    "bool": "BOOL_8",
    **{f"float{bits}": f"FLOAT_{bits}" for bits in (16, 32, 64)},
    **{f"int{bits}": f"SINT_{bits}" for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": f"UINT_{bits}" for bits in (8, 16, 32, 64)},
}


class Device:
    """An IREE device with the modules of a cell loaded; their functions are called by name."""

    def __init__(self, name: str, modules: Sequence[Path]) -> None:
        try:
            self._device = rt.get_device(name)
        except (ValueError, RuntimeError) as error:
            raise ContractError(f"IREE_DEVICE is {name!r}: {str(error).splitlines()[0]}") from None
        instance = rt.VmInstance()
        hal = rt.create_hal_module(instance, self._device)
        self._functions: dict[str, tuple[Any, Any]] = {}
        for path in modules:
            module = rt.VmModule.mmap(instance, str(path))
            context = rt.VmContext(instance, [hal, module])
            for function in module.function_names:
                if not function.startswith("__"):
                    self._functions[function] = context, module.lookup_function(function)

    def put(self, array: Array) -> Any:
        """A copy of `array` on the device."""
        return self._device.allocator.allocate_buffer_copy(
            memory_type=rt.MemoryType.DEVICE_LOCAL,
            allowed_usage=rt.BufferUsage.DEFAULT | rt.BufferUsage.MAPPING,
            device=self._device,
            buffer=np.asarray(array, order="C"),
            element_type=getattr(rt.HalElementType, _ELEMENTS[array.dtype.name]),
        )

    def get(self, view: Any) -> Array:
        """A copy of a device buffer on the host."""
        buffer = view.get_buffer()
        if _maps(buffer):
            return np.array(rt.DeviceArray(self._device, view, implicit_host_transfer=True).to_host())
        kind = rt.HalElementType.map_to_dtype(view.element_type)
        if 0 in view.shape:
            return np.empty(view.shape, kind)
        return np.array(self._staged(buffer).map().asarray(view.shape, kind))

    def call(self, name: str, arguments: Sequence[Any]) -> list[Any]:
        """Run a function; arguments and results are device buffers."""
        inputs, outputs = rt.VmVariantList(len(arguments)), rt.VmVariantList(16)
        for argument in arguments:
            inputs.push_ref(argument)
        context, function = self._functions[name]
        context.invoke(function, inputs, outputs)
        return [outputs.get_as_object(i, rt.HalBufferView) for i in range(outputs.size)]

    def _staged(self, buffer: Any) -> Any:
        """A copy of a buffer where the host can map it.

        The runtime's own way imports an array of numpy's as memory of the device, which the Vulkan driver of Mesa
        refuses: it wants whole pages.
        """
        staging = self._device.allocator.allocate_buffer(
            memory_type=int(rt.MemoryType.HOST_LOCAL | rt.MemoryType.DEVICE_VISIBLE),
            allowed_usage=int(rt.BufferUsage.TRANSFER_TARGET | rt.BufferUsage.MAPPING_SCOPED),
            allocation_size=buffer.byte_length(),
        )
        semaphore = self._device.create_semaphore(0)
        done = rt.HalFence.create_at(semaphore, 1)
        self._device.queue_copy(
            buffer, staging, wait_semaphores=rt.HalFence.create_at(semaphore, 0), signal_semaphores=done
        )
        done.wait()
        return staging


def _maps(buffer: Any) -> bool:
    """Whether the host can look at a buffer as it is."""
    visible, mapped = int(rt.MemoryType.HOST_VISIBLE), int(rt.BufferUsage.MAPPING_SCOPED)
    return bool(buffer.memory_type() & visible == visible and buffer.allowed_usage() & mapped == mapped)
