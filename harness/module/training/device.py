"""An executor of the table as a device that keeps a training's state between two steps."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness.errors import ModuleError
from harness.module.executors import ModuleExecutor, find_executors
from harness.run.trainer import Executor


def step_executor(name: str) -> ModuleExecutor:
    """The executor of that name. Raises: ModuleError where there is none, or it has no device to keep a state on."""
    (executor,) = find_executors((name,))
    if executor.driver == "interpreter":
        raise ModuleError(f"the executor {name} keeps no state between steps. Take xla, or one of IREE's.")
    return executor


def open_device(executor: ModuleExecutor, texts: Mapping[str, str], folder: Path) -> Executor:
    """The device with functions loaded. `texts`: the module of each; `folder`: for files as long as it is used.

    Raises: HarnessError, also for what the compiler refuses.
    """
    return _on_xla(texts, folder) if executor.driver == "xla" else _on_iree(executor, texts)


def _on_xla(texts: Mapping[str, str], folder: Path) -> Executor:
    from harness.run.xla_device import XlaDevice  # here, because IREE does without

    paths = [folder / f"{number}.mlir" for number in range(len(texts))]
    for path, text in zip(paths, texts.values(), strict=True):
        path.write_text(text)
    device = XlaDevice(paths)
    with ThreadPoolExecutor() as pool:
        list(pool.map(device.compile, texts))
    return device


def _on_iree(executor: ModuleExecutor, texts: Mapping[str, str]) -> Executor:
    from harness.run.iree_device import Device

    return Device(executor.device, compile_ahead(executor, texts))


def compile_ahead(executor: ModuleExecutor, texts: Mapping[str, str]) -> list[Path]:
    """What IREE makes of the modules, from its cache where it has made it before; nothing of another executor's.

    Raises: EmitError for what the compiler refuses.
    """
    if executor.driver != "iree":
        return []
    from harness.run.compile import compile_module  # here, because XLA does without

    with ThreadPoolExecutor() as pool:
        compiled = pool.map(lambda function: compile_module(texts[function], executor.flags, function), texts)
        return [module.path for module in compiled]
