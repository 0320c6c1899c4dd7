"""The epochs of two traces: where they begin, and their mean losses."""

from dataclasses import dataclass

import numpy as np

from harness.trace.format import Floats, Ints, Trace
from harness.trace.spacing import counts_epochs_from_one


@dataclass(frozen=True)
class EpochMean:
    """Mean losses of one epoch over its compared steps `first` to `last`. `complete`: those are all its steps.

    `first` and `last` are None where a side tells the mean and not the steps.
    """

    epoch: int
    first: int | None
    last: int | None
    a: float
    b: float
    complete: bool


def epochs_from_zero(trace: Trace, rows: Ints) -> Ints:
    """The epoch of each of some rows, from 0 also where the trace counts from 1. Shapes: rows, the result (n,)."""
    from_one = trace.header.tells("epoch") and counts_epochs_from_one(trace.epoch, trace.step)
    return trace.epoch[rows] - int(from_one)


def epoch_means(a: Trace, b: Trace, steps: Ints, loss_a: Floats, loss_b: Floats) -> tuple[EpochMean, ...]:
    """The mean losses of every epoch, from steps that are consecutive from 1 or from what a side tells of its epochs.

    Where only one side tells the epochs of its steps, those are the other's too.

    Shapes: steps, loss_a, loss_b (compared,).
    """
    if a.header.epoch_losses is not None or b.header.epoch_losses is not None:
        return _told_means(a, b)
    telling = next((side for side in (a, b) if side.header.tells("epoch")), None)
    if len(steps) == 0 or telling is None or any(side.header.averaged for side in (a, b)):
        return ()
    return tuple(_means(telling, steps, (loss_a, loss_b), _epoch_steps(a, b)))


def _means(telling: Trace, steps: Ints, losses: tuple[Floats, Floats], length: int | None) -> list[EpochMean]:
    """Means over the steps of each epoch; `length`: of a whole epoch, where somebody says so."""
    compared = len(steps)
    if steps[0] != 1 or steps[-1] != compared:
        return []
    epoch = epochs_from_zero(telling, telling.rows(steps))
    starts = np.append(0, np.flatnonzero(np.diff(epoch)) + 1)
    stops = np.append(starts[1:], compared)
    # A sum of losses could overflow; a power of two takes no bit away.
    parts = (np.add.reduceat(loss * 2.0**-32, starts) / (stops - starts) for loss in losses)
    means_a, means_b = ((part * 2.0**32).tolist() for part in parts)
    return [
        EpochMean(number, start + 1, stop, mean_a, mean_b, complete=stop < compared or stop - start == length)
        for number, start, stop, mean_a, mean_b in zip(
            epoch[starts].tolist(), starts.tolist(), stops.tolist(), means_a, means_b, strict=True
        )
    ]


def _told_means(a: Trace, b: Trace) -> tuple[EpochMean, ...]:
    """The epochs of which both sides know the mean, and at least one does not know the steps."""
    known = [_of_side(side) for side in (a, b)]
    return tuple(
        EpochMean(number, None, None, known[0][number], known[1][number], complete=True)
        for number in sorted(known[0].keys() & known[1].keys())
    )


def _of_side(side: Trace) -> dict[int, float]:
    """Mean losses of the complete epochs of one side, by epoch from 0."""
    if side.header.epoch_losses is not None:
        return {number: float(loss) for number, loss in enumerate(side.header.epoch_losses)}
    means = epoch_means(side, side, side.step, side.loss, side.loss)
    return {mean.epoch: mean.a for mean in means if mean.complete}


def _epoch_steps(a: Trace, b: Trace) -> int | None:
    """The number of steps of an epoch: as a first epoch that another follows, else as a header says.

    None when the sides do not say the same, so that their order does not matter.
    """
    begun = [t for t in (a, b) if t.steps and t.epoch[-1] > t.epoch[0]]
    lengths = {int(np.argmax(trace.epoch > trace.epoch[0])) for trace in begun}
    if not lengths:
        lengths = {t.header.epoch_steps for t in (a, b) if t.header.epoch_steps is not None}
    return lengths.pop() if len(lengths) == 1 else None


def is_full(a: Trace, b: Trace, epochs: tuple[EpochMean, ...]) -> bool:
    """Whether the epochs are all that the headers have configured."""
    configured = {trace.header.config.get("epochs") for trace in (a, b)} - {None}
    return bool(epochs) and epochs[-1].complete and configured == {epochs[-1].epoch + 1}
