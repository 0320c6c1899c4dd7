"""The pipelines: how each turns a cell into a command that obeys the environment contract. A pipeline is a row."""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.emit.jax_script import emit_jax_script
from harness.emit.phase3 import emit_phase3
from harness.nn_rules import registered_rules
from harness.run.backends import BACKENDS
from harness.run.cell import Cell
from harness.run.compile import Compiled, compile_module, compiler_version
from harness.run.external import External
from harness.spec.netspec import PROFILES


@dataclass(frozen=True)
class Program:
    """A command ready to run, with `{data}` where the data folder goes. `provenance`: what the manifest says of it.

    `obeys_step_limit`: whether it reads LEAN_MLIR_MAX_STEPS.
    """

    command: tuple[str, ...]
    provenance: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    obeys_step_limit: bool = True


@dataclass(frozen=True)
class Pipeline:
    """One way from a spec to a running program.

    `emit(cell, folder)` writes the programs and returns their paths, `prepare(cell, folder)` also compiles.
    """

    name: str
    emit: Callable[[Cell, Path], list[Path]]
    prepare: Callable[[Cell, Path], Program]


def emit_phase2_files(cell: Cell, folder: Path) -> list[Path]:
    """Write the JAX script."""
    conventions = PROFILES[cell.profile]["phase2"]
    command = f"python -m harness emit {cell.model.name} --pipeline phase2 --dtype {cell.dtype}"
    command += f" --profile {cell.profile} --seed {cell.init_seed}{cell.model.size_options}"
    model = cell.model
    text = emit_jax_script(
        model.graph,
        model.config,
        cell.dtype,
        conventions,
        command=command,
        rules=registered_rules(),
        init_seed=cell.init_seed,
    )
    path = folder / f"{stem(cell)}.py"
    path.write_text(text)
    return [path]


def prepare_phase2(cell: Cell, folder: Path) -> Program:
    """The script, run by the backend's Python."""
    (path,) = emit_phase2_files(cell, folder)
    backend = BACKENDS[cell.backend]
    return Program(
        command=(backend.python(), str(path), "{data}"),
        environment=backend.jax_environment() | ({"JAX_DISABLE_JIT": "1"} if cell.eager else {}),
        provenance={
            "emitted_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "compiler": "XLA",
            "matmul_precision": "highest",
        },
    )


def emit_phase3_files(cell: Cell, folder: Path) -> list[Path]:
    """Write the two modules and the plan."""
    model = cell.model
    conventions = PROFILES[cell.profile]["phase3"]
    texts, plan = emit_phase3(
        model.graph,
        model.config,
        cell.dtype,
        conventions,
        rules=registered_rules(),
        init_seed=cell.init_seed,
        pipeline=cell.pipeline,
    )
    return write_modules(cell, folder, texts, plan)


def write_modules(cell: Cell, folder: Path, texts: dict[str, str], plan: dict[str, Any]) -> list[Path]:
    """Write modules by the name of their function, and the plan that the runner is given with them, as the last."""
    paths = []
    for function, text in texts.items():
        paths.append(folder / f"{stem(cell)}.{function}.mlir")
        paths[-1].write_text(text)
    paths.append(folder / f"{stem(cell)}.plan.json")
    paths[-1].write_text(json.dumps(plan, indent=1))
    return paths


def compile_phase3(cell: Cell, folder: Path) -> tuple[Path, list[Compiled]]:
    """Emit and compile both modules for the cell's backend; the plan, and the modules in the order of the runner.

    Raises: EmitError when the compiler refuses one.
    """
    *modules, plan = emit_phase3_files(cell, folder)
    return plan, compile_modules(cell, modules)


def compile_modules(cell: Cell, modules: Sequence[Path]) -> list[Compiled]:
    """Compile modules for the cell's backend, in their order. Raises: EmitError when the compiler refuses one."""
    flags = BACKENDS[cell.backend].compile_flags()
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda path: compile_module(path.read_text(), flags, path.name), modules))


def prepare_phase3(cell: Cell, folder: Path) -> Program:
    """The IREE runner with the compiled modules."""
    return iree_program(cell, *compile_phase3(cell, folder))


def iree_program(cell: Cell, plan: Path, compiled: Sequence[Compiled]) -> Program:
    """The runner with compiled modules on IREE."""
    backend = BACKENDS[cell.backend]
    header = json.loads(plan.read_text())["header"]
    return Program(
        command=(
            backend.python(),
            "-m",
            "harness.run.iree_runner",
            str(plan),
            *(str(module.path) for module in compiled),
            "{data}",
        ),
        environment=backend.iree_environment(),
        provenance={
            "emitted_sha256": header["emitted_sha256"],
            "compiler": f"iree-compile {compiler_version()}",
            "compiler_flags": list(backend.compile_flags()),
            "compile_s": sum(module.seconds for module in compiled),
            "compile_cached": all(module.cached for module in compiled),
        },
    )


def external_program(external: External, cell: Cell) -> Program:
    """Somebody else's command; what the backend needs of the environment is given to it as well."""
    backend = BACKENDS[cell.backend]
    return Program(
        command=external.command(),
        environment=backend.jax_environment() | backend.iree_environment(),
        provenance={"command_sha256": _command_digest(external.command())},
        obeys_step_limit=False,
    )


def _command_digest(words: Sequence[str]) -> str:
    """SHA-256 of a command's words and of those of its files that it names."""
    digest = hashlib.sha256(json.dumps(words).encode())
    for word in words:
        found = shutil.which(word) or word
        if Path(found).is_file():
            digest.update(Path(found).read_bytes())
    return digest.hexdigest()


def stem(cell: Cell) -> str:
    """The programs of a cell do not depend on backend, order or mode: only names that tell programs apart."""
    return f"{cell.model.name}.{cell.pipeline}{replace(cell, eager=False).suffix}"


PIPELINES = {
    "phase2": Pipeline("phase2", emit_phase2_files, prepare_phase2),
    "phase3": Pipeline("phase3", emit_phase3_files, prepare_phase3),
}
