"""Compiles the training steps of networks for the targets of backends, present or not, and reports the results."""

import importlib.metadata
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from harness.emit.train_step import emit_train_step
from harness.errors import EmitError
from harness.nn.rules import registered_rules
from harness.run.backends import BACKENDS
from harness.run.compile import compile_module
from harness.spec.models import Model
from harness.spec.netspec import PROFILES, DType
from harness.trace.known_trouble import Trouble, recognise


@dataclass(frozen=True)
class Compilation:
    """Result of compiling one training step with iree-compile.

    `text_bytes`, `lines`: of the StableHLO. `module_bytes`, `seconds`: of the compiled module; None when `diagnostic`
    says why there is none, and then `trouble` is the known trouble it was recognised as, if any.
    """

    model: str
    backend: str
    chip: str
    text_bytes: int
    lines: int
    module_bytes: int | None = None
    seconds: float | None = None
    cached: bool = False
    diagnostic: str = ""
    trouble: Trouble | None = None


def compile_steps(
    models: Sequence[Model],
    backends: Sequence[str],
    dtype: DType,
    jobs: int,
    on_result: Callable[[Compilation], None] = lambda result: None,
) -> list[Compilation]:
    """Compile every model's training step for every backend, `jobs` at a time; results in the order of the arguments.

    `on_result` is called with each as it ends. A module that the compiler refuses is a result and not an error.
    """
    wanted = [(model, backend) for model in models for backend in backends]
    with ThreadPoolExecutor(jobs) as pool:
        running = {pool.submit(compile_step, model, backend, dtype): (model, backend) for model, backend in wanted}
        try:
            for done in as_completed(running):
                on_result(done.result())
        except BaseException:  # an interruption as well: what waits must not begin
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    found = {running[future][0].name + running[future][1]: future.result() for future in running}
    return [found[model.name + backend] for model, backend in wanted]


def compile_step(model: Model, backend: str, dtype: DType) -> Compilation:
    """Compile one training step for one backend."""
    row = BACKENDS[backend]
    conventions = PROFILES["shared"]["phase3"]
    text = emit_train_step(model.graph, model.config, dtype, conventions, rules=registered_rules())
    flags = row.compile_flags()
    chip = flags[-1].partition("=")[2]  # the row's last flag names it
    size = len(text.encode()), text.count("\n")
    try:
        made = compile_module(text, flags, f"{model.name}, train_step")
    except EmitError as error:
        versions = {"iree-base-compiler": importlib.metadata.version("iree-base-compiler")}
        trouble = recognise(backend, "phase3", None, str(error), versions)
        return Compilation(model.name, backend, chip, *size, diagnostic=str(error), trouble=trouble)
    return Compilation(model.name, backend, chip, *size, made.path.stat().st_size, made.seconds, made.cached)


def part_of(names: Iterable[str], part: int, parts: int) -> list[str]:
    """Every name whose turn it is when the list is gone through in `parts` nights; `part` counts from 1."""
    return list(names)[part - 1 :: parts]
