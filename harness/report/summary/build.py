"""Makes a summary of folders of cells, nights or not."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import HarnessError, TraceError
from harness.night.checks import NightCheck, read_check
from harness.night.findings import NightFinding, read_findings, with_findings
from harness.night.folder import PLAN, Night, NightFolder, find_unfinished
from harness.night.references.findings import ReferenceFindings, compare_to_references
from harness.report.corners import find_corners
from harness.report.summary import UNDATED, Event, Summary, model_of
from harness.report.summary.history import read_history
from harness.report.summary.problems import find_alone, find_mislabelled
from harness.run.provenance import scrub
from harness.trace.planned import HeldToPlans, hold_to_plans, read_planned
from harness.trace.store import StoredCell, read_store
from harness.verdict.compare import Judging
from harness.verdict.pairs import judge_cells


def summarise(
    folders: Sequence[Path],
    judging: Judging,
    *,
    title: str | None = None,
    history: Path | None = None,
    references: Path | None = None,
) -> Summary:
    """Read everything in the folders, judge every pair, hold cells to their references, look up earlier nights.

    `history`: a Parquet file, which need not be there. `references`: a folder of accepted traces, or none.

    Raises: HarnessError for a folder or history that cannot be read; a bad file among the cells is a problem.
    """
    nights = []
    for folder in folders:
        if not folder.is_dir():
            raise TraceError(f"{folder}: not a folder; expected one with cells or that of a night.")
        nights += [NightFolder(path) for path in _with_nights(folder)]
    nights = list({night.path.resolve(): night for night in nights}.values())
    planned = [night.path for night in nights if night.is_night]
    stored = read_store([night.cells for night in nights if night.cells.is_dir()], planned)
    gathered = _Gathered(problems=list(stored.problems))
    current = gathered.current(stored.cells, folders, [night.cells for night in nights if night.is_night])
    for night in nights:
        gathered.add(night)
    accepted = ReferenceFindings()
    if references is not None and references.is_dir():
        accepted = compare_to_references(current.cells, references)
    rows = (*with_findings(list(judge_cells(current.cells, judging)), gathered.findings), *accepted.rows)
    date = max((plan.night.isoformat() for plan in gathered.plans), default=UNDATED)
    earlier = [row for row in read_history(history) if row.night < date] if history is not None else []
    return Summary(
        title=title or next((plan.parsed.title for plan in gathered.plans), "Training traces"),
        night=date,
        mode=judging.mode.name,
        cells=current.cells,
        rows=rows,
        checks=tuple(gathered.checks),
        events=(*_events(accepted), *_earlier_runs(current.earlier)),
        history=tuple(earlier),
        corners=find_corners(rows, current.cells, judging, model_of),
        problems=(*gathered.problems, *find_alone(current.cells, rows), *find_mislabelled(current.cells)),
    )


def _with_nights(folder: Path) -> list[Path]:
    """The folder, and those of nights below it, whose checks and plans count as well."""
    if (folder / PLAN).is_file():
        return [folder]
    return [folder, *sorted(path.parent for path in folder.rglob(PLAN))]


@dataclass
class _Gathered:
    """The documents that nights left beside their cells. A damaged file is a problem, and the rest is read."""

    problems: list[str]
    plans: list[Night] = field(default_factory=list)
    findings: dict[str, NightFinding] = field(default_factory=dict)
    checks: list[NightCheck] = field(default_factory=list)

    def current(self, cells: tuple[StoredCell, ...], folders: Sequence[Path], nights: Sequence[Path]) -> HeldToPlans:
        """The cells of the newest runs; what is missing of them, or a plan that is damaged, is a problem.

        `nights`: folders of cells of nights, which know themselves what they set out to do.
        """
        found = HeldToPlans(cells, (), ())
        with self._damage():
            found = hold_to_plans(cells, folders, nights)
        self.problems += found.missing
        return found

    def add(self, night: NightFolder) -> None:
        """Take in what a folder has; of a night also what is missing."""
        with self._damage():
            self.findings |= read_findings(night.findings)
        checks = []
        for path in sorted(night.checks.glob("*.json")):
            with self._damage():
                checks.append(read_check(path))
        could_not: list[str] = []
        with self._damage():
            could_not = night.read_problems()
        self.checks += checks
        self.problems += could_not
        if night.is_night:
            with self._damage():
                plan = night.read()
                self.plans.append(plan)
                own = read_store([night.cells]).cells if night.cells.is_dir() else ()  # also those that are copies
                names, runs = {check.name for check in checks}, read_planned(night.cells)
                self.problems += find_unfinished(plan, own, names, could_not, runs)

    @contextmanager
    def _damage(self) -> Iterator[None]:
        try:
            yield
        except HarnessError as error:
            self.problems.append(scrub(str(error)))


def _earlier_runs(earlier: Sequence[StoredCell]) -> Iterator[Event]:
    """Cells that a newer run has left behind in its folder."""
    if earlier:
        many = len(earlier)
        line = f"{many} {'cell is' if many == 1 else 'cells are'} not of the newest run there and not judged"
        yield Event("earlier runs", "note", f"{line}, such as {earlier[0].name}")


def _events(accepted: ReferenceFindings) -> Iterator[Event]:
    if accepted.event is not None:
        failed = accepted.event.outcome == "fail"
        yield Event(
            "environment", "fail" if failed else "note", accepted.event.sentence.removeprefix("environment event: ")
        )
    if accepted.without and (accepted.rows or accepted.event):
        many = len(accepted.without)
        line = f"{many} {'cell has' if many == 1 else 'cells have'} none yet, such as {accepted.without[0]}"
        yield Event("references", "note", f"{line}; `harness accept` makes one")
