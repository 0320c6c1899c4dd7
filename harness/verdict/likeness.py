"""The likeness of two runs, a condition of comparing them: one run described, the same batches, both ended well."""

import numpy as np

from harness.trace.format import Trace, one_line
from harness.trace.recording import Recording
from harness.trace.spacing import is_regular
from harness.verdict.compare import DEFAULT_WINDOW, Comparison
from harness.verdict.evidence import Answer, PairFacts, failed, inconclusive, note, passed, unreached
from harness.verdict.identity import KeyDifference, same

_TRAINED = ("netspec_name", "config", "total_params", "dataset")
_START = ("init_sha256", "data_sha256")
_PROGRAM = ("emitted_sha256", "command_sha256")  # of a program that was emitted here, or of somebody else's command
# Nats. A cross-entropy is not negative; the rounding of f32 makes it so by 6e-5 at most with logits up to a thousand.
_LEAST_LOSS = -1e-4


def check_contract(pair: PairFacts) -> Answer:
    """Both headers must describe the same run."""
    identity = pair.comparison.identity
    if identity.differences:
        line = "; ".join(map(show_difference, identity.differences)) + "."
        return failed(line, identity.differences[0].key, "contract")
    header_a, header_b = pair.comparison.a.trace.header, pair.comparison.b.trace.header
    parts = ["the headers agree on every key that both have"]
    for name, keys in (("A", identity.unknown_a), ("B", identity.unknown_b)):
        if keys:
            parts.append(f"unknown because only {name} has it: {', '.join(keys)}")
    if untold := [key for key in _TRAINED if not header_a.tells(key) and not header_b.tells(key)]:
        parts.append(f"neither tells {', '.join(untold)}: that they train the same is not known")
    if untold := [key for key in _START if getattr(header_a, key) is None and getattr(header_b, key) is None]:
        parts.append(f"neither has {' and '.join(untold)}: that they start alike is not known")
    if not identity.shared:
        return unreached("; ".join(["no key of a header is told on both sides", *parts[1:]]) + ".")
    if (program := _program(pair.comparison.a)) is not None and program == _program(pair.comparison.b):
        parts.append("the same program on both sides")
    return passed("; ".join(parts) + ".")


def check_data(pair: PairFacts) -> Answer:
    """Both runs must have been fed the same batches."""
    identity = pair.comparison.identity
    if identity.batch_difference is not None:
        line = show_difference(identity.batch_difference) + "."
        return failed(line, f"step {identity.batch_step}", "data")
    if identity.batches == 0:
        return unreached("no compared step has a batch digest on both sides.")
    return passed(f"the batches of {identity.batches} steps are the same on both sides.")


def check_evidence(comparison: Comparison, where: str) -> Answer | None:
    """The failure of a pair that was run as evidence for another, when its runs are unlike; None when they are alike.

    `where`: which runs those are, as the line begins.
    """
    facts = PairFacts(comparison)
    for found in (check_contract(facts), check_data(facts)):
        if found.outcome == "fail":
            return failed(f"{where}, {found.line}", found.place, found.fault)
    return None


def note_conventions(pair: PairFacts) -> Answer:
    """Differing conventions are evidence; they neither refuse a pair nor excuse it."""
    comparison = pair.comparison
    left, right = comparison.a.trace.header.conventions, comparison.b.trace.header.conventions
    if comparison.identity.conventions:
        line = "differ: " + "; ".join(map(show_difference, comparison.identity.conventions)) + "."
    elif left is None and right is None:
        line = "neither side states its conventions."
    elif left is None or right is None:
        line = f"only {'B' if left is None else 'A'} states its conventions."
    else:
        line = "both sides state the same conventions."
    return note(line)


def check_complete(pair: PairFacts) -> Answer:
    """A run that ended early, or whose end is not known to belong to its trace, is never a pass."""
    comparison, numbers = pair.comparison, pair.comparison.numbers
    a, b = comparison.a, comparison.b
    found = faults("A", a) + faults("B", b) + _lengths(comparison)
    if numbers is not None and numbers.compared and numbers.judged == 0:
        found.append(
            f"the first step that can be compared is step {numbers.steps[0]}: past the first {DEFAULT_WINDOW} no step "
            "is judged by itself, and --window N has the first N judged"
        )
    if found:
        return inconclusive("; ".join(found) + ".")
    ends = [f"; {name} was {end}" for name, side in (("A", a), ("B", b)) if (end := _end(side))]
    if numbers is None or numbers.unbroken == numbers.compared:
        compared = a.trace.steps if comparison.judging.steps is None else comparison.judging.steps
        return passed(f"{compared} steps of both sides are compared{''.join(ends)}.")
    line = f"{numbers.compared} steps up to step {numbers.steps[-1]}, those that both sides have, are compared"
    return passed(f"{line}{''.join(ends)}.")


