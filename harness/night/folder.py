"""The folder of a night: its plan, the paths in it, and what is planned and not done."""

import datetime
import itertools
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from harness.errors import ConfigError, HarnessError
from harness.night.config import NightConfig, VerifyPart, check_file, override_backends, parse_config
from harness.night.documents import read_document
from harness.spec.network_file import is_network_file
from harness.system.files import write_json
from harness.system.notice import note_once
from harness.trace.format import one_line
from harness.trace.manifest import CellFacts
from harness.trace.store import StoredCell

PLAN = "night.json"
_NOT_REACHED = "not run: the night did not come to it"
_FRESH_HOURS = 24  # an unfinished night of yesterday goes on; an older one is history
_SKEW_HOURS = 24  # so far may the clocks of two hosts be apart; a later beginning is none


class Night(msgspec.Struct, kw_only=True, frozen=True):
    """Plan of a night. It stays as it was, however often the night is resumed.

    `config`: the configuration's text. `backends`: what was asked for in place of its own. `spread`: its parts are
    each run by whatever host an engine takes them to.
    """

    night_version: Literal[1] = 1
    night: datetime.date
    started: Annotated[datetime.datetime, msgspec.Meta(tz=True)]
    config: str
    backends: list[str] | None = None
    spread: bool = False

    @property
    def parsed(self) -> NightConfig:
        """The configuration, for whoever only reads of the night: no network's file is loaded. Raises: ConfigError."""
        return self.parsed_in(None)

    def parsed_in(self, folder: Path | None) -> NightConfig:
        """The configuration, with networks' files relative to a folder. Raises: ConfigError."""
        where = "the night's configuration"
        return override_backends(parse_config(self.config, where, folder), self.backends, where)

    def is_of(self, config: str, backends: Sequence[str] | None) -> bool:
        """True if it has this plan."""
        return self.config == config and self.backends == (None if backends is None else list(backends))


class NightFolder:
    """Paths of a night."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.plan = path / PLAN
        self.traces = path / "traces"
        self.checks = path / "checks"
        self.findings = path / "findings.json"
        self.problems = path / "problems.json"
        self.verdict = path / "verdict.json"

    def check(self, name: str) -> Path:
        """Path of the result of a check."""
        return self.checks / check_file(name)

    @property
    def cells(self) -> Path:
        """Folder of its cells; of a folder that is no night's the whole of it."""
        return self.traces if self.is_night else self.path

    @property
    def is_night(self) -> bool:
        """True if it holds the plan of a night."""
        return self.plan.is_file()

    def read(self) -> Night:
        """Read the plan. Raises: ConfigError when there is none, or none that can be read."""
        try:
            return msgspec.json.decode(self.plan.read_bytes(), type=Night)
        except OSError as error:
            raise ConfigError(
                f"{self.plan}: cannot be read: {error.strerror}. It is not the folder of a night."
            ) from None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ConfigError(
                f"{self.plan}: not the plan of a night: {one_line(error)}. Choose another --out."
            ) from None

    def write_problems(self, problems: Sequence[str]) -> None:
        """Write the runs that could not be started, one line each. Raises: OSError."""
        write_json(self.problems, problems)

    def read_problems(self) -> list[str]:
        """Read the runs that could not be started. Raises: HarnessError for a damaged file."""
        try:
            return read_document(self.problems, list[str], "a list of problems")
        except FileNotFoundError:
            return []


def begin(
    folder: NightFolder,
    config: str,
    now: datetime.datetime,
    backends: Sequence[str] | None = None,
    *,
    spread: bool = False,
) -> Night:
    """The night of a folder, pinned now if it was not before.

    Raises: ConfigError when the folder holds a night of another configuration, an old one that is over, one that
    begins in the future, or one that was begun without an engine where it is to be spread by one.
    """
    if folder.is_night:
        night = folder.read()
        if (why := _why_in_future(night, now)) is not None:
            raise ConfigError(f"{folder.plan}: {why}. Set the clock, choose another --out, or remove the folder.")
        if not night.is_of(config, backends):
            raise ConfigError(
                f"{folder.plan}: this night was begun with another configuration. "
                "Choose another --out, or remove the folder to begin anew."
            )
        if spread and not night.spread:
            raise ConfigError(
                f"{folder.plan}: this night was begun without --engine. Go on without it, or choose another --out."
            )
        if folder.verdict.exists() and not _is_fresh(night, now):
            raise ConfigError(
                f"{folder.path}: the night of {night.night} is over. Choose another --out; "
                f"`harness report {folder.path} -o …` makes its report again."
            )
        return night
    asked = None if backends is None else list(backends)
    night = Night(night=now.date(), started=now, config=config, backends=asked, spread=spread)
    write_json(folder.plan, night)
    return night


