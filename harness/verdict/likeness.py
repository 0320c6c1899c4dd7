"""The likeness of two runs, a condition of comparing them: one run described, the same batches, both ended well."""

from harness.trace.format import one_line
from harness.trace.recording import Recording
from harness.verdict.evidence import Answer, PairFacts, failed, inconclusive, note, passed, unreached
from harness.verdict.identity import KeyDifference, same

_START = ("init_sha256", "data_sha256")


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
    return passed(f"{compared} steps of both sides are compared.")


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
        elif manifest.trace_sha256 is None and manifest.cell is not None:
            found.append(f"the manifest of {name} does not say which trace it describes: it has no trace_sha256")
        elif manifest.trace_sha256 and trace.sha256 and manifest.trace_sha256 != trace.sha256:
            found.append(f"the manifest of {name} describes another trace: its trace_sha256 is not this file's")
    planned = trace.header.planned_steps
    if trace.truncated:
        found.append(f"the trace of {name} ends in the middle of a line")
    if planned is not None and trace.steps < planned:
        found.append(f"{name} has {trace.steps} of {planned} planned steps")
    return found


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
