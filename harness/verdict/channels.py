"""The channels of two traces: loss, norms and projections, of whole networks and by parameter, step by step."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from harness.trace.format import Floats, Number, Trace
from harness.verdict.resolution import find_resolution, printed_spacing

LOSS, GRAD, UPDATE, PARAM, STAT = "loss", "grad:", "update:", "param:", "stat:"
GRAD_PROJECTION, UPDATE_PROJECTION = "grad projection:", "update projection:"
WHOLE_GRAD, WHOLE_UPDATE, WHOLE_PARAM = "grad", "update", "param"
_FLOOR = 1e-3
_MATRICES = ("a", "b", "scale", "rms", "resolution")
Norms = Mapping[str, Number]
Bools = npt.NDArray[np.bool_]
# By key and tensor: scale and root mean square of its kind. Shapes: (steps,) each.
Scales = dict[str, dict[str, tuple[Floats, Floats]]]
Part = Literal["loss", "gradient", "update", "parameters", "running statistics"]


@dataclass(frozen=True)
class ChannelKind:
    """A key of a trace's steps that holds one number for each tensor. `part`: of a training step that it belongs to.

    `prefix`: of its channels' names. `words`: for people. `norms`: the key whose numbers give the scale of these.
    `floor`: of the scale, a part of the root mean square of the kind.
    """

    key: str
    prefix: str
    part: Part
    words: str
    norms: str
    floor: float = _FLOOR


BY_TENSOR = (
    ChannelKind("grad_norms", GRAD, "gradient", "norms of gradients", "grad_norms"),
    ChannelKind("update_norms", UPDATE, "update", "norms of updates", "update_norms"),
    ChannelKind("param_norms", PARAM, "parameters", "norms of parameters", "param_norms"),
    ChannelKind("stat_norms", STAT, "running statistics", "norms of running statistics", "stat_norms", 1.0),
    ChannelKind("grad_projections", GRAD_PROJECTION, "gradient", "projections of gradients", "grad_norms"),
    ChannelKind("update_projections", UPDATE_PROJECTION, "update", "projections of updates", "update_norms"),
)
# The norm of all tensors together: its key, that of its parts, the name of its channel.
WHOLE = (
    ("grad_norm", "grad_norms", WHOLE_GRAD),
    ("update_norm", "update_norms", WHOLE_UPDATE),
    ("param_norm", "param_norms", WHOLE_PARAM),
)
_PARTS: dict[str, Part] = {
    LOSS: "loss",
    WHOLE_GRAD: "gradient",
    WHOLE_UPDATE: "update",
    WHOLE_PARAM: "parameters",
    **{kind.prefix: kind.part for kind in BY_TENSOR},
}


def kind_of(channel: str) -> str:
    """The prefix of a channel's name, or the whole name of one that belongs to no single tensor."""
    kind, colon, _ = channel.partition(":")
    return kind + colon


def tensor_of(channel: str) -> str:
    """The tensor of a channel; empty for one that belongs to no single one."""
    return channel.partition(":")[2]


def part_of(channel: str) -> Part:
    """The part of a training step that a channel belongs to."""
    return _PARTS[kind_of(channel)]


@dataclass(frozen=True)
class Channels:
    """The channels of two traces at some steps: `loss`, then by tensor `grad:NAME`, `update:NAME`, …, then whole norms.

    Where a side lacks a value at a step there is nothing to compare, and both are 0. `missing`: what that is, in words.
    `unmatched`: values of tensors that one side has at a step and the other, which has others there, lacks.
    `scale`: what a difference is relative to. `rms`: the root mean square of the norms of a kind at a step.
    `resolution`: the distance at which equal values may have been printed. `both`: true where both sides have a value.

    Shapes: a, b, scale, rms, resolution, both (steps, channels).
    Units: those of the loss, gradients and parameters.
    """

    steps: tuple[int, ...]
    names: tuple[str, ...]
    a: Floats = field(repr=False)
    b: Floats = field(repr=False)
    scale: Floats = field(repr=False)
    rms: Floats = field(repr=False)
    resolution: Floats = field(repr=False)
    both: Bools = field(repr=False)
    missing: tuple[str, ...] = ()
    unmatched: tuple[str, ...] = ()

    @property
    def relative(self) -> Floats:
        """|a - b| / scale beyond what was lost in printing, NaN where a side is not finite.

        Shapes: (steps, channels).
        """
        with np.errstate(all="ignore"):
            difference = np.maximum(np.abs(self.a - self.b) - self.resolution, 0.0)
            return np.where(difference == 0, 0.0, difference / self.scale)

    def of(self, *kinds: str) -> "Channels":
        """Only the channels of some kinds, by `kind_of`."""
        columns = [column for column, name in enumerate(self.names) if kind_of(name) in kinds]
        names = tuple(self.names[column] for column in columns)
        cut = {of: getattr(self, of)[:, columns] for of in _MATRICES}
        return replace(self, names=names, both=self.both[:, columns], **cut)


