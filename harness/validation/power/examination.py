"""One injected fault on one side of one network: the verdict of each detector, and how much the fault moves."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import msgspec

from harness.spec.netspec import DType
from harness.validation.power.fault import SIDES, Fault, Pipeline
from harness.validation.power.faults import FAULTS, Case
from harness.validation.power.networks import NETWORKS, draw_feed
from harness.validation.power.pairs import DTYPES, Run, envelope_of, in_both, is_same, update_error, verdicts
from harness.verdict.evidence import Evidence
from harness.verdict.judge import Verdict


@dataclass(frozen=True)
class Detection:
    """A detector's verdict on a pair. `gates`: those that failed, in order. `fault`: the class it names."""

    status: str
    gates: tuple[str, ...]
    fault: str | None
    reason: str


class PowerFinding(msgspec.Struct, frozen=True):
    """The result of a case. `detections`: by detector; JSON calls them `said`.

    `update_error`: of the first update, relative, in f64. `silent`: nothing changed at all.
    """

    detections: dict[str, Detection] = msgspec.field(name="said")
    update_error: float
    silent: bool


@cache
def clean(side: Pipeline, network: str) -> dict[DType, Run]:
    """The clean side of a network, in both precisions."""
    one = NETWORKS[network]
    return in_both(lambda dtype: SIDES[side](one.graph(), one.config, dtype), draw_feed(network))


def mutated(fault: Fault, side: Pipeline, network: str) -> dict[DType, Run]:
    """The side with the fault."""
    feed = fault.injections[side].feed(draw_feed(network))
    return in_both(lambda dtype: fault.make(side, network, dtype), feed)


def examine(case: Case) -> PowerFinding:
    """Inject the fault and judge the pair, phase 2 first."""
    mutant, original = mutated(FAULTS[case.fault], case.side, case.network), clean(case.side, case.network)
    other: Pipeline = "phase3" if case.side == "phase2" else "phase2"
    both = {case.side: mutant, other: clean(other, case.network)}
    judged = verdicts(both["phase2"], both["phase3"], envelope_of(case.network))
    same = all(is_same(mutant[dtype], original[dtype]) for dtype in DTYPES)
    return PowerFinding(detections(judged), update_error(mutant["f64"], original["f64"]), same)


def detections(judged: dict[str, Verdict]) -> dict[str, Detection]:
    """The verdicts as they are kept, by detector."""
    return {name: Detection(v.status, _failed(v.evidence), v.fault, v.reason) for name, v in judged.items()}


def _failed(evidence: Sequence[Evidence]) -> tuple[str, ...]:
    return tuple(line.gate for line in evidence if line.outcome == "fail")
