"""Configuration of a night, a TOML file. `ci/nightly.toml` is one, with comments."""

import datetime
import itertools
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec

from harness.errors import ConfigError, HarnessError, SpecError, unknown
from harness.run.backends import BACKENDS
from harness.run.external import External, parse_externals
from harness.run.pipelines import CONTROLS, MAIN
from harness.run.verification import Verification
from harness.spec.models import load_for_run
from harness.spec.netspec import DType
from harness.spec.network_file import in_folder, is_network_file
from harness.spec.run_config import DEFAULT_INIT_SEED, DEFAULT_STATES, SEGMENT_STEPS, RunConfig
from harness.trace.format import one_line

Positive = Annotated[int, msgspec.Meta(ge=1, le=2**53)]
Profile = Literal["shared", "published"]
Size = Positive | Literal["full"]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_ .-]*\Z")]

_CHOICES: dict[str, tuple[str, ...]] = {"profile": get_args(Profile), "dtype": get_args(DType)}


class _Part(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Keys of both parts of a configuration. `rotate`: the number of nights that share it."""

    rotate: Positive = 1


class VerifyPart(_Part, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Networks, each in every dtype and profile. Absent keys have the meaning that the options of `verify` have.

    `models`: short names, and paths of files, relative to the folder of the configuration. `also_on`: backends beside
    those of the night, where the host has them.
    """

    models: Annotated[list[str], msgspec.Meta(min_length=1)]
    steps: Size | None = None
    batch: Size | None = None
    image_size: Positive | None = None
    dtypes: list[DType] = msgspec.field(default_factory=lambda: ["f32"])
    profiles: list[Profile] = msgspec.field(default_factory=lambda: ["shared"])
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**32)] = DEFAULT_INIT_SEED
    also_on: list[str] = msgspec.field(default_factory=list)
    data: str | None = None
    shuffle: bool = False
    ladder: bool = True
    wide: bool = False
    lockstep: bool = True
    segment: Positive = SEGMENT_STEPS
    states: Annotated[int, msgspec.Meta(ge=0, le=1000)] = DEFAULT_STATES
    keep_states: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 0
    keep_states_of: list[str] = msgspec.field(default_factory=list)  # pipelines; none: of all
    square: bool = False
    compile_all: bool = False
    timeout_minutes: Annotated[float, msgspec.Meta(gt=0)] = 24 * 60.0


