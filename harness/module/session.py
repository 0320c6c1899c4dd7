"""A process that runs one module after another: what it takes to start a compiler is paid once.

A process that dies, or runs out of time, takes one module with it; the next one gets a new process. An executor whose
runs may disturb one another gets a new process for every module.
"""

import os
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from harness.module.execute import Execution, Stage, died, execute, foreseen_end, out_of_time, processor_s, said, taken
from harness.module.executors import ModuleExecutor
from harness.module.task import Array, ModuleTask, Noise, task_path
from harness.system.jobs import MARKER
from harness.system.process import Child, Interruptions
from harness.system.scratch import scratch

_POLL_S = 0.01


class Session:
    """Runs of modules on one executor. A context manager: its process ends with it.

    `begin` and `end` are apart so that two sessions can compute at the same time.
    """

    def __init__(self, executor: ModuleExecutor, timeout_s: float) -> None:
        self.executor = executor
        self._timeout_s = timeout_s
        self._lasting = not executor.fresh
        self._stack = ExitStack()
        self._child: Child | None = None
        self._processes = self._number = 0
        self._begun: tuple[ModuleTask, float, float] | None = None
        self._at_once: Execution | None = None

    def __enter__(self) -> Self:
        self._folder = self._stack.enter_context(scratch())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop()
        self._stack.close()

    def run(
        self, text: str, arguments: Sequence[Array], *, noises: Sequence[Noise] = (), operations: int = 0
    ) -> Execution:
        """Compile a module with the function `main` and call it: `begin` and `end`."""
        self.begin(text, arguments, noises=noises, operations=operations)
        return self.end()

    def begin(
        self, text: str, arguments: Sequence[Array], *, noises: Sequence[Noise] = (), operations: int = 0
    ) -> None:
        """Start to compile and call a module, as `execute` does."""
        self._at_once = foreseen_end(self.executor, operations, len(noises), self._timeout_s)
        if self._at_once is not None:
            return
        if not self._lasting:
            self._at_once = execute(self.executor, text, "main", arguments, timeout_s=self._timeout_s, noises=noises)
            return
        try:
            if self._child is None or self._child.wait(0):
                self._start()
        except (OSError, ValueError) as error:
            self._at_once = Execution(self.executor, "absent", f"{self.executor.command[0]}: {error}")
            return
        folder = self._tasks / f"files{self._number}"
        folder.mkdir()
        task = ModuleTask(
            module=str(folder / "module.mlir"),
            function="main",
            arguments=str(folder / "arguments.npz"),
            results=str(folder),
            driver=self.executor.driver,
            flags=self.executor.flags,
            device=self.executor.device,
            chip=self.executor.chip,
            noises=tuple(noises),
            number=self._number,
        )
        task.write(text, arguments)
        written = folder / "task.json"
        written.write_bytes(msgspec.json.encode(task))
        written.rename(task_path(self._tasks, self._number))  # whole as soon as it is there
        self._begun = task, time.monotonic(), processor_s()
        self._number += 1

    def end(self, take: Callable[[list[Array]], None] | None = None) -> Execution:
        """Wait until what was begun has ended; how it did. An interruption ends the process and takes effect.

        `take` is handed the results of each call, as by `execute`.
        """
        if self._begun is None:
            assert self._at_once is not None
            if take is not None:
                for results in self._at_once.calls:
                    take(results)
            return self._at_once
        (task, began, used), child = self._begun, self._child
        self._begun = None
        assert child is not None
        compiled: float | None = None
        with Interruptions() as interruptions:
            while not child.wait(_POLL_S):
                stage = said(child)
                if stage is not None and stage.task == task.number:
                    compiled = compiled or time.monotonic()
                    if stage.ends:
                        return self._take(stage, Path(task.results), take)
                if interruptions.received or time.monotonic() - began > self._timeout_s:
                    self._child = None
                    child.stop(patience=0)
                    stage = stage if stage is not None and stage.task == task.number else None
                    return out_of_time(self.executor, stage, self._timeout_s, compiled, used)
        self._child = None
        return died(self.executor, child)

    def _take(self, stage: Stage, folder: Path, take: Callable[[list[Array]], None] | None) -> Execution:
        execution = taken(self.executor, stage, folder, take)
        shutil.rmtree(folder)
        return execution

    def _start(self) -> None:
        self._tasks = self._folder / f"process{self._processes}"
        self._tasks.mkdir()
        self._processes += 1
        self._number = 0
        environment = {**os.environ, **self.executor.environment, "JAX_ENABLE_COMPILATION_CACHE": "false"}
        self._child = Child(
            [*self.executor.command, str(self._tasks)], environment, keep=1 << 16, marker=MARKER.encode()
        )

    def _stop(self) -> None:
        if self._child is not None:
            self._child.stop(patience=0)
            self._child = None
