"""Files of initial parameters that cells start from."""

from dataclasses import dataclass
from pathlib import Path

from harness.data.initial_parameters import write_init
from harness.spec.models import Model
from harness.spec.run_config import Start
from harness.system.files import digest_of


@dataclass(frozen=True)
class StartFile:
    """Initial parameters that cells start from, and their digest."""

    path: Path
    sha256: str

    @property
    def is_whole(self) -> bool:
        """False when the program before has changed it, or somebody else."""
        try:
            return digest_of(self.path) == self.sha256
        except OSError:
            return False


def write_start(build: Path, model: Model, seed: int, start: Start) -> StartFile:
    """Write the initial parameters that cells start from, for reading only."""
    path = build / f"{model.name}{model.resized}.s{seed}{'' if start == 'drawn' else f'.{start}'}.init.bin"
    sha256 = write_init(path, model.graph.params, seed, start)
    path.chmod(0o444)
    return StartFile(path, sha256)
