"""A training step of this project, searched by operations: is it the compiler, or what was emitted?"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.emit.export import export_script
from harness.errors import HarnessError
from harness.explain.locate.side_under_test import SideUnderTest
from harness.explain.locate.whole_step import feed_of
from harness.module.executors import EXECUTORS
from harness.module.isolate.reproducer import ModuleReproducer, write_reproducers
from harness.module.isolate.search import isolate
from harness.module.load import StableModule, loaded
from harness.module.task import Array
from harness.run.inprocess import Phase2, Phase3
from harness.spec.netspec import DType

_EXECUTORS = {"phase2": "xla", "phase3": "iree"}
_TIMEOUT_S = 600.0


@dataclass(frozen=True)
class SearchedStep:
    """What a search by operations found in a side: a sentence, and a folder for each fault."""

    sentence: str
    reproducers: tuple[ModuleReproducer, ...] = ()


def search_step(side: SideUnderTest, step: int, folder: Path) -> SearchedStep:
    """Search the training step of a side at the state and batch of a step, from 1, on the compiler that ran it.

    Phase 3 in f64, where its error was seen; phase 2 in f32, since the f64 reference is its own compiler's.
    Raises: OSError.
    """
    name = _EXECUTORS[side.pipeline]
    executor = EXECUTORS[name]
    dtype: DType = "f32" if side.pipeline == "phase2" else "f64"
    try:
        module, arguments = step_module(side, dtype, step)
        found = isolate(module, executor, arguments, seed=0, timeout_s=_TIMEOUT_S, whole=False)
    except HarnessError as error:
        return SearchedStep(f"operations: {side.pipeline}: not searched: {error}")
    made = tuple(write_reproducers(found, folder, _TIMEOUT_S))
    where = f"operations in {dtype}: {side.pipeline}, on {executor.meaning}"
    if found.wrong:
        named = "; ".join(" + ".join(map(str, fault.ops)) for fault in found.wrong)
        return SearchedStep(f"{where}: {named} of its module is computed wrongly: the compiler, or its device.", made)
    compared = sum(len(piece.part.operations) for window in found.windows for piece in window.compared)
    if found.exit_code or found.refused:
        return SearchedStep(f"{where}: {compared} operations compared, and no fault that could be confirmed.")
    told = f"all {compared} operations, in {len(found.windows)} windows, compute what the module says"
    return SearchedStep(f"{where}: {told}: not one operation is the compiler's fault.")


def step_module(side: SideUnderTest, dtype: DType, step: int) -> tuple[StableModule, list[Array]]:
    """The training step of a side as a module, and what it is fed at a step. Raises: HarnessError."""
    program = side.programs[dtype]
    training = program.begin()
    batches, rates = feed_of(side, dtype, step)
    for t, (batch, rate) in enumerate(zip(batches[:-1], rates[:-1], strict=True), 1):
        training.step(t, batch, rate)
    state = training.get_state()
    names = [*program.names]
    names += [f"{name}.{slot}" for slot in program.config.optimizer.slots for name in program.names]
    names += [one.name for one in program.graph.states]
    assert isinstance(program, (Phase2, Phase3))
    text = export_script(program.script)["train_step"] if isinstance(program, Phase2) else program.text
    arguments: list[Array] = [np.asarray(state[name]) for name in names]
    arguments += [batches[-1].x, batches[-1].labels]
    arguments += [np.array(rates[-1], program.kind), np.array(step, program.kind)]
    spec = program.graph.spec.name
    module = loaded(Path(f"{spec}.{side.pipeline}.{dtype}.train_step.mlir"), text.encode(), "train_step")
    return module, arguments
