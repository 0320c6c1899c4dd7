"""What two traces say beside the loss: the norms of every parameter's gradient and update, step by step."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from harness.trace import Floats, Number, StepLine, Trace

LOSS, GRAD, UPDATE = "loss", "grad:", "update:"
_FLOOR = 1e-3


@dataclass(frozen=True)
class Channels:
    """The channels that both traces have at some steps: `loss`, then `grad:NAME`, then `update:NAME`.

    Shapes: a, b, scale (steps, channels). Units: those of the loss, gradients and parameters.
    """

    steps: tuple[int, ...]
    names: tuple[str, ...]
    a: Floats = field(repr=False)
    b: Floats = field(repr=False)
    scale: Floats = field(repr=False)

    @property
    def relative(self) -> Floats:
        """|a - b| / scale, NaN where a side is not finite. Shapes: (steps, channels)."""
        with np.errstate(all="ignore"):
            difference = np.abs(self.a - self.b)
            return np.where(difference == 0, 0.0, difference / self.scale)


def shared_channels(a: Trace, b: Trace, steps: Sequence[int]) -> Channels:
    """The channels that both traces have at every one of the steps; the loss alone where they carry no norms.

    `scale` is the larger of the two sides. Norms have a floor of 1e-3 of all norms of their kind by the root of their
    number, since some gradients are exactly zero and only rounding is left of them.
    """
    kinds = [kind for kind in ("grad_norms", "update_norms") if _everywhere(a, b, steps, kind)]
    names, columns = [LOSS], [_loss(a, b, steps)]
    for kind in kinds:
        first = _norms(a, steps[0], kind)
        shared = [name for name in first if all(name in _norms(t, step, kind) for t in (a, b) for step in steps)]
        if not shared:
            continue
        if shared != [name for name in _norms(b, steps[0], kind) if name in shared]:
            shared.sort()  # neither side's order comes first
        sides = [np.array([[_float(_norms(t, step, kind)[name]) for name in shared] for step in steps]) for t in (a, b)]
        with np.errstate(all="ignore"):
            larger = np.maximum(*map(np.abs, sides))
            total = np.linalg.norm(larger, axis=1, keepdims=True)
            columns.append((*sides, np.maximum(larger, _FLOOR * total / np.sqrt(len(shared)))))
        names += [(GRAD if kind == "grad_norms" else UPDATE) + name for name in shared]
    left, right, scale = (np.concatenate([column[i] for column in columns], axis=1) for i in range(3))
    return Channels(tuple(steps), tuple(names), left, right, scale)


def _loss(a: Trace, b: Trace, steps: Sequence[int]) -> tuple[Floats, Floats, Floats]:
    at = np.array(steps, np.int64) - 1
    left, right = a.loss[at][:, None], b.loss[at][:, None]
    return left, right, np.maximum(np.abs(left), np.abs(right))


def _everywhere(a: Trace, b: Trace, steps: Sequence[int], kind: str) -> bool:
    return bool(steps) and all(
        step in t.lines and getattr(t.lines[step], kind) is not None for t in (a, b) for step in steps
    )


def _norms(trace: Trace, step: int, kind: str) -> dict[str, Number]:
    line: StepLine = trace.lines[step]
    norms: dict[str, Number] = getattr(line, kind)
    return norms


def _float(value: Number) -> float:
    return float(value)  # "NaN" and "Infinity" are numbers to Python too
