"""A program that takes parts of a run from its states; the states that it gets to are held to those of the run."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np

from harness.errors import TraceError
from harness.run.cell_plan import CellPlan
from harness.run.contract import STATE_IN, STATE_OUT, STATE_STEPS, listed_steps
from harness.run.execute import Progress, refuse, run_cell
from harness.run.lockstep import move_apart
from harness.system.files import write_json
from harness.system.scratch import scratch
from harness.trace.manifest import Manifest, write_manifest
from harness.trace.parts import Part
from harness.trace.segments import SegmentEnd, Segments, segments_path
from harness.trace.state import Array, read_state, state_path, write_state


def run_parts(
    plan: CellPlan, parts: Sequence[Part], reached: Sequence[Part], states: Path, own: Path, on_progress: Progress
) -> Manifest:
    """Run a program through parts of a run. `states`: from where it takes them; `own`: where it leaves those after the
    parts that it is to have `reached`.

    Raises: TraceError when the folder cannot hold traces.
    """
    steps = listed_steps({*(part.first for part in parts), *(part.end for part in reached)})
    taken = {STATE_IN: str(states), STATE_OUT: str(own), STATE_STEPS: steps}
    return run_cell(replace(plan, environment={**plan.environment, **taken}), on_progress)


def run_one_ulp_away(
    plan: CellPlan, leader: str, parts: Sequence[Part], states: Path, seed: int, on_progress: Progress
) -> Manifest:
    """Run the leader's program again from states of its run, every number of them one unit in the last place away.

    How far that takes it from the run itself is written beside the trace, as the segments of a lockstep run are; a cell
    of which that cannot be told is refused or crashed.
    Raises: TraceError when the folder cannot hold traces, or there is no place for states.
    """
    try:
        with scratch() as folder:
            near, own = folder / "near", folder / "own"
            near.mkdir()
            own.mkdir()
            rng = np.random.default_rng(seed)
            try:
                for part in parts:
                    state = read_state(state_path(states, part.first))
                    write_state(near, part.first, {name: ulp_away(x, rng) for name, x in state.items()}, "f32")
            except TraceError as error:
                return refuse(plan, f"the leader's state {error}")
            manifest = run_parts(plan, parts, parts, near, own, on_progress)
            if manifest.status != "complete":
                return manifest
            segments = Segments(leader=leader, planned=len(parts), tensors=[], ends=[])
            try:
                segments.ends.extend(_moves_apart(part, segments.tensors, states, near, own) for part in parts)
            except TraceError as error:
                manifest = msgspec.structs.replace(manifest, status="crashed", reason=str(error))
                write_manifest(plan.manifest, manifest)
                return manifest
            write_json(segments_path(plan.trace), segments)
            return manifest
    except OSError as error:
        raise TraceError(f"{error.filename or 'states'}: {error.strerror or error}; no states can be kept.") from None


def ulp_away(x: Array, rng: np.random.Generator) -> Array:
    """Each number one unit in the last place up or down; shape and precision stay."""
    towards = np.where(rng.random(x.shape) < 0.5, np.inf, -np.inf).astype(x.dtype)
    moved: Array = np.nextafter(x, towards)
    return moved


def _moves_apart(part: Part, tensors: list[str], states: Path, near: Path, own: Path) -> SegmentEnd:
    """How far apart the moves of a part are: what was apart at its beginning is no effect of its steps."""

    def both(folder: Path, end: Path) -> tuple[Mapping[str, Array], Mapping[str, Array]]:
        return read_state(state_path(folder, part.first)), read_state(state_path(end, part.end))

    (before, ours), (near_before, theirs) = both(states, states), both(near, own)
    if not tensors:
        tensors.extend(ours)
    return move_apart(part.first, part.end, tensors, (before, ours), (near_before, theirs))
