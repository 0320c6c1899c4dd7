"""Compiles the training steps of networks for the targets of backends, present or not, and reports the results."""

import importlib.metadata
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from harness.emit.train_step import emit_train_step
from harness.errors import BackendError, EmitError
from harness.nn.rules import registered_rules
from harness.run.backends import BACKENDS, Backend
from harness.run.chips import ChipTarget
from harness.run.compile import compile_module
from harness.spec.models import Model
from harness.spec.netspec import PROFILES, DType
from harness.trace.known_trouble import Trouble
from harness.trace.recognition import recognise


@dataclass(frozen=True)
class Compilation:
    """Result of compiling one training step with iree-compile.

    `compiled_as`: the chip that the compiler was told, an older one where it does not know `chip`; both are empty for
    a backend without chips. `text_bytes`, `lines`: of the StableHLO. `module_bytes`, `seconds`: of the compiled module;
    None when `diagnostic` says why there is none, and then `trouble` is the known trouble it was recognised as, if any.
    """

    model: str
    backend: str
    chip: str
    compiled_as: str
    text_bytes: int
    lines: int
    module_bytes: int | None = None
    seconds: float | None = None
    cached: bool = False
    diagnostic: str = ""
    trouble: Trouble | None = None


def compile_steps(
    models: Sequence[Model],
    targets: Sequence[str],
    dtype: DType,
    jobs: int,
    on_result: Callable[[Compilation], None] = lambda result: None,
) -> list[Compilation]:
    """Compile every model's training step for every target, `jobs` at a time; results in the order of the arguments.

    `on_result` is called with each as it ends. A module that the compiler refuses is a result and not an error.
    """
    wanted = [(model, target) for model in models for target in targets]
    with ThreadPoolExecutor(jobs) as pool:
        running = {pool.submit(compile_step, model, target, dtype): (model.name, target) for model, target in wanted}
        try:
            for done in as_completed(running):
                on_result(done.result())
        except BaseException:  # an interruption as well: what waits must not begin
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    found = {key: future.result() for future, key in running.items()}
    return [found[model.name, target] for model, target in wanted]


def find_target(name: str) -> tuple[Backend, ChipTarget]:
    """The backend and the chip that a name means: of a backend, or of a chip of one.

    Raises: BackendError for a name of neither; see `Backend.target`.
    """
    if name in BACKENDS:
        return BACKENDS[name], BACKENDS[name].target()
    for row in BACKENDS.values():
        if row.chip_prefix and re.fullmatch(rf"{row.chip_prefix}[0-9a-f]{{2,5}}", name):
            return row, row.target(name)
    chips = ", ".join(chip for row in BACKENDS.values() for chip in row.chips)
    raise BackendError(
        f"unknown target {name!r}; known are {', '.join(BACKENDS)}, and of chips {chips} and their like."
    )


def compile_step(model: Model, name: str, dtype: DType) -> Compilation:
    """Compile one training step for one target. Raises: BackendError, as `find_target`."""
    row, target = find_target(name)
    conventions = PROFILES["shared"]["phase3"]
    text = emit_train_step(model.graph, model.config, dtype, conventions, rules=registered_rules())
    flags = row.compile_flags(target)
    told = (row.name, target.chip, target.compiled_as)
    size = len(text.encode()), text.count("\n")
    try:
        made = compile_module(text, flags, f"{model.name}, train_step")
    except EmitError as error:
        versions = {"iree-base-compiler": importlib.metadata.version("iree-base-compiler")}
        trouble = recognise(row.name, "phase3", None, str(error), versions)
        return Compilation(model.name, *told, *size, diagnostic=str(error), trouble=trouble)
    return Compilation(model.name, *told, *size, made.path.stat().st_size, made.seconds, made.cached)


def part_of(names: Iterable[str], part: int, parts: int) -> list[str]:
    """Every name whose turn it is when the list is gone through in `parts` nights; `part` counts from 1."""
    return list(names)[part - 1 :: parts]
