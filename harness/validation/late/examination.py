"""One late fault, or one whole right pair: the verdicts in lockstep and from traces alone."""

from dataclasses import dataclass
from functools import cache

import msgspec

from harness.run.inprocess import Phase2, Phase3
from harness.spec.run_config import DEFAULT_INIT_SEED
from harness.trace.recording import Recording
from harness.trace.segments import Segments
from harness.validation.late.fault import LateFault
from harness.validation.late.faults import LateCase
from harness.validation.late.networks import NETWORKS, make_feed
from harness.validation.late.runs import RIGHT, WholeRun, follow, run_free
from harness.validation.power.clean import OneThread, OtherCompiler
from harness.validation.power.double_scalars import DoubleScalars
from harness.validation.power.examination import Detection, detections
from harness.validation.power.fault import Pipeline
from harness.validation.power.pairs import LOSSES_ONLY, WITH_NORMS, losses_only
from harness.validation.rounding.long_runs import ulp_away
from harness.verdict.compare import Judging, compare
from harness.verdict.evidence import Beside, Lockstep
from harness.verdict.judge import Verdict
from harness.verdict.pair import judge_recordings

IN_LOCKSTEP = "lockstep"
LATE_DETECTORS = (IN_LOCKSTEP, WITH_NORMS, LOSSES_ONLY)


@dataclass(frozen=True)
class WholeVariation:
    """A difference between two whole right runs. `pairs`: how many of each of the `networks`.

    `sides`: the classes of the two. `backwards`: the second one is fed the rows of every batch in reverse order.
    `ulp`: it starts one unit in the last place away.
    """

    pairs: int
    sides: tuple[type[Phase2], type[Phase3]] = (Phase2, Phase3)
    networks: tuple[str, ...] = tuple(NETWORKS)
    backwards: bool = False
    ulp: bool = False


WHOLE_VARIATIONS = {
    "other seeds": WholeVariation(8),
    "other compiler": WholeVariation(4, (Phase2, OtherCompiler)),
    "double scalars": WholeVariation(4, (DoubleScalars, Phase3), networks=("mlp", "attention")),
    # Not where there is dropout, whose mask goes by the place in the batch.
    "batches summed backwards": WholeVariation(4, networks=("mlp", "cnn"), backwards=True),
    "one ulp away": WholeVariation(4, ulp=True),
    "IREE on one thread": WholeVariation(2, (Phase2, OneThread)),
}


@dataclass(frozen=True)
class WholePair:
    """Two whole right runs. `seed`: of their images and, from 42 on, of their initial parameters."""

    network: str
    variation: str
    seed: int

    @property
    def name(self) -> str:
        """For people, and as a key."""
        return f"{self.variation} | {self.network} | {self.seed}"


WHOLE_PAIRS = tuple(
    WholePair(network, name, seed)
    for network in NETWORKS
    for name, variation in WHOLE_VARIATIONS.items()
    if network in variation.networks
    for seed in range(variation.pairs)
)


class LateFinding(msgspec.Struct, frozen=True):
    """The result of a case or of a right pair. `detections`: by detector. `silent`: the fault changed nothing."""

    detections: dict[str, Detection]
    silent: bool = False


def examine_late(case: LateCase) -> LateFinding:
    """Inject the fault and judge the pair; phase 2 leads."""
    faults: dict[Pipeline, LateFault] = {"phase2": RIGHT, "phase3": RIGHT, case.side: case.fault}
    leader = _start(Phase2, case.network, fault=faults["phase2"])
    follower = _start(Phase3, case.network, fault=faults["phase3"])
    segments = follow(leader, follower)
    of_fault = leader if case.side == "phase2" else run_free(_start(Phase3, case.network, fault=case.fault))
    free = of_fault if case.side == "phase3" else _right(Phase3, case.network)
    original = _right(Phase2 if case.side == "phase2" else Phase3, case.network)
    silent = of_fault.state_sha256() == original.state_sha256() and _same(of_fault.recording(), original.recording())
    return LateFinding(detections(_judged(leader, free, follower, segments)), silent)


def examine_whole(pair: WholePair) -> LateFinding:
    """The verdict of each detector on a whole right pair."""
    variation = WHOLE_VARIATIONS[pair.variation]
    first, second = variation.sides
    leader = _start(first, pair.network, pair.seed)
    follower, free = (
        _start(second, pair.network, pair.seed, backwards=variation.backwards, ulp=variation.ulp) for _ in range(2)
    )
    segments = follow(leader, follower)
    return LateFinding(detections(_judged(leader, run_free(free), follower, segments)))


def _judged(leader: WholeRun, free: WholeRun, follower: WholeRun, segments: Segments) -> dict[str, Verdict]:
    """The verdict of each detector: on the leader, which runs free, and on the other side's free run."""
    a, b = leader.recording(), free.recording()
    lockstep = Lockstep(compare(a, follower.recording(), Judging(all_steps=True)), segments)
    rows = {
        IN_LOCKSTEP: judge_recordings(a, b, Judging(), beside=Beside(lockstep=lockstep)),
        WITH_NORMS: judge_recordings(a, b, Judging()),
        LOSSES_ONLY: judge_recordings(losses_only(a), losses_only(b), Judging()),
    }
    return {name: row.verdict for name, row in rows.items() if row.verdict is not None}


@cache
def _right(make: type[Phase2] | type[Phase3], network: str) -> WholeRun:
    return run_free(_start(make, network))


@cache
def _side(make: type[Phase2] | type[Phase3], network: str) -> Phase2 | Phase3:
    one = NETWORKS[network]
    return make(one.graph(), one.config, "f32")


def _start(
    make: type[Phase2] | type[Phase3],
    network: str,
    seed: int = 0,
    fault: LateFault = RIGHT,
    *,
    backwards: bool = False,
    ulp: bool = False,
) -> WholeRun:
    side, feed = _side(make, network), make_feed(network, seed, backwards)
    side.init_seed = DEFAULT_INIT_SEED + seed
    return WholeRun(side, feed, fault, ulp_away(side.initial(), seed) if ulp else side.initial())


def _same(a: Recording, b: Recording) -> bool:
    of_a, of_b = ([r.trace.loss.tobytes(), r.trace.lr.tobytes(), r.trace.lines, r.manifest] for r in (a, b))
    return of_a == of_b
