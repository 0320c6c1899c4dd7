"""The engine of a spread night: what takes its parts to hosts. A row for each engine that there is.

`HereEngine` runs them on this host, one after another; `harness.night.spread.ray_engine` has the one for several hosts.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from harness.errors import BundleError, ConfigError
from harness.night.run import Budget
from harness.night.spread.cluster import NEED
from harness.night.spread.courier import carry, forget
from harness.night.spread.parts import NightPart
from harness.run.backends import BACKENDS, presence
from harness.run.pipelines import MAIN
from harness.system import with_parent
from harness.system.files import replace_file, write_json

SLOT = "cell-slot"  # a resource: a host runs so many parts at a time


class PartEvent(msgspec.Struct, kw_only=True, frozen=True):
    """What an engine tells of a part; `note` is about none, and `known` tells of a resource that a host has announced.

    `sealed`: its bundle is in its file; `absent`: no host has what it needs; `failed`: hosts have, and it came to no
    end on any; `spent`: the budget was, before it began.
    Units: seconds from its being given to a host, to its bundle being here.
    """

    kind: Literal["began", "sealed", "absent", "failed", "spent", "note", "known"]
    part: str = ""
    host: str = ""
    why: str = ""
    final: bool = True
    cells: int = 0
    complete: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class PartOrder:
    """A part to run, and the file where its bundle goes."""

    part: NightPart
    bundle: Path


class Engine(Protocol):
    """Takes parts to hosts and brings back their bundles."""

    def run(
        self,
        orders: Sequence[PartOrder],
        budget: Budget,
        on_event: Callable[[PartEvent], None],
        known: Collection[str] = (),
    ) -> None:
        """Run them all, in whatever order, and tell how each ended.

        `known`: needs that a host of this night has announced before, and may again.

        Raises: HarnessError.
        """


class HereEngine:
    """All on this host, one at a time, each in a process of its own."""

    def run(
        self,
        orders: Sequence[PartOrder],
        budget: Budget,
        on_event: Callable[[PartEvent], None],
        known: Collection[str] = (),
    ) -> None:
        there = set(announced())
        for order in orders:
            part = order.part
            if part.need not in there:
                on_event(PartEvent(kind="absent", part=part.name, why=f"this host has no {part.backend}"))
                continue
            if why := budget.refusal():
                on_event(PartEvent(kind="spent", part=part.name, why=why))
                continue
            on_event(PartEvent(kind="began", part=part.name))
            started = budget.elapsed_s()
            request = msgspec.json.encode(part.request(budget.left_minutes()))
            answer = carry(part.key, request, guard_text())
            if answer["state"] == "sealed":
                event = settle(part.name, order.bundle, answer, budget.elapsed_s() - started)
                on_event(event)
                if event.final:
                    forget([part.key])
            else:
                on_event(PartEvent(kind="failed", part=part.name, why=answer["why"]))


def settle(name: str, bundle: Path, answer: dict[str, Any], seconds: float) -> PartEvent:
    """Keep the bundle that a courier brought, and beside it the event that tells of it: its host may forget it then.

    Raises: BundleError when there is no room for it, or no right to write it.
    """
    told = {key: answer[key] for key in ("host", "final", "cells", "complete")}
    event = PartEvent(kind="sealed", part=name, seconds=round(seconds, 3), **told)
    try:
        with replace_file(bundle) as file:
            file.write(answer["bundle"])
        write_json(event_path(bundle), event)  # behind the bundle, so that it never speaks of more than is there
    except OSError as error:
        what = error.strerror or str(error)
        raise BundleError(f"{bundle}: cannot be written: {what}. Make room, and go on with the same command.") from None
    return event


def event_path(bundle: Path) -> Path:
    """Where the event is that tells of a bundle."""
    return bundle.with_name(f"{bundle.name}.json")


def announced() -> list[str]:
    """The resources that this host has, after asking each backend: those that one of our pipelines can use."""
    return [f"{NEED}{name}" for name in BACKENDS if any(presence(name, pipeline) for pipeline in MAIN)]


def guard_text() -> str:
    """The program that ends what it starts with its parent, for a host that may not have it."""
    return Path(with_parent.__file__).read_text()


def find_engine(text: str | None) -> Engine:
    """The engine that an option names: `ray`, `ray://HOST:PORT`; None for this host. Raises: ConfigError."""
    if text is None:
        return HereEngine()
    name, _, address = text.partition("://")
    if name != "ray":
        raise ConfigError(f"--engine {text!r}: expected `ray` or `ray://HOST:PORT`.")
    from harness.night.spread.ray_engine import RayEngine

    return RayEngine(address or None)
