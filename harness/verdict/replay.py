"""A run held to a replay: parts of it that another program took again, from states that it had kept."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.trace.format import Floats, Trace
from harness.trace.parts import Part
from harness.trace.recording import Recording
from harness.trace.segments import Segments
from harness.verdict.compare import RATE_RTOL, Judging, compare_parts
from harness.verdict.coverage import Coverage, coverage_line
from harness.verdict.evidence import Answer, FromStates, PairFacts, failed, inconclusive, passed
from harness.verdict.judge import Verdict, conclude
from harness.verdict.likeness import check_contract, check_data, faults
from harness.verdict.lockstep_beyond import Beyond, states_beyond
from harness.verdict.rounding.bounds import fitted_bounds
from harness.verdict.rounding.lockstep import PARAMETERS, loss_apart, measure_segments
from harness.verdict.rounding_gate import device_factor
from harness.verdict.states_gate import check_states


@dataclass(frozen=True)
class Replayed:
    """A run and parts of it that were taken again. `segments`: the parts that end at a state that was kept as well."""

    original: Recording
    again: Recording
    segments: Segments

    @property
    def parts(self) -> Sequence[Part]:
        """The parts that were taken again."""
        return self.again.trace.header.parts


def judge_replay(replayed: Replayed) -> Verdict:
    """Hold the steps after each state, and the states that they lead to, to what rounding does within a few steps."""
    comparison = compare_parts(replayed.original, replayed.again)
    facts = PairFacts(comparison)
    checks = {"contract": check_contract(facts), "data": check_data(facts), "complete": _complete(replayed)}
    taken = [step for part in replayed.parts for step in part.steps]
    if all(answer.outcome in ("pass", "unreached") for answer in checks.values()):
        factor = device_factor(comparison, fitted_bounds())
        checks |= {"schedule": _schedule(replayed, taken), "replay": _check(replayed, taken, factor)}
    evidence = tuple(answer.of(gate) for gate, answer in checks.items())
    judged = evidence[-1].gate == "replay" and evidence[-1].outcome == "pass"
    coverage = Coverage(len(taken) if judged else 0, replayed.original.trace.steps, "replay" if judged else None)
    line = coverage_line(coverage, Judging().coverage)
    assert line is not None
    return conclude((*evidence, line), coverage)


def judge_from_states(found: FromStates | str) -> Verdict:
    """The verdict on both pipelines in f64 from the kept states."""
    if isinstance(found, str):
        return conclude((inconclusive(f"the pair from states is missing: {found}.").of("states"),), None)
    assert found.parts is not None
    return conclude((check_states(PairFacts(found.parts, from_states=found)).of("states"),), None)


def _complete(replayed: Replayed) -> Answer:
    problems = faults("the run", replayed.original) + faults("the replay", replayed.again)
    steps = replayed.original.trace.steps
    if beyond := [str(part) for part in replayed.parts if part.end > steps + 1]:
        problems.append(f"the run has {steps} steps, and was replayed at {', '.join(beyond)}")
    if len(replayed.segments.ends) != replayed.segments.planned:
        problems.append(f"{len(replayed.segments.ends)} of {replayed.segments.planned} states were compared")
    if problems:
        return inconclusive(f"{'; '.join(problems)}.")
    return passed(f"{replayed.again.trace.steps} steps from {len(replayed.parts)} states were taken again.")


def _columns(replayed: Replayed, taken: Sequence[int], column: str) -> tuple[Floats, Floats]:
    def of(trace: Trace) -> Floats:
        values: Floats = getattr(trace, column)[trace.rows(taken)]
        return values

    return of(replayed.original.trace), of(replayed.again.trace)


def _schedule(replayed: Replayed, taken: Sequence[int]) -> Answer:
    a, b = _columns(replayed, taken, "lr")
    beyond = ~(np.abs(a - b) <= RATE_RTOL * np.maximum(np.abs(a), np.abs(b)))
    if not beyond.any():
        return passed(f"learning rates agree to {RATE_RTOL:g} of each other.")
    at = int(np.argmax(beyond))
    line = f"the learning rates of step {taken[at]} are {a[at]:.9g} and {b[at]:.9g}, further apart than rounding."
    return failed(line, f"step {taken[at]}", "schedule")


def _check(replayed: Replayed, taken: Sequence[int], factor: float) -> Answer:
    """The losses of the parts by their place, and the states at their ends."""
    bounds = fitted_bounds().lockstep
    params = replayed.again.trace.header.params or ()
    ends = list(measure_segments(replayed.segments, params))
    # The lower median, because there may be two ends, of which one is that of a fault.
    best = sorted(end.least for end in ends if end.kind == PARAMETERS)
    calm = not best or best[(len(best) - 1) // 2] <= factor * bounds.calm_up_to
    apart = loss_apart(*_columns(replayed, taken, "loss"))
    beyond = states_beyond(ends, bounds, factor) if calm else []
    places = [step - part.first for part in replayed.parts for step in part.steps]
    for step, place, difference in zip(taken, places, apart.tolist(), strict=True):
        allowed = factor * bounds.loss[min(place, len(bounds.loss) - 1)]
        if (calm or place == 0) and not difference <= allowed:
            line = f"step {step}: the losses are {difference:.1e} apart from one state, {allowed:.1e} allowed"
            beyond.append(Beyond(step, 0, line, f"step {step}, loss", "backward" if place else "forward"))
    if beyond:
        first = min(beyond, key=lambda one: (one.first, one.order))
        return failed(f"{first.line}; {len(beyond)} figures are beyond.", first.place, first.fault)
    if not calm:
        return inconclusive("rounding grows so fast within these parts that only their first losses can be judged.")
    worst = int(np.argmax(apart))
    line = f"the losses are at most {apart[worst]:.1e} apart relatively (step {taken[worst]})"
    if ends:
        end = max(ends, key=lambda one: one.largest / bounds.states["largest"][one.kind])
        allowed = factor * bounds.states["largest"][end.kind]
        line += f"; {len(replayed.segments.ends)} states at most {end.largest:.1e} of their moves ({end.tensor}, "
        line += f"steps {end.first} to {end.step - 1}), {allowed:.1e} allowed"
    return passed(f"{line}.")
