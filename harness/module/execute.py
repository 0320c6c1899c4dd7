"""Runs a module on an executor in a process of its own; whatever becomes of it is an outcome with its own word."""

import os
import resource
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from harness.module.executors import ModuleExecutor
from harness.module.task import ABSENT, REFUSED, Array, ModuleTask, Noise, Outcome
from harness.system.jobs import MARKER
from harness.system.masking import mask_secrets
from harness.system.memory import kills_so_far, machine_bytes, tells_of_memory
from harness.system.process import Child, Interruptions, signal_name
from harness.system.scratch import scratch

GIB = 1 << 30
_SHARE = 0.9  # of the machine's memory, which one executor may hold where nothing else is said
_LOOK_S = 0.5  # between two looks at what it holds
_KILLED = f"(signal {signal.SIGKILL:d})"  # what is said of a compiler that was
_IDLE = 0.1  # a process that used less of the processor than this share of its time was waiting for something


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


class _Stage(msgspec.Struct, frozen=True):
    """What a worker says. `run_s`: seconds of each call, when it is done; `cpu_s`: of the processor, so far.

    `device`: name of what it runs on.
    """

    compile_s: float
    cpu_s: float
    run_s: list[float] | None
    device: str = ""


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
    foreseen = operations * executor.operation_s * max(1, len(noises))
    if foreseen > timeout_s:
        told = f"would take about {foreseen:.0f} s ({operations:.2g} operations); allow it with --timeout"
        return Execution(executor, "not started", told)
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
        Path(task.module).write_text(text)
        fed = {f"a{i}": array for i, array in enumerate(arguments)}
        np.savez(task.arguments, **fed)  # type: ignore[arg-type]  # numpy types each name as its own option
        written = folder / "task.json"
        written.write_bytes(msgspec.json.encode(task))
        limits = Limits(timeout_s, most_bytes or int(_SHARE * machine_bytes()))
        return _watch(executor, written, folder, limits, take)


@dataclass(frozen=True)
class Limits:
    """What an executor may take: seconds, and bytes of memory."""

    timeout_s: float
    most_bytes: int


def _watch(
    executor: ModuleExecutor, task: Path, folder: Path, limits: Limits, take: Callable[[list[Array]], None] | None
) -> Execution:
    # Nobody vouches for what lies in JAX's own cache.
    environment = {**os.environ, **executor.environment, "JAX_ENABLE_COMPILATION_CACHE": "false"}
    used_before, killed_before = _processor_s(), kills_so_far()
    try:
        child = Child([*executor.command, str(task)], environment, keep=1 << 16, marker=MARKER.encode())
    except (OSError, ValueError) as error:
        return Execution(executor, "absent", f"{executor.command[0]}: {error}")
    deadline, next_look = time.monotonic() + limits.timeout_s, 0.0
    began_to_run: float | None = None
    with Interruptions() as interruptions:
        while not child.wait(0.05):
            if began_to_run is None and child.out.marked is not None:
                began_to_run = time.monotonic()
            if interruptions.received or time.monotonic() > deadline:
                child.stop(patience=0)
                return _out_of_time(executor, _said(child), limits.timeout_s, began_to_run, used_before)
            if time.monotonic() > next_look:
                held, next_look = child.held_bytes(), time.monotonic() + _LOOK_S
                if held > limits.most_bytes:
                    child.stop(patience=0)
                    when = "compiling" if began_to_run is None else "computing"
                    told = f"held {held / GIB:.1f} GiB {when}, more than the {limits.most_bytes / GIB:.3g} allowed"
                    return Execution(executor, "out of memory", f"{told}; allow more with --memory")
    return _ended(executor, child, folder, take, killed=kills_so_far() > killed_before)


def _out_of_time(
    executor: ModuleExecutor, said: _Stage | None, timeout_s: float, began_to_run: float | None, used_before: float
) -> Execution:
    if said is None or began_to_run is None:
        return Execution(executor, "timed out", f"the compiler did not finish within {timeout_s:g} s")
    waited = time.monotonic() - began_to_run
    if _processor_s() - used_before - said.cpu_s < _IDLE * waited:
        return Execution(executor, "hung", f"compiled, then did nothing for {waited:.0f} s", compile_s=said.compile_s)
    return Execution(
        executor, "timed out", f"compiled, did not finish within {timeout_s:g} s", compile_s=said.compile_s
    )


def _ended(
    executor: ModuleExecutor,
    child: Child,
    folder: Path,
    take: Callable[[list[Array]], None] | None,
    *,
    killed: bool,
) -> Execution:
    """`killed`: whether the system has killed a process meanwhile, for want of memory."""
    last = next((line for line in reversed(child.err.tail.splitlines()) if line.strip()), "")
    last = mask_secrets(" ".join(last.split()))[:400]
    if child.returncode not in (0, ABSENT):
        by_system = killed and (child.returncode == -signal.SIGKILL or _KILLED in last)
        if by_system or tells_of_memory(child.err.tail):
            how = "killed by the system, which had none left" if by_system else last
            return Execution(executor, "out of memory", how)
    if child.returncode == REFUSED:
        return Execution(executor, "refused", last)
    if child.returncode == ABSENT:
        return Execution(executor, "absent", f"{last}: {executor.mend}" if executor.mend else last)
    said = _said(child)
    if child.returncode != 0 or said is None or said.run_s is None:
        code = child.returncode
        how = f"killed by {signal_name(-code)}" if code < 0 else f"exit code {code}"
        return Execution(executor, "crashed", f"{how}: {last}" if last else how)
    calls: list[list[Array]] = []
    for number in range(len(said.run_s)):
        with np.load(folder / f"call{number}.npz") as file:
            (take or calls.append)([file[f"r{i}"] for i in range(len(file.files))])
    device = said.device if executor.chip or executor.backend else ""
    return Execution(executor, "ran", "", calls, said.compile_s, said.run_s[0], device)


def _said(child: Child) -> _Stage | None:
    if child.out.marked is None:
        return None
    try:
        return msgspec.json.decode(child.out.marked.removeprefix(MARKER.encode()), type=_Stage)
    except msgspec.MsgspecError:
        return None


def _processor_s() -> float:
    """What ended children of this process have used of the processor."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
