"""The states of a long run: from each of them the pair takes a few steps in f64, and classifies the same test images.

What shows only in trained networks, at later rates or in evaluation is mathematics there and not chance.
"""

from collections.abc import Mapping, Sequence

from harness.trace.evaluations import Evaluation
from harness.trace.parts import Part
from harness.verdict.channels import LOSS
from harness.verdict.compare import Comparison
from harness.verdict.evidence import Answer, FromStates, PairFacts, failed, inconclusive, passed, unreached
from harness.verdict.f64_check import SAME, Furthest, compare_in_f64
from harness.verdict.likeness import check_evidence, faults


def check_states(pair: PairFacts) -> Answer:
    """In f64, from states that both were given, all steps and all logits must be equal but for f64's own rounding."""
    found = pair.beside.from_states
    if found is None:
        return unreached("the pair was not run from states.")
    if isinstance(found, str):
        return inconclusive(f"the pair from states is missing: {found}.")
    evaluated = {one.step: one for one in found.evaluated}
    parts: Sequence[Part] = [Part(step, 0) for step in evaluated]
    if found.parts is not None:
        parts = found.parts.a.trace.header.parts
        if (unlike := _unlike(found.parts)) is not None:
            return unlike
        if missing := [str(part.first) for part in parts if part.first not in evaluated]:
            return inconclusive(f"from states: no logits by those before the steps {', '.join(missing)}.")
    return _judge(found, parts, evaluated) if parts else inconclusive("from states: there is none.")


def _unlike(parts: Comparison) -> Answer | None:
    """What is the matter with two recordings of parts, so that nothing of them can be judged."""
    if (unlike := check_evidence(parts, "from states")) is not None:
        return unlike
    problems = faults("A", parts.a) + faults("B", parts.b)
    if parts.a.trace.header.run_steps is None or parts.a.trace.header.run_steps != parts.b.trace.header.run_steps:
        problems.append("the two sides did not take the same parts of the run")
    return inconclusive(f"from states: {'; '.join(problems)}.") if problems else None


def _judge(found: FromStates, parts: Sequence[Part], evaluated: Mapping[int, Evaluation]) -> Answer:
    """The first state at which the sides differ, or the furthest that they come apart."""
    furthest: list[Furthest] = []
    for part in parts:
        if (wrong := _check_logits(evaluated[part.first])) is not None:
            return wrong
        if part.count and found.parts is not None:
            steps = compare_in_f64(found.parts.a.trace, found.parts.b.trace, part.steps)
            if steps.cause is not None:
                cause = steps.cause
                # From one state the first loss is the forward pass's; later ones see the steps before too.
                fault = "forward" if (cause.channel, cause.step) == (LOSS, part.first) else cause.fault
                return failed(f"from the state before step {part.first}, {steps.differs}.", cause.place, fault)
            furthest.append(steps.furthest)
    last, logits = evaluated[parts[-1].first], max(one.apart for one in evaluated.values())
    line = f"from {len(parts)} states" if len(parts) > 1 else f"from the state before step {parts[0].first}"
    if furthest:
        taken, worst = sum(part.count for part in parts), max(furthest, key=lambda one: one.relative / one.allowed)
        line += f", {taken} steps in f64: the furthest is {worst.words}"
    line += f"; logits of {last.images} test images at most {logits:.1e} apart, {last.right[0]} right by the last state"
    numbers = {"states": float(len(parts)), "logits_apart": logits}
    return passed(f"{line}.", numbers | ({"steps_apart": max(one.relative for one in furthest)} if furthest else {}))


def _check_logits(one: Evaluation) -> Answer | None:
    """What is wrong with the logits by a state."""
    by = f"by the state before step {one.step}"
    if one.labels_differ:
        line = f"{by} {one.labels_differ} of {one.images} test images have other labels on the two sides."
        return failed(line, f"test labels {by}", "training")
    if 0 <= one.apart <= SAME:
        return None
    told = f"{one.apart:.1e} apart" if one.apart >= 0 else "no finite numbers"
    right = f"{one.right[0]} and {one.right[1]} of {one.images} test images are right"
    return failed(f"{by} the logits are {told} in f64, {SAME:.0e} allowed; {right}.", f"logits {by}", "training")
