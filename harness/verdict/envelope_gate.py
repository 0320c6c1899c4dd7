"""The envelope: no channel of the first steps may be further apart than rounding alone can bring it."""

import numpy as np

from harness.trace.format import Floats
from harness.verdict.cause import first_cause, listed
from harness.verdict.channels import LOSS, Channels, shared_channels
from harness.verdict.compare import Comparison
from harness.verdict.envelope.envelope import Envelope
from harness.verdict.envelope.margin import DEFAULT_RATE, Margin
from harness.verdict.envelope.offer import offer_envelope
from harness.verdict.evidence import Answer, PairFacts, failed, inconclusive, passed, unreached
from harness.verdict.rounding.bounds import fitted_bounds
from harness.verdict.rounding_gate import device_factor


def check_envelope(pair: PairFacts, margin: Margin | None = None) -> Answer | None:
    """Every channel that both traces have, at every step that the envelope judges. `margin`: other than the fitted one.

    It was measured on a CPU, and so was its margin: what is not known to be of CPUs is allowed as much more as rounding
    in general is there.
    """
    comparison, envelope, numbers = pair.comparison, pair.envelope, pair.comparison.numbers
    if numbers is None or numbers.compared == 0:
        return None
    if envelope is None:
        return unreached(offer_envelope(comparison))
    if numbers.unbroken == 0:
        return unreached("an envelope judges steps from the first on, which not both sides have.")
    channels, columns, allowed = allowed_by(envelope, comparison, numbers.unbroken, pair.false_positive_rate, margin)
    steps = len(channels.steps)
    relative = channels.relative
    beyond = ~(relative <= allowed)
    seen = "".join(f"; {what}" for what in (*channels.missing, *_unknown(envelope, comparison)))
    factor = device_factor(comparison, fitted_bounds())
    elsewhere = f", times {factor:g} for devices that are no CPU" if factor > 1 else ""
    whose = f"envelope of {envelope.netspec_name} ({envelope.members} members, {_horizon(envelope)}{elsewhere})"
    span = f"steps 1 to {steps}" if steps > 1 else "step 1"
    cause = first_cause(channels, beyond, {})
    row, column = np.unravel_index(np.argmax(np.where(np.isnan(relative), np.inf, relative / allowed)), relative.shape)
    if cause is not None:
        at = channels.steps.index(cause.step), channels.names.index(cause.channel)
        far = f"{cause.place} is {cause.relative:.1e} apart, rounding alone allows {allowed[at]:.1e}"
        line = f"{far}; {int(beyond.sum())} of {beyond.size} values of {span} are outside the {whose}{seen}."
        return failed(line, cause.place, cause.fault)
    at_most = f"{relative[row, column] / allowed[row, column]:.1%} of what is allowed"
    closest = f"{channels.names[column]} at step {channels.steps[row]}, at {at_most}"
    what = f"{len(columns)} channels" if len(columns) > 1 else "the loss"
    line = f"{span}: {what} inside the {whose}; closest to the bound: {closest}{seen}"
    if channels.unmatched:
        return inconclusive(f"{line}; only one side has {listed(channels.unmatched)}.")
    return passed(f"{line}.")


def allowed_by(
    envelope: Envelope,
    comparison: Comparison,
    compared: int,
    false_positive_rate: float = DEFAULT_RATE,
    margin: Margin | None = None,
) -> tuple[Channels, list[int], Floats]:
    """The channels of a pair at the steps that its envelope judges, their columns in it, and what it allows them.

    A channel that it does not know may be any distance apart, and what no CPU is known to have run may be further apart
    by the factor for other devices. `compared`: steps of the pair from the first on, at least one.

    Shapes: the allowance (steps, channels), a fraction of `Channels.scale`.
    """
    steps = min(envelope.judged, compared)
    channels = shared_channels(comparison.a.trace, comparison.b.trace, range(1, steps + 1))
    columns = [envelope.channels.index(name) for name in channels.names if name in envelope.channels]
    known = [name in envelope.channels for name in channels.names]
    allowance = envelope.allowance(false_positive_rate, steps * len(columns), margin)
    allowed = np.full(channels.scale.shape, np.inf)
    allowed[:, known] = device_factor(comparison, fitted_bounds()) * allowance[:steps, columns]
    loss = channels.names.index(LOSS)
    with np.errstate(all="ignore"):
        allowed[:, loss] += comparison.resolution / channels.scale[:, loss]
    return channels, columns, allowed


def _horizon(envelope: Envelope) -> str:
    if envelope.horizon is None:
        return "no horizon"
    return f"horizon {envelope.horizon}" if envelope.observed else f"horizon about {envelope.horizon}"


def _unknown(envelope: Envelope, comparison: Comparison) -> list[str]:
    keys = envelope.unknown_keys(comparison.a.trace.header, comparison.b.trace.header)
    return [f"config keys that the envelope does not know: {listed(keys)}"] if keys else []
