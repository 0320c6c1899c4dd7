"""From a cell to a command that obeys the environment contract: the derivation is emitted, the compiler runs it."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from harness.emit.header import header_facts
from harness.emit.jax_script import emit_jax_script
from harness.emit.observe import emit_observe
from harness.emit.phase3 import emit_phase3, verify_module
from harness.emit.plan import RunnerPlan, make_plan, read_plan, write_plan
from harness.errors import EmitError
from harness.nn.rules import registered_rules
from harness.run.backends import BACKENDS
from harness.run.cell import Cell
from harness.run.compile import compile_module, compiler_version
from harness.run.external import External
from harness.run.pipelines import INTERPRETED_OPERATION_S, PIPELINES
from harness.spec.netspec import PROFILES
from harness.system.process import run_module

_MOST_INTERPRETED_S = 900.0


@dataclass(frozen=True)
class Program:
    """A command ready to run, with `{data}` where the data folder goes. `provenance`: what the manifest says of it.

    `obeys_step_limit`: whether it reads LEAN_MLIR_MAX_STEPS.
    """

    command: tuple[str, ...]
    provenance: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    obeys_step_limit: bool = True


def emit_files(cell: Cell, folder: Path) -> list[Path]:
    """Write the programs of a cell: phase 2's script, or modules and the plan that the runner is given with them.

    Raises: EmitError when a module does not verify, or JAX does not export a script.
    """
    row = PIPELINES[cell.pipeline]
    if row.derivation == "by hand":
        return _emit_modules(cell, folder)
    script = _emit_script(cell, folder)
    return [script] if row.compiler == "XLA" else [script, *_export_modules(cell, script, folder)]


def prepare(cell: Cell, folder: Path) -> Program:
    """Write the programs of a cell and compile what is compiled beforehand.

    Both controls run in phase 3's host program, so that three of the four pipelines of a factorial differ in modules
    and compiler only; so does the one without a compiler.

    Raises: EmitError, also when the compiler refuses a module.
    """
    files = emit_files(cell, folder)
    if PIPELINES[cell.pipeline].compiler == "IREE":
        return _on_iree(cell, files)
    if PIPELINES[cell.pipeline].compiler == "none":
        return _interpreted(cell, files)
    return _script(cell, *files) if files[0].suffix == ".py" else _modules_on_xla(cell, files)


def compile_only(cell: Cell, folder: Path) -> str:
    """The result of preparing a cell that cannot run here, in words."""
    try:
        prepare(cell, folder)
    except EmitError as error:
        return f"does not compile ({error})"
    return "compiled, not run"


def _emit_script(cell: Cell, folder: Path) -> Path:
    model, run = cell.model, cell.run
    command = f"python -m harness emit {_network(cell)} --pipeline phase2 --dtype {run.dtype}"
    command += f" --profile {run.profile} --seed {run.init_seed}{model.size_options}"
    conventions = PROFILES[run.profile]["phase2"]
    text = emit_jax_script(
        model.graph,
        model.config,
        run.dtype,
        conventions,
        command=command,
        rules=registered_rules(),
        init_seed=run.init_seed,
    )
    path = folder / f"{_stem(cell)}.py"
    path.write_text(text)
    return path


def _emit_modules(cell: Cell, folder: Path) -> list[Path]:
    model, run = cell.model, cell.run
    conventions = PROFILES[run.profile]["phase3"]
    # One text for all backends, init seeds and compilers: the command names none of them.
    command = f"python -m harness emit {_network(cell)} --pipeline phase3 --dtype {run.dtype} --profile {run.profile}"
    texts, plan = emit_phase3(
        model.graph,
        model.config,
        run.dtype,
        conventions,
        rules=registered_rules(),
        init_seed=run.init_seed,
        pipeline=cell.pipeline,
        command=command + model.size_options,
    )
    return _write_modules(cell, folder, texts, plan)


def _export_modules(cell: Cell, script: Path, folder: Path) -> list[Path]:
    """The modules that JAX exports from the script of a cell.

    What observes a step is not exported but emitted: it is the instrument, and the script's own norms would add up in
    sequence on IREE, which loses four digits in f32.
    """
    model, run = cell.model, cell.run
    conventions = PROFILES[run.profile]["phase2"]
    texts = _export(script) | {"observe": emit_observe(model.graph, run.dtype, conventions)}
    for name, text in texts.items():
        verify_module(text, f"{model.spec.name}, {name} of {cell.pipeline}")
    header = header_facts(model.graph, model.config, run.dtype, conventions, "phase2") | {"pipeline": cell.pipeline}
    plan = make_plan(header, texts["train_step"], model.graph, model.config, run.dtype, run.init_seed)
    return _write_modules(cell, folder, texts, plan)


def _export(script: Path) -> dict[str, str]:
    """The texts of modules by function, exported by a process of its own. Raises: EmitError with its last words."""
    done = subprocess.run(
        [*run_module("harness.emit.export"), str(script)],
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise EmitError(f"{script.name}: JAX does not export it: {said[-1]}")
    texts: dict[str, str] = json.loads(done.stdout)
    return texts


def _write_modules(cell: Cell, folder: Path, texts: dict[str, str], plan: RunnerPlan) -> list[Path]:
    """Write modules by the name of their function, and as the last the plan."""
    paths = []
    for function, text in texts.items():
        paths.append(folder / f"{_stem(cell)}.{function}.mlir")
        paths[-1].write_text(text)
    paths.append(folder / f"{_stem(cell)}.plan.json")
    write_plan(paths[-1], plan)
    return paths


def _script(cell: Cell, script: Path) -> Program:
    """The script, run by the backend's Python; XLA compiles it when it runs."""
    backend = BACKENDS[cell.backend]
    return Program(
        command=(backend.python(), "-P", str(script), "{data}"),
        environment=backend.jax_environment() | ({"JAX_DISABLE_JIT": "1"} if cell.run.eager else {}),
        provenance=_from_xla(hashlib.sha256(script.read_bytes()).hexdigest()),
    )


