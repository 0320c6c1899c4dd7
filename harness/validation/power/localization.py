"""The place that `explain` gives an injected fault: layer, direction and side, beside a clean other side."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from harness.explain.locate.experiment import Experiment
from harness.explain.locate.location import Location, locate
from harness.explain.locate.side_under_test import SideUnderTest
from harness.run.inprocess import Batch
from harness.validation.power.fault import Fault, Pipeline
from harness.validation.power.faults import CASES, FAULTS, Case
from harness.validation.power.networks import NETWORKS, Feed, draw_feed


@dataclass(frozen=True)
class Localization:
    """The finding of `explain` on a case. `called_right`, `layer_right`, `side_right`: those of the fault."""

    fault: str | None
    layer: str
    direction: str
    side: str
    evidence: str
    called_right: bool
    layer_right: bool
    side_right: bool


# Each fault on one network. A fault in what a header states is settled by the contract, one of batches that are spoilt
# after their digests were taken is in no program, and one of the test after training in no training step.
CHOSEN = tuple(
    case
    for case in CASES
    if case.network == next(iter(FAULTS[case.fault].where))
    and FAULTS[case.fault].called != "contract"
    and FAULTS[case.fault].kind not in ("evaluation", "running statistics")
    and not FAULTS[case.fault].silent
    and not FAULTS[case.fault].injections[case.side].right_digests
)


def place(case: Case) -> Localization:
    """Locate the fault, the correct side first."""
    fault = FAULTS[case.fault]
    other: Pipeline = "phase3" if case.side == "phase2" else "phase2"
    found = locate(_right(other, case.network), _wrong(fault, case.side, case.network))
    return _placed(found, fault, case)


def _placed(found: Location, fault: Fault, case: Case) -> Localization:
    return Localization(
        found.fault,
        found.layer,
        found.direction,
        found.side,
        found.evidence[-1] if found.evidence else "",
        found.fault == fault.called,
        found.layer in fault.culprits(case.network),
        found.side == case.side,
    )


@cache
def _experiment(network: str) -> Experiment:
    one, feed = NETWORKS[network], draw_feed(network)
    return Experiment(one.graph(), one.config, _batches(feed), feed.steps_per_epoch)


@cache
def _right(pipeline: Pipeline, network: str) -> SideUnderTest:
    return SideUnderTest(pipeline, _experiment(network))


def _wrong(fault: Fault, pipeline: Pipeline, network: str) -> SideUnderTest:
    """A side whose rules, settings or feed are wrong."""
    injection, experiment = fault.injections[pipeline], _experiment(network)
    feed = injection.feed(draw_feed(network))
    wrong = SideUnderTest(
        pipeline,
        replace(experiment, config=injection.config(experiment.config)),
        conventions=injection.conventions,
        batches=_batches(feed),
        rules=fault.rules(pipeline, network),
    )
    for program in wrong.programs.values():
        injection.made(program)
    wrong.rates = [float(rate) for rate in feed.rates(wrong.programs["f64"])]
    return wrong


def _batches(feed: Feed) -> Sequence[Batch]:
    """One a step, in f32."""
    pairs = zip(feed.image_rows, feed.label_rows, strict=True)
    return [Batch(feed.images[rows], feed.labels[named]) for rows, named in pairs]
