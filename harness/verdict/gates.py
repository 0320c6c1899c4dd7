"""The gates, in the order in which a failure explains the next one. Each looks at a pair and says one line."""

from collections.abc import Callable
from dataclasses import dataclass

from harness.verdict.envelope_gate import check_envelope
from harness.verdict.evidence import Answer, Evidence, PairFacts, unreached
from harness.verdict.f64_check import check_f64
from harness.verdict.later_gate import check_later
from harness.verdict.likeness import check_complete, check_contract, check_data, note_conventions
from harness.verdict.lockstep_gate import check_lockstep
from harness.verdict.rounding_gate import check_rounding
from harness.verdict.states_gate import check_states
from harness.verdict.steps import check_finite, check_forward, check_schedule, check_update, check_window
from harness.verdict.stress_gate import check_stress
from harness.verdict.training import check_accuracy, check_epoch_means
from harness.verdict.wide_gate import check_wide


@dataclass(frozen=True)
class Gate:
    """A check and its name in every report. A check that answers None has found no step to compare.

    `rounds`: its tolerance has room for rounding, so that f64 may tell more of a failure.
    """

    name: str
    check: Callable[[PairFacts], Answer | None]
    rounds: bool = False

    def evidence(self, pair: PairFacts) -> Evidence:
        """The check's answer under the gate's name."""
        answer = self.check(pair)
        if answer is None and pair.comparison.numbers is None:
            answer = unreached("not looked at, because the runs are unlike.")
        return (answer or unreached("there is no step to compare.")).of(self.name)


FORWARD = Gate("forward", check_forward, rounds=True)
UPDATE = Gate("backward and optimizer", check_update, rounds=True)
F64_CHECK = Gate("ladder", check_f64)
ROUNDING = Gate("rounding", check_rounding, rounds=True)
LOCKSTEP = Gate("lockstep", check_lockstep)
WINDOW = Gate("window", check_window, rounds=True)

GATES = (
    Gate("contract", check_contract),
    Gate("data", check_data),
    Gate("conventions", note_conventions),
    Gate("complete", check_complete),
    Gate("finite", check_finite, rounds=True),
    Gate("schedule", check_schedule),
    FORWARD,
    UPDATE,
    F64_CHECK,
    Gate("wide", check_wide),
    ROUNDING,
    Gate("stress", check_stress),
    Gate("envelope", check_envelope, rounds=True),
    WINDOW,
    LOCKSTEP,
    Gate("states", check_states),
    Gate("later steps", check_later),
    Gate("epoch means", check_epoch_means),
    Gate("accuracy", check_accuracy),
)
