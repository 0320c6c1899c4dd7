"""What else than a wrong gradient a difference may be: a loss that is summed, decay, smoothed labels and so on.

Both gradients of every tensor are at hand in f64, and so is the parameter. A convention that explains the difference
leaves nothing of it: what is left is measured, and has to be what rounding allows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.module.task import Array
from harness.module.tie.slots import listed

_SAME_NUMBER = 1e-5  # relative: how far numbers read off several tensors may be apart


@dataclass(frozen=True)
class TensorPair:
    """A gradient on both sides with its parameter, flat. `tolerance`: norm of a difference that is none.

    `uniform`: the function's gradient with all classes equally likely, None where that is not known.
    """

    name: str
    shape: tuple[int, ...]
    module: Array
    function: Array
    parameter: Array
    tolerance: float
    uniform: Array | None = None

    def left(self, predicted: Array) -> float:
        """The difference of the module's gradient from a prediction, over what is none."""
        return float(np.linalg.norm(self.module - predicted)) / self.tolerance

    def closes(self, predicted: Array) -> bool:
        """Whether a prediction is the module's gradient."""
        return self.left(predicted) <= 1.0

    @property
    def finite(self) -> bool:
        """Whether there is a number everywhere: without, nothing can be fitted."""
        held = (self.module, self.function, self.parameter, *(() if self.uniform is None else (self.uniform,)))
        return bool(np.isfinite(self.tolerance)) and all(bool(np.all(np.isfinite(array))) for array in held)

    @property
    def tied(self) -> bool:
        """Whether both sides are the same already."""
        return self.closes(self.function)


def explanations(pairs: Sequence[TensorPair], numbers: Mapping[str, float]) -> tuple[list[str], bool]:
    """A sentence that closes the whole gap, and true; without one, those that close it for some tensors, and false.

    `numbers`: those that a factor is called after, by their names.
    """
    pairs = [pair for pair in pairs if pair.finite]
    apart = [pair for pair in pairs if not pair.tied]
    whole = (rule(pairs, numbers) for rule in (_scaled, _decayed, _smoothed, _scaled_and_decayed))
    told = next(filter(None, whole), "") if apart else ""
    if told or not apart:
        return [told] if told else [], True
    return [told for pair in apart if (told := _alone(pair, numbers))], False


def _scaled(pairs: Sequence[TensorPair], numbers: Mapping[str, float]) -> str:
    """One factor for all."""
    factor = _fit([_stack(pairs, "function")], _stack(pairs, "module"))[0]
    if not all(pair.closes(factor * pair.function) for pair in pairs):
        return ""
    norm = factor * float(np.linalg.norm(_stack(pairs, "function")))
    clipped = f", as if clipped to a global norm of {norm:.5g}" if 0 < factor < 1 and _is_round(norm) else ""
    return f"the module's gradients are {_called(factor, numbers)} times those it is held against{clipped}"


def _decayed(pairs: Sequence[TensorPair], numbers: Mapping[str, float]) -> str:
    """A multiple of the parameter, in some tensors or in all."""
    apart = [pair for pair in pairs if not pair.tied]
    rates = [_fit([pair.parameter], pair.module - pair.function)[0] for pair in apart]
    if not all(pair.closes(pair.function + rate * pair.parameter) for pair, rate in zip(apart, rates, strict=True)):
        return ""
    told = _decay(rates[0]) if _agree(rates) else "weight decay of several rates"
    return f"{told} in {_which(apart, pairs)}"


def _scaled_and_decayed(pairs: Sequence[TensorPair], numbers: Mapping[str, float]) -> str:
    """Both: the factor is that of all, the decay that of some."""
    fits = [_fit([pair.function, pair.parameter], pair.module) for pair in pairs if len(pair.module) > 1]
    if not fits or not _agree([fit[0] for fit in fits]):
        return ""
    factor = float(np.median([fit[0] for fit in fits]))
    decaying, rates = [], []
    for pair in pairs:
        if pair.closes(factor * pair.function):
            continue
        rate = _fit([pair.parameter], pair.module - factor * pair.function)[0]
        if not pair.closes(factor * pair.function + rate * pair.parameter):
            return ""
        decaying.append(pair)
        rates.append(rate)
    if not decaying or not _agree(rates):
        return ""
    scale = _called(factor, numbers)
    decay = _decay(rates[0] if rates[0] > 0 else rates[0] / factor)
    return (
        f"the module's gradients are {scale} times those it is held against, and {decay} in {_which(decaying, pairs)}"
    )


