"""States of a run that are wanted after it: the leader of a lockstep run leaves them there, or a run by itself."""

import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.errors import TraceError
from harness.run.contract import STATE_OUT, STATE_STEPS
from harness.run.verification import Verification
from harness.system.scratch import scratch
from harness.trace.parts import parse_parts
from harness.trace.state import SUFFIX


@dataclass(frozen=True)
class SavedStates:
    """The states before some steps, in a folder."""

    folder: Path
    steps: Collection[int]

    def take(self, path: Path) -> bool:
        """Move the file of a state there if it is one of them. Raises: OSError."""
        wanted = int(path.name.removesuffix(SUFFIX)) in self.steps
        if wanted:
            shutil.move(path, self.folder / path.name)
        return wanted

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which a run leaves them there itself."""
        return {STATE_OUT: str(self.folder), STATE_STEPS: f"{','.join(map(str, sorted(self.steps)))},"}


@contextmanager
def saved_states(from_states: Verification | None) -> Iterator[SavedStates | None]:
    """The states that runs take their parts from, for a while; None where there are no such runs.

    Raises: TraceError when there is no place for them.
    """
    if from_states is None or from_states.run.run_steps is None:
        yield None
        return
    steps = [part.first for part in parse_parts(from_states.run.run_steps)]
    try:
        with scratch() as folder:
            yield SavedStates(folder, steps)
    except OSError as error:
        raise TraceError(f"{error.filename or 'states'}: {error.strerror or error}; no states can be kept.") from None
