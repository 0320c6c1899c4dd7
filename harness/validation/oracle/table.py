"""The table of an oracle's run, for a terminal, as Markdown and as JSON."""

from collections.abc import Sequence

import msgspec

from harness.system.text import Document
from harness.validation.document import TableSection, as_json, lay_out
from harness.validation.oracle.judgement import Largest
from harness.validation.oracle.workers import OracleRow
from harness.verdict.judge import EXIT_CODES, INCONCLUSIVE

ORACLE_VERSION = 1
COLUMNS = (
    "case",
    "dtype",
    "parameters",
    "gradient",
    "worst tensor",
    "loss 1",
    "loss 2",
    "loss 3",
    "optimizer",
    "interpreter",
    "verdict",
)


def render(rows: Sequence[OracleRow], form: str) -> Document | str:
    """The rows, what is wrong with some, and the totals."""
    if form == "json":
        described = [{**msgspec.to_builtins(row), "verdict": row.verdict} for row in rows]
        return as_json({"oracle_version": ORACLE_VERSION, "rows": described, "exit_code": exit_code(rows)})
    sentences = [f"{row.case} {row.dtype}: {sentence}." for row in rows for sentence in _sentences(row)]
    table = TableSection(COLUMNS, [_cells(row) for row in rows])
    return lay_out([table], [sentences, _totals(rows)], form)


def exit_code(rows: Sequence[OracleRow]) -> int:
    """0 when all rows that are judged agree, 3 when none is judged, else 1."""
    verdicts = {row.verdict for row in rows} - {"SHOWN"}
    if not verdicts:
        return INCONCLUSIVE
    return EXIT_CODES["PASS" if verdicts == {"AGREE"} else "FAIL"]


def _cells(row: OracleRow) -> list[str]:
    found = row.finding
    if found is None:
        return [row.case, row.dtype, *["-"] * (len(COLUMNS) - 3), row.verdict]
    return [
        row.case,
        row.dtype,
        f"{found.params:,}",
        f"{found.gradient.value:.1e}",
        found.gradient.tensor,
        *(f"{delta:.1e}" for delta in found.losses),
        f"{found.optimizer.value:.1f} ulp",
        _interpreter(row),
        row.verdict,
    ]


def _interpreter(row: OracleRow) -> str:
    """The greater of the reference interpreter's gradient differences from the two pipelines."""
    step = row.finding.interpreter if row.finding is not None else None
    if step is None:
        return "-"
    sides = [side.value for side in (step.against_phase2, step.against_phase3) if side is not None]
    return f"{max(sides):.1e}" if sides else "too long"


def _sentences(row: OracleRow) -> Sequence[str]:
    return [row.trouble] if row.finding is None else row.finding.complaints


def _totals(rows: Sequence[OracleRow]) -> list[str]:
    lines = []
    for dtype in dict.fromkeys(row.dtype for row in rows):
        found = [row for row in rows if row.dtype == dtype]
        judged = [(row.finding.gradient, row.case) for row in found if row.finding is not None]
        shown = sum(row.verdict == "SHOWN" for row in found)
        agree = sum(row.verdict == "AGREE" for row in found)
        line = f"{dtype}: {agree} of {len(found) - shown} cases agree"
        if shown:
            line += f"; {shown} shown and not judged, since f64 tells rounding from a bug"
        if judged:
            worst, case = max(judged, key=lambda pair: _order(pair[0]))
            line += f"; worst gradient {worst.value:.1e}, {worst.tensor} of {case}"
        lines.append(f"{line}.")
    asked = [row.finding.interpreter for row in rows if row.finding is not None]
    steps = [step for step in asked if step is not None]
    if steps:
        ran = [step for step in steps if step.against_phase2 is not None]
        agree = sum(step.agrees for step in ran)
        left_out = f"; {len(steps) - len(ran)} would take too long" if len(ran) < len(steps) else ""
        lines.append(f"Reference interpreter: {agree} of {len(ran)} agree with both pipelines{left_out}.")
    return lines


def _order(worst: Largest) -> float:
    return worst.value if worst.value == worst.value else float("inf")
