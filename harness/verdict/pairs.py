"""The pairs and factorials of cells, each pair with its f64 cross-check."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import get_args

import msgspec

from harness.errors import TraceError
from harness.run.pipelines import FACTORIAL, MAIN, PIPELINES
from harness.spec.netspec import Arithmetic, DType
from harness.spec.run_config import Start
from harness.trace.evaluations import evaluations_path, read_evaluations
from harness.trace.format import one_line
from harness.trace.recording import Recording
from harness.trace.segments import read_segments, segments_path
from harness.trace.spelling import usual_dtype
from harness.trace.store import StoredCell
from harness.verdict.compare import Comparison, Judging, compare, compare_parts
from harness.verdict.evidence import Beside, FromStates, Lockstep, Near, NoPart, Stressed
from harness.verdict.factorial import Factorial, split_factorial
from harness.verdict.identity import find_strangeness
from harness.verdict.judge import Verdict
from harness.verdict.pair import PairRow, judge_recordings
from harness.verdict.relation import relation
from harness.verdict.silent_faults import silent_faults

# What tells cells of one run apart, and what says nothing about what was run.
_WITHIN_A_RUN = ("pipeline", "backend", "eager", "channels", "command", "absent", "asked")
_OF_EVIDENCE = ("dtype", "start", "steps", "evidence", "follows", "segment", "states_of", "run_steps", "ulp_seed")
_BESIDE = (*_WITHIN_A_RUN, *_OF_EVIDENCE)


def runs_of(cells: Iterable[StoredCell]) -> list[list[StoredCell]]:
    """The cells of each run: of one network, configuration, size, start and length, wherever they ran."""
    runs: dict[tuple[object, ...], list[StoredCell]] = {}
    for cell in cells:
        runs.setdefault(_key(cell, _WITHIN_A_RUN), []).append(cell)
    return list(runs.values())


def judge_cells(cells: Sequence[StoredCell], judging: Judging) -> Iterator[PairRow]:
    """The pairs of every run, with the evidence for them that lies among the cells."""
    evidence = [cell for cell in cells if cell.facts.evidence]
    for run in runs_of(cell for cell in cells if not cell.facts.evidence):
        yield from judge_pairs(run, judging, evidence if run[0].facts.dtype == "f32" else ())


def judge_pairs(
    cells: Sequence[StoredCell], judging: Judging, evidence: Sequence[StoredCell] = ()
) -> Iterator[PairRow]:
    """A row for every pair that differs in one factor; not for one with a backend that is absent and not asked for.

    `cells`: of one run. `evidence`: cells that were run for the sake of others, among them these.
    """
    there = [cell for cell in cells if cell.counts]
    names = _names(there)
    recording = cache(StoredCell.read)

    @cache
    def trouble(cell: StoredCell) -> str:
        """The reason why a cell cannot be compared; empty when it can, if only to find that it is no proof."""
        if cell.manifest.status != "complete":
            return cell.note
        try:
            recording(cell)
        except TraceError as error:
            return str(error)
        return ""

    for left, right in itertools.combinations(there, 2):
        kind = relation(left.facts, right.facts, left.host == right.host)
        if kind is None:
            continue
        pair = names[left], names[right]
        notes = [f"{names[cell]}: {note}" for cell in (left, right) if (note := trouble(cell))]
        if notes:
            missing = Verdict("INCONCLUSIVE", "cells", "; ".join(notes), None)
            row = PairRow(*pair, verdict=missing, note="; ".join(notes), kind=kind)
        else:
            beside = Beside(
                in_f64=_pair_in(left, right, evidence, "f64", left.facts.start),
                stressed=_stressed(left, right, evidence) if left.facts.start == "drawn" else None,
                lockstep=_lockstep(left, right, evidence),
                in_wide=_pair_in(left, right, evidence, "wide", left.facts.start),
                from_states=_from_states(left, right, evidence),
            )
            row = judge_recordings(recording(left), recording(right), judging, kind, beside)
        yield replace(row, a=pair[0], b=pair[1], cells=(left, right), findings=silent_faults(row, (left, right)))


def judge_followed(leader: StoredCell, follower: StoredCell, judging: Judging) -> PairRow:
    """The row of a cell and of one that followed it."""
    names = leader.short_name, follower.short_name
    kind = relation(leader.facts, follower.facts) or ""
    try:
        notes = [f"{cell.name}: {cell.note}" for cell in (leader, follower) if cell.note]
        if notes:
            raise TraceError("; ".join(notes))
        a, b = leader.read(), follower.read()
        together = Lockstep(compare(a, b, Judging(all_steps=True)), read_segments(segments_path(follower.trace)))
    except TraceError as error:
        missing = Verdict("INCONCLUSIVE", "cells", str(error), None)
        return PairRow(*names, verdict=missing, note=str(error), kind=kind, cells=(leader, follower))
    row = judge_recordings(a, b, judging, kind, Beside(lockstep=together))
    return replace(row, a=names[0], b=names[1], cells=(leader, follower))


def split_factorials(cells: Sequence[StoredCell], judging: Judging) -> Iterator[Factorial]:
    """The 2x2 factorial of every backend that has both compilers; one whose runs are not all complete says why."""
    for backend in dict.fromkeys(cell.facts.backend for cell in cells):
        places = [(pipeline, backend) for pipeline in FACTORIAL]
        runs = [c for place in places for c in cells if (c.facts.pipeline, c.facts.backend) == place]
        if len(runs) < len(places) or not any(run.counts for run in runs):
            continue
        notes = [f"{run.short_name}: {run.note}" for run in runs if run.note]
        if notes:
            yield Factorial(backend, missing="; ".join(notes))
        else:
            traces = {run.short_name: run.read().trace for run in runs}
            judged = judging.judged(min(trace.steps for trace in traces.values()))
            yield split_factorial(backend, traces, judged, judging.mode)


def _stressed(a: StoredCell, b: StoredCell, evidence: Sequence[StoredCell]) -> Stressed | str | None:
    """The same pair from a stressed start, or what is the matter with it; None when it was not run."""
    in_f32, in_f64 = (_pair_in(a, b, evidence, dtype, "stressed") for dtype in get_args(Arithmetic))
    if in_f32 is None and in_f64 is None:
        return None
    if in_f32 is None or in_f64 is None:
        return "it has been run in one precision only"
    if isinstance(in_f32, str):
        return in_f32
    return Stressed(in_f32, in_f64) if isinstance(in_f64, Comparison | NoPart) else in_f64


def _lockstep(a: StoredCell, b: StoredCell, evidence: Sequence[StoredCell]) -> Lockstep | str | None:
    """The run of one of them that followed the other, or what is the matter with it; None when it was not run."""

    def about(cell: StoredCell) -> tuple[object, ...]:
        return cell.facts.dtype, cell.facts.steps, _key(cell, _BESIDE)

    found = [
        (leader, free, cell)
        for leader, free in ((a, b), (b, a))
        for cell in evidence
        if _is_leader(leader, cell) and about(cell) == about(leader) and _place(cell) == _place(free)
    ]
    if not found:
        return None
    leader, free, follower = found[0]
    if follower.facts.absent:
        return NoPart(follower.note)
    if follower.note:
        return f"{follower.name}: {follower.note}"
    try:
        recording = _held_to(free, follower)
        if isinstance(recording, str):
            return recording
        comparison = compare(leader.read(), recording, Judging(all_steps=True))
        return Lockstep(comparison, read_segments(segments_path(follower.trace)), _near(leader, evidence))
    except TraceError as error:
        return str(error)


def _near(leader: StoredCell, evidence: Sequence[StoredCell]) -> Near | str | None:
    """The leader from states an ulp away, or what is the matter with it; None when it was not run.

    Raises: TraceError.
    """
    own = leader.facts.pipeline
    beside = [c for c in evidence if c.facts.ulp_seed is not None and _length(c) == _length(leader)]
    found = next((c for c in beside if c.facts.pipeline == c.facts.states_of == own), None)
    if found is None or found.note:
        return None if found is None else f"{found.name}: {found.note}"
    recording = _held_to(leader, found)
    if isinstance(recording, str):
        return recording
    return Near(recording, read_segments(segments_path(found.trace)))


def _is_leader(leader: StoredCell, follower: StoredCell) -> bool:
    facts = leader.facts
    same = facts.backend == follower.facts.backend
    return follower.facts.follows == (facts.pipeline if same else f"{facts.pipeline}-{facts.backend}")


def _place(cell: StoredCell) -> tuple[str, str, str]:
    return cell.facts.pipeline, cell.facts.backend, cell.host


def _from_states(a: StoredCell, b: StoredCell, evidence: Sequence[StoredCell]) -> FromStates | str | None:
    """Both sides in f64 from states of A, or what is the matter with them; None where neither was run so.

    Only our two pipelines are run from states: a pair with a control or somebody else's program has none.
    """
    if not {a.facts.pipeline, b.facts.pipeline} <= set(MAIN):
        return None
    beside = [
        c
        for c in evidence
        if c.facts.states_of == a.facts.pipeline and c.facts.ulp_seed is None and _length(c) == _length(a)
    ]
    found = [c for cell in (a, b) for c in beside if c.facts.pipeline == cell.facts.pipeline]
    if not found or a.facts.backend != b.facts.backend or a.facts.pipeline == b.facts.pipeline:
        return None
    if len(found) != 2:
        return f"only {found[0].name} was run"
    if notes := [f"{side.name}: {side.note}" for side in found if side.note]:
        return "; ".join(notes)
    try:
        left, right = (_held_to(cell, side) for cell, side in zip((a, b), found, strict=True))
        if isinstance(left, str) or isinstance(right, str):
            return left if isinstance(left, str) else str(right)
        return FromStates(compare_parts(left, right), read_evaluations(evaluations_path(found[1].trace)).states)
    except TraceError as error:
        return str(error)


def _length(cell: StoredCell) -> tuple[object, ...]:
    """What cells share that were run for one another, for all of the run."""
    return cell.host, cell.facts.backend, cell.facts.steps, _key(cell, _BESIDE)


def _pair_in(
    a: StoredCell, b: StoredCell, evidence: Sequence[StoredCell], dtype: DType, start: Start = "drawn"
) -> Comparison | str | None:
    """The same pair in a precision and from a start, or what is the matter with it; None when it was not run."""
    if (a.facts.pipeline, a.host) == (b.facts.pipeline, b.host):
        return None
    sides = [(cell, cells_in(cell, evidence, dtype, start)) for cell in (a, b)]
    missing = [cell.short_name for cell, found in sides if not found]
    if len(missing) == len(sides) or (missing and a.host != b.host):  # two hosts may have run with other options
        return None
    if missing:
        return f"{missing[0]} has not been run in {dtype}, the other side has"
    if notes := [f"{found[0].name}: {found[0].note}" for _, found in sides if found[0].note]:
        return "; ".join(notes)
    try:
        left, right = (_held_to(cell, found[0]) for cell, found in sides)
    except TraceError as error:
        return str(error)
    if reasons := [side for side in (left, right) if isinstance(side, str)]:
        return next((reason for reason in reasons if not isinstance(reason, NoPart)), reasons[0])
    assert isinstance(left, Recording) and isinstance(right, Recording)
    return compare(left, right)


def _held_to(cell: StoredCell, other: StoredCell) -> Recording | str:
    """The recording of a cell that was run for the sake of another, held to that one; or why it cannot serve.

    Raises: TraceError.
    """
    plain, found = cell.read(), other.read(allow_parts=other.facts.run_steps is not None)
    dtype = other.facts.dtype
    if cell.facts.pipeline not in PIPELINES and dtype != "f32" and usual_dtype(found.trace.header.dtype or "") != dtype:
        told = found.trace.header.dtype or "nothing"
        return NoPart(f"{cell.short_name} took no part: HARNESS_DTYPE was {dtype}, its header says {one_line(told)}")
    strange = list(find_strangeness(plain.trace, found.trace))
    if other.facts.start != cell.facts.start:
        start = plain.trace.header.init_sha256
        if start is not None and start == found.trace.header.init_sha256:
            return f"{other.name} did not begin at the {other.facts.start} start, but where {cell.name} began"
        strange = [one for one in strange if one.key != "init_sha256"]
    if strange:
        told = f"{strange[0].key} is {one_line(strange[0].b)} and not {one_line(strange[0].a)}"
        return f"{other.name} is of another run than {cell.name}: {told}"
    return found


def cells_in(
    cell: StoredCell, evidence: Sequence[StoredCell], dtype: DType, start: Start = "drawn"
) -> list[StoredCell]:
    """The cell in a precision and from a start, of the same host and run. Evidence is run on the CPU only."""
    if cell.facts.backend != "cpu":
        return []

    def about(one: StoredCell) -> tuple[object, ...]:
        return one.host, one.facts.pipeline, _key(one, _BESIDE)

    wanted = dtype, start, None, None
    there = [c for c in evidence if (c.facts.dtype, c.facts.start, c.facts.follows, c.facts.states_of) == wanted]
    return [c for c in there if about(c) == about(cell)]


def _names(cells: Sequence[StoredCell]) -> Mapping[StoredCell, str]:
    """Short names, with the host where cells of several would be called alike."""
    hosts: dict[str, set[str]] = {}
    for cell in cells:
        hosts.setdefault(cell.short_name, set()).add(cell.host)
    return {
        cell: f"{cell.short_name}@{cell.host}" if len(hosts[cell.short_name]) > 1 else cell.short_name for cell in cells
    }


def _key(cell: StoredCell, without: Sequence[str]) -> tuple[object, ...]:
    facts = msgspec.structs.asdict(cell.facts)
    return tuple(value for name, value in facts.items() if name not in without)