def _lengths(comparison: Comparison) -> list[str]:
    """The reasons for which the two sides do not have the same steps."""
    a, b, steps = comparison.a.trace, comparison.b.trace, comparison.judging.steps
    shorter, longer = sorted((a, b), key=lambda trace: trace.last_step)
    if any(trace.header.epoch_losses is not None for trace in (a, b)):
        return ["the losses told are means of epochs, and there is no step to compare"]
    if min(a.steps, b.steps) == 0:
        return ["there is no step to compare"]
    if holes := [name for name, trace in (("A", a), ("B", b)) if not is_regular(trace.step)]:
        has = f"{' and '.join(holes)} {'has' if len(holes) == 1 else 'have'}"
        return [f"{has} neither every step from the first on nor every so many-th"]
    if comparison.numbers is not None and comparison.numbers.compared == 0:
        return [f"no loss of the two sides is of the same steps: {_spacing('A', a)}, {_spacing('B', b)}"]
    if steps is not None:
        missing = _reach(shorter) < steps
        return [f"{steps} steps were asked for, A has {a.last_step}, B has {b.last_step}"] if missing else []
    if _reach(shorter) < longer.last_step:
        return [f"A has {a.last_step} steps, B has {b.last_step}; compare prefixes with --steps"]
    return []


def _reach(trace: Trace) -> int:
    """The last step of a run, as far as a trace tells that has only some of its steps: the next one is missing."""
    return trace.last_step + (0 if trace.steps < 2 else int(trace.step[-1] - trace.step[-2]) - 1)


def _spacing(name: str, trace: Trace) -> str:
    what = "means up to steps" if trace.header.averaged else "steps"
    first, last = trace.step[:3].tolist(), trace.step[3:][-1:].tolist()
    return f"{name} has {what} {' … '.join([', '.join(map(str, first)), *map(str, last)])}"


def faults(name: str, side: Recording) -> list[str]:
    """The reasons for which a recording is not known to be a whole run."""
    trace, manifest = side.trace, side.manifest
    found = []
    if manifest is not None:
        if manifest.status != "complete":
            found.append(
                f"the run of {name} is {manifest.status}"
                + (f" ({one_line(manifest.reason)})" if manifest.reason else "")
            )
        elif manifest.steps_written != trace.steps:
            found.append(f"the manifest of {name} says {manifest.steps_written} steps, its trace has {trace.steps}")
        elif manifest.trace_sha256 and trace.sha256 and manifest.trace_sha256.lower() != trace.sha256:
            found.append(f"the manifest of {name} describes another trace: its trace_sha256 is not this file's")
        found += [f"the manifest of {name} says complete, and {line}" for line in manifest.contradictions]
    found += [f"{name} contradicts itself: {line}" for line in side.contradictions]
    planned = trace.header.planned_steps
    if trace.truncated:
        found.append(f"the trace of {name} ends in the middle of a line")
    steps = trace.steps if trace.header.run_steps is not None else trace.last_step
    if planned is not None and steps < planned:
        found.append(f"{name} has {steps} of {planned} planned steps")
    if (trace.header.units or {}).get("loss") == "nats" and (negative := trace.loss < _LEAST_LOSS).any():
        row = int(np.argmax(negative))
        line = f"the loss of {name} at step {trace.step[row]} is {trace.loss[row]:.6g} nats"
        found.append(f"{line}; no cross-entropy is negative")
    return found


def _program(side: Recording) -> str | None:
    """Digest of the program that ran, None where neither file tells."""
    noted = side.manifest.provenance if side.manifest is not None else {}
    told = (side.trace.header.emitted_sha256, *(noted.get(name) for name in _PROGRAM))
    return next((digest.lower() for digest in told if isinstance(digest, str)), None)


def _end(side: Recording) -> str:
    """What is remarkable about the end of a complete run; empty for most."""
    return one_line(side.manifest.reason) if side.manifest is not None and side.manifest.reason else ""


def show_difference(difference: KeyDifference) -> str:
    """`key is X in A and Y in B`; of two long lists only the first differing element."""
    key, a, b = difference.key, difference.a, difference.b
    if isinstance(a, list) and isinstance(b, list):
        if len(a) != len(b):
            return f"{key}: {len(a)} in A and {len(b)} in B"
        at = next(i for i, pair in enumerate(zip(a, b, strict=True)) if not same(*pair))
        key, a, b = f"{key}[{at}]", a[at], b[at]
    return f"{key} is {_show(a)} in A and {_show(b)} in B"


def _show(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
