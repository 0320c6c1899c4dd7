"""The parameters of two wide runs, word by word: where they differ, and whether the rounding of f64 explains it.

Two programs agree before their parameters are rounded to f32 but for the rounding of f64. A value of which that puts
one on either side of the middle between two f32 *tips*: its word is off by one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from harness.trace.format import StepLine, Trace
from harness.trace.words import words_apart
from harness.verdict.cause import Cause, first_cause
from harness.verdict.channels import GRAD, GRAD_PROJECTION, UPDATE, shared_channels
from harness.verdict.compare import Comparison
from harness.verdict.f64_check import SAME, noise_in

_CHANNELS = (GRAD, GRAD_PROJECTION, UPDATE)
# The distance of two neighbouring f32 by the number itself, and that of two f64; the middle of their ranges.
_SPACING_F32, _SPACING_F64 = 2.0**-23.5, 2.0**-52.5
_LEAST_ROUNDING = 1e-15  # of a gradient, relatively


@dataclass(frozen=True)
class WordDifferences:
    """What differs. `tensors`: those that are judged; `noise`: those whose gradient is nothing but rounding.

    `differ`: whether the words of a tensor do after a step; `losses`: whether the losses of a step do as f32; `apart`:
    how far they are apart, relatively.

    Shapes: differ (steps, tensors); losses, apart (steps,).
    """

    tensors: tuple[str, ...]
    noise: tuple[str, ...]
    differ: npt.NDArray[np.bool_]
    losses: npt.NDArray[np.bool_]
    apart: npt.NDArray[np.float64]

    @property
    def first(self) -> int | None:
        """The first step after which a word differs."""
        return int(np.argmax(self.differ.any(axis=1))) + 1 if self.differ.any() else None

    def at(self, step: int) -> list[str]:
        """The tensors that differ after a step."""
        differ = self.differ[step - 1].tolist()
        return [name for name, differs in zip(self.tensors, differ, strict=True) if differs]


def measure_words(wide: Comparison, steps: int) -> WordDifferences:
    """The differences of so many steps, all of which have digests of the same parameters on both sides."""
    a, b = wide.a.trace, wide.b.trace
    noise = noise_in(wide, sorted(t for t in a.lines.keys() & b.lines.keys() if t <= steps))
    tensors = tuple(name for name in a.words[1] if name not in noise)
    differ = [[a.words[t][name] != b.words[t][name] for name in tensors] for t in range(1, steps + 1)]
    left, right = a.loss[:steps], b.loss[:steps]
    with np.errstate(all="ignore"):
        apart = np.abs(left - right) / np.maximum(np.abs(left), np.abs(right))
        losses = left.astype(np.float32) != right.astype(np.float32)
    apart[left == right] = 0.0
    return WordDifferences(tensors, tuple(sorted(noise)), np.array(differ, bool).reshape(steps, -1), losses, apart)


def tipped_words(wide: Comparison, names: Sequence[str], step: int) -> dict[str, int]:
    """Those of the tensors of which one word or two are off by one, and how many."""
    a, b = wide.a.trace, wide.b.trace
    n = a.header.total_params
    counts = {name: words_apart(name, a.words[step][name], b.words[step][name], n) for name in names}
    return {name: count for name, count in counts.items() if count is not None}


def cause_of(wide: Comparison, words: WordDifferences, step: int, tipped: Mapping[str, int]) -> Cause | None:
    """The first gradient or update of an observed step that differs in f64; None where none does.

    Of tensors with a word that has tipped the update is left out.
    """
    a, b = wide.a.trace, wide.b.trace
    channels = shared_channels(a, b, [step])
    channels = replace(channels, scale=np.maximum(channels.scale, channels.rms)).of(*_CHANNELS)
    left_out = {*(f"{UPDATE}{name}" for name in tipped), *(kind + name for kind in _CHANNELS for name in words.noise)}
    beyond = ~(channels.relative <= SAME) & np.array([name not in left_out for name in channels.names], bool)
    return first_cause(channels, beyond, {step: same_rate(wide, step)})


def same_rate(wide: Comparison, step: int) -> bool:
    """Whether both sides have the learning rate of a step in common."""
    return bool(wide.a.trace.lr[step - 1] == wide.b.trace.lr[step - 1])


def is_observed(trace: Trace, step: int) -> bool:
    """Whether a trace has what the functions below read of a step."""
    line = trace.lines.get(step)
    return line is not None and None not in (
        line.grad_norms,
        line.param_norms,
        line.update_norms,
        line.grad_projections,
        line.update_projections,
    )


def share_apart(a: StepLine, b: StepLine, name: str) -> float:
    """The share of a tensor's words that differ after an observed step, estimated.

    Words that are off by one, up or down, move the projection of the update by the root of their number.
    """
    moved = abs(_of(a.update_projections, name) - _of(b.update_projections, name))
    share: float = (moved / (_SPACING_F32 * _size(a, name))) ** 2
    return share


def share_by_rounding(a: StepLine, b: StepLine, name: str) -> float:
    """The share that the rounding of f64 explains, by how far it has brought the tensor's gradient apart.

    A value tips as often as its two versions are apart by part of the distance of two f32.
    """
    norm = max(_of(a.grad_norms, name), _of(b.grad_norms, name))
    by_norm = abs(_of(a.grad_norms, name) - _of(b.grad_norms, name))
    by_projection = abs(_of(a.grad_projections, name) - _of(b.grad_projections, name))
    rounding = max(_LEAST_ROUNDING, max(by_norm, by_projection) / norm if norm > 0 else 0.0)
    moves = _of(a.update_norms, name) / _size(a, name)
    share: float = (_SPACING_F64 + rounding * moves) / _SPACING_F32
    return share


def _size(line: StepLine, name: str) -> float:
    """The norm of a parameter, before the step or of the step itself where it began at zero."""
    return max(_of(line.param_norms, name), _of(line.update_norms, name), float(np.finfo(np.float32).tiny))


def _of(values: Mapping[str, float | str] | None, name: str) -> float:
    assert values is not None, "the step is observed"
    return float(values[name])
