"""What a verification is asked and what it finds: options, cells and pairs."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.cells import Cell
from harness.compare import Judging
from harness.data.batches import steps_per_epoch
from harness.data.dataset import DataChoice
from harness.manifest import Manifest
from harness.models import Model
from harness.report import PairRow
from harness.run.cell import DEFAULT_TIMEOUT_S, CellPlan
from harness.run.external import External
from harness.run.known_trouble import trouble_by_id
from harness.spec import DType
from harness.trace import one_line
from harness.verdict.ladder import RUNG_STEPS
from harness.verdict.square import Square


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a user asks of verify. `backends` None: all that are present. `steps` None: the whole training."""

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
    ladder: bool = True
    is_evidence: bool = False
    externals: tuple[External, ...] = ()
    square: bool = False

    @property
    def folder(self) -> Path:
        """Where traces go; those of cells that are evidence for others, into a folder in it."""
        return self.out / "traces" / ("evidence" if self.is_evidence else "")

    @property
    def rung(self) -> "Options":
        """The next rung of the precision ladder: the first steps again, in f64 on the CPU, looked at closely."""
        steps = RUNG_STEPS if self.steps is None else min(RUNG_STEPS, self.steps)
        rung = replace(self, dtype="f64", steps=steps, channels="all", eager=False)
        return replace(rung, ladder=False, is_evidence=True)

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


@dataclass(frozen=True)
class CellResult:
    """A cell after its turn. `absent`: its backend is not here, and `asked` says whether the user named it."""

    cell: Cell
    plan: CellPlan
    manifest: Manifest
    absent: bool = False
    asked: bool = False

    @property
    def note(self) -> str:
        """What a table says of a cell that is not complete."""
        if self.manifest.status == "complete":
            return ""
        note = f"{self.manifest.status}: {self.manifest.reason}" if not self.absent else self.manifest.reason or ""
        said = self.manifest.stderr_tail.split("\n")
        if self.manifest.exit_code and (last := next((line for line in reversed(said) if line.strip()), "")):
            note += f" ({one_line(last.strip())})"
        if self.manifest.known_trouble is not None:
            trouble = trouble_by_id(self.manifest.known_trouble)
            note += f"; known trouble ({trouble.ticket}): {trouble.workaround}"
        return note


@dataclass(frozen=True)
class Outcome:
    """Everything that verify found. `rows` are the pairs, `squares` what they are together, by backend.

    `evidence`: cells that were run for the sake of others.
    """

    options: Options
    data: DataChoice
    init_sha256: str
    cells: tuple[CellResult, ...]
    rows: tuple[PairRow, ...]
    squares: tuple[Square, ...] = ()
    evidence: tuple[CellResult, ...] = ()
