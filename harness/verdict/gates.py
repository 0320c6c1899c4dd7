"""The gates, in the order in which a failure explains the next one. Each looks at a case and says one line."""

from collections.abc import Callable

from harness.verdict.envelope_gate import check_envelope
from harness.verdict.evidence import Case, Evidence
from harness.verdict.ladder import check_ladder
from harness.verdict.likeness import check_complete, check_contract, check_data, note_conventions
from harness.verdict.steps import check_finite, check_forward, check_schedule, check_update, check_window
from harness.verdict.training import check_accuracy, check_epoch_means

GATES: tuple[Callable[[Case], Evidence], ...] = (
    check_contract,
    check_data,
    note_conventions,
    check_complete,
    check_finite,
    check_schedule,
    check_forward,
    check_update,
    check_ladder,
    check_envelope,
    check_window,
    check_epoch_means,
    check_accuracy,
)
