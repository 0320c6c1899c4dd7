"""Runs a module on an executor in a process of its own; whatever becomes of it is an outcome with its own word."""

import os
import re
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from harness.module.arrays import read_arrays
from harness.module.executors import ModuleExecutor
from harness.module.memory_watch import MemoryWatch
from harness.module.task import ABSENT, REFUSED, Array, ModuleTask, Noise, Outcome
from harness.system.jobs import MARKER
from harness.system.masking import mask_secrets
from harness.system.process import Child, Interruptions, signal_name
from harness.system.scratch import scratch

_IDLE = 0.1  # a process that used less of the processor than this share of its time was waiting for something
_UNSUPPORTED = re.compile(r"^LLVM ERROR: Operation \S+ is unsupported")  # how the interpreter refuses: it aborts


@dataclass(frozen=True)
class Execution:
    """How a module ran. `calls`: the results of each call, none unless `outcome` is `ran`; `message`: why not.

    `device`: its name, where an executor's is not the processor.
    """

    executor: ModuleExecutor
    outcome: Outcome
    message: str = ""
    calls: list[list[Array]] = field(default_factory=list)
    compile_s: float = 0.0
    run_s: float = 0.0
    device: str = ""


class Stage(msgspec.Struct, frozen=True):
    """What a worker says. `run_s`: seconds of each call, when it is done; `cpu_s`: of the processor, so far.

    `task`: number of the task; `refused`, `absent`: why it is not done; `device`: name of what it runs on.
    """

    compile_s: float = 0.0
    cpu_s: float = 0.0
    run_s: list[float] | None = None
    task: int = 0
    refused: str = ""
    absent: str = ""
    device: str = ""

    @property
    def ends(self) -> bool:
        """Whether nothing more is said about the task."""
        return self.run_s is not None or bool(self.refused or self.absent)


def execute(
    executor: ModuleExecutor,
    text: str,
    function: str,
    arguments: Sequence[Array],
    *,
    timeout_s: float,
    noises: Sequence[Noise] = (),
    operations: int = 0,
    take: Callable[[list[Array]], None] | None = None,
    most_bytes: int | None = None,
) -> Execution:
    """Compile the module and call it with `arguments`, once for each of `noises` or once without.

    `operations`: scalar operations of a call, by which an executor that would not come to its end is not started.
    `take`: is handed the results of each call, which then are not kept: those of many calls need not be held at once.
    `most_bytes`: of memory that the process and all that it starts may hold; by default nine tenths of the machine's.
    An interruption stops it and takes effect.
    """
    too_long = foreseen_end(executor, operations, len(noises), timeout_s)
    if too_long is not None:
        return too_long
    with scratch() as folder:
        task = ModuleTask(
            module=str(folder / "module.mlir"),
            function=function,
            arguments=str(folder / "arguments.npz"),
            results=str(folder),
            driver=executor.driver,
            flags=executor.flags,
            device=executor.device,
            chip=executor.chip,
            noises=tuple(noises),
        )
        task.write(text, arguments)
        written = folder / "task.json"
        written.write_bytes(msgspec.json.encode(task))
        return _watch(executor, written, folder, timeout_s, take, MemoryWatch(most_bytes))


def foreseen_end(executor: ModuleExecutor, operations: int, calls: int, timeout_s: float) -> Execution | None:
    """The outcome of an executor that would not come to its end in time, None where it may."""
    foreseen = operations * executor.operation_s * max(1, calls)
    if foreseen <= timeout_s:
        return None
    told = f"would take about {foreseen:.0f} s ({operations:.2g} operations); allow it with --timeout"
    return Execution(executor, "not started", told)


