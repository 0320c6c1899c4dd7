"""The cells of the newest run of a folder: those of earlier runs that still lie there do not count as its own."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from harness.errors import TraceError
from harness.trace.format import one_line
from harness.trace.manifest import CellFacts
from harness.trace.store import StoredCell, visible

PLANNED_SUFFIX = ".planned.json"
# What cells of one run share, whatever they are run with. f64 evidence is run for cells in f32, and in their place.
_OF_A_RUN = ("model", "batch_size", "image_size", "init_seed", "profile", "shuffle")
_EVIDENCE = "evidence"


class PlannedCells(msgspec.Struct, kw_only=True, frozen=True):
    """The cells that a run sets out to leave in its folder, those that are evidence for others included."""

    planned_version: Literal[1] = 1
    cells: list[CellFacts]


@dataclass(frozen=True)
class HeldToPlans:
    """Cells held to the plans beside them. `earlier`: those of runs that a newer one has taken the place of.

    `missing`: a line for each cell that a plan names and that is not there as planned.
    """

    cells: tuple[StoredCell, ...]
    earlier: tuple[StoredCell, ...]
    missing: tuple[str, ...]


def write_planned(folder: Path, stem: str, cells: Iterable[CellFacts]) -> None:
    """Write the plan of a run beside its cells, in the place of that of an earlier one. Raises: OSError."""
    from harness.system.files import write_json

    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / f"{stem}{PLANNED_SUFFIX}", PlannedCells(cells=list(cells)))


def add_planned(folder: Path, stem: str, cell: CellFacts) -> None:
    """Add a cell that was run by itself to the plan there, if that is of the same length; else it is a new run.

    Raises: OSError.
    """
    try:
        there = _read(folder / f"{stem}{PLANNED_SUFFIX}").cells
    except (OSError, TraceError):
        there = []
    kept = [one for one in there if one.steps == cell.steps or one.evidence]
    alike = kept if any(not one.evidence for one in kept) else []
    write_planned(folder, stem, [*(one for one in alike if _place(one) != _place(cell)), cell])


def read_planned(folder: Path) -> list[CellFacts]:
    """The cells of all plans in a folder, none where there is no such folder. Raises: TraceError."""
    return [facts for path in sorted(folder.glob(f"*{PLANNED_SUFFIX}")) for facts in _read(path).cells]


def hold_to_plans(cells: Sequence[StoredCell], folders: Iterable[Path], untold: Iterable[Path] = ()) -> HeldToPlans:
    """Tell cells of the newest runs from earlier ones, by the plans below the folders.

    A cell is earlier when a plan beside it is of its network, start and order, and no plan there names it as it is.
    Where there is no plan, all count. `untold`: folders of which nothing is told that is missing.

    Raises: TraceError for a plan that cannot be read.
    """
    plans: dict[Path, list[CellFacts]] = {}
    found = {path.resolve(): path for folder in folders for path in visible(folder, f"*{PLANNED_SUFFIX}")}
    for real, path in sorted(found.items()):
        plans.setdefault(real.parent, []).extend(_read(path).cells)
    earlier = [cell for cell in cells if _is_earlier(cell, plans.get(_folder(cell), []))]
    skipped = {folder.resolve() for folder in untold}
    missing = [line for f, planned in plans.items() if f not in skipped for line in _missing(f, planned, cells)]
    return HeldToPlans(tuple(cell for cell in cells if cell not in earlier), tuple(earlier), tuple(missing))


def _is_earlier(cell: StoredCell, planned: Sequence[CellFacts]) -> bool:
    same_run = [one for one in planned if _run(one) == _run(cell.facts)]
    return bool(same_run) and not any(_is_as_planned(cell.facts, one) for one in same_run)


def _missing(folder: Path, planned: Sequence[CellFacts], cells: Sequence[StoredCell]) -> Iterator[str]:
    there = [cell.facts for cell in cells if _folder(cell) == folder]
    for one in planned:
        if not any(_is_as_planned(facts, one) for facts in there):
            place = f"{_EVIDENCE}/{one.name}" if one.evidence else one.name
            length = "all steps" if one.steps is None else "1 step" if one.steps == 1 else f"{one.steps} steps"
            yield f"{place}: planned with {length}, and there is no such cell. Run it again."


def _is_as_planned(facts: CellFacts, planned: CellFacts) -> bool:
    return (_place(facts), facts.steps, facts.channels) == (_place(planned), planned.steps, planned.channels)


def _place(facts: CellFacts) -> tuple[str, bool]:
    """What tells the files of two cells of one folder apart."""
    return facts.name, facts.evidence


def _run(facts: CellFacts) -> tuple[object, ...]:
    return *(getattr(facts, name) for name in _OF_A_RUN), "f32" if facts.evidence else facts.dtype


def _folder(cell: StoredCell) -> Path:
    """The folder whose plans are about the cell."""
    folder = cell.trace.resolve().parent
    return folder.parent if folder.name == _EVIDENCE else folder


def _read(path: Path) -> PlannedCells:
    try:
        if not path.is_file():
            raise TraceError(f"{one_line(path.name)}: not a regular file; expected a plan. Remove it.")
        return msgspec.json.decode(path.read_bytes(), type=PlannedCells)
    except OSError as error:
        problem = error.strerror or str(error)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        problem = one_line(error)
    raise TraceError(f"{one_line(path.name)}: not the plan of a run: {problem}. Remove it, and run the cells again.")
