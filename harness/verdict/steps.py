"""The steps one by one, under the mode's tolerance: each of the first is the first to see something."""

import numpy as np

from harness.trace.format import Trace
from harness.verdict.cause import first_cause
from harness.verdict.channels import GRAD, PARAM, UPDATE, shared_channels
from harness.verdict.compare import RATE_RTOL, Comparison
from harness.verdict.evidence import Answer, Fault, PairFacts, failed, passed, unreached

UPDATE_STEPS = 3  # step 2 is the first to see backward pass and optimizer, step 3 the optimizer's state
# The part of a training step that a step is the first to see, so that a first difference points at its cause.
_FIRST_SEEN = {
    1: "step 1 sees only the initial parameters, the data and the forward pass",
    2: "step 2 is the first to see the backward pass and the optimizer",
    3: "step 3 is the first to see the optimizer's state",
}
# Norms of gradients in f32 that are this close tell nothing from rounding: of a failure the cause lies elsewhere.
_ALIKE = 1e-3


def check_finite(pair: PairFacts) -> Answer | None:
    """No loss, learning rate or norm may be NaN or infinite, not even on both sides."""
    comparison, numbers = pair.comparison, pair.comparison.numbers
    if numbers is None or numbers.compared == 0:
        return None
    found = [
        f"{name} at step {step} ({_values(side, step)})"
        for name, side, step in (
            ("A", comparison.a.trace, numbers.nonfinite_a),
            ("B", comparison.b.trace, numbers.nonfinite_b),
        )
        if step is not None
    ]
    if not found:
        return passed("every loss, learning rate and norm is finite.")
    first = min(step for step in (numbers.nonfinite_a, numbers.nonfinite_b) if step is not None)
    both = numbers.nonfinite_a is not None and numbers.nonfinite_b is not None
    line = f"not finite: {', '.join(found)}"
    # Two runs that both left the numbers say nothing about the mathematics of either.
    fault: Fault = "forward" if first == 1 and not both else "training"
    return failed(f"{line}; both diverged." if both else f"{line}.", f"step {first}", fault, {"at_step": first})


def check_schedule(pair: PairFacts) -> Answer | None:
    """Epochs must begin at the same steps and learning rates agree at every step: nothing there is chaotic."""
    comparison, numbers = pair.comparison, pair.comparison.numbers
    if numbers is None or numbers.compared == 0:
        return None
    step = numbers.epoch_beyond
    if step is not None:
        a, b = (int(side.trace.epoch[side.trace.rows([step])[0]]) for side in (comparison.a, comparison.b))
        line = f"step {step} is in epoch {a} of A and in epoch {b} of B."
        return failed(line, f"step {step}", "schedule")
    step = numbers.lr_beyond
    if step is not None:
        row = numbers.row(step)
        line = f"the learning rates of step {step} are {numbers.lr_a[row]:.9g} and {numbers.lr_b[row]:.9g}"
        line += ", further apart than rounding."
        return failed(line, f"step {step}", "schedule")
    agree = "are equal" if comparison.judging.mode.name == "bitwise" else f"agree to {RATE_RTOL:g} of each other"
    told = {"epochs begin at the same steps": "epoch", f"learning rates {agree}": "lr"}
    headers = comparison.a.trace.header, comparison.b.trace.header
    found = [line for line, column in told.items() if all(header.tells(column) for header in headers)]
    if not found:
        return unreached("not both sides tell epochs or learning rates.")
    return passed(f"{'; '.join(found)}.")


def _values(side: Trace, step: int) -> str:
    """The loss and, where it is told, the learning rate of a step."""
    row = side.rows([step])[0]
    rate = f", lr {side.lr[row]:g}" if side.header.tells("lr") else ""
    return f"loss {side.loss[row]:g}{rate}"


def check_forward(pair: PairFacts) -> Answer | None:
    """The loss of step 1, which sees only the initial parameters, the data and the forward pass."""
    return _check_losses(pair, 1, 1)


def check_update(pair: PairFacts) -> Answer | None:
    """The losses of steps 2 and 3, the first to see the backward pass and the optimizer, and then its state."""
    return _check_losses(pair, 2, UPDATE_STEPS)


def check_window(pair: PairFacts) -> Answer | None:
    """The losses of the other judged steps."""
    return _check_losses(pair, UPDATE_STEPS + 1, None)


def _check_losses(pair: PairFacts, first: int, last: int | None) -> Answer | None:
    """The losses of the judged steps from `first` to `last` must be close."""
    comparison, numbers = pair.comparison, pair.comparison.numbers
    if numbers is None or numbers.compared == 0:
        return None
    here = np.flatnonzero((numbers.steps >= first) & (numbers.steps <= (last or numbers.steps[-1])))
    here = here[here < numbers.judged]
    if len(here) == 0:
        return unreached(f"step {first} is not among the judged ones.")
    first, last = int(numbers.steps[here[0]]), int(numbers.steps[here[-1]])
    steps = f"steps {first} to {last}" if last > first else f"step {first}"
    if last - first >= len(here):
        steps = f"{len(here)} of {steps}"
    close, delta = numbers.close[here], numbers.delta[here]
    if close.all():
        if delta.max() == 0:
            return passed(f"{steps}: every loss is equal." if last > first else f"{steps}: equal.")
        worst = int(np.argmax(delta))
        return passed(f"{steps}: at most {delta[worst]:.2e} apart (step {numbers.steps[here[worst]]}).")
    row = here[int(np.argmin(close))]
    beyond = int(numbers.steps[row])
    a, b, apart = (column[row] for column in (numbers.loss_a, numbers.loss_b, numbers.delta))
    mode = comparison.judging.mode.name
    line = f"the losses of step {beyond} are {a:.9g} and {b:.9g}, {apart:.2e} apart, beyond {mode}"
    if (start := _other_start(comparison)) is not None:
        return failed(f"{line}; the sides start from other parameters: {start}.", "step 1", "contract")
    if beyond <= UPDATE_STEPS:
        line += f"; {_FIRST_SEEN[beyond]}"
    return failed(f"{line}.", f"step {beyond}", loss_fault(comparison, beyond))


def _other_start(comparison: Comparison) -> str | None:
    """The initial parameter whose norms are furthest apart, where they are not alike."""
    channels = shared_channels(comparison.a.trace, comparison.b.trace, [1]).of(PARAM)
    if not channels.names or (channels.relative <= _ALIKE).all():
        return None
    worst = int(np.argmax(np.nan_to_num(channels.relative[0], nan=np.inf)))
    return f"{channels.names[worst].partition(':')[2] or 'all'} is {channels.relative[0, worst]:.1e} apart by its norm"


def loss_fault(comparison: Comparison, beyond: int) -> Fault:
    """The cause of a loss that is too far off: by the norms of the steps before, where both sides have them."""
    if beyond == 1:
        return "forward"
    assert comparison.numbers is not None, "a loss that was compared"
    before = [step for step in comparison.numbers.steps.tolist() if step < beyond]
    channels = shared_channels(comparison.a.trace, comparison.b.trace, before).of(GRAD, UPDATE)
    cause = first_cause(channels, ~(channels.relative <= _ALIKE), {})
    if cause is not None:
        return cause.fault
    return "backward" if beyond == 2 else "optimizer" if beyond == 3 else "training"
