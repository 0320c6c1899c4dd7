"""States of a run that are wanted after it: the leader of a lockstep run leaves them there, or a run by itself.

Some are needed for a while, by runs that begin at them, and some are kept with the cell.
"""

import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.errors import TraceError
from harness.run.cell import Cell
from harness.run.cell_plan import CellPlan
from harness.run.contract import STATE_OUT, STATE_STEPS, listed_steps
from harness.run.pipelines import MAIN
from harness.run.verification import Verification
from harness.system.scratch import scratch
from harness.trace.kept_states import keep_states
from harness.trace.manifest import Manifest, write_manifest
from harness.trace.state import SUFFIX


@dataclass(frozen=True)
class SavedStates:
    """The states before some steps, in a folder. `kept`: those that are kept with the cell."""

    folder: Path
    steps: Collection[int]
    kept: Collection[int] = ()

    def take(self, path: Path) -> bool:
        """Move the file of a state there if it is one of them. Raises: OSError."""
        wanted = int(path.name.removesuffix(SUFFIX)) in self.steps
        if wanted:
            shutil.move(path, self.folder / path.name)
        return wanted

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which a run leaves them there itself."""
        return {STATE_OUT: str(self.folder), STATE_STEPS: listed_steps(self.steps)}

    def keep(self, plan: CellPlan, manifest: Manifest) -> Manifest:
        """Keep states with a cell that is complete; the manifest with their digests. Raises: TraceError."""
        if not self.kept or manifest.status != "complete":
            return manifest
        try:
            manifest = msgspec.structs.replace(manifest, states=keep_states(plan.trace, self.folder, self.kept))
            write_manifest(plan.manifest, manifest)
        except OSError as error:
            raise TraceError(
                f"{error.filename or plan.folder}: {error.strerror or error}; no states are kept."
            ) from None
        return manifest


@dataclass(frozen=True)
class StateWishes:
    """The states that are wanted of the cells of a verification. `leader`: of its leader, for runs from them."""

    verification: Verification
    root: Path
    leader: Collection[int]
    kept: Collection[int]

    def of(self, cell: Cell) -> SavedStates | None:
        """Those of a cell, in a folder of its own; None where none are wanted. Raises: TraceError."""
        leads = (cell.pipeline, cell.backend) == (MAIN[0], "cpu")
        kept = self.kept if self.verification.keeps_states(cell) else ()
        steps = {*kept, *(self.leader if leads else ())}
        if not steps:
            return None
        folder = self.root / cell.name
        with _told():
            folder.mkdir(exist_ok=True)
        return SavedStates(folder, steps, kept)


@contextmanager
def state_wishes(verification: Verification, examples: int, leader: Collection[int]) -> Iterator[StateWishes]:
    """What is wanted, with a place for it for a while. `leader`: steps whose states runs begin at, or are held to.

    Raises: TraceError when there is no place.
    """
    with _told(), scratch() as folder:
        yield StateWishes(verification, folder, leader, verification.kept_steps(examples))


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TraceError(f"{error.filename or 'states'}: {error.strerror or error}; no states can be kept.") from None
