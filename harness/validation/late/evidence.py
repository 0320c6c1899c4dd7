"""The evidence that `verify` has of a pair, as far as a late fault can show in it, and the verdicts by it.

Left out are the runs that end before a late fault begins: the first four steps in f64, and the step from a stressed
start.
"""

from dataclasses import dataclass
from functools import lru_cache

from harness.run.sampling import sample_parts, whole_segments
from harness.spec.run_config import DEFAULT_STATES, SEGMENT_STEPS
from harness.trace.evaluations import evaluate
from harness.trace.recording import Recording
from harness.validation.late.networks import STEPS, STEPS_PER_EPOCH
from harness.validation.late.runs import LateRun, LateSide, follow
from harness.validation.near import NearRun
from harness.validation.power.pairs import LOSSES_ONLY, VERIFY, WITH_NORMS, losses_only
from harness.verdict.compare import Comparison, Judging, compare, compare_parts
from harness.verdict.evidence import Beside, FromStates, Lockstep
from harness.verdict.judge import Verdict
from harness.verdict.pair import judge_recordings

IN_LOCKSTEP = "lockstep"
LATE_DETECTORS = (VERIFY, IN_LOCKSTEP, WITH_NORMS, LOSSES_ONLY)
PARTS = sample_parts(STEPS, STEPS, STEPS_PER_EPOCH, SEGMENT_STEPS, DEFAULT_STATES)
SEGMENTS = whole_segments(PARTS, SEGMENT_STEPS, STEPS)


@dataclass(frozen=True)
class LateEvidence:
    """The runs of a pair. `leader`, `free`: its two sides, each by itself."""

    leader: LateRun
    free: LateRun
    lockstep: Lockstep
    in_wide: Comparison
    from_states: FromStates

    @property
    def beside(self) -> Beside:
        """All but the free run."""
        return Beside(lockstep=self.lockstep, in_wide=self.in_wide, from_states=self.from_states)


def find_evidence(leading: LateSide, other: LateSide) -> LateEvidence:
    """Run a pair as `verify` runs it; the first side leads, and the runs in f64 begin at its states."""
    leader, follower, again = leading.begin(), other.begin(), leading.begin()
    near = NearRun(again.training, again.take, "phase2", SEGMENTS)
    segments, states = follow(leader, follower, near, [part.first for part in PARTS])
    comparison = compare(leader.tested(), follower.tested(), Judging(all_steps=True))
    (a, by_a), (b, by_b) = (side.run_parts(PARTS, states) for side in (leading, other))
    evaluated = [one for step in by_a if (one := evaluate(step, by_a[step], by_b[step])) is not None]
    return LateEvidence(
        leader,
        run_free(other),
        Lockstep(comparison, segments, near.result(leader.recording.trace)),
        compare(_wide(leading), _wide(other)),
        FromStates(compare_parts(a, b), evaluated),
    )


def verdicts(evidence: LateEvidence) -> dict[str, Verdict]:
    """The verdict of each detector."""
    a, b = evidence.leader.tested(), evidence.free.tested()
    rows = {
        VERIFY: judge_recordings(a, b, Judging(), beside=evidence.beside),
        IN_LOCKSTEP: judge_recordings(a, b, Judging(), beside=Beside(lockstep=evidence.lockstep)),
        WITH_NORMS: judge_recordings(a, b, Judging()),
        LOSSES_ONLY: judge_recordings(losses_only(a), losses_only(b), Judging()),
    }
    return {name: row.verdict for name, row in rows.items() if row.verdict is not None}


# Right sides of a network come again and again, and a faulty one twice.
@lru_cache(maxsize=4)
def run_free(side: LateSide) -> LateRun:
    """The side's whole run by itself."""
    return side.run_free()


@lru_cache(maxsize=4)
def _wide(side: LateSide) -> Recording:
    return side.run_wide()