def _modules_on_xla(cell: Cell, files: Sequence[Path]) -> Program:
    """The runner with modules, which XLA compiles when they are first called."""
    *modules, plan = files
    backend = BACKENDS[cell.backend]
    return Program(
        command=(*_runner(cell), "--xla", str(plan), *map(str, modules), "{data}"),
        environment=backend.iree_environment() | backend.jax_environment(),
        provenance=_from_xla(_emitted_sha256(plan)),
    )


def _interpreted(cell: Cell, files: Sequence[Path]) -> Program:
    """The runner with modules that the interpreter runs as they are. Raises: EmitError where that takes too long."""
    from harness.run.inprocess.reference_interpreter import operations  # here, because IREE does without JAX

    *modules, plan = files
    (step,) = (path for path in modules if ".train_step." in path.name)
    step_s = INTERPRETED_OPERATION_S * operations(step.read_text(), "train_step")
    if cell.run.steps is None or cell.run.steps * step_s > _MOST_INTERPRETED_S:
        steps = "all steps" if cell.run.steps is None else f"{cell.run.steps} steps"
        raise EmitError(
            f"{cell.model.name}: the interpreter takes about {step_s:,.0f} s a step of batch "
            f"{cell.model.config.batch_size}, and {steps} are asked for; expected at most {_MOST_INTERPRETED_S:g} s in "
            "all. Give fewer with --steps, smaller ones with --batch, or a smaller network."
        )
    backend = BACKENDS[cell.backend]
    return Program(
        command=(*_runner(cell), "--interpreter", str(plan), *map(str, modules), "{data}"),
        environment=backend.iree_environment() | backend.jax_environment(),
        provenance={"emitted_sha256": _emitted_sha256(plan), "compiler": "none"},
    )


def _on_iree(cell: Cell, files: Sequence[Path]) -> Program:
    """The runner with modules that IREE has compiled. Raises: EmitError when it refuses one."""
    *modules, plan = (path for path in files if path.suffix != ".py")
    backend = BACKENDS[cell.backend]
    target = backend.target()
    flags = backend.compile_flags(target)
    with ThreadPoolExecutor() as pool:
        compiled = list(pool.map(lambda path: compile_module(path.read_text(), flags, path.name), modules))
    return Program(
        command=(*_runner(cell), str(plan), *(str(module.path) for module in compiled), "{data}"),
        environment=backend.iree_environment(),
        provenance={
            "emitted_sha256": _emitted_sha256(plan),
            "compiler": f"iree-compile {compiler_version()}",
            "compiler_flags": list(flags),
            **({"chip": target.chip, "chip_source": target.source} if backend.chip_flag else {}),
            "compile_s": sum(module.seconds for module in compiled),
            "compile_cached": all(module.cached for module in compiled),
        },
    )


def _runner(cell: Cell) -> tuple[str, ...]:
    return run_module("harness.run.iree_runner", BACKENDS[cell.backend].python())


def _from_xla(emitted_sha256: str) -> dict[str, Any]:
    return {"emitted_sha256": emitted_sha256, "compiler": "XLA", "matmul_precision": "highest"}


def _emitted_sha256(plan: Path) -> str:
    return str(read_plan(plan).header["emitted_sha256"])


def external_program(external: External, cell: Cell) -> Program:
    """Somebody else's command; what the backend needs of the environment is given to it as well.

    Raises: EmitError for one that a compiler has refused.
    """
    if external.refused:
        raise EmitError(external.refused)
    backend = BACKENDS[cell.backend]
    return Program(
        command=external.command(),
        environment=backend.jax_environment() | backend.iree_environment(),
        provenance={"command_sha256": _command_digest(external.command(), external.files)},
        obeys_step_limit=False,
    )


def _command_digest(words: Sequence[str], files: Sequence[str]) -> str:
    """SHA-256 of a command's words, of those of its files that it names, and of others that belong to it."""
    digest = hashlib.sha256(json.dumps(words).encode())
    for word in (*words, *files):
        found = shutil.which(word) or word
        if Path(found).is_file():
            digest.update(Path(found).read_bytes())
    return digest.hexdigest()


def _network(cell: Cell) -> str:
    """The network as a program names it: a file by its last part, so that its folder does not change the program."""
    return Path(cell.model.source).name


def _stem(cell: Cell) -> str:
    """The programs of a cell do not depend on backend, order, start or mode: only names that tell programs apart."""
    run = msgspec.structs.replace(cell.run, eager=False, start="drawn", follows=None, states_of=None, ulp_seed=None)
    alike = replace(cell, run=run)
    return f"{cell.model.name}.{cell.pipeline}{alike.suffix}"
