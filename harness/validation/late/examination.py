"""One late fault, or one whole right pair: the verdicts with all evidence, in lockstep and from traces alone."""

import msgspec

from harness.run.inprocess import Phase2, Phase3
from harness.trace.recording import Recording
from harness.validation.late.evidence import find_evidence, run_free, verdicts
from harness.validation.late.fault import LateFault
from harness.validation.late.faults import LateCase
from harness.validation.late.networks import NETWORKS
from harness.validation.late.runs import RIGHT, LateSide
from harness.validation.power.examination import Detection, detections
from harness.validation.power.fault import Pipeline
from harness.validation.variations import VARIATIONS, CleanPair, clean_pairs

# By variation, of each network that it suits.
WHOLE_NUMBERS = {
    "other seeds": 8,
    "other compiler": 4,
    "double scalars": 4,
    "batches summed backwards": 4,
    "one ulp away": 4,
    "IREE on one thread": 2,
}
WHOLE_PAIRS = clean_pairs(NETWORKS, WHOLE_NUMBERS)


class LateFinding(msgspec.Struct, frozen=True):
    """The result of a case or of a right pair. `detections`: by detector. `silent`: the fault changed nothing."""

    detections: dict[str, Detection]
    silent: bool = False


def examine_late(case: LateCase) -> LateFinding:
    """Inject the fault and judge the pair; phase 2 leads."""
    faults: dict[Pipeline, LateFault] = {"phase2": RIGHT, "phase3": RIGHT, case.side: case.fault}
    leading = LateSide(Phase2, case.network, fault=faults["phase2"])
    other = LateSide(Phase3, case.network, fault=faults["phase3"])
    evidence = find_evidence(leading, other)
    of_fault = evidence.leader if case.side == "phase2" else evidence.free
    original = run_free(LateSide(Phase2 if case.side == "phase2" else Phase3, case.network))
    silent = of_fault.state_sha256() == original.state_sha256() and _same(of_fault.tested(), original.tested())
    return LateFinding(detections(verdicts(evidence)), silent)


def examine_whole(pair: CleanPair) -> LateFinding:
    """The verdict of each detector on a whole right pair."""
    variation = VARIATIONS[pair.variation]
    first, second = variation.sides
    leading = LateSide(first, pair.network, pair.seed)
    other = LateSide(second, pair.network, pair.seed, backwards=variation.backwards, ulp=variation.ulp)
    return LateFinding(detections(verdicts(find_evidence(leading, other))))


def _same(a: Recording, b: Recording) -> bool:
    of_a, of_b = ([r.trace.loss.tobytes(), r.trace.lr.tobytes(), r.trace.lines, r.manifest] for r in (a, b))
    return of_a == of_b
