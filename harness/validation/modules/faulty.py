"""A worker whose compiler is wrong about marked operations: `python -m harness.validation.modules.faulty TASK`."""

import sys
from dataclasses import replace
from pathlib import Path

from harness.module import worker
from harness.module.executors import ModuleExecutor
from harness.module.task import ModuleTask
from harness.system.process import run_module
from harness.validation.modules.injection import MARK, Injector

FAULTY = "faulty-"  # before the name of the executor
COMMAND = run_module("harness.validation.modules.faulty")


def faulty(executor: ModuleExecutor) -> ModuleExecutor:
    """The same executor, but wrong where an operation is marked."""
    return replace(executor, name=f"{FAULTY}{executor.name}", command=COMMAND)


def inject(task: ModuleTask) -> ModuleTask:
    """The task with a module that has the fault, if anything is marked there."""
    path = Path(task.module)
    text = path.read_text()
    if f"{MARK} = " not in text:
        return task
    path.write_text(Injector().clone(text, task.function))
    return replace(task, function="main")


if __name__ == "__main__":
    worker.main(Path(sys.argv[1]), inject)
