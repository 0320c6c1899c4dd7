"""The cells that were run for the sake of a pair, each held to the cell that it is for."""

from collections.abc import Sequence
from typing import get_args

import msgspec

from harness.errors import TraceError
from harness.run.pipelines import MAIN, PIPELINES
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
from harness.verdict.identity import find_strangeness

# What tells cells of one run apart, and what says nothing about what was run.
_WITHIN_A_RUN = ("pipeline", "backend", "eager", "channels", "command", "absent", "asked")
_OF_EVIDENCE = ("dtype", "start", "steps", "evidence", "follows", "segment", "states_of", "run_steps", "ulp_seed")
_BESIDE = (*_WITHIN_A_RUN, *_OF_EVIDENCE)


def key_of_run(cell: StoredCell) -> tuple[object, ...]:
    """What the cells of one run share."""
    return _key(cell, _WITHIN_A_RUN)


def find_evidence(a: StoredCell, b: StoredCell, evidence: Sequence[StoredCell]) -> Beside:
    """Other runs of a pair among cells that were run for the sake of others."""
    return Beside(
        in_f64=_pair_in(a, b, evidence, "f64", a.facts.start),
        stressed=_stressed(a, b, evidence) if a.facts.start == "drawn" else None,
        lockstep=_lockstep(a, b, evidence),
        in_wide=_pair_in(a, b, evidence, "wide", a.facts.start),
        from_states=_from_states(a, b, evidence),
    )


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
    """Whether it is the one whose states a follower took, which ran beside it."""
    facts = leader.facts
    same = facts.backend == follower.facts.backend
    name = facts.pipeline if same else f"{facts.pipeline}-{facts.backend}"
    return (follower.facts.follows, follower.host) == (name, leader.host)


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


def _key(cell: StoredCell, without: Sequence[str]) -> tuple[object, ...]:
    facts = msgspec.structs.asdict(cell.facts)
    return tuple(value for name, value in facts.items() if name not in without)
