"""The likeness of two runs, a condition of comparing them: one run described, the same batches, both ended well."""

import numpy as np

from harness.trace.format import one_line
from harness.trace.recording import Recording
from harness.verdict.compare import Comparison
from harness.verdict.evidence import Answer, PairFacts, failed, inconclusive, note, passed, unreached
from harness.verdict.identity import KeyDifference, same

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
    parts = ["the headers agree on every key that both have"]
    for name, keys in (("A", identity.unknown_a), ("B", identity.unknown_b)):
        if keys:
            parts.append(f"unknown because only {name} has it: {', '.join(keys)}")
    header_a, header_b = pair.comparison.a.trace.header, pair.comparison.b.trace.header
    if untold := [key for key in _START if getattr(header_a, key) is None and getattr(header_b, key) is None]:
        parts.append(f"neither has {' and '.join(untold)}: that they start alike is not known")
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
    comparison = pair.comparison
    a, b, steps = comparison.a, comparison.b, comparison.judging.steps
    found = faults("A", a) + faults("B", b)
    if min(a.trace.steps, b.trace.steps) == 0:
        found.append("there is no step to compare")
    elif steps is None and a.trace.steps != b.trace.steps:
        found.append(f"A has {a.trace.steps} steps, B has {b.trace.steps}; compare prefixes with --steps")
    elif steps is not None and min(a.trace.steps, b.trace.steps) < steps:
        found.append(f"{steps} steps were asked for, A has {a.trace.steps}, B has {b.trace.steps}")
    if found:
        return inconclusive("; ".join(found) + ".")
    compared = a.trace.steps if steps is None else steps
    ends = [f"; {name} was {end}" for name, side in (("A", a), ("B", b)) if (end := _end(side))]
    return passed(f"{compared} steps of both sides are compared{''.join(ends)}.")


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
    if planned is not None and trace.steps < planned:
        found.append(f"{name} has {trace.steps} of {planned} planned steps")
    if (trace.header.units or {}).get("loss") == "nats" and (negative := trace.loss < _LEAST_LOSS).any():
        step = int(np.argmax(negative)) + 1
        found.append(
            f"the loss of {name} at step {step} is {trace.loss[step - 1]:.6g} nats; no cross-entropy is negative"
        )
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
