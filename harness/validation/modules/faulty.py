"""A worker whose compiler is wrong about marked operations: `python -m harness.validation.modules.faulty TASK.json`."""

import sys
from dataclasses import replace
from pathlib import Path

import msgspec

from harness.module import worker
from harness.module.executors import ModuleExecutor
from harness.module.task import ModuleTask
from harness.system.process import run_module
from harness.validation.modules.injection import MARK, Injector

COMMAND = run_module("harness.validation.modules.faulty")


def faulty(executor: ModuleExecutor) -> ModuleExecutor:
    """The same executor, but wrong where an operation is marked."""
    return replace(executor, name=f"faulty-{executor.name}", command=COMMAND)


def main() -> None:
    """Do the task with a module that has the fault."""
    written = Path(sys.argv[1])
    task = msgspec.json.decode(written.read_bytes(), type=ModuleTask)
    text = Path(task.module).read_text()
    if f"{MARK} = " in text:
        Path(task.module).write_text(Injector().clone(text, task.function))
        written.write_bytes(msgspec.json.encode(replace(task, function="main")))
    worker.main()


if __name__ == "__main__":
    main()
