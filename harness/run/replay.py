"""Runs parts of a cell's run again from the states that it has kept, wherever it was run."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from harness.data.batches import steps_per_epoch
from harness.errors import SpecError, TraceError
from harness.run.cell_plan import DEFAULT_TIMEOUT_S, CellPlan
from harness.run.from_states import run_pair_from_states
from harness.run.lockstep import segment_end
from harness.run.parts_run import run_parts
from harness.run.pipelines import MAIN
from harness.run.policy import Policy
from harness.run.progress import CellProgress
from harness.run.runner import Runner, prepared
from harness.run.sampling import STEPS
from harness.run.saved_states import SavedStates
from harness.run.verification import Verification
from harness.spec.models import load_model
from harness.spec.netspec import DType
from harness.spec.network_file import is_network_file, name_of_file
from harness.spec.run_config import SEGMENT_STEPS, RunConfig
from harness.trace.format import one_line
from harness.trace.kept_states import states_folder, verified_state
from harness.trace.manifest import CellFacts
from harness.trace.parts import Part, format_parts
from harness.trace.segments import Segments
from harness.trace.state import read_state, state_path
from harness.trace.store import StoredCell


@dataclass(frozen=True)
class ReplayRun:
    """The cells that were run. `in_f32`: each with the ends of its parts; `in_f64`: of both pipelines."""

    in_f32: tuple[tuple[StoredCell, Segments], ...]
    in_f64: tuple[StoredCell, ...]


def run_replay(
    cell: StoredCell,
    out: Path,
    pipelines: Sequence[str] = MAIN,
    backend: str = "cpu",
    dtypes: Sequence[DType] = ("f32", "f64"),
    data: str | None = None,
    timeout_s: float | None = None,
    network: Path | None = None,
) -> ReplayRun:
    """Run the parts of a cell behind its kept states: by pipelines in f32, and by both of ours in f64 on the CPU.

    `network`: the path of the file that the network is in, if it is in one.

    Raises: TraceError when the cell cannot be replayed, or a state is not the one of its manifest; HarnessError for
    data that do not fit.
    """
    facts = cell.facts
    where = one_line(cell.name)
    if not cell.complete or facts.dtype != "f32" or facts.evidence:
        raise TraceError(f"{where}: expected a complete run in f32; {cell.note or 'this is evidence, or in f64'}.")
    if not cell.manifest.states:
        raise TraceError(f"{where}: keeps no states. Run it with --keep-states N.")
    steps = [state.step for state in cell.manifest.states]
    for state in cell.manifest.states:
        verified_state(cell.trace, state)
    run = RunConfig(**{name: getattr(facts, name) for name in RunConfig.__struct_fields__})
    asked = Verification(
        model=load_model(_network(facts, network), batch=facts.batch_size, image_size=facts.image_size),
        out=out,
        run=msgspec.structs.replace(run, channels="all", states_of=facts.pipeline, eager=False),
        backends=(backend,),
        data=data,
        timeout_s=DEFAULT_TIMEOUT_S if timeout_s is None else timeout_s,
        is_evidence=True,
    )
    with prepared(asked) as runner, CellProgress() as progress:
        config = asked.model.config
        whole = config.epochs * steps_per_epoch(runner.data.examples, config.batch_size)
        last = cell.manifest.steps_written
        in_f32: list[tuple[StoredCell, Segments]] = []
        in_f64: tuple[StoredCell, ...] = ()
        if "f32" in dtypes and (parts := _parts(steps, SEGMENT_STEPS, last)):
            one = _taking(asked, "f32", parts)
            in_f32 += [_run(runner, one, cell, parts, name, backend, progress) for name in pipelines]
        if "f64" in dtypes:
            saved = SavedStates(states_folder(cell.trace), steps)
            wide = _taking(asked, "f64", _parts(steps, STEPS, whole, empty=True))
            in_f64 = run_pair_from_states(runner, wide, saved, Policy(), progress)
    return ReplayRun(tuple(in_f32), in_f64)


def _network(facts: CellFacts, given: Path | None) -> str:
    """What the cell's network is loaded by. A file is loaded only if the user gives it, and never for a manifest."""
    if given is None:
        if facts.network_file is not None or is_network_file(facts.model):
            where = one_line(facts.network_file or facts.model)
            raise SpecError(
                f"{one_line(facts.name)}: its network is in a file of its own, {where}. Give that file with --model "
                "FILE."
            )
        return facts.model
    if (name := name_of_file(str(given))) != facts.model:
        raise SpecError(
            f"--model {given}: the file of network '{name}'; the cell's is '{one_line(facts.model)}'. Give its file."
        )
    return str(given)


def _parts(states: Sequence[int], most: int, last: int, *, empty: bool = False) -> list[Part]:
    """A part behind each state, up to the next one. `last`: step of the run; `empty`: those without a step as well."""
    parts = []
    for at, first in enumerate(states):
        until = states[at + 1] if at + 1 < len(states) else last + 1
        parts.append(Part(first, max(0, min(most, until - first, last + 1 - first))))
    return [part for part in parts if part.count or empty]


def _taking(asked: Verification, dtype: DType, parts: Sequence[Part]) -> Verification:
    return replace(asked, run=msgspec.structs.replace(asked.run, dtype=dtype, run_steps=format_parts(parts)))


def _run(
    runner: Runner,
    asked: Verification,
    cell: StoredCell,
    parts: Sequence[Part],
    pipeline: str,
    backend: str,
    progress: CellProgress,
) -> tuple[StoredCell, Segments]:
    """Take the parts by a pipeline, and hold the states that it gets to to those that were kept."""
    kept = {state.step for state in cell.manifest.states}
    reached = [part for part in parts if part.end in kept]
    segments = Segments(leader=cell.facts.pipeline, planned=len(reached), tensors=[], ends=[])
    place = asked.cell(pipeline, backend)
    plan = runner.prepare_cell(asked, place, Policy(), progress)
    if not isinstance(plan, CellPlan):
        return plan, segments
    states, own = states_folder(cell.trace), asked.out / "states" / place.name
    own.mkdir(parents=True)
    with progress.running(runner.name_of(asked, place), plan.planned_steps, parts) as on_progress:
        manifest = run_parts(plan, parts, reached, states, own, on_progress)
    for part in reached if manifest.status == "complete" else ():
        before, ours = (read_state(state_path(states, step)) for step in (part.first, part.end))
        theirs = read_state(state_path(own, part.end))
        if not segments.tensors:
            segments.tensors.extend(theirs)
        if ours.keys() >= theirs.keys() <= before.keys():
            segments.ends.append(segment_end(part.first, part.end, segments.tensors, ours, theirs, before))
    return runner.stored(plan, manifest), segments
