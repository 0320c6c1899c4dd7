"""The channels of two traces: loss, and the norms of every parameter's gradient and update, step by step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from harness.trace.format import Floats, Number, Trace

LOSS, GRAD, UPDATE = "loss", "grad:", "update:"
_FLOOR = 1e-3
_KINDS = {"grad_norms": GRAD, "update_norms": UPDATE}
_WORDS = {GRAD: "norms of gradients", UPDATE: "norms of updates"}
Norms = Mapping[str, Number]


@dataclass(frozen=True)
class Channels:
    """The channels of two traces at some steps: `loss`, then `grad:NAME`, then `update:NAME`.

    Where a side lacks a norm at a step there is nothing to compare, and both are 0. `missing`: what that is, in words.
    `unmatched`: norms of parameters that one side has at a step and the other, which has others there, lacks.

    Shapes: a, b, scale (steps, channels). Units: those of the loss, gradients and parameters.
    """

    steps: tuple[int, ...]
    names: tuple[str, ...]
    a: Floats = field(repr=False)
    b: Floats = field(repr=False)
    scale: Floats = field(repr=False)
    missing: tuple[str, ...] = ()
    unmatched: tuple[str, ...] = ()

    @property
    def relative(self) -> Floats:
        """|a - b| / scale, NaN where a side is not finite. Shapes: (steps, channels)."""
        with np.errstate(all="ignore"):
            difference = np.abs(self.a - self.b)
            return np.where(difference == 0, 0.0, difference / self.scale)


def shared_channels(a: Trace, b: Trace, steps: Sequence[int]) -> Channels:
    """The channels that both traces have at the steps; only the loss where they carry no norms.

    `scale` is the larger of the two sides. Norms have a floor of 1e-3 of all norms of their kind by the root of their
    number, since some gradients are exactly zero and only rounding is left of them.
    """
    names, columns = [LOSS], [_loss(a, b, steps)]
    missing: list[str] = []
    unmatched: list[str] = []
    for kind, prefix in _KINDS.items():
        left, right = ([_norms(t, step, kind) for step in steps] for t in (a, b))
        missing += _missing(prefix, steps, left, right)
        unmatched += _unmatched(prefix, steps, left, right)
        shared = _in_order(left, right)
        if not shared:
            continue
        sides = _columns(shared, left, right), _columns(shared, right, left)
        with np.errstate(all="ignore"):
            larger = np.maximum(*map(np.abs, sides))
            largest = np.maximum(larger.max(axis=1, keepdims=True), np.finfo(np.float64).tiny)
            total = largest * np.linalg.norm(larger / largest, axis=1, keepdims=True)
            columns.append((*sides, np.maximum(larger, _FLOOR * total / np.sqrt(len(shared)))))
        names += [prefix + name for name in shared]
    of_a, of_b, scale = (np.concatenate([column[i] for column in columns], axis=1) for i in range(3))
    return Channels(tuple(steps), tuple(names), of_a, of_b, scale, tuple(missing), tuple(unmatched))


def _loss(a: Trace, b: Trace, steps: Sequence[int]) -> tuple[Floats, Floats, Floats]:
    at = np.array(steps, np.int64) - 1
    left, right = a.loss[at][:, None], b.loss[at][:, None]
    return left, right, np.maximum(np.abs(left), np.abs(right))


def _norms(trace: Trace, step: int, kind: str) -> Norms:
    return getattr(trace.lines[step], kind) or {} if step in trace.lines else {}


def _in_order(left: Sequence[Norms], right: Sequence[Norms]) -> list[str]:
    """The names that both have at some step, in their common order, or sorted: neither side's order comes first."""
    both = {name for x, y in zip(left, right, strict=True) for name in x.keys() & y.keys()}
    orders = [list(dict.fromkeys(name for norms in side for name in norms if name in both)) for side in (left, right)]
    return orders[0] if orders[0] == orders[1] else sorted(both)


def _columns(names: Sequence[str], mine: Sequence[Norms], theirs: Sequence[Norms]) -> Floats:
    """One row a step; "NaN" and "Infinity" are numbers to Python too."""
    pairs = list(zip(mine, theirs, strict=True))
    rows = [[float(x[name]) if name in x and name in y else 0.0 for name in names] for x, y in pairs]
    return np.array(rows, np.float64).reshape(len(mine), len(names))


def _missing(prefix: str, steps: Sequence[int], left: Sequence[Norms], right: Sequence[Norms]) -> list[str]:
    """Steps at which only one side has norms of a kind at all."""
    said = []
    for name, mine, theirs in (("A", left, right), ("B", right, left)):
        alone = [str(step) for step, x, y in zip(steps, mine, theirs, strict=True) if x and not y]
        if alone:
            where = "" if len(alone) == len(steps) else f" at step {', '.join(alone)}"
            said.append(f"only {name} has {_WORDS[prefix]}{where}")
    return said


def _unmatched(prefix: str, steps: Sequence[int], left: Sequence[Norms], right: Sequence[Norms]) -> list[str]:
    return [
        f"{prefix}{name} at step {step}"
        for step, x, y in zip(steps, left, right, strict=True)
        if x and y
        for name in sorted(x.keys() ^ y.keys())
    ]
