"""The cells of a night against the references: judged where the environment is the same, one event where it is not."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import ReferenceTraceError, TraceError
from harness.night.references.comparison import Compared, compare_with
from harness.night.references.environment import Environment, environment_of
from harness.night.references.reference import find_like, list_references, settle
from harness.trace.store import StoredCell
from harness.verdict.judge import Verdict, worst_exit_code
from harness.verdict.pair import PairRow
from harness.verdict.relation import CROSS_TIME


@dataclass(frozen=True)
class Change:
    """One difference of two environments. `cells`: the number of cells that it concerns."""

    what: str
    old: str
    new: str
    cells: int

    @property
    def sentence(self) -> str:
        """In words."""
        return f"{self.what} {self.old} → {self.new}"


@dataclass(frozen=True)
class EnvironmentEvent:
    """Cells that have references of other environments only. `compared`: each against the one most like its own."""

    changes: tuple[Change, ...]
    compared: tuple[Compared, ...]

    @property
    def beyond(self) -> tuple[Compared, ...]:
        """Those that the change of environment changed by more than rounding explains."""
        return tuple(one for one in self.compared if not one.passed)

    @property
    def outcome(self) -> str:
        """`note`, or `fail` when a cell is beyond its envelope."""
        return "fail" if self.beyond else "note"

    @property
    def sentence(self) -> str:
        """The event in words."""
        total, beyond = len(self.compared), [one.name for one in self.beyond]
        line = f"environment event: {', '.join(change.sentence for change in self.changes)}; "
        line += f"{total - len(beyond)} of {total} cells within the envelope of their old reference"
        return f"{line}; not {', '.join(beyond)}." if beyond else f"{line}."


@dataclass(frozen=True)
class ReferenceFindings:
    """Comparison of a night with the references. `compared`: cells with a reference of their environment.

    `unreadable`: rows of cells whose reference is damaged. `without`: names of cells that have none at all.
    """

    compared: tuple[Compared, ...] = ()
    event: EnvironmentEvent | None = None
    unreadable: tuple[PairRow, ...] = ()
    without: tuple[str, ...] = ()

    @property
    def rows(self) -> tuple[PairRow, ...]:
        """The rows of a report; the cells of the event are not among them."""
        return (*(one.row for one in self.compared), *self.unreadable)

    @property
    def exit_code(self) -> int:
        """The worst of the rows, and 1 when a cell of the event is beyond its envelope; 3 when nothing was compared."""
        codes = [row.verdict.exit_code for row in self.rows if row.verdict is not None]
        codes += [one.row.verdict.exit_code for one in self.event.beyond if one.row.verdict] if self.event else []
        codes += [0] if self.event else []
        return worst_exit_code(codes)


def compare_to_references(cells: Sequence[StoredCell], folder: Path) -> ReferenceFindings:
    """Compare the complete cells with the references below a folder; cells run as evidence for others are left out.

    Raises: EnvelopeError when an envelope of a run is damaged, OSError.
    """
    settle(folder)
    known = list_references(folder)
    same: list[Compared] = []
    other: list[tuple[Compared, Environment, Environment]] = []
    unreadable: list[PairRow] = []
    without: dict[str, None] = {}
    for cell in sorted(cells, key=lambda cell: (cell.name, cell.host, cell.relative)):
        if not cell.complete or cell.facts.evidence:
            continue
        if cell.name not in known:
            without[cell.name] = None
            continue
        try:
            recording = cell.read()
            environment = environment_of(recording.trace.header, cell.manifest)
            reference = find_like(known[cell.name], environment)
        except (ReferenceTraceError, TraceError) as error:
            verdict = Verdict("INCONCLUSIVE", "reference", str(error), None)
            unreadable.append(
                PairRow("reference", cell.short_name, verdict=verdict, kind=CROSS_TIME, cells=(cell, cell))
            )
            continue
        if reference.recording.trace.header.dataset != recording.trace.header.dataset:
            without[cell.name] = None  # a stand-in has the name of the cell, and no reference
            continue
        compared = compare_with(reference, recording, cell.manifest)
        row = replace(compared.row, b=cell.short_name, cells=(reference.cell, cell))
        compared = replace(compared, row=row)
        if compared.key == environment.key:
            same.append(compared)
        else:
            other.append((compared, reference.environment, environment))
    event = _event(other) if other else None
    return ReferenceFindings(tuple(same), event, tuple(unreadable), tuple(without))


def _event(cells: Sequence[tuple[Compared, Environment, Environment]]) -> EnvironmentEvent:
    changes = Counter(change for _, old, new in cells for change in new.changes(old))
    return EnvironmentEvent(
        changes=tuple(Change(*change, count) for change, count in sorted(changes.items())),
        compared=tuple(compared for compared, _, _ in cells),
    )
