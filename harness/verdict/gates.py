"""The gates, in the order in which a failure explains the next one. Each looks at a comparison and says one line."""

from collections.abc import Callable

from harness.compare import Comparison, EpochMean, KeyDifference, Numbers
from harness.recording import Recording
from harness.trace import one_line
from harness.verdict.evidence import Evidence

Gate = Callable[[Comparison], Evidence]

EPOCH_MEAN_RTOL = 0.25
ACCURACY_POINTS = 0.5  # of 100
_REFUSED = "not looked at, because the runs are unlike."
# What a step is the first to see, so that a first difference points at its cause.
_FIRST_SEEN = {
    1: "step 1 sees only the initial parameters, the data and the forward pass",
    2: "step 2 is the first to see the backward pass and the optimizer",
    3: "step 3 is the first to see the optimizer's state",
}


def check_contract(comparison: Comparison) -> Evidence:
    """Both headers must describe the same run."""
    identity = comparison.identity
    if identity.differences:
        line = "; ".join(map(show_difference, identity.differences)) + "."
        return Evidence("contract", "fail", line, identity.differences[0].key)
    parts = ["the headers agree on every key that both have"]
    for name, keys in (("A", identity.unknown_a), ("B", identity.unknown_b)):
        if keys:
            parts.append(f"unknown because only {name} has it: {', '.join(keys)}")
    return Evidence("contract", "pass", "; ".join(parts) + ".")


def check_data(comparison: Comparison) -> Evidence:
    """Both runs must have been fed the same batches."""
    identity = comparison.identity
    if identity.batch_difference is not None:
        line = show_difference(identity.batch_difference) + "."
        return Evidence("data", "fail", line, f"step {identity.batch_step}")
    if identity.batches == 0:
        return Evidence("data", "unreached", "no compared step has a batch digest on both sides.")
    return Evidence("data", "pass", f"the batches of {identity.batches} steps are the same on both sides.")


def note_conventions(comparison: Comparison) -> Evidence:
    """Differing conventions are evidence; they neither refuse a pair nor excuse it."""
    left, right = comparison.a.trace.header.conventions, comparison.b.trace.header.conventions
    if comparison.identity.conventions:
        line = "differ: " + "; ".join(map(show_difference, comparison.identity.conventions)) + "."
    elif left is None and right is None:
        line = "neither side states its conventions."
    elif left is None or right is None:
        line = f"only {'B' if left is None else 'A'} states its conventions."
    else:
        line = "both sides state the same conventions."
    return Evidence("conventions", "note", line)


def check_complete(comparison: Comparison) -> Evidence:
    """A run that ended early, or whose end is not known to belong to its trace, is never a pass."""
    a, b, steps = comparison.a, comparison.b, comparison.judging.steps
    faults = _faults("A", a) + _faults("B", b)
    if min(a.trace.steps, b.trace.steps) == 0:
        faults.append("there is no step to compare")
    elif steps is None and a.trace.steps != b.trace.steps:
        faults.append(f"A has {a.trace.steps} steps, B has {b.trace.steps}; compare prefixes with --steps")
    elif steps is not None and min(a.trace.steps, b.trace.steps) < steps:
        faults.append(f"{steps} steps were asked for, A has {a.trace.steps}, B has {b.trace.steps}")
    if faults:
        return Evidence("complete", "inconclusive", "; ".join(faults) + ".")
    compared = a.trace.steps if steps is None else steps
    return Evidence("complete", "pass", f"{compared} steps of both sides are compared.")


def check_finite(comparison: Comparison) -> Evidence:
    """No loss or learning rate may be NaN or infinite, not even on both sides."""
    numbers = comparison.numbers
    if numbers is None or numbers.compared == 0:
        return _unreached("finite", numbers)
    found = [
        f"{name} at step {step} (loss {side.loss[step - 1]:g}, lr {side.lr[step - 1]:g})"
        for name, side, step in (
            ("A", comparison.a.trace, numbers.nonfinite_a),
            ("B", comparison.b.trace, numbers.nonfinite_b),
        )
        if step is not None
    ]
    if not found:
        return Evidence("finite", "pass", "every loss and learning rate is finite.")
    first = min(step for step in (numbers.nonfinite_a, numbers.nonfinite_b) if step is not None)
    return Evidence("finite", "fail", f"not finite: {', '.join(found)}.", f"step {first}")


def check_schedule(comparison: Comparison) -> Evidence:
    """Epochs must begin at the same steps and learning rates agree at every step: nothing there is chaotic."""
    numbers = comparison.numbers
    if numbers is None or numbers.compared == 0:
        return _unreached("schedule", numbers)
    step = numbers.epoch_beyond
    if step is not None:
        a, b = (int(side.trace.epoch[step - 1]) for side in (comparison.a, comparison.b))
        return Evidence("schedule", "fail", f"step {step} is in epoch {a} of A and in epoch {b} of B.", f"step {step}")
    step = numbers.lr_beyond
    rtol = comparison.judging.mode.rtol
    if step is not None:
        a_lr, b_lr = numbers.lr_a[step - 1], numbers.lr_b[step - 1]
        line = f"the learning rates of step {step} are {a_lr:.9g} and {b_lr:.9g}, further apart than rtol {rtol:g}."
        return Evidence("schedule", "fail", line, f"step {step}")
    agree = f"agree to rtol {rtol:g}" if rtol else "are equal"
    return Evidence("schedule", "pass", f"epochs begin at the same steps; learning rates {agree}.")