@dataclass(frozen=True)
class _Block:
    """Some channels. Shapes of the matrices: (steps, names)."""

    names: Sequence[str]
    a: Floats
    b: Floats
    scale: Floats
    rms: Floats
    resolution: Floats
    both: Bools


def shared_channels(a: Trace, b: Trace, steps: Sequence[int]) -> Channels:
    """The channels that both traces have at the steps; only the loss where they carry no others.

    `scale` is the larger of the two sides. Norms have a floor of 1e-3 of all norms of their kind by the root of their
    number, since some gradients are exactly zero and only rounding is left of them; of running statistics the floor is
    all of that, since a mean may be next to nothing beside what it is the mean of. A projection has the scale of its
    tensor's norm.
    """
    blocks = [_loss(a, b, steps)]
    told = _told(a, steps), _told(b, steps)
    missing: list[str] = []
    unmatched: list[str] = []
    scales: Scales = {}
    for kind in BY_TENSOR:
        left, right = (_rows(trace, steps, kind.key) for trace in (a, b))
        missing += _missing(kind.words, steps, left, right)
        unmatched += _unmatched(kind.prefix, steps, left, right)
        shared = _in_order(left, right)
        if kind.norms != kind.key:
            shared = [name for name in shared if name in scales.get(kind.norms, {})]
        if not shared:
            continue
        block = _tensors(kind, shared, left, right, scales, told)
        blocks.append(block)
        scales[kind.key] = {name: (block.scale[:, i], block.rms[:, i]) for i, name in enumerate(shared)}
    blocks += _whole(a, b, steps, told)
    a_side, b_side, scale, rms, resolution = (
        np.concatenate([getattr(block, of) for block in blocks], axis=1) for of in _MATRICES
    )
    return Channels(
        steps=tuple(steps),
        names=tuple(name for block in blocks for name in block.names),
        a=a_side,
        b=b_side,
        scale=scale,
        rms=rms,
        resolution=resolution,
        both=np.concatenate([block.both for block in blocks], axis=1),
        missing=tuple(missing),
        unmatched=tuple(unmatched),
    )


def _loss(a: Trace, b: Trace, steps: Sequence[int]) -> _Block:
    sides = [(trace.loss, trace.rows(steps)) for trace in (a, b)]
    left, right = (loss[rows, None] for loss, rows in sides)
    # To so many decimals, or to so many significant digits.
    lost = [np.maximum(find_resolution(loss) or 0.0, printed_spacing(loss)[rows, None]) for loss, rows in sides]
    printed = lost[0] + lost[1]
    scale = np.maximum(np.abs(left), np.abs(right))
    return _Block([LOSS], left, right, scale, scale, printed, np.ones(scale.shape, bool))


def _tensors(
    kind: ChannelKind,
    names: Sequence[str],
    left: Sequence[Norms],
    right: Sequence[Norms],
    scales: Scales,
    told: tuple[Floats, Floats],
) -> _Block:
    both = np.array([[name in x and name in y for name in names] for x, y in zip(left, right, strict=True)], bool)
    sides = _columns(names, left, both), _columns(names, right, both)
    if kind.norms != kind.key:
        scale, rms = (np.stack([scales[kind.norms][name][of] for name in names], axis=1) for of in (0, 1))
    else:
        with np.errstate(all="ignore"):
            larger = np.maximum(*map(np.abs, sides))
            largest = np.maximum(larger.max(axis=1, keepdims=True), np.finfo(np.float64).tiny)
            total = largest * np.linalg.norm(larger / largest, axis=1, keepdims=True)
            rms = np.broadcast_to(total / np.sqrt(np.maximum(both.sum(axis=1, keepdims=True), 1)), larger.shape)
            scale = np.maximum(larger, kind.floor * rms)
    return _Block([kind.prefix + name for name in names], *sides, scale, rms, _printed(sides, told), both)