class CheckPart(_Part, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A command: `harness …` or `python …`. `{date}`, `{part}`, `{folder}` stand for the night's own.

    `backend`: of the host that an engine sends it to.
    """

    name: Name
    command: Annotated[list[str], msgspec.Meta(min_length=1)]
    backend: str = "cpu"
    environment: dict[str, str] = msgspec.field(default_factory=dict)
    timeout_minutes: Annotated[float, msgspec.Meta(gt=0)] = 120.0

    @property
    def file(self) -> str:
        """Name of the file that its result goes to."""
        return check_file(self.name)


class NightConfig(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """All of a night. `backends`: those that are asked for, or whatever the host has, at most those of `among`.

    `budget_minutes`: when it is spent nothing more starts. `require_coverage`: the least part of its steps, in per
    cent, of which a pair that passes has to be judged as closely as rounding allows. `pipelines`: commands of others by
    name.
    """

    title: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] = "nightly"
    budget_minutes: Annotated[float, msgspec.Meta(gt=0)] | None = None
    require_coverage: Annotated[float, msgspec.Meta(ge=0, le=100)] = 0.0
    backends: list[str] | Literal["present"] = "present"
    among: list[str] | None = None
    pipelines: dict[str, str] = msgspec.field(default_factory=dict)
    verify: list[VerifyPart] = msgspec.field(default_factory=list)
    check: list[CheckPart] = msgspec.field(default_factory=list)

    def verifications(self, night: datetime.date, out: Path, broken: list[str] | None = None) -> list[Verification]:
        """Verifications of that night, in order.

        `broken`: takes a line for each network in a file that cannot be loaded, which costs the night that network
        only; None: no file is loaded, and those networks are left out.

        Raises: SpecError for a network of this package, or a size, that is not there.
        """
        externals = parse_externals([f"{name}={command}" for name, command in self.pipelines.items()])
        found: list[Verification] = []
        for part, model in self.networks(night):
            if broken is None and is_network_file(model):
                continue
            try:
                found += _verifications(self, part, model, externals, out)
            except HarnessError as error:
                if broken is None or not is_network_file(model):
                    raise
                broken.append(f"{Path(model).stem}: {error}")
        return found

    def networks(self, night: datetime.date) -> list[tuple[VerifyPart, str]]:
        """The networks of that night, each with its part."""
        return [(part, model) for part in self.verify for model in part.models[turn(night, part) :: part.rotate]]

    def checks(self, night: datetime.date, folder: str) -> Iterator[tuple[CheckPart, tuple[str, ...]]]:
        """The commands of that night with their words filled in."""
        for part in self.check:
            k = f"{turn(night, part) + 1}/{part.rotate}"
            given = {"{date}": night.strftime("%Y%m%d"), "{part}": k, "{folder}": folder}
            yield part, tuple(_filled(word, given) for word in part.command)


def turn(night: datetime.date, part: _Part) -> int:
    """Index of the night in a rotation, from 0."""
    return night.toordinal() % part.rotate


def parse_config(text: str, where: str, folder: Path | None = None) -> NightConfig:
    """Read and check a configuration.

    `folder`: that of paths of networks; without it they stay as they are, and no file is loaded.

    Raises: ConfigError `where: what`, also for a network that is not there.
    """
    try:
        config = msgspec.convert(tomllib.loads(text), NightConfig)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(f"{where}: {_unknown_choice(str(error)) or f'{one_line(error)}.'}") from None
    if folder is not None:
        config = msgspec.structs.replace(config, verify=[_in_folder(part, folder) for part in config.verify])
    _check_backends(config, where)
    known = [*MAIN, *CONTROLS, *config.pipelines]
    for name in itertools.chain.from_iterable(part.keep_states_of for part in config.verify):
        if name not in known:
            raise ConfigError(f"{where}: keep_states_of: {unknown('pipeline', name, known)}")
    files: dict[str, str] = {}
    for part in config.check:
        key = part.file.casefold()  # some file systems do not tell `A` from `a`
        if (other := files.get(key)) is not None:
            twice = f"two checks are called {part.name!r}"
            shared = f"the checks {other!r} and {part.name!r} would share the file {part.file}"
            what = twice if other == part.name else shared
            raise ConfigError(f"{where}: {what}. Give each a name of its own.")
        files[key] = part.name
        if part.command[0] not in ("harness", "python"):
            raise ConfigError(
                f"{where}: check {part.name!r}: its command begins with {part.command[0]!r}, "
                "expected `harness` or `python`."
            )
    if not (config.verify or config.check):
        raise ConfigError(f"{where}: nothing to run; expected [[verify]] or [[check]].")
    try:
        _refuse_duplicates(config, where, with_files=folder is not None)
    except SpecError as error:
        raise ConfigError(f"{where}: {error}") from None
    return config


def _in_folder(part: VerifyPart, folder: Path) -> VerifyPart:
    return msgspec.structs.replace(part, models=[in_folder(model, folder) for model in part.models])


def _unknown_choice(message: str) -> str | None:
    """The message of msgspec about a value that is not one of several, with those there are; None for any other."""
    place = r"`\$\.verify\[\d+\]\.(profile|dtype)s\[\d+\]`"
    found = re.fullmatch(rf"Invalid enum value '(.*)' - at {place}", message)
    return None if found is None else unknown(found[2], one_line(found[1]), _CHOICES[found[2]])


def check_file(name: str) -> str:
    """Name of the file that the result of a check goes to."""
    return f"{name.replace(' ', '-')}.json"


def read_text(path: Path) -> str:
    """A text file. Raises: ConfigError."""
    try:
        if path.exists() and not path.is_file():
            raise ConfigError(f"{path}: not a regular file. Expected one such as ci/nightly.toml.")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigError(f"{path}: cannot be read: {what}. Expected one such as ci/nightly.toml.") from None


def override_backends(config: NightConfig, backends: Sequence[str] | None, where: str) -> NightConfig:
    """The configuration on other backends alone, for a host of its own kind; as it is when there are none to put in.

    Raises: ConfigError for a backend that is not known.
    """
    if backends is None:
        return config
    parts = [msgspec.structs.replace(part, also_on=[]) for part in config.verify]
    config = msgspec.structs.replace(config, backends=list(backends), verify=parts)
    _check_backends(config, where)
    return config


def _check_backends(config: NightConfig, where: str) -> None:
    named = [] if config.backends == "present" else config.backends
    also = (name for part in config.verify for name in part.also_on)
    for name in (*named, *also, *(config.among or ()), *(part.backend for part in config.check)):
        if name not in BACKENDS:
            raise ConfigError(f"{where}: {unknown('backend', name, BACKENDS)}")


def _verifications(
    config: NightConfig, part: VerifyPart, model: str, externals: tuple[External, ...], out: Path
) -> Iterator[Verification]:
    loaded, steps = load_for_run(model, part.steps, part.batch, part.image_size)
    for dtype, profile in itertools.product(part.dtypes, part.profiles):
        yield Verification(
            model=loaded,
            out=out,
            run=RunConfig(dtype=dtype, init_seed=part.seed, profile=profile, shuffle=part.shuffle, steps=steps),
            backends=None if config.backends == "present" else tuple(config.backends),
            among=None if config.among is None else tuple(config.among),
            also_on=tuple(part.also_on),
            data=part.data,
            f64_check=part.ladder,
            wide=part.wide,
            lockstep=part.lockstep,
            segment=part.segment,
            states=part.states,
            keep_states=part.keep_states,
            keep_of=tuple(part.keep_states_of),
            factorial=part.square,
            compile_all=part.compile_all,
            timeout_s=60 * part.timeout_minutes,
            externals=externals,
        )


def _refuse_duplicates(config: NightConfig, where: str, *, with_files: bool) -> None:
    """Cells of the same name would overwrite each other."""
    unrotated = msgspec.structs.replace(
        config, verify=[msgspec.structs.replace(part, rotate=1) for part in config.verify]
    )
    seen: set[str] = set()
    for verification in unrotated.verifications(datetime.date.min, Path(), [] if with_files else None):
        name = verification.cell(MAIN[0], "cpu").name
        if name in seen:
            raise ConfigError(
                f"{where}: {verification.stem} is verified twice, and the second would overwrite the first."
            )
        seen.add(name)


def _filled(word: str, given: Mapping[str, Any]) -> str:
    for name, value in given.items():
        word = word.replace(name, value)
    return word