def find_folder(
    nights: Path,
    config: str,
    now: datetime.datetime,
    backends: Sequence[str] | None = None,
    *,
    spread: bool = False,
) -> NightFolder:
    """The night to go on with: the newest recent one of this configuration that has no verdict yet, else a new one.

    One that begins in the future is passed over, which is told on standard error: it would be the newest for ever.
    A new one gets a folder of its own: DATE, or DATE-2, DATE-3, … when those before are there already.
    """
    going_on: list[tuple[datetime.datetime, NightFolder]] = []
    for path in sorted(nights.glob("20??-??-??*")):
        folder = NightFolder(path)
        if not folder.is_night or folder.verdict.exists():
            continue
        try:
            night = folder.read()
        except ConfigError:
            continue  # a night that is damaged concerns no other
        if (why := _why_in_future(night, now)) is not None:
            note_once(f"{folder.plan}: {why}; this night is not continued. Set the clock, or remove the folder.")
            continue
        if night.is_of(config, backends) and _is_fresh(night, now) and (night.spread or not spread):
            going_on.append((night.started, folder))
    if going_on:
        return max(going_on, key=lambda found: found[0])[1]
    today = now.date().isoformat()
    names = itertools.chain([today], (f"{today}-{number}" for number in itertools.count(2)))
    return next(folder for folder in (NightFolder(nights / name) for name in names) if not folder.plan.exists())


def _why_in_future(night: Night, now: datetime.datetime) -> str | None:
    """Reason why the beginning of a night cannot be right, None where it can: two clocks differ a little."""
    if night.started - now <= datetime.timedelta(hours=_SKEW_HOURS):
        return None
    return f"it was begun at {night.started:%Y-%m-%dT%H:%M:%SZ}, and now is {now:%Y-%m-%dT%H:%M:%SZ}"


def _is_fresh(night: Night, now: datetime.datetime) -> bool:
    return now - night.started < datetime.timedelta(hours=_FRESH_HOURS)


def find_unfinished(
    night: Night,
    cells: Sequence[StoredCell],
    checks: Collection[str],
    problems: Sequence[str],
    plans: Sequence[CellFacts] = (),
) -> Iterator[str]:
    """A line for each cell and check of the night that has no result.

    `cells`: those that it left; `checks`: names of those that were run; `problems`: of networks that could not be run.
    `plans`: the cells of the plans beside them, which tell what the runs of networks in files set out to do.
    """
    try:
        config = night.parsed
        verifications = config.verifications(night.night, Path())
    except HarnessError as error:
        yield f"what the night set out to do is not known: {error}"
        return
    there = {(cell.name, cell.facts.evidence, cell.facts.steps) for cell in cells}
    for verification in verifications:
        if any(problem.startswith(f"{verification.stem}: ") for problem in problems):
            continue
        planned = [cell.name for cell, _ in verification.planned_cells()]
        ours = [cell for cell in cells if cell.name in planned and not cell.facts.evidence]
        absent = {(cell.facts.pipeline, cell.facts.backend) for cell in ours if cell.facts.absent}
        missing = [(name, False, verification.run.steps) for name in planned]
        evidence = [cell for _, cell in verification.planned_evidence(ours)]
        for leader, _ in verification.planned_cells():
            steps = [cell.manifest.steps_written for cell in ours if cell.name == leader.name and cell.complete]
            followers = [cell for _, cell in verification.followers(leader, steps[0])] if steps else []
            evidence += [cell for cell in followers if (cell.pipeline, cell.backend) not in absent]
        missing += [(cell.name, True, cell.run.steps) for cell in evidence]
        yield from (f"{cell[0]}: {_NOT_REACHED}" for cell in missing if cell not in there)
    for part, model in config.networks(night.night):
        name = one_line(Path(model).stem)
        if is_network_file(model) and not any(problem.startswith((f"{name}:", f"{name}.")) for problem in problems):
            yield from _unfinished_runs(part, name, plans, there)
    yield from (f"check {part.name}: {_NOT_REACHED}" for part in config.check if part.name not in checks)


def _unfinished_runs(
    part: VerifyPart, model: str, plans: Sequence[CellFacts], there: Collection[tuple[str, bool, int | None]]
) -> Iterator[str]:
    """A line for each planned cell of a network in a file that is not there, and for each run without a plan."""
    for dtype, profile in itertools.product(part.dtypes, part.profiles):
        ours = [facts for facts in plans if facts.model == model and facts.profile == profile]
        if not any(facts.dtype == dtype and not facts.evidence for facts in ours):
            yield f"{model} in {dtype}, profile {profile}: {_NOT_REACHED}"
        missing = [f for f in ours if (f.name, f.evidence, f.steps) not in there and (f.evidence or f.dtype == dtype)]
        yield from (f"{facts.name}: {_NOT_REACHED}" for facts in missing)
