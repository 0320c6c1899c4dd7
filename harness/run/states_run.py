"""Two programs that take parts of a run from the same states, and classify test images by each of them."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import msgspec

from harness.errors import TraceError
from harness.run.cell_plan import CellPlan
from harness.run.contract import LOGITS_OUT, RUN_STEPS, STATE_IN, STATE_STEPS, listed_steps
from harness.run.execute import Progress, run_cell
from harness.run.saved_states import SavedStates
from harness.system.scratch import scratch
from harness.trace.evaluations import Evaluation, evaluate, evaluations_path, write_evaluations
from harness.trace.logits import logits_path, read_logits
from harness.trace.manifest import Manifest, write_manifest
from harness.trace.parts import parse_parts


def run_from_states(
    plans: tuple[CellPlan, CellPlan], saved: SavedStates, on_progress: tuple[Progress, Progress]
) -> tuple[Manifest, Manifest]:
    """Run both cells at a time; what their logits are apart is written beside the second one's trace.

    A second cell whose logits cannot be compared with the first one's is crashed.
    Raises: TraceError when the folder cannot hold traces, or there is no place for logits.
    """
    try:
        with scratch() as folder, ThreadPoolExecutor(1) as pool:
            folders = folder / "first", folder / "second"
            for one in folders:
                one.mkdir()
            steps = [part.first for part in parse_parts(plans[0].environment[RUN_STEPS])]
            first, second = (_from_states(*one, saved.folder, steps) for one in zip(plans, folders, strict=True))
            running = pool.submit(run_cell, second, on_progress[1])
            ran = run_cell(first, on_progress[0]), running.result()
            if any(manifest.status != "complete" for manifest in ran):
                return ran
            try:
                found = [_evaluate(folders, step) for step in steps]
            except TraceError as error:
                crashed = msgspec.structs.replace(ran[1], status="crashed", reason=str(error))
                write_manifest(second.manifest, crashed)
                return ran[0], crashed
            write_evaluations(evaluations_path(second.trace), first.pipeline, found)
            return ran
    except OSError as error:
        raise TraceError(f"{error.filename or 'logits'}: {error.strerror or error}; no logits can be kept.") from None


def _from_states(plan: CellPlan, logits: Path, states: Path, steps: Sequence[int]) -> CellPlan:
    taken = {STATE_IN: str(states), STATE_STEPS: listed_steps(steps), LOGITS_OUT: str(logits)}
    return replace(plan, environment={**plan.environment, **taken})


def _evaluate(folders: tuple[Path, Path], step: int) -> Evaluation:
    """The figures of a state. Raises: TraceError."""
    a, b = (read_logits(logits_path(folder, step)) for folder in folders)
    found = evaluate(step, a, b)
    if found is None:
        raise TraceError(f"the logits by the state before step {step} are {a[0].shape} and {b[0].shape}, not alike")
    return found
