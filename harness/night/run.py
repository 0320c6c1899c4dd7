"""Runs a night: cells, then causes of differences, then checks. Nothing that is done already is done again."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from rich.console import Console

from harness.data.dataset import resolve_data
from harness.errors import HarnessError
from harness.explain.subprocess import Trained
from harness.night.checks import NightCheck, kept_check, not_run, run_check
from harness.night.config import CheckPart, NightConfig
from harness.night.findings import can_be_located, find_causes
from harness.night.folder import Night, NightFolder
from harness.run.policy import Policy
from harness.run.provenance import scrub
from harness.run.run_cells import run_cells
from harness.trace.store import read_store
from harness.verdict.compare import Judging
from harness.verdict.pair import PairRow
from harness.verdict.pairs import judge_cells

_MARGIN_MINUTES = 10.0  # beyond the budget, for what has been started
Say = Callable[[str], None]


@dataclass(frozen=True)
class Budget:
    """Minutes from now; None: as long as it takes."""

    minutes: float | None
    started: float = field(default_factory=time.monotonic)

    def refusal(self) -> str | None:
        """Reason why nothing may start any more, None while it may."""
        if self.minutes is None or time.monotonic() - self.started < 60 * self.minutes:
            return None
        return f"not run: the budget of {self.minutes:g} minutes is spent"

    def elapsed_s(self) -> float:
        """Seconds since it began to run."""
        return time.monotonic() - self.started

    def left_minutes(self) -> float | None:
        """Minutes that are left, None without a limit."""
        return None if self.minutes is None else max(0.0, self.minutes - self.elapsed_s() / 60)

    def longest_s(self) -> float:
        """Seconds that what starts now may take: what is left, and a margin for what is nearly done then."""
        if self.minutes is None:
            return math.inf
        return 60 * (self.minutes + _MARGIN_MINUTES) - (time.monotonic() - self.started)


def run_night(folder: NightFolder, night: Night, budget: Budget, say: Say, base: Path) -> None:
    """Run what is missing. `say` gets a line about each part. `base`: the folder of networks' files.

    Raises: HarnessError for unusable input, OSError when results cannot be written.
    """
    config = night.parsed_in(base)
    _run_cells(folder, config, night, Policy(True, budget.refusal, budget.longest_s), say)
    _explain(folder, config, night, budget, say)
    parts = list(config.checks(night.night, str(folder.path / "build")))
    for number, (part, command) in enumerate(parts, 1):
        with Console(stderr=True).status(f"check {number} of {len(parts)}, {part.name}"):
            check = _run_check(folder.check(part.name), part, command, budget)
        took = "" if check.seconds is None else f" ({check.seconds:.0f} s)"
        say(f"check {number} of {len(parts)}, {check.name}: {check.status}{took}: {check.line}")


def _run_cells(folder: NightFolder, config: NightConfig, night: Night, policy: Policy, say: Say) -> None:
    """Input that one network cannot use, such as data that are not there, costs the night that network only."""
    broken: list[str] = []
    verifications = config.verifications(night.night, folder.path, broken)
    problems = [scrub(line) for line in broken]
    for line in problems:
        say(f"network {line}")
    for number, verification in enumerate(verifications, 1):
        try:
            ran = run_cells(verification, policy)
        except HarnessError as error:
            problems.append(scrub(f"{verification.stem}: {error}"))
            say(f"network {number} of {len(verifications)}, {problems[-1]}")
            continue
        there = [cell for cell in (*ran.cells, *ran.evidence) if cell.counts]
        complete = sum(cell.complete for cell in there)
        say(f"network {number} of {len(verifications)}, {verification.stem}: {complete} of {len(there)} cells complete")
    folder.write_problems(problems)


def _explain(folder: NightFolder, config: NightConfig, night: Night, budget: Budget, say: Say) -> None:
    """Look for the cause of every difference that has a place."""
    cells = read_store([folder.traces]).cells if folder.traces.is_dir() else ()
    rows = list(judge_cells(cells, Judging()))
    verifications = config.verifications(night.night, folder.path, [])
    asked_for = {cell.name: one for one in verifications for cell, _ in one.planned_cells()}
    differ = [row for row in rows if can_be_located(row) and row.cells[0].name in asked_for]
    if differ:
        say(f"{len(differ)} {'pair differs' if len(differ) == 1 else 'pairs differ'}; looking for the cause")

    def trained(row: PairRow) -> Trained:
        chosen = asked_for[row.cells[0].name]
        spec = chosen.model.spec
        return Trained(chosen.model.source, resolve_data(chosen.data, spec.dataset, spec.input_shape).folder)

    find_causes(folder.findings, differ, [cell for cell in cells if cell.facts.evidence], trained, budget.refusal)


def _run_check(path: Path, part: CheckPart, command: tuple[str, ...], budget: Budget) -> NightCheck:
    if found := kept_check(path, part, command):
        return found
    if why := budget.refusal():
        return not_run(path, part, command, why)
    longest = min(part.timeout_minutes, budget.longest_s() / 60)
    return run_check(path, msgspec.structs.replace(part, timeout_minutes=longest), command)
