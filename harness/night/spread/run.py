"""Runs a spread night: what is missing goes to an engine, and what comes back makes an ordinary folder of a night.

A part is done when its record is there with its key: whoever asks again, by whatever engine, runs only the rest.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.errors import BundleError, HarnessError
from harness.night.bundle.land import unpack_into
from harness.night.checks import not_run
from harness.night.documents import read_document
from harness.night.findings import NightFinding, read_findings
from harness.night.folder import Night, NightFolder
from harness.night.run import Budget, Say
from harness.night.spread.engine import Engine, PartEvent, PartOrder, event_path
from harness.night.spread.parts import NightPart, split_night
from harness.run.cell_plan import CellPlan
from harness.run.execute import refuse
from harness.run.provenance import scrub
from harness.system.files import write_json
from harness.trace.planned import write_planned
from harness.trace.store import read_store


class PartRecord(msgspec.Struct, kw_only=True, frozen=True):
    """A part whose results are there. `final`: nothing of it is left to run. Units: seconds, its way included."""

    key: str
    host: str
    final: bool
    seconds: float


def run_spread(folder: NightFolder, night: Night, engine: Engine, budget: Budget, say: Say, base: Path) -> None:
    """Run what is missing, and put together what is there. `base`: the folder of networks' files.

    Raises: HarnessError for unusable input, or an engine that cannot be reached; OSError.
    """
    broken: list[str] = []
    parts = split_night(night, base, folder.path, broken)
    problems = [scrub(line) for line in broken]
    for line in problems:
        say(f"network {line}")
    spread = _SpreadNight(folder, parts, say, problems)
    missing = [part for part in parts if not spread.is_done(part)]
    if len(missing) < len(parts):
        say(f"{len(parts) - len(missing)} of {len(parts)} parts are there already")
    spread.expect(len(missing))
    try:
        if missing:
            engine.run([PartOrder(part, spread.bundle(part)) for part in missing], budget, spread.take, spread.known)
    finally:
        spread.put_together()


class _SpreadNight:
    """The folder of a spread night, and what has happened to its parts. `known`: needs that a host has announced."""

    def __init__(self, folder: NightFolder, parts: Sequence[NightPart], say: Say, problems: list[str]) -> None:
        self._folder, self._say, self._problems = folder, say, problems
        self._failed: dict[str, str] = {}  # by part, so that their order is not that in which they ended
        self._parts = {part.name: part for part in parts}
        self._records = folder.path / "parts"
        self._records.mkdir(exist_ok=True)
        self._told = self._asked = 0
        self._announced = self._records / "announced.json"
        try:
            self.known = set(read_document(self._announced, list[str], "what hosts have announced"))
        except (HarnessError, FileNotFoundError):
            self.known = set()
        for stray in folder.traces.iterdir() if folder.traces.is_dir() else ():
            if stray.is_dir() and not stray.name.startswith(".") and not self._record(stray.name):
                shutil.rmtree(stray)  # of an earlier code or configuration, or refused for what may be there now
        for part in parts:
            if part.check is not None:
                folder.check(part.check[0].name).unlink(missing_ok=True)

    def bundle(self, part: NightPart) -> Path:
        """Where its bundle arrives."""
        return self._records / f"{part.name}.{part.key[:16]}.tar.gz"

    def is_done(self, part: NightPart) -> bool:
        """True if all of it is there. A bundle that has arrived and was not unpacked is unpacked first."""
        found = self._record(part.name)
        if self.bundle(part).exists() and not (found is not None and found.final):
            self._land(part, _event_of(self.bundle(part), part.name))
            found = self._record(part.name)
        return found is not None and found.final

    def expect(self, parts: int) -> None:
        """Say how many are to come."""
        self._told, self._asked = 0, parts

    def take(self, event: PartEvent) -> None:
        """Do what an event asks for."""
        if event.kind == "note":
            self._say(event.why)
            return
        if event.kind == "known":
            self.known.add(event.why)
            write_json(self._announced, sorted(self.known))
            return
        if event.kind == "began":
            return
        part = self._parts[event.part]
        self._told += 1
        if event.kind == "sealed":
            self._land(part, event)
            return
        self._say(f"{part.name}: {event.why}")
        if part.check is not None:
            self._folder.checks.mkdir(exist_ok=True)
            not_run(self._folder.check(part.check[0].name), *part.check, scrub(f"not run: {event.why}"))
        elif event.kind == "absent" and part.verification is not None:
            self._refuse(part, event.why)
        else:
            self._failed[part.name] = scrub(f"{part.name}: {event.why}")

    def put_together(self) -> None:
        """Write the documents of the night from those of its parts, in the night's order."""
        findings: dict[str, NightFinding] = {}
        for part in self._parts.values():
            if part.name in self._failed:
                self._problems.append(self._failed[part.name])
            if self._record(part.name) is None:
                continue
            landed = NightFolder(self._folder.traces / part.name)
            try:
                findings |= read_findings(landed.findings)
                self._problems += [line for line in landed.read_problems() if line not in self._problems]
            except HarnessError as error:
                self._problems.append(scrub(f"{part.name}: {error}"))
            for check in sorted(landed.checks.glob("*.json")):
                self._folder.checks.mkdir(exist_ok=True)
                shutil.copyfile(check, self._folder.checks / check.name)
        write_json(self._folder.findings, findings)
        self._folder.write_problems(self._problems)
        self._plan_own_networks()

    def _plan_own_networks(self) -> None:
        """Say beside the cells what there is of networks in files, which whoever reads the night does not load."""
        stems = {p.verification.stem for p in self._parts.values() if p.verification is not None and p.files}
        for stem in sorted(stems):
            folders = [self._folder.traces / name for name in self._parts if name.startswith(f"{stem}@")]
            cells = read_store([folder for folder in folders if folder.is_dir()]).cells
            write_planned(self._folder.traces, stem, [cell.facts for cell in cells])

    def _record(self, name: str) -> PartRecord | None:
        """The record of a part by its name, None where there is none of exactly this part."""
        try:
            found = read_document(self._records / f"{name}.json", PartRecord, "the record of a part")
        except (HarnessError, FileNotFoundError):
            return None
        there = (self._folder.traces / name).is_dir()
        return found if there and name in self._parts and found.key == self._parts[name].key else None

    def _land(self, part: NightPart, event: PartEvent) -> None:
        place = self._folder.traces / part.name
        arrived = self.bundle(part)
        try:
            unpack_into(arrived, place)
            _hold_to(part, place)
        except BundleError as error:
            shutil.rmtree(place, ignore_errors=True)
            _remove(arrived)
            self._failed[part.name] = scrub(f"{part.name}: {error}")
            self._say(self._failed[part.name])
            return
        record = PartRecord(key=part.key, host=event.host, final=event.final, seconds=event.seconds)
        write_json(self._records / f"{part.name}.json", record)
        _remove(arrived)
        cells = f"{event.complete} of {event.cells} cells complete " if event.cells else ""
        number = f"part {self._told} of {self._asked}"
        self._say(f"{number}, {part.name}: {cells}on {event.host} ({event.seconds:.0f} s)")

    def _refuse(self, part: NightPart, why: str) -> None:
        assert part.verification is not None
        folder = self._folder.traces / part.name / "traces"
        for cell, asked in part.verification.planned_cells():
            facts = part.verification.facts(cell, absent=True, asked=asked)
            refuse(CellPlan(cell.name, (), folder, facts=facts), why)


def _event_of(bundle: Path, name: str) -> PartEvent:
    """The event that tells of a bundle that an earlier engine brought; of one that was killed before it could, none."""
    try:
        return read_document(event_path(bundle), PartEvent, "what an engine tells of a bundle")
    except (HarnessError, FileNotFoundError):
        return PartEvent(kind="sealed", part=name, host="an earlier engine", final=False)


def _remove(bundle: Path) -> None:
    for path in (event_path(bundle), bundle):
        path.unlink(missing_ok=True)


def _hold_to(part: NightPart, place: Path) -> None:
    """Refuse the cells of another network or backend, and the results of another check. Raises: BundleError."""
    asked = part.verification
    wanted = set() if asked is None else {(asked.model.name, backend) for backend in asked.backend_names}
    for cell in read_store([place]).cells:
        if (cell.facts.model, cell.facts.backend) not in wanted:
            raise BundleError(f"{cell.name}: not a cell of this part. Nothing of it was taken.")
    own = None if part.check is None else part.check[0].file
    for check in sorted(NightFolder(place).checks.glob("*.json")):
        if check.name != own:
            raise BundleError(f"{check.name}: not a check of this part. Nothing of it was taken.")
