"""Compiles a module and runs it, in a process: `python -m harness.module.worker TASK.json`.

With a folder in the place of the file it does the tasks that come there, one after another, until it is killed.

A compiler that crashes or hangs takes this process with it and no other. The process prints that it has compiled, and
when it is done how long that took; results go to files.
"""

import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from harness.errors import BackendError, EmitError, HarnessError
from harness.module.arrays import read_arrays, write_arrays
from harness.module.task import ABSENT, REFUSED, Array, ModuleTask, task_path
from harness.system.jobs import answer

_POLL_S = 0.002


def main(given: Path, prepare: Callable[[ModuleTask], ModuleTask] = lambda task: task) -> NoReturn:
    """Do the task of a file, or those of a folder. `prepare` is handed every task before it is done.

    What the compiler or the device refuses ends the task of a file with one line and exit code 2, no device with 3.
    """
    if given.is_dir():
        serve(given, prepare)
    try:
        perform(prepare(_read(given)))
        code = 0
    except BackendError as error:
        code = _say(error, ABSENT)
    except HarnessError as error:
        code = _say(error, REFUSED)
    sys.stdout.flush()
    sys.stderr.flush()
    # A process that has both run times loaded may crash in their destructors, after its work is done.
    os._exit(code)


def serve(folder: Path, prepare: Callable[[ModuleTask], ModuleTask]) -> NoReturn:
    """Do the tasks of a folder in the order of their numbers as they come. What is refused is said, and not the end."""
    for number in count():
        path = task_path(folder, number)
        while not path.exists():
            time.sleep(_POLL_S)
        try:
            perform(prepare(_read(path)))
        except BackendError as error:
            answer({"task": number, "absent": _line(error)})
        except HarnessError as error:
            answer({"task": number, "refused": _line(error)})
    raise AssertionError("numbers do not end")


def _read(path: Path) -> ModuleTask:
    return msgspec.json.decode(path.read_bytes(), type=ModuleTask)


def perform(task: ModuleTask) -> None:
    """Compile, call, write. Raises: BackendError without the device, EmitError for what is refused."""
    held = read_arrays(task.arguments)
    arguments = [held[f"a{i}"] for i in range(len(held))]
    started = time.monotonic()
    loaded = _load(task)
    said: dict[str, Any] = {
        "task": task.number,
        "compile_s": time.monotonic() - started,
        "device": loaded.device,
    }
    answer(said | {"cpu_s": time.process_time(), "run_s": None})
    seconds = []
    for number, noise in enumerate(task.noises or (None,)):
        given = [*arguments, *(noise.arguments() if noise is not None else ())]
        started = time.monotonic()
        results = loaded.call(given)
        seconds.append(time.monotonic() - started)
        named = {f"r{i}": result for i, result in enumerate(results)}
        write_arrays(Path(task.results, f"call{number}.npz"), named)
    answer(said | {"cpu_s": time.process_time(), "run_s": seconds})


@dataclass(frozen=True)
class _Loaded:
    """A compiled module. `device`: name of what it runs on."""

    call: Callable[[Sequence[Array]], list[Array]]
    device: str = ""


_last: list[tuple[tuple[object, ...], _Loaded]] = []  # one module, which the next task may call with other arguments


def _load(task: ModuleTask) -> _Loaded:
    key = Path(task.module).read_text(), task.function, task.driver, task.flags, task.device
    if not _last or _last[0][0] != key:
        _last.clear()  # before its successor takes memory
        _last.append((key, _LOADERS[task.driver](task)))
    return _last[0][1]


def _load_xla(task: ModuleTask) -> _Loaded:
    import jax

    from harness.run.xla_device import XlaDevice

    try:
        device = XlaDevice([Path(task.module)], full_precision=False)
    except (RuntimeError, AssertionError) as error:  # the latter, without a word, for a platform without its plugin
        told = str(error).partition("\n")[0].partition(". (set ")[0] or "JAX has no such platform"
        raise BackendError(f"no device here ({told})") from None
    device.compile(task.function)

    def call(arguments: Sequence[Array]) -> list[Array]:
        try:
            results = device.call(task.function, [device.put(argument) for argument in arguments])
            return [device.get(result) for result in results]
        except jax.errors.JaxRuntimeError as error:
            raise EmitError(f"XLA: {str(error).splitlines()[0]}") from None

    return _Loaded(call, jax.devices()[0].device_kind)


def _load_iree(task: ModuleTask) -> _Loaded:
    import iree.runtime as rt

    from harness.run.compile import compile_module
    from harness.run.iree_device import Device

    missing = _why_absent(task.device)
    if missing and not task.chip:
        raise BackendError(missing)
    try:
        compiled = compile_module(Path(task.module).read_text(), task.flags, task.function)
    except EmitError as error:
        # Its place is in the normal form of the text, which nobody has seen, and what follows repeats the operation.
        said = re.search(r"error: (.*?)(?:: %|: \"|$)", str(error))
        raise EmitError(f"iree-compile: {said[1] if said else error}") from None
    if missing:
        raise BackendError(f"compiled for {task.chip}; no device here ({missing})")
    try:
        device = Device(task.device, [compiled.path])
    except (ValueError, RuntimeError) as error:
        raise EmitError(f"IREE: {_first(error)}") from None

    def call(arguments: Sequence[Array]) -> list[Array]:
        try:
            results = device.call(task.function, [device.put(argument) for argument in arguments])
            return [device.get(result) for result in results]
        except (ValueError, RuntimeError) as error:
            raise EmitError(f"IREE: {_first(error)}") from None

    names = rt.get_driver(task.device.partition("://")[0]).query_available_devices()
    return _Loaded(call, str(names[0]["name"]) if names else "")


def _why_absent(name: str) -> str:
    """Why IREE has no such device; empty where it has."""
    import iree.runtime as rt

    try:
        rt.get_device(name)
    except (ValueError, RuntimeError) as error:
        # Behind the place in IREE's sources, and without what it advises in general.
        said = re.search(r"\.c:\d+: [A-Z_]+; ([^;:]+)", str(error))
        return said[1].strip() if said else _first(error)
    return ""


def _first(error: Exception) -> str:
    return str(error).splitlines()[0]


def _load_interpreter(task: ModuleTask) -> _Loaded:
    from harness.run.inprocess.reference_interpreter import interpret

    text = Path(task.module).read_text()
    return _Loaded(lambda arguments: interpret(text, task.function, arguments))


_LOADERS: dict[str, Callable[[ModuleTask], _Loaded]] = {
    "xla": _load_xla,
    "iree": _load_iree,
    "interpreter": _load_interpreter,
}


def _say(error: HarnessError, code: int) -> int:
    print(_line(error), file=sys.stderr)
    return code


def _line(error: HarnessError) -> str:
    return " ".join(str(error).split())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
