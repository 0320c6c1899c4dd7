"""An executor of the table as a device that keeps a training's state between two steps."""

from collections.abc import Mapping
from pathlib import Path

from harness.errors import ModuleError
from harness.module.executors import ModuleExecutor
from harness.run.trainer import Executor


def open_device(executor: ModuleExecutor, texts: Mapping[str, str], folder: Path) -> Executor:
    """The device with functions loaded. `texts`: the module of each; `folder`: for files as long as it is used.

    Raises: HarnessError, also for what the compiler refuses.
    """
    if executor.driver == "xla":
        return _on_xla(texts, folder)
    if executor.driver == "iree":
        return _on_iree(executor, texts)
    raise ModuleError(f"the executor {executor.name} keeps no state between steps; a step is traced on xla or on IREE.")


def _on_xla(texts: Mapping[str, str], folder: Path) -> Executor:
    from harness.run.xla_device import XlaDevice  # here, because IREE does without

    paths = [folder / f"{number}.mlir" for number in range(len(texts))]
    for path, text in zip(paths, texts.values(), strict=True):
        path.write_text(text)
    device = XlaDevice(paths)
    for function in texts:
        device.compile(function)
    return device


def _on_iree(executor: ModuleExecutor, texts: Mapping[str, str]) -> Executor:
    from harness.run.compile import compile_module
    from harness.run.iree_runner import Device

    compiled = [compile_module(text, executor.flags, function) for function, text in texts.items()]
    return Device(executor.device, [module.path for module in compiled])