def _watch(
    executor: ModuleExecutor,
    task: Path,
    folder: Path,
    timeout_s: float,
    take: Callable[[list[Array]], None] | None,
    memory: MemoryWatch,
) -> Execution:
    # Nobody vouches for what lies in JAX's own cache.
    environment = {**os.environ, **executor.environment, "JAX_ENABLE_COMPILATION_CACHE": "false"}
    used_before = processor_s()
    try:
        child = Child([*executor.command, str(task)], environment, keep=1 << 16, marker=MARKER.encode())
    except (OSError, ValueError) as error:
        return Execution(executor, "absent", f"{executor.command[0]}: {error}")
    deadline = time.monotonic() + timeout_s
    began_to_run: float | None = None
    with Interruptions() as interruptions:
        while not child.wait(0.05):
            if began_to_run is None and child.out.marked is not None:
                began_to_run = time.monotonic()
            if interruptions.received or time.monotonic() > deadline:
                child.stop(patience=0)
                return out_of_time(executor, said(child), timeout_s, began_to_run, used_before)
            told = memory.trouble(child, computing=began_to_run is not None)
            if told:
                child.stop(patience=0)
                return Execution(executor, "out of memory", told)
    return _ended(executor, child, folder, take, memory)


def out_of_time(
    executor: ModuleExecutor, stage: Stage | None, timeout_s: float, began_to_run: float | None, used_before: float
) -> Execution:
    """The outcome of a process that was stopped; `used_before`: `processor_s` when it was given its task."""
    if stage is None or began_to_run is None:
        return Execution(executor, "timed out", f"the compiler did not finish within {timeout_s:g} s")
    waited = time.monotonic() - began_to_run
    if processor_s() - used_before - stage.cpu_s < _IDLE * waited:
        return Execution(executor, "hung", f"compiled, then did nothing for {waited:.0f} s", compile_s=stage.compile_s)
    return Execution(
        executor, "timed out", f"compiled, did not finish within {timeout_s:g} s", compile_s=stage.compile_s
    )


def _ended(
    executor: ModuleExecutor,
    child: Child,
    folder: Path,
    take: Callable[[list[Array]], None] | None,
    memory: MemoryWatch,
) -> Execution:
    stage = said(child)
    if child.returncode == ABSENT:
        return _absent(executor, _last_line(child))
    if child.returncode == REFUSED:
        want = memory.reason(REFUSED, child.err.tail)
        return Execution(executor, "out of memory" if want else "refused", _short(want) or _last_line(child))
    if child.returncode != 0 or stage is None or not stage.ends:
        return died(executor, child, memory)
    return taken(executor, stage, folder, memory, take)


def died(executor: ModuleExecutor, child: Child, memory: MemoryWatch) -> Execution:
    """The outcome of a process that ended before its task did."""
    code, last = child.returncode, _last_line(child)
    want = memory.reason(code, child.err.tail)
    if want:
        return Execution(executor, "out of memory", _short(want))
    if _UNSUPPORTED.search(last):
        return Execution(executor, "refused", last)
    how = f"killed by {signal_name(-code)}" if code < 0 else f"exit code {code}"
    return Execution(executor, "crashed", f"{how}: {last}" if last else how)


def _absent(executor: ModuleExecutor, why: str) -> Execution:
    return Execution(executor, "absent", f"{why}: {executor.mend}" if executor.mend else why)


def _last_line(child: Child) -> str:
    last = next((line for line in reversed(child.err.tail.splitlines()) if line.strip()), "")
    return _short(" ".join(last.split()))


def _short(text: str) -> str:
    return mask_secrets(text)[:400]


def taken(
    executor: ModuleExecutor,
    stage: Stage,
    folder: Path,
    memory: MemoryWatch,
    take: Callable[[list[Array]], None] | None = None,
) -> Execution:
    """The outcome of a task that a worker has come to the end of."""
    if stage.run_s is None:
        if not stage.refused:
            return _absent(executor, _short(stage.absent))
        want = memory.reason(REFUSED, stage.refused)
        return Execution(executor, "out of memory" if want else "refused", _short(want or stage.refused))
    calls: list[list[Array]] = []
    for number in range(len(stage.run_s)):
        held = read_arrays(folder / f"call{number}.npz")
        (take or calls.append)([held[f"r{i}"] for i in range(len(held))])
    device = stage.device if executor.chip or executor.backend else ""
    return Execution(executor, "ran", "", calls, stage.compile_s, stage.run_s[0], device)


def said(child: Child) -> Stage | None:
    """What a worker said last."""
    if child.out.marked is None:
        return None
    try:
        return msgspec.json.decode(child.out.marked.removeprefix(MARKER.encode()), type=Stage)
    except msgspec.MsgspecError:
        return None


def processor_s() -> float:
    """What ended children of this process have used of the processor."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