def _whole(a: Trace, b: Trace, steps: Sequence[int], told: tuple[Floats, Floats]) -> Iterator[_Block]:
    """Norms of all tensors together; where one side states one and the other its parts, those are added up."""
    params = set(a.header.params or b.header.params or ())
    for key, parts, name in WHOLE:
        stated = [_stated(trace, steps, key) for trace in (a, b)]
        if all(not side for side in stated):
            continue
        summed = [_summed(trace, steps, parts, params) for trace in (a, b)]
        filled = [
            own | {t: x for t, x in added.items() if t not in own} for own, added in zip(stated, summed, strict=True)
        ]
        both = np.array(
            [[t in filled[0] and t in filled[1] and (t in stated[0] or t in stated[1])] for t in steps], bool
        )
        if not both.any():
            continue
        left, right = (
            np.array([[side[t] if there[0] else 0.0] for t, there in zip(steps, both, strict=True)]) for side in filled
        )
        scale = np.maximum(np.abs(left), np.abs(right))
        yield _Block([name], left, right, scale, scale, _printed((left, right), told), both)


def _printed(sides: tuple[Floats, Floats], told: tuple[Floats, Floats]) -> Floats:
    """`told`: all norms and projections of each side, as they were printed.

    Shapes: each side and the result (steps, names); told (n,) each.
    """
    spacing: Floats = np.zeros(sides[0].shape)
    for side, alike in zip(sides, told, strict=True):
        spacing += printed_spacing(side.ravel(), alike).reshape(side.shape)
    return spacing


def _told(trace: Trace, steps: Sequence[int]) -> Floats:
    """All norms and projections of a trace at some steps. Shapes: (n,)."""
    rows = [row for kind in BY_TENSOR for row in _rows(trace, steps, kind.key)]
    return np.array([float(value) for row in rows for value in row.values()])


def _stated(trace: Trace, steps: Sequence[int], key: str) -> dict[int, float]:
    values = {step: getattr(trace.lines[step], key) for step in steps if step in trace.lines}
    return {step: float(value) for step, value in values.items() if value is not None}


def _summed(trace: Trace, steps: Sequence[int], key: str, params: set[str]) -> dict[int, float]:
    """Root of the sum of squares, where all parameters of the header have their norm."""
    rows = zip(steps, _rows(trace, steps, key), strict=True)
    return {t: math.hypot(*map(float, row.values())) for t, row in rows if params and row.keys() == params}


def _rows(trace: Trace, steps: Sequence[int], key: str) -> list[Norms]:
    return [getattr(trace.lines[step], key) or {} if step in trace.lines else {} for step in steps]


def _in_order(left: Sequence[Norms], right: Sequence[Norms]) -> list[str]:
    """The names that both have at some step, in their common order, or sorted: neither side's order comes first."""
    both = {name for x, y in zip(left, right, strict=True) for name in x.keys() & y.keys()}
    orders = [list(dict.fromkeys(name for norms in side for name in norms if name in both)) for side in (left, right)]
    return orders[0] if orders[0] == orders[1] else sorted(both)


def _columns(names: Sequence[str], rows: Sequence[Norms], both: Bools) -> Floats:
    """One row a step; "NaN" and "Infinity" are numbers to Python too."""
    cells = [
        [float(row[name]) if there else 0.0 for name, there in zip(names, mask, strict=True)]
        for row, mask in zip(rows, both.tolist(), strict=True)
    ]
    return np.array(cells, np.float64).reshape(len(rows), len(names))


def _missing(words: str, steps: Sequence[int], left: Sequence[Norms], right: Sequence[Norms]) -> list[str]:
    """Steps at which only one side has values of a kind at all."""
    said = []
    for name, mine, theirs in (("A", left, right), ("B", right, left)):
        alone = [str(step) for step, x, y in zip(steps, mine, theirs, strict=True) if x and not y]
        if alone:
            where = "" if len(alone) == len(steps) else f" at step {', '.join(alone)}"
            said.append(f"only {name} has {words}{where}")
    return said


def _unmatched(prefix: str, steps: Sequence[int], left: Sequence[Norms], right: Sequence[Norms]) -> list[str]:
    return [
        f"{prefix}{name} at step {step}"
        for step, x, y in zip(steps, left, right, strict=True)
        if x and y
        for name in sorted(x.keys() ^ y.keys())
    ]
