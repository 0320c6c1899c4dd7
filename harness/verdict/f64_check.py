"""The f64 cross-check: f64 rounds 2^29 times as finely as f32; a difference that does not shrink is no rounding."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.spec.run_config import F64_STEPS
from harness.trace.format import Floats, Trace
from harness.verdict.cause import Cause, first_cause, listed
from harness.verdict.channels import (
    GRAD,
    GRAD_PROJECTION,
    LOSS,
    PARAM,
    UPDATE,
    UPDATE_PROJECTION,
    Bools,
    Channels,
    kind_of,
    shared_channels,
    tensor_of,
)
from harness.verdict.compare import Comparison
from harness.verdict.coverage import STEPS
from harness.verdict.evidence import Answer, NoPart, PairFacts, failed, inconclusive, passed, unreached
from harness.verdict.likeness import check_evidence, faults
from harness.verdict.rounding.measure import faint

# Clean pairs of fourteen networks and 48 small ones are at most 8.5e-11 apart in any gradient's norm, relatively.
SAME = 1e-9
_ALONG_NOISE = 0.1
_PER_DRIFT = 100.0  # a network's own gain: what of a parameter's change shows in a gradient
# Adam's first step is g / (|g| + 1e-8), steep where an element of the gradient is as small as that. Gradients whose
# elements are of size s and apart by a share e of it move such a tensor apart by about e * sqrt(s / 3e-8), some
# hundreds of e; a right CNN of PyTorch, whose gradients are 1.2e-12 apart in f64, has been seen to reach 2,700.
_STEEPEST = 1e4


def check_f64(pair: PairFacts, kinds: Sequence[str] = ()) -> Answer:
    """In f64 every loss, gradient norm and update norm of the first steps must be equal but for f64's own rounding.

    `kinds`: of the channels that are looked at; all unless given.
    """
    if pair.beside.in_f64 is None:
        return unreached("the pair was not run in f64.")
    if isinstance(pair.beside.in_f64, NoPart):
        return unreached(f"{pair.beside.in_f64}.")
    if isinstance(pair.beside.in_f64, str):
        return inconclusive(f"the pair in f64 is missing: {pair.beside.in_f64}.")
    f64 = pair.beside.in_f64
    if (unlike := check_evidence(f64, "in f64")) is not None:
        return unlike
    steps = min(F64_STEPS, 0 if f64.numbers is None else f64.numbers.unbroken)
    problems = faults("A", f64.a) + faults("B", f64.b)
    if problems or steps == 0:
        return inconclusive(f"the pair in f64: {'; '.join(problems) or 'no step to compare'}.")
    in_f64 = compare_in_f64(f64.a.trace, f64.b.trace, range(1, steps + 1), kinds)
    channels, cause = in_f64.channels, in_f64.cause
    numbers = _measure(pair.comparison, channels, steps)
    if f64 is pair.comparison:
        numbers |= {STEPS: float(steps)}
    line = "; ".join([_describe(numbers, steps), *channels.missing])
    if cause is None and channels.unmatched:
        line += f"; only one side has {listed(channels.unmatched)}"
        return inconclusive(f"{line}.", numbers)
    if cause is None and steps == 1 and len(channels.names) == 1:
        return unreached(f"{line}; a loss alone does not see backward pass and optimizer.")
    if cause is None:
        line += f"; of {len(channels.names)} channels the furthest is {in_f64.furthest.words}"
        return passed(f"{line}.", numbers)
    return failed(f"{line}; {in_f64.differs}.", cause.place, cause.fault, numbers)


@dataclass(frozen=True)
class Furthest:
    """The value that is closest to what is allowed, or furthest beyond it."""

    channel: str
    step: int
    relative: float
    allowed: float

    @property
    def words(self) -> str:
        """For people: `grad:dense1.w of step 3, by 1.2e-13, 1e-09 allowed`."""
        return f"{self.channel} of step {self.step}, by {self.relative:.1e}, {self.allowed:.0e} allowed"


@dataclass(frozen=True)
class StepsInF64:
    """Steps of a pair in f64. `cause`: the first channel that differs by more than f64's own rounding, if any does.

    Shapes: allowed (steps, channels).
    """

    channels: Channels
    cause: Cause | None
    furthest: Furthest
    allowed: Floats

    @property
    def differs(self) -> str:
        """The cause for people; there has to be one."""
        cause = self.cause
        assert cause is not None, "nothing differs"
        allowed = self.allowed[self.channels.steps.index(cause.step), self.channels.names.index(cause.channel)]
        return f"{cause.place} differs by {cause.relative:.1e} in f64, {allowed:.0e} allowed: no rounding does that"


def compare_in_f64(a: Trace, b: Trace, steps: Sequence[int], kinds: Sequence[str] = ()) -> StepsInF64:
    """The channels of consecutive steps of both sides, that begin alike. `kinds`: of channels; all unless given."""
    channels = shared_channels(a, b, steps)
    channels = channels.of(*kinds) if kinds else channels
    # An update along a gradient that is nothing but rounding is noise over noise: of any size below the floor, but not
    # of a size that shows.
    tiny = np.maximum(np.abs(channels.a), np.abs(channels.b)) < channels.scale
    # A gradient that is zero but for rounding has the rounding of all others.
    channels = replace(channels, scale=np.maximum(channels.scale, channels.rms))
    relative = channels.relative
    along_noise = faint(channels, SAME)
    allowed = _allowed_by_step(channels, along_noise) + _STEEPEST * _gradients_apart(channels, relative)
    allowed = np.where(along_noise, np.where(tiny, 1.0, _ALONG_NOISE), allowed)
    rates = dict(zip(steps, (a.lr[a.rows(steps)] == b.lr[b.rows(steps)]).tolist(), strict=True))
    row, column = np.unravel_index(np.argmax(relative / allowed), relative.shape)
    furthest = Furthest(
        channels.names[column], channels.steps[row], float(relative[row, column]), float(allowed[row, column])
    )
    return StepsInF64(channels, first_cause(channels, ~(relative <= allowed), rates), furthest, allowed)


def _allowed_by_step(channels: Channels, along_noise: Bools) -> Floats:
    """What two steps may differ by: what noise has moved parameters apart by until then, and f64's own rounding.

    Adam divides a gradient that is nothing but rounding by its own size and 1e-8; where the parameter that it moves
    matters, as behind a layer norm of constant rows, the next steps are of two networks.

    Shapes: along_noise (steps, channels), the result (steps, 1).
    """
    moves = [i for i, name in enumerate(channels.names) if kind_of(name) in (UPDATE, UPDATE_PROJECTION)]
    norms = [i for i, name in enumerate(channels.names) if kind_of(name) == PARAM]
    if not moves or not norms:
        return np.full((len(channels.steps), 1), SAME)
    apart = np.where(along_noise, np.abs(channels.a - channels.b), 0.0)[:, moves].max(axis=1)
    size = channels.rms[:, norms].max(axis=1)
    drift = np.cumsum(np.divide(apart, size, out=np.zeros_like(apart), where=size > 0))
    return SAME + _PER_DRIFT * np.append(0.0, drift[:-1])[:, None]


def _gradients_apart(channels: Channels, relative: Floats) -> Floats:
    """For each channel of an update, by how much the gradient of its tensor differs; 0 for all others.

    Shapes: relative and the result (steps, channels).
    """
    apart = np.zeros_like(relative)
    by_tensor = {
        tensor: relative[
            :, [i for i, name in enumerate(channels.names) if name in (GRAD + tensor, GRAD_PROJECTION + tensor)]
        ]
        for tensor in {tensor_of(name) for name in channels.names if kind_of(name) in (UPDATE, UPDATE_PROJECTION)}
    }
    for column, name in enumerate(channels.names):
        if kind_of(name) in (UPDATE, UPDATE_PROJECTION) and (of := by_tensor[tensor_of(name)]).size:
            apart[:, column] = of.max(axis=1)
    return apart


def noise_in_f64(pair: PairFacts) -> frozenset[str]:
    """Tensors whose gradient is zero but for rounding in every step of the pair in f64; none where it was not run."""
    f64 = pair.beside.in_f64
    if not isinstance(f64, Comparison) or f64.numbers is None or not f64.numbers.unbroken:
        return frozenset()
    return noise_in(f64, range(1, min(F64_STEPS, f64.numbers.unbroken) + 1))


def noise_in(f64: Comparison, steps: Sequence[int]) -> frozenset[str]:
    """Tensors whose gradient is zero but for the rounding of f64 in each of the steps."""
    channels = shared_channels(f64.a.trace, f64.b.trace, steps).of(GRAD)
    low = np.maximum(np.abs(channels.a), np.abs(channels.b)) < SAME * channels.rms
    return frozenset(
        tensor_of(name) for name, always in zip(channels.names, np.atleast_1d(low.all(axis=0)), strict=True) if always
    )


def _measure(pair: Comparison, channels: Channels, steps: int) -> dict[str, float]:
    """The largest difference of the losses in f32 and in f64, and their ratio where it is a number. Units: nats."""
    column = channels.names.index(LOSS)
    measured = {"f64_steps": float(steps), "delta_f64": float(np.max(np.abs(channels.a - channels.b)[:, column]))}
    if pair.numbers is not None and pair.a.trace.header.dtype not in ("f64", "wide") and pair.numbers.compared:
        coarse, fine = float(np.max(pair.numbers.delta[:steps])), measured["delta_f64"]
        measured["delta_f32"] = coarse
        if 0 < fine < math.inf and 0 < coarse < math.inf:
            measured["log2_ratio"] = math.log2(coarse) - math.log2(fine)
    return measured


def _describe(measured: Mapping[str, float], steps: int) -> str:
    """`steps 1-3: losses 5.4e-04 apart in f32 and 6.6e-14 in f64, a ratio of 2^33`"""
    span = f"steps 1-{steps}" if steps > 1 else "step 1"
    apart = f"{measured['delta_f64']:.1e}"
    if "delta_f32" not in measured:
        return f"{span}: losses {apart} apart in f64"
    ratio = f", a ratio of 2^{round(measured['log2_ratio'])}" if "log2_ratio" in measured else ""
    return f"{span}: losses {measured['delta_f32']:.1e} apart in f32 and {apart} in f64{ratio}"
