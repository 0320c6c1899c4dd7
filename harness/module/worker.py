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
from itertools import count
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import numpy as np

from harness.errors import BackendError, EmitError, HarnessError
from harness.module.task import ABSENT, REFUSED, Array, ModuleTask, task_path
from harness.system.jobs import answer

_POLL_S = 0.002

Call = Callable[[Sequence[Array]], list[Array]]


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
    with np.load(task.arguments) as file:
        arguments = [file[f"a{i}"] for i in range(len(file.files))]
    started = time.monotonic()
    call = _LOADERS[task.driver](task)
    compile_s = time.monotonic() - started
    answer({"task": task.number, "compile_s": compile_s, "cpu_s": time.process_time(), "run_s": None})
    seconds = []
    for number, noise in enumerate(task.noises or (None,)):
        given = [*arguments, *(noise.arguments() if noise is not None else ())]
        started = time.monotonic()
        results = call(given)
        seconds.append(time.monotonic() - started)
        named: Any = {f"r{i}": result for i, result in enumerate(results)}
        np.savez(Path(task.results, f"call{number}.npz"), **named)
    answer({"task": task.number, "compile_s": compile_s, "cpu_s": time.process_time(), "run_s": seconds})


def _load_xla(task: ModuleTask) -> Call:
    import jax

    from harness.run.xla_device import XlaDevice

    try:
        device = XlaDevice([Path(task.module)])
    except RuntimeError as error:
        raise BackendError(str(error).splitlines()[0]) from None
    device.compile(task.function)

    def call(arguments: Sequence[Array]) -> list[Array]:
        try:
            results = device.call(task.function, [device.put(argument) for argument in arguments])
            return [device.get(result) for result in results]
        except jax.errors.JaxRuntimeError as error:
            raise EmitError(f"XLA: {str(error).splitlines()[0]}") from None

    return call


def _load_iree(task: ModuleTask) -> Call:
    import iree.runtime as rt

    from harness.run.compile import compile_module

    try:
        config = rt.Config(device=rt.get_device(task.device))
    except (ValueError, RuntimeError) as error:
        raise BackendError(f"{task.device}: {str(error).splitlines()[0]}") from None
    try:
        compiled = compile_module(Path(task.module).read_text(), task.flags, task.function)
    except EmitError as error:
        # Its place is in the normal form of the text, which nobody has seen, and what follows repeats the operation.
        said = re.search(r"error: (.*?)(?:: %|: \"|$)", str(error))
        raise EmitError(f"iree-compile: {said[1] if said else error}") from None
    context = rt.SystemContext(config=config)
    module = rt.VmModule.mmap(context.instance, str(compiled.path))
    context.add_vm_module(module)
    function = context.modules[module.name][task.function]

    def call(arguments: Sequence[Array]) -> list[Array]:
        try:
            results = function(*arguments)
            several = results if isinstance(results, (tuple, list)) else [results]
            return [np.array(result.to_host()) for result in several]
        except (ValueError, RuntimeError) as error:
            raise EmitError(f"IREE: {str(error).splitlines()[0]}") from None

    return call


def _load_interpreter(task: ModuleTask) -> Call:
    from harness.run.inprocess.reference_interpreter import interpret

    text = Path(task.module).read_text()
    unknown = re.search(r"\bchlo\.\w+", text)
    if unknown is not None:  # the interpreter would abort
        raise EmitError(f"the interpreter knows no {unknown[0]}, only operations of StableHLO")
    return lambda arguments: interpret(text, task.function, arguments)


_LOADERS: dict[str, Callable[[ModuleTask], Call]] = {
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
