"""One injected fault on one side of one network: the verdict of each detector, and how much the fault moves."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import msgspec

from harness.run.inprocess import Side
from harness.spec.netspec import DType
from harness.spec.run_config import DEFAULT_INIT_SEED
from harness.validation.power.fault import SIDES, Fault, Pipeline
from harness.validation.power.faults import FAULTS, Case
from harness.validation.power.networks import draw_feed
from harness.validation.power.pairs import DTYPES, Run, in_both, is_same, update_error, verdicts
from harness.validation.power.right import right_labels, right_side
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

    return in_both(lambda dtype: _right(side, network, dtype), draw_feed(network), right_labels(network))


def _right(side: Pipeline, network: str, dtype: DType) -> Side:
    made = right_side(SIDES[side], network, dtype)
    made.init_seed = DEFAULT_INIT_SEED
    return made


def mutated(fault: Fault, side: Pipeline, network: str) -> dict[DType, Run]:
    """The side with the fault."""
    injection, right = fault.injections[side], draw_feed(network)
    stated = right if injection.right_digests else None

    def made(dtype: DType) -> Side:
        return _right(side, network, dtype) if injection.of_feed_only else fault.make(side, network, dtype)

    return in_both(made, injection.feed(right), right_labels(network), stated)


def examine(case: Case) -> PowerFinding:
    """Inject the fault and judge the pair, phase 2 first."""
    mutant, original = mutated(FAULTS[case.fault], case.side, case.network), clean(case.side, case.network)
    other: Pipeline = "phase3" if case.side == "phase2" else "phase2"
    both = {case.side: mutant, other: clean(other, case.network)}
    judged = verdicts(both["phase2"], both["phase3"])
    same = all(is_same(mutant[dtype], original[dtype]) for dtype in DTYPES)
    return PowerFinding(detections(judged), update_error(mutant["f64"], original["f64"]), same)


def detections(judged: dict[str, Verdict]) -> dict[str, Detection]:
    """The verdicts as they are kept, by detector."""
    return {name: Detection(v.status, _failed(v.evidence), v.fault, v.reason) for name, v in judged.items()}


def _failed(evidence: Sequence[Evidence]) -> tuple[str, ...]:
    return tuple(line.gate for line in evidence if line.outcome == "fail")