def check_window(comparison: Comparison) -> Evidence:
    """Every loss of the judged steps must be close."""
    numbers, mode = comparison.numbers, comparison.judging.mode
    if numbers is None or numbers.smallest is None:
        return _unreached("window", numbers)
    beyond = numbers.first_beyond
    judged = f"steps 1 to {numbers.judged}" if numbers.judged > 1 else "step 1"
    if beyond is None or beyond > numbers.judged:
        if numbers.smallest.atol == 0:
            return Evidence("window", "pass", f"{judged}: every loss is equal.")
        used = f"the worst (step {numbers.smallest.worst.step}) takes {numbers.smallest.multiple:.2g} of it"
        return Evidence("window", "pass", f"{judged}: every loss is within the tolerance; {used}.")
    a, b, delta = numbers.loss_a[beyond - 1], numbers.loss_b[beyond - 1], numbers.delta[beyond - 1]
    why = _FIRST_SEEN.get(beyond)
    line = f"the losses of step {beyond} are {a:.9g} and {b:.9g}, {delta:.2e} apart, beyond {mode.name}"
    return Evidence("window", "fail", f"{line}; {why}." if why else f"{line}.", f"step {beyond}")


def check_epoch_means(comparison: Comparison) -> Evidence:
    """Past the window rounding grows to the size of the loss; there the mean loss of every complete epoch judges."""
    numbers = comparison.numbers
    if numbers is None or numbers.compared == 0:
        return _unreached("epoch means", numbers)
    means = [mean for mean in numbers.epochs if mean.complete and mean.last > numbers.judged]
    if numbers.compared <= numbers.judged:
        return Evidence("epoch means", "unreached", "no step lies beyond the judged ones.")
    if not means:
        return Evidence("epoch means", "unreached", "no epoch beyond the judged steps is complete.")
    for mean in means:
        allowed = max(EPOCH_MEAN_RTOL * max(abs(mean.a), abs(mean.b)), comparison.resolution)
        if not abs(mean.a - mean.b) <= allowed:
            apart = f"{_percent(mean):.1f} % apart, allowed are {100 * EPOCH_MEAN_RTOL:g} %"
            line = f"the mean losses of epoch {mean.epoch} are {mean.a:.4g} and {mean.b:.4g}, {apart}."
            return Evidence("epoch means", "fail", line, f"epoch {mean.epoch}")
    worst = max(means, key=_percent)
    line = f"the means of {len(means)} complete epochs are at most {_percent(worst):.1f} % apart (epoch {worst.epoch})."
    return Evidence("epoch means", "pass", line)


def check_accuracy(comparison: Comparison) -> Evidence:
    """Final test accuracies of two full runs must be close."""
    numbers = comparison.numbers
    if numbers is None or not numbers.full:
        return _unreached("accuracy", numbers, "the configured epochs are not all there.")
    accuracies = [_accuracy(side) for side in (comparison.a, comparison.b)]
    missing = [name for name, value in zip("AB", accuracies, strict=True) if value is None]
    a, b = accuracies
    if a is None or b is None:
        return Evidence("accuracy", "unreached", f"no test accuracy is known of {' and '.join(missing)}.")
    points = round(abs(a - b) * 100, 9)  # 98.5 and 98.0 are 0.5 apart, whatever their binary fractions are
    line = f"test accuracies {a * 100:.2f} % and {b * 100:.2f} % are {points:.2f} points apart"
    if points <= ACCURACY_POINTS:
        return Evidence("accuracy", "pass", f"{line}.")
    return Evidence("accuracy", "fail", f"{line}, allowed are {ACCURACY_POINTS}.", "end of the run")


GATES: tuple[Gate, ...] = (
    check_contract,
    check_data,
    note_conventions,
    check_complete,
    check_finite,
    check_schedule,
    check_window,
    check_epoch_means,
    check_accuracy,
)


def show_difference(difference: KeyDifference) -> str:
    """`key is X in A and Y in B`; of two long lists only the first differing element."""
    key, a, b = difference.key, difference.a, difference.b
    if isinstance(a, list) and isinstance(b, list):
        if len(a) != len(b):
            return f"{key}: {len(a)} in A and {len(b)} in B"
        at = next(i for i, pair in enumerate(zip(a, b, strict=True)) if pair[0] != pair[1])
        key, a, b = f"{key}[{at}]", a[at], b[at]
    return f"{key} is {_show(a)} in A and {_show(b)} in B"


def _show(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _percent(mean: EpochMean) -> float:
    larger = max(abs(mean.a), abs(mean.b))
    return 100 * abs(mean.a - mean.b) / larger if larger > 0 else 0.0


def _accuracy(side: Recording) -> float | None:
    manifest = side.manifest
    if manifest is None:
        return None
    if manifest.test_correct is not None and manifest.test_total:
        return manifest.test_correct / manifest.test_total
    return manifest.test_accuracy


def _unreached(gate: str, numbers: Numbers | None, why: str = "there is no step to compare.") -> Evidence:
    return Evidence(gate, "unreached", _REFUSED if numbers is None else why)


def _faults(name: str, side: Recording) -> list[str]:
    """Why a recording is not known to be a whole run."""
    trace, manifest = side.trace, side.manifest
    faults = []
    if manifest is not None:
        if manifest.status != "complete":
            faults.append(
                f"the run of {name} is {manifest.status}"
                + (f" ({one_line(manifest.reason)})" if manifest.reason else "")
            )
        elif manifest.steps_written != trace.steps:
            faults.append(f"the manifest of {name} says {manifest.steps_written} steps, its trace has {trace.steps}")
        elif manifest.trace_sha256 and trace.sha256 and manifest.trace_sha256 != trace.sha256:
            faults.append(f"the manifest of {name} describes another trace: its trace_sha256 is not this file's")
    planned = trace.header.planned_steps
    if trace.truncated:
        faults.append(f"the trace of {name} ends in the middle of a line")
    if planned is not None and trace.steps < planned:
        faults.append(f"{name} has {trace.steps} of {planned} planned steps")
    return faults