def _smoothed(pairs: Sequence[TensorPair], numbers: Mapping[str, float]) -> str:
    """Some of the gradient by the labels replaced by that of all classes equally likely."""
    if any(pair.uniform is None for pair in pairs):
        return ""
    uniform = [pair.uniform for pair in pairs if pair.uniform is not None]
    toward = np.concatenate(uniform) - _stack(pairs, "function")
    share = _fit([toward], _stack(pairs, "module") - _stack(pairs, "function"))[0]
    predicted = [pair.function + share * (other - pair.function) for pair, other in zip(pairs, uniform, strict=True)]
    if not all(pair.closes(one) for pair, one in zip(pairs, predicted, strict=True)):
        return ""
    classes = numbers.get("the number of classes", 0.0)
    side = "the module" if share > 0 else "what it is held against"
    share = share if share > 0 else share / (share - 1.0)
    others = f" (of {share * (classes - 1) / classes:.5g} over the other classes)" if classes else ""
    return f"{side} has label smoothing of {share:.5g} over all classes{others}, the other side has none"


def _alone(pair: TensorPair, numbers: Mapping[str, float]) -> str:
    """What closes the gap of one tensor."""
    grid = pair.function.reshape(pair.shape)
    if len(pair.shape) == 2 and pair.shape[0] == pair.shape[1] and pair.closes(grid.T.ravel()):
        return f"{pair.name}: transposed"
    if len(pair.shape) == 4:
        for axes, told in (((2, 3), "last two"), ((0, 1), "first two")):
            if pair.closes(np.flip(grid, axes).ravel()):
                return f"{pair.name}: turned round along its {told} axes, a convolution in the place of a correlation"
    factor = _fit([pair.function], pair.module)[0]
    if not np.any(pair.module):
        return f"{pair.name}: it is zero in the module"
    if pair.closes(factor * pair.function):
        return f"{pair.name}: times {_called(factor, numbers).rstrip(',')}"
    rate = _fit([pair.parameter], pair.module - pair.function)[0]
    if pair.closes(pair.function + rate * pair.parameter):
        return f"{pair.name}: {_decay(rate)}"
    return ""


def _decay(rate: float) -> str:
    side = "the module" if rate > 0 else "what it is held against"
    return f"{side} has weight decay of {abs(rate):.5g} more"


def _which(some: Sequence[TensorPair], of: Sequence[TensorPair]) -> str:
    if len(some) == len(of):
        return "all parameters"
    return listed([pair.name for pair in some])


def _called(factor: float, numbers: Mapping[str, float]) -> str:
    """A number, with what it is likely to be."""
    shown = f"{factor:.5g}"
    for name, number in numbers.items():
        for told, value in ((name, number), (f"1 over {name}", 1.0 / number if number else 0.0)):
            for sign, signed in ((1.0, told), (-1.0, f"minus {told}")):
                if value and abs(factor - sign * value) <= _SAME_NUMBER * abs(value):
                    return f"{shown}, {signed},"
    return shown


def _is_round(number: float) -> bool:
    """Whether a number has two digits or fewer, as what people choose has."""
    return abs(number - float(f"{number:.2g}")) <= _SAME_NUMBER * number


def _agree(numbers: Sequence[float]) -> bool:
    middle = float(np.median(numbers))
    return all(abs(number - middle) <= _SAME_NUMBER * abs(middle) for number in numbers)


def _stack(pairs: Sequence[TensorPair], side: str) -> Array:
    return np.concatenate([getattr(pair, side) for pair in pairs])


def _fit(columns: Sequence[Array], target: Array) -> list[float]:
    """Least squares."""
    solved = np.linalg.lstsq(np.stack(columns, 1), target, rcond=None)[0]
    return [float(number) for number in solved]
