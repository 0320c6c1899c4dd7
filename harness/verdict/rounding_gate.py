"""Rounding: no loss, norm or projection of the first steps may be further apart than rounding brings right pairs."""

from collections.abc import Sequence

from harness.trace.spelling import usual_dtype
from harness.verdict.cause import PARTS, fault_of, listed
from harness.verdict.channels import GRAD, Channels, Part, kind_of, part_of, shared_channels
from harness.verdict.compare import Comparison
from harness.verdict.coverage import STEPS
from harness.verdict.equality import check_equal
from harness.verdict.evidence import Answer, PairFacts, failed, inconclusive, passed, unreached
from harness.verdict.f64_check import noise_in_f64
from harness.verdict.rounding.bounds import RoundingBounds, fitted_bounds
from harness.verdict.rounding.excess import (
    REACHED_FACTOR,
    Share,
    beyond,
    by_bounds,
    or_reached,
    shares,
)
from harness.verdict.rounding.measure import faint, measure
from harness.verdict.steps import loss_fault


def check_rounding(pair: PairFacts) -> Answer | None:
    """Every channel that both traces have, whatever the network and wherever it ran, with or without an envelope.

    An envelope of the run loosens a bound only where rounding was itself measured to do more. In mode bitwise every
    value of every step has to be equal.
    """
    comparison, numbers = pair.comparison, pair.comparison.numbers
    if numbers is None or numbers.compared == 0:
        return None
    if comparison.judging.mode.name == "bitwise":
        return check_equal(comparison, numbers.steps)
    bounds = fitted_bounds()
    dtypes = {usual_dtype(side.trace.header.dtype or "f32") for side in (comparison.a, comparison.b)}
    if dtypes != {"f32"}:
        return unreached(f"rounding was measured in f32, and the runs are in {' and '.join(sorted(dtypes))}.")
    steps = numbers.steps[numbers.steps <= bounds.steps].tolist()
    if not steps:
        return unreached(
            f"rounding was measured in the first {bounds.steps} steps, and not both sides have any of them."
        )
    channels = shared_channels(comparison.a.trace, comparison.b.trace, steps)
    factor = device_factor(comparison, bounds)
    measured = list(measure(channels, noise_in_f64(pair)))
    fitted = shares(measured, by_bounds(bounds, measured, _tensors(comparison, channels), factor))
    found = fitted if pair.envelope is None else list(or_reached(fitted, pair.envelope, channels))
    seen = "".join(f"; {what}" for what in (*channels.missing, *_left_out(channels), *_assumed(comparison)))
    device = f", times {factor:g} for devices that are no CPU" if factor > 1 else ""
    whose = f"what {bounds.source} reach, times {bounds.margin:g}{device}"
    if outside := beyond(found):
        first = min(outside, key=lambda share: (share.apart.step, PARTS.index(_part(share)), -share.share))
        where = f"{len(outside)} of {len(found)} figures of {_span(steps)} are beyond {whose}{seen}"
        part, step = _part(first), first.apart.step
        fault = loss_fault(comparison, step) if part == "loss" else fault_of(part, step)
        return failed(f"{_described(first)}; {where}.", _place(first), fault, {"at_step": step})
    closest = max(found, key=lambda share: share.share)
    line = f"{_span(steps)}: {_counted(channels)} within {whose}; closest to its bound: {_closest(closest)}"
    if further := beyond(fitted):
        measured_by = f"as far as was measured of this run ({REACHED_FACTOR:g} times its envelope)"
        line += f"; {len(further)} of {len(found)} figures are further, and no further than {measured_by}"
    if channels.unmatched:
        return inconclusive(f"{line}{seen}; only one side has {listed(channels.unmatched)}.")
    return passed(f"{line}{seen}.", {STEPS: float(len(steps))})


def device_factor(comparison: Comparison, bounds: RoundingBounds) -> float:
    """1 where both runs say that they are of a CPU."""
    backends = {side.trace.header.backend for side in (comparison.a, comparison.b)}
    return 1.0 if backends == {"cpu"} else bounds.device


def _tensors(comparison: Comparison, channels: Channels) -> int | None:
    """Tensors of the network, by a header that names them or by the norms of their gradients."""
    for side in (comparison.a, comparison.b):
        if side.trace.header.params:
            return len(side.trace.header.params)
    return sum(kind_of(name) == GRAD for name in channels.names) or None


def _left_out(channels: Channels) -> list[str]:
    """What the pair does not tell: tensors whose gradient is next to nothing beside the others at every step."""
    gradients = channels.of(GRAD)
    told = gradients.both & ~faint(gradients)
    untold = int((gradients.both.any(axis=0) & ~told.any(axis=0)).sum())
    return [f"{untold} of {len(gradients.names)} tensors not judged, their gradients are too small"] if untold else []


def _assumed(comparison: Comparison) -> list[str]:
    """What a log does not tell and these bounds depend on."""
    untold = any(not side.trace.header.tells("dtype") for side in (comparison.a, comparison.b))
    return ["a precision that is not told is taken for f32"] if untold else []


def _part(share: Share) -> Part:
    return part_of(share.apart.channel)


def _place(share: Share) -> str:
    step, part = share.apart.step, _part(share)
    _, _, tensor = share.apart.channel.partition(":")
    if tensor and share.statistic == "largest":
        return f"step {step}, {part} of {tensor}"
    return f"step {step}, {part}"


def _described(share: Share) -> str:
    apart, number = share.apart, share.apart.tensors
    words = {"loss": "the loss", "gradient": "gradients", "update": "updates"}.get(_part(share), _part(share))
    far = f"{share.relative:.1e}"
    bound = f"{share.allowed:.1e} allowed{' by what was measured of this run' if share.measured else ''}"
    if share.statistic == "largest":
        return f"{_place(share)} is {far} apart, {bound}"
    if share.statistic == "typical":
        return f"step {apart.step}: half of the {number} {words} are {far} apart or more, {bound}"
    return f"step {apart.step}: all {number} {words} are {far} apart or more, {bound} for the one that agrees best"


def _closest(share: Share) -> str:
    return f"{_place(share)}, {share.statistic} difference at {share.share:.1%}"


def _counted(channels: Channels) -> str:
    if len(channels.names) == 1:
        return "the loss is"
    tensors = sum(kind_of(name) == GRAD for name in channels.names)
    return (
        f"{len(channels.names)} channels of {tensors} tensors are" if tensors else f"{len(channels.names)} channels are"
    )


def _span(steps: Sequence[int]) -> str:
    if len(steps) == 1:
        return f"step {steps[0]}"
    span = f"steps {steps[0]} to {steps[-1]}"
    return span if steps[-1] - steps[0] < len(steps) else f"{len(steps)} of {span}"
