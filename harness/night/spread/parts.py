"""Parts of a night, each of which runs on one host: a network on one backend with its evidence, or a check.

A follower needs the states of its leader, and evidence those of the run it is for: they stay together. Pairs of two
backends are judged from what the parts bring back, as those of several hosts are.
"""

import hashlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from harness.errors import ConfigError
from harness.night.config import CheckPart, NightConfig
from harness.night.config_text import config_text
from harness.night.folder import Night
from harness.night.spread.cluster import NEED
from harness.run.code_version import code_version
from harness.run.verification import Verification
from harness.spec.network_file import is_network_file


class Request(msgspec.Struct, kw_only=True, frozen=True):
    """What a host is asked to run. `config`: of its part of the night; `files`: texts of networks by their names.

    `minutes`: what is left of the night's budget.
    """

    request_version: int = 1
    part: str
    config: str
    files: dict[str, str]
    minutes: float | None = None


@dataclass(frozen=True)
class NightPart:
    """A part of a night. `name`: of its files; `need`: what its host has to have announced.

    `key`: of exactly this part of this night, by this code: results with another one are of something else.
    """

    name: str
    backend: str
    config: str
    files: dict[str, str] = field(default_factory=dict)
    key: str = ""
    verification: Verification | None = None
    check: tuple[CheckPart, tuple[str, ...]] | None = None

    @property
    def need(self) -> str:
        """The resource that it asks for."""
        return f"{NEED}{self.backend}"

    def request(self, minutes: float | None) -> Request:
        """What the host is asked."""
        return Request(part=self.name, config=self.config, files=self.files, minutes=minutes)


def split_night(night: Night, base: Path, out: Path, broken: list[str]) -> list[NightPart]:
    """The parts of a night, in its order. `base`: the folder of networks' files; `broken`: as for `verifications`.

    Raises: HarnessError for unusable input.
    """
    config = night.parsed_in(base)
    parts = [*_of_networks(config, night, out, broken), *_of_checks(config, night)]
    identity = [night.started.isoformat(), code_version()]
    keys = [[*identity, part.config, part.files] for part in parts]
    return [
        replace(part, key=hashlib.sha256(json.dumps(key).encode()).hexdigest())
        for part, key in zip(parts, keys, strict=True)
    ]


def _of_networks(config: NightConfig, night: Night, out: Path, broken: list[str]) -> Iterator[NightPart]:
    rest = msgspec.structs.replace(config, budget_minutes=None, check=[])
    for part, model in config.networks(night.night):
        for dtype, profile in itertools.product(part.dtypes, part.profiles):
            alone = msgspec.structs.replace(part, models=[model], dtypes=[dtype], profiles=[profile], rotate=1)
            one = msgspec.structs.replace(rest, verify=[alone])
            for verification in one.verifications(night.night, out, broken):
                for backend in verification.places:
                    yield _of_backend(one, verification, backend, model)


def _of_backend(config: NightConfig, verification: Verification, backend: str, model: str) -> NightPart:
    """The part of a verification on a backend. Somebody else's pipeline runs on the first one only.

    So does what is also run where a host has it: its runs follow those on that backend, whose states they take.
    """
    files: dict[str, str] = {}
    if is_network_file(model):
        shipped = f"nets/{Path(model).name}"
        files = {shipped: _text_of(Path(model))}
        alone = msgspec.structs.replace(config.verify[0], models=[shipped])
        config = msgspec.structs.replace(config, verify=[alone])
    is_first = backend == verification.places[0]
    if not is_first:
        alone = msgspec.structs.replace(config.verify[0], also_on=[])
        config = msgspec.structs.replace(config, pipelines={}, verify=[alone])
    named = {"among": [backend]} if config.backends == "present" else {"backends": [backend], "among": None}
    text = config_text(msgspec.structs.replace(config, **named))
    named_here = (backend,) if verification.backends else None
    here = replace(verification, backends=named_here, among=None if named_here else (backend,))
    if not is_first:
        here = replace(here, externals=(), also_on=())
    return NightPart(f"{verification.stem}@{backend}", backend, text, files, verification=here)


def _of_checks(config: NightConfig, night: Night) -> Iterator[NightPart]:
    """The checks, each with its words filled in but for the folder, which every host has for itself."""
    for check, command in config.checks(night.night, "{folder}"):
        alone = msgspec.structs.replace(check, command=list(command), rotate=1)
        text = config_text(NightConfig(title=config.title, check=[alone]))
        yield NightPart(f"check-{check.file.removesuffix('.json')}", check.backend, text, check=(check, command))


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigError(f"{path}: cannot be read: {what}. Expected the file of a network.") from None
