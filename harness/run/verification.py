"""Cells of a verification: one network in one configuration, on several pipelines and backends."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from harness.data.batches import steps_per_epoch
from harness.run.backends import BACKENDS, DEFAULT_BACKENDS
from harness.run.cell import Cell
from harness.run.cell_plan import DEFAULT_TIMEOUT_S
from harness.run.external import External
from harness.run.pipelines import CONTROLS, MAIN, UNCOMPILED
from harness.run.provenance import scrub_paths
from harness.run.sampling import MOST_BYTES, WINDOW, keep_steps, sample_parts, state_bytes, whole_segments
from harness.spec.models import Model
from harness.spec.run_config import (
    DEFAULT_INIT_SEED,
    DEFAULT_RUN,
    DEFAULT_STATES,
    F64_STEPS,
    SEGMENT_STEPS,
    STRESS_STEPS,
    WIDE_STEPS,
    RunConfig,
)
from harness.trace.manifest import CellFacts
from harness.trace.parts import Part, format_parts, parse_parts
from harness.trace.store import StoredCell


@dataclass(frozen=True, kw_only=True)
class Verification:
    """The cells of one network. `backends` None: the usual ones that are present, or those of `among` that are.

    `also_on`: more, where present.
    `lockstep`: of our two pipelines on one backend, run the second one also set to the first one's state every
    `segment` steps, and the second on each other backend to its own on the first. `f64_check`: run pairs on the CPU in
    f64 as well; `stress`: and, if so, a step from a stressed start in both. `wide`: run their first steps in wide
    arithmetic. `factorial`: run each derivation on the other compiler as well. `interpreter`: run phase 3 without a
    compiler as well.
    `states`: of how many states of the first pipeline on the CPU the two are run from in f64, for a few steps each.
    `keep_states`: the number of states that are kept with each of its own cells; with `keep_of`, of those pipelines.
    `is_evidence`: its cells are run for the sake of others.
    `against`: the commit, in short, whose generator its own is held to; empty where it is held to none.
    """

    model: Model
    out: Path
    run: RunConfig = DEFAULT_RUN
    backends: tuple[str, ...] | None = None
    among: tuple[str, ...] | None = None
    also_on: tuple[str, ...] = ()
    data: str | None = None
    compile_all: bool = False
    timeout_s: float = DEFAULT_TIMEOUT_S
    f64_check: bool = True
    stress: bool = True
    wide: bool = False
    lockstep: bool = True
    segment: int = SEGMENT_STEPS
    states: int = DEFAULT_STATES
    keep_states: int = 0
    keep_of: tuple[str, ...] = ()
    is_evidence: bool = False
    externals: tuple[External, ...] = ()
    factorial: bool = False
    interpreter: bool = False
    against: str = ""

    @property
    def folder(self) -> Path:
        """The folder of the traces; those of cells that are evidence for others, into a folder in it."""
        return self.out / "traces" / ("evidence" if self.is_evidence else "")

    @property
    def in_f64(self) -> "Verification":
        """The first steps again, in f64 on the CPU, observed at every step."""
        return self._as_evidence(dtype="f64", steps=F64_STEPS)

    @property
    def in_wide(self) -> "Verification":
        """The first steps again, in wide arithmetic on the CPU, observed at every step."""
        return self._as_evidence(dtype="wide", steps=WIDE_STEPS)

    def followers(self, leader: Cell, steps: int) -> Iterator[tuple["Verification", Cell]]:
        """The lockstep runs that follow a cell; there are none in short runs, and behind other cells.

        Phase 3 follows phase 2, and phase 2 follows somebody else's program; on the other backends phase 3 follows the
        one on the first as well. `steps`: planned of the leader.
        """
        if not self.lockstep or self.is_evidence or leader.run.eager or steps <= self.segment:
            return
        following = {MAIN[0]: MAIN[1]} | {external.name: MAIN[0] for external in self.externals}
        follower = following.get(leader.pipeline)
        if follower is not None and BACKENDS[leader.backend].serves(follower):
            yield self.follow(leader, follower, leader.backend)
        first, *others = self.backend_names
        if (leader.pipeline, leader.backend) == (MAIN[1], first):
            yield from (self.follow(leader, leader.pipeline, backend) for backend in others)

    def follow(self, leader: Cell, pipeline: str, backend: str) -> tuple["Verification", Cell]:
        """The lockstep run of a pipeline on a backend that follows a cell."""
        name = leader.pipeline if backend == leader.backend else f"{leader.pipeline}-{leader.backend}"
        run = msgspec.structs.replace(self.run, follows=name, segment=self.segment)
        following = replace(self, run=run, f64_check=False, wide=False, is_evidence=True)
        return following, following.cell(pipeline, backend)

    def from_states(self, examples: int) -> "Verification | None":
        """Parts of the run in f64 from states of the leader on the CPU; None where the pair has none.

        `examples`: the number of training images.
        """
        parts = self._sampled(examples) if self.f64_check else ()
        return self._at_states(parts, dtype="f64") if parts else None

    def one_ulp_away(self, examples: int) -> "Verification | None":
        """Segments of the leader's run on the CPU again, from its states one unit in the last place away.

        None where the pair has no run in lockstep, to be held to that, or a short one. `examples`: of training images.
        """
        steps = self.planned_steps(examples)
        if not self.lockstep or steps <= self.segment:
            return None
        parts = whole_segments(self._sampled(examples), self.segment, steps)
        return self._at_states(parts, ulp_seed=0) if len(parts) >= WINDOW else None

    @property
    def places(self) -> tuple[str, ...]:
        """The backends that it looks for; not those that only run where they are named."""
        return self.backends or self.among or DEFAULT_BACKENDS

    def _sampled(self, examples: int) -> tuple[Part, ...]:
        """The parts of the leader's run at its sampled states; none where the pair is not run from states."""
        graph, config, run = self.model.graph, self.model.config, self.run
        most = MOST_BYTES // (2 * state_bytes(graph, config))  # each with the one at the end of its segment
        number = min(self.states, max(1, most))
        if not number or "cpu" not in self.places or run.dtype != "f32" or run.eager or self.is_evidence:
            return ()
        epoch_steps = steps_per_epoch(examples, config.batch_size)
        whole = config.epochs * epoch_steps
        return sample_parts(self.planned_steps(examples), whole, epoch_steps, self.segment, number)

    def _at_states(self, parts: Sequence[Part], **changes: Any) -> "Verification":
        run = msgspec.structs.replace(
            self.run, **changes, channels="all", states_of=MAIN[0], run_steps=format_parts(parts)
        )
        return replace(self, run=run, f64_check=False, is_evidence=True)

    def keeps_states(self, cell: Cell) -> bool:
        """True if states are kept with a cell."""
        return not self.keep_of or cell.pipeline in self.keep_of

    def kept_steps(self, examples: int) -> tuple[int, ...]:
        """The steps whose states are kept with a cell. `examples`: the number of training images."""
        epoch_steps = steps_per_epoch(examples, self.model.config.batch_size)
        return keep_steps(self.planned_steps(examples), epoch_steps, self.segment, self.keep_states)

    @property
    def stressed(self) -> "Verification":
        """A step from a stressed start, observed."""
        return self._as_evidence(start="stressed", steps=STRESS_STEPS)

    def _as_evidence(self, *, steps: int, **changes: Any) -> "Verification":
        run = msgspec.structs.replace(self.run, **changes, channels="all", eager=False)
        run = msgspec.structs.replace(run, steps=steps if self.run.steps is None else min(steps, self.run.steps))
        return replace(self, run=run, f64_check=False, wide=False, is_evidence=True)

    @property
    def backend_names(self) -> tuple[str, ...]:
        """The backends that it tries, each once."""
        return tuple(dict.fromkeys((*self.places, *self.also_on)))

    @property
    def pipelines(self) -> tuple[str, ...]:
        """Names of the pipelines of ours that it runs."""
        return MAIN + (CONTROLS if self.factorial else ()) + (UNCOMPILED if self.interpreter else ())

    def planned_steps(self, examples: int) -> int:
        """Steps of every cell, given the number of training images."""
        if self.run.run_steps is not None:
            return sum(part.count for part in parse_parts(self.run.run_steps))
        whole = self.model.config.epochs * steps_per_epoch(examples, self.model.config.batch_size)
        return whole if self.run.steps is None else min(self.run.steps, whole)

    @property
    def stem(self) -> str:
        """Name of the report: the model, and what is off its default."""
        return self.model.name + (".shuf" if self.run.shuffle else "") + self.cell("phase2", "cpu").suffix

    @property
    def reports(self) -> list[Path]:
        """The reports, for people and for programs."""
        stem = self.stem + (f".against-{self.against}" if self.against else "")
        return [self.out / "reports" / f"{stem}.{suffix}" for suffix in ("md", "json")]

    def cell(self, pipeline: str, backend: str) -> Cell:
        """The cell of one pipeline on one backend. Only phase 2 can be eager."""
        run = msgspec.structs.replace(self.run, eager=self.run.eager and pipeline == "phase2")
        return Cell(self.model, pipeline, backend, run)

    def planned_cells(self) -> Iterator[tuple[Cell, bool]]:
        """Every pipeline on every backend, and whether the user named it; those not named are tried all the same."""
        for backend in self.backend_names:
            for pipeline in filter(BACKENDS[backend].serves, self.pipelines):
                yield self.cell(pipeline, backend), backend in (self.backends or ())
        for external in self.externals:
            yield self.cell(external.name, self.backend_names[0]), True

    def planned_evidence(self, cells: Sequence[StoredCell]) -> Iterator[tuple["Verification", Cell]]:
        """The cells that are run for the sake of these: for f32 pairs of pipelines on the CPU, which is where f64 runs.

        The first steps in f64, one from a stressed start in both precisions, and the first steps in wide arithmetic.
        Somebody else's program is asked as well; its header tells whether it took part.
        """
        names = [cell.facts.pipeline for cell in cells if cell.facts.backend == "cpu" and cell.complete]
        return self._evidence_of(names)

    def _evidence_of(self, pipelines: Sequence[str]) -> Iterator[tuple["Verification", Cell]]:
        known = (*self.pipelines, *(external.name for external in self.externals))
        paired = [name for name in known if name in pipelines]
        if self.run.dtype != "f32" or len(paired) < 2:
            return
        stressed = (self.stressed, self.stressed.in_f64) if self.stress else ()
        in_f64 = (self.in_f64, *stressed) if self.f64_check else ()
        # A shorter run is seen by the f64 check, and another compilation would take longer than its steps.
        is_long = self.run.steps is None or self.run.steps > SEGMENT_STEPS
        for one in (*in_f64, *([self.in_wide] if self.wide and is_long else [])):
            yield from ((one, one.cell(name, "cpu")) for name in paired)

    def planned_facts(self, examples: int) -> Iterator[CellFacts]:
        """The facts of all cells that it sets out to run, as if every one of them went well.

        `examples`: the number of training images.
        """
        planned = list(self.planned_cells())
        yield from (self.facts(cell, asked=asked) for cell, asked in planned)
        for cell, asked in planned:
            for following, follower in self.followers(cell, self.planned_steps(examples)):
                yield following.facts(follower, asked=asked)
        if (parts := self.from_states(examples)) is not None:
            yield from (parts.facts(parts.cell(name, "cpu")) for name in MAIN)
        if (near := self.one_ulp_away(examples)) is not None:
            yield near.facts(near.cell(MAIN[0], "cpu"))
        on_cpu = [cell.pipeline for cell, _ in planned if cell.backend == "cpu"]
        yield from (one.facts(cell) for one, cell in self._evidence_of(on_cpu))

    def facts(self, cell: Cell, *, absent: bool = False, asked: bool = True) -> CellFacts:
        """The facts of one of its cells, for the manifest."""
        return CellFacts(
            **msgspec.structs.asdict(cell.run),
            model=cell.model.name,
            network_file=None if cell.model.file is None else scrub_paths(cell.model.file),
            pipeline=cell.pipeline,
            backend=cell.backend,
            batch_size=cell.model.batch,
            image_size=cell.model.image_size,
            command=self.command(cell),
            evidence=self.is_evidence,
            absent=absent,
            asked=asked,
        )

    def command(self, cell: Cell, against: str = "") -> str:
        """The command that runs one of its cells again; `against`: as the generator of that revision runs it."""
        data = None if self.data is None else "synthetic" if self.data == "synthetic" else "FOLDER"
        model, options = scrub_paths(cell.model.source), self.run_options(cell, data)
        words = ["harness", "run", model, *options]
        if against:  # `verify` runs every pipeline
            words = ["harness", "verify", model, "--against-rev", against, "--backends", cell.backend, *options[4:]]
        followed = (cell.run.follows or "").partition("-")[0]  # without the backend: an external's name has no hyphen
        for external in self.externals:
            if external.name in (cell.pipeline, followed):
                words += [external.option, external.told]
        return shlex.join(words)

    @staticmethod
    def run_options(cell: Cell, data: str | None) -> list[str]:
        """The options of `harness run` for one of its cells, first pipeline and backend. `data`: of `--data`."""
        run = cell.run
        words = ["--pipeline", cell.pipeline, "--backend", cell.backend]
        words += ["--steps", "full" if run.steps is None else str(run.steps)]
        words += ["--batch", "full" if cell.model.batch is None else str(cell.model.batch)]
        given = {
            "--image-size": cell.model.image_size,
            "--dtype": run.dtype if run.dtype != "f32" else None,
            "--seed": run.init_seed if run.init_seed != DEFAULT_INIT_SEED else None,
            "--start": run.start if run.start != "drawn" else None,
            "--profile": run.profile if run.profile != "shared" else None,
            "--data": data,
            "--channels": run.channels if run.channels != "default" else None,
            "--follow": run.follows,
            "--segment": run.segment if run.segment != SEGMENT_STEPS else None,
        }
        words += [word for option, value in given.items() if value is not None for word in (option, str(value))]
        return words + [flag for flag, on in (("--shuffle", run.shuffle), ("--eager", run.eager)) if on]
