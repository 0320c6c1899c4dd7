"""The result of a replay, for a terminal."""

from collections.abc import Sequence

from harness.report.text import render_judged
from harness.report.verification import CELL_COLUMNS, cell_rows
from harness.run.replay import ReplayRun
from harness.system.text import Document, Table, spaced
from harness.trace.store import StoredCell
from harness.verdict.pair import PairRow


def for_terminal(cell: StoredCell, ran: ReplayRun, rows: Sequence[PairRow]) -> Document:
    """The cell and its replays, then the evidence and the verdict of each."""
    states = cell.manifest.states
    size = sum(state.size for state in states)
    facts = (
        ("cell", f"{cell.name}, {cell.manifest.steps_written} steps on {cell.host or 'an unknown host'}"),
        ("states", f"{len(states)}, {size / 1e6:,.0f} MB, before steps {states[0].step} to {states[-1].step}"),
    )
    agree = sum(row.verdict is not None and row.verdict.status == "PASS" for row in rows)
    replays = [one for one, _ in ran.in_f32] + list(ran.in_f64)
    return spaced(
        [
            Document([f"{name:<9} {value}" for name, value in facts]),
            Document([Table(CELL_COLUMNS, cell_rows([cell, *replays]), wrapped=True)]),
            *(render_judged(row) for row in rows),
            Document([f"{cell.name}: {agree} of {len(rows)} replays agree."]),
        ]
    )
