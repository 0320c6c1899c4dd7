"""The controls: each derivation on the other one's compiler. They complete the 2x2 factorial of a backend.

Their host program is phase 3's runner, so that three of the four runs differ in nothing but modules and compiler.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from harness.emit.check import verify_module
from harness.emit.header import header_facts
from harness.emit.phase3 import make_plan
from harness.emit.train_step import emit_norms
from harness.errors import EmitError
from harness.run.backends import BACKENDS
from harness.run.cell import Cell
from harness.run.pipelines import (
    Pipeline,
    Program,
    compile_modules,
    emit_phase2_files,
    emit_phase3_files,
    iree_program,
    write_modules,
)
from harness.spec.netspec import PROFILES


def emit_phase2_iree_files(cell: Cell, folder: Path) -> list[Path]:
    """Write phase 2's script, the modules that JAX exports from it, and the plan.

    The norms are not exported but emitted: they are the instrument, and the script's own would add up in sequence on
    IREE, which loses four digits in f32.

    Raises: EmitError when the script cannot be exported or a module does not verify.
    """
    model, conventions = cell.model, PROFILES[cell.profile]["phase2"]
    (script,) = emit_phase2_files(cell, folder)
    texts = _export(script) | {"norms": emit_norms(model.graph, cell.dtype, conventions)}
    for name, text in texts.items():
        verify_module(text, f"{model.spec.name}, {name} of {cell.pipeline}")
    header = header_facts(model.graph, model.config, cell.dtype, conventions, "phase2") | {"pipeline": cell.pipeline}
    plan = make_plan(header, texts["train_step"], model.graph, model.config, cell.dtype, cell.init_seed)
    return [script, *write_modules(cell, folder, texts, plan)]


def _export(script: Path) -> dict[str, str]:
    """The texts of modules by function, exported by a process of its own. Raises: EmitError with its last words."""
    done = subprocess.run(
        [sys.executable, "-m", "harness.emit.export", str(script)],
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


def prepare_phase2_iree(cell: Cell, folder: Path) -> Program:
    """Phase 2's step, exported, compiled by IREE. Raises: EmitError when IREE refuses it."""
    _, *modules, plan = emit_phase2_iree_files(cell, folder)
    return iree_program(cell, plan, compile_modules(cell, modules))


def prepare_phase3_xla(cell: Cell, folder: Path) -> Program:
    """Phase 3's modules, which XLA compiles when they are first called."""
    *modules, plan = emit_phase3_files(cell, folder)
    backend = BACKENDS[cell.backend]
    return Program(
        command=(backend.python(), "-m", "harness.run.iree_runner", "--xla", str(plan), *map(str, modules), "{data}"),
        environment=backend.iree_environment() | backend.jax_environment(),
        provenance={
            "emitted_sha256": json.loads(plan.read_text())["header"]["emitted_sha256"],
            "compiler": "XLA",
            "matmul_precision": "highest",
        },
    )


CONTROLS = {
    "phase2-iree": Pipeline("phase2-iree", emit_phase2_iree_files, prepare_phase2_iree),
    "phase3-xla": Pipeline("phase3-xla", emit_phase3_files, prepare_phase3_xla),
}
