"""A verification as it is asked for and as it comes out: options, cells and pairs."""

import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.data.batches import steps_per_epoch
from harness.data.dataset import DataChoice
from harness.report import PairRow
from harness.run.cell import DEFAULT_INIT_SEED, Cell
from harness.run.execute import DEFAULT_TIMEOUT_S
from harness.run.external import External
from harness.spec.models import Model
from harness.spec.netspec import DType
from harness.trace.manifest import CellFacts
from harness.trace.store import ShelvedCell
from harness.verdict.compare import Judging
from harness.verdict.f64_check import F64_STEPS
from harness.verdict.factorial import Factorial


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of a verification. `backends` None: all that are present. `steps` None: the whole training."""

    model: Model
    out: Path
    backends: tuple[str, ...] | None = None
    steps: int | None = None
    dtype: DType = "f32"
    profile: str = "shared"
    init_seed: int = 42
    data: str | None = None
    judging: Judging = field(default_factory=Judging)
    shuffle: bool = False
    eager: bool = False
    channels: str = "default"
    compile_all: bool = False
    timeout_s: float = DEFAULT_TIMEOUT_S
    f64_check: bool = True
    is_evidence: bool = False
    externals: tuple[External, ...] = ()
    factorial: bool = False

    @property
    def folder(self) -> Path:
        """The folder of the traces; those of cells that are evidence for others, into a folder in it."""
        return self.out / "traces" / ("evidence" if self.is_evidence else "")

    @property
    def of_f64_check(self) -> "Options":
        """The options of the f64 cross-check: the first steps again, in f64 on the CPU, looked at closely."""
        steps = F64_STEPS if self.steps is None else min(F64_STEPS, self.steps)
        f64 = replace(self, dtype="f64", steps=steps, channels="all", eager=False)
        return replace(f64, f64_check=False, is_evidence=True)

    def planned_steps(self, examples: int) -> int:
        """Steps of every cell, given the number of training images."""
        whole = self.model.config.epochs * steps_per_epoch(examples, self.model.config.batch_size)
        return whole if self.steps is None else min(self.steps, whole)

    @property
    def stem(self) -> str:
        """Name of the report: the model, and what is off its default."""
        return self.model.name + (".shuf" if self.shuffle else "") + self.cell("phase2", "cpu").suffix

    @property
    def reports(self) -> list[Path]:
        """The reports, for people and for programs."""
        return [self.out / "reports" / f"{self.stem}.{suffix}" for suffix in ("md", "json")]

    def cell(self, pipeline: str, backend: str) -> Cell:
        """The cell of one pipeline on one backend."""
        eager = self.eager and pipeline == "phase2"
        return Cell(self.model, pipeline, backend, self.dtype, self.init_seed, self.profile, self.shuffle, eager)

    def facts(self, cell: Cell, *, absent: bool = False, asked: bool = True) -> CellFacts:
        """The facts of one of its cells, for the manifest."""
        return CellFacts(
            model=cell.model.name,
            pipeline=cell.pipeline,
            backend=cell.backend,
            dtype=cell.dtype,
            init_seed=cell.init_seed,
            profile=cell.profile,
            shuffle=cell.shuffle,
            eager=cell.eager,
            batch_size=cell.model.batch,
            image_size=cell.model.image_size,
            steps=self.steps,
            channels=self.channels,
            command=self.command(cell),
            evidence=self.is_evidence,
            absent=absent,
            asked=asked,
        )

    def command(self, cell: Cell) -> str:
        """The command that runs one of its cells again."""
        words = ["harness", "run", cell.model.name, "--pipeline", cell.pipeline, "--backend", cell.backend]
        words += ["--steps", "full" if self.steps is None else str(self.steps)]
        words += ["--batch", "full" if cell.model.batch is None else str(cell.model.batch)]
        given = {
            "--image-size": cell.model.image_size,
            "--dtype": cell.dtype if cell.dtype != "f32" else None,
            "--seed": cell.init_seed if cell.init_seed != DEFAULT_INIT_SEED else None,
            "--profile": cell.profile if cell.profile != "shared" else None,
            "--data": None if self.data is None else "synthetic" if self.data == "synthetic" else "FOLDER",
            "--channels": self.channels if self.channels != "default" else None,
        }
        words += [word for option, value in given.items() if value is not None for word in (option, str(value))]
        words += [flag for flag, on in (("--shuffle", cell.shuffle), ("--eager", cell.eager)) if on]
        external = next((e for e in self.externals if e.name == cell.pipeline), None)
        return shlex.join(words if external is None else [*words, "--pipeline-cmd", f"{external.name}=COMMAND"])


@dataclass(frozen=True)
class Verification:
    """Everything that verify found. `rows` are the pairs, `factorials` the split of their differences, by backend.

    `evidence`: cells that were run for the sake of others.
    """

    options: Options
    data: DataChoice
    init_sha256: str
    cells: tuple[ShelvedCell, ...]
    rows: tuple[PairRow, ...]
    factorials: tuple[Factorial, ...] = ()
    evidence: tuple[ShelvedCell, ...] = ()
