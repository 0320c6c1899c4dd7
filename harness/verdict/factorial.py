"""The difference of two pipelines, split between derivation and compiler: a 2x2 factorial of four runs.

With L[d][c] a channel (the loss, a norm) at a step, of derivation d and compiler c, half the difference between
    the derivations   is ((L10 - L00) + (L11 - L01)) / 2,
    the compilers     is ((L01 - L00) + (L11 - L10)) / 2, and what neither explains alone,
    the interaction,  is ((L11 - L01) - (L10 - L00)) / 2.
Their squares, each relative to the channel's size, add up to all that the runs differ by.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.trace.format import Floats, Trace
from harness.verdict.channels import GRAD, LOSS, UPDATE, shared_channels
from harness.verdict.tolerance import Mode, first_false, is_close

_STEPS = 3  # the forward pass; backward pass and optimizer; the optimizer's state
_LOOKED_AT = 8  # steps that carry norms
_ALONE = 0.1  # of all squares: what is left without a run that is alone
_SHOWN = 0.01  # of the whole: an interaction below it is not mentioned


@dataclass(frozen=True)
class Shares:
    """The causes of a difference as fractions of one, and its size: the largest relative one, and where that is.

    `alone`: the one run that differs, when the other three are together; derivation, compiler and interaction are a
    third each then.
    """

    derivation: float
    compiler: float
    interaction: float
    largest: float
    channel: str
    step: int
    alone: str | None = None

    def __str__(self) -> str:
        named = [("compiler", self.compiler), ("derivation", self.derivation), ("interaction", self.interaction)]
        shown = [part for part in named if part[0] != "interaction" or part[1] > _SHOWN]
        return ", ".join(f"{100 * x:.0f} % {name}" for name, x in sorted(shown, key=lambda part: -part[1]))


@dataclass(frozen=True)
class Factorial:
    """The four runs of a backend, split: `shares` of the first `steps` steps together, `by_step` of each that differs.

    `detour`: where a control is alone, the shares between the pipelines on the way over the other control.
    `missing`: why nothing could be computed. Without shares and this, the runs agree bitwise.
    """

    backend: str
    steps: int = 0
    channels: tuple[str, ...] = ()
    shares: Shares | None = None
    by_step: tuple[Shares, ...] = ()
    detour: Shares | None = None
    missing: str | None = None

    @property
    def line(self) -> str:
        """The result in one sentence, with what it was computed from."""
        if self.missing is not None:
            return f"incomplete: {self.missing}"
        norms = len(self.channels) - 1
        steps = f"steps 1 to {self.steps}" if self.steps > 1 else "step 1"
        source = f"{steps}, loss{f' and {norms} norms' if norms else ''}"
        if self.shares is None:
            return f"the four runs agree bitwise ({source})."
        alone = f"; {self.shares.alone} alone differs from the other three" if self.shares.alone else ""
        if self.detour is not None:
            alone += f", which are apart by {self.detour.largest:.1e}: {self.detour}"
        worst = f"the largest is {self.shares.largest:.1e} of {self.shares.channel} at step {self.shares.step}"
        return f"the differences are {self.shares} ({source}; {worst}){alone}."


def split_factorial(backend: str, runs: Mapping[str, Trace], judged: int, mode: Mode) -> Factorial:
    """Split what four runs differ by. `runs`: first one derivation on both compilers, then the other on the same.

    It is computed from the three steps from the first one that differs: later ones show how a training run amplifies
    rounding. When a loss of the `judged` steps is beyond the mode's tolerance, the steps go up to that one.
    """
    names, traces = list(runs), list(runs.values())
    judged = min(judged, *(trace.steps for trace in traces))
    if judged == 0:
        return Factorial(backend, missing="there is no step to compare.")
    channels, values, scale = _channels(traces, min(judged, _LOOKED_AT))
    losses = np.array([trace.loss[:judged] for trace in traces])
    beyond = first_false(is_close(losses.max(axis=0), losses.min(axis=0), mode.atol, mode.rtol))
    differs = first_false((_apart(values, scale) == 0).all(axis=1))
    steps = min(judged, max(beyond or 0, (differs or judged) + _STEPS - 1))
    channels, values, scale = _channels(traces, steps)
    if not np.isfinite(values).all():
        run, step, channel = np.argwhere(~np.isfinite(values))[0]
        line = f"{channels[channel]} of {names[run]} is not finite at step {step + 1}."
        return Factorial(backend, steps, missing=line)
    shares = split(values, scale, channels, names)
    by_step = [split(values[:, [step]], scale[[step]], channels, names, step + 1) for step in range(steps)]
    detour = None
    if shares is not None and shares.alone in names[1:3]:
        odd = names.index(shares.alone)
        values[odd] = values[0] + (values[3] - values[3 - odd])  # where it would show no interaction
        detour = split(values, scale, channels, names)
    return Factorial(backend, steps, channels, shares, tuple(filter(None, by_step)), detour)


def split(
    values: Floats, scale: Floats, channels: Sequence[str], runs: Sequence[str], first_step: int = 1
) -> Shares | None:
    """The shares of what the runs differ by; None when they are equal.

    Shapes: values (4, steps, channels), runs in the order L00, L01, L10, L11; scale (steps, channels), positive.
    """
    apart = _apart(values, scale)
    if not apart.any():
        return None
    l00, l01, l10, l11 = values
    # Differences of neighbours first: those are exact.
    effects = ((l10 - l00) + (l11 - l01), (l01 - l00) + (l11 - l10), (l11 - l01) - (l10 - l00))
    derivation, compiler, interaction = (float(np.sum(_relative(effect, scale) ** 2)) for effect in effects)
    whole = derivation + compiler + interaction
    step, channel = (int(i) for i in np.unravel_index(np.argmax(apart), apart.shape))
    return Shares(
        derivation / whole,
        compiler / whole,
        interaction / whole,
        float(apart[step, channel]),
        channels[channel],
        first_step + step,
        _alone(values, scale, runs),
    )


def _channels(traces: Sequence[Trace], steps: int) -> tuple[tuple[str, ...], Floats, Floats]:
    """The channels that all four have. Shapes: values (4, steps, channels), scale (steps, channels)."""
    pairs = [shared_channels(a, b, range(1, steps + 1)).of(LOSS, GRAD, UPDATE) for a, b in (traces[:2], traces[2:])]
    names = tuple(name for name in pairs[0].names if name in pairs[1].names)
    at = [[pair.names.index(name) for name in names] for pair in pairs]
    values = [side[:, columns] for pair, columns in zip(pairs, at, strict=True) for side in (pair.a, pair.b)]
    scales = [pair.scale[:, columns] for pair, columns in zip(pairs, at, strict=True)]
    return names, np.array(values), np.maximum(*scales)


def _apart(values: Floats, scale: Floats) -> Floats:
    """The largest difference of two runs, relative to the channel. Shapes: (steps, channels)."""
    return _relative(values.max(axis=0) - values.min(axis=0), scale)


def _relative(difference: Floats, scale: Floats) -> Floats:
    """difference / scale, 0 where both are: a channel may be zero in every run."""
    relative: Floats = np.divide(difference, scale, where=difference != 0, out=np.zeros_like(difference))
    return relative


def _alone(values: Floats, scale: Floats, runs: Sequence[str]) -> str | None:
    def spread(some: Floats) -> float:
        return float(np.sum(_relative(some - some.mean(axis=0), scale) ** 2))

    without = [spread(np.delete(values, run, axis=0)) for run in range(len(runs))]
    least = int(np.argmin(without))
    return runs[least] if without[least] < _ALONE * spread(values) else None
