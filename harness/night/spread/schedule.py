"""Which host runs which part: a host that has begun one goes on with it, and one that cannot run it is not asked again.

Ray says which hosts there are, starts the couriers, carries bundles, and tells when a process or a host is lost.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from harness.night.spread import courier
from harness.night.spread.cluster import is_need
from harness.night.spread.engine import SLOT, PartEvent, settle
from harness.night.spread.ray_engine import Dispatch, DispatchOrder

_LOOK_S = 0.5  # between two looks at the hosts of the cluster
_SURVEY_S = 20.0  # for a host to say what it has
_GRACE_S = 10.0  # for a host to join that has what none has that is there
_STOP_AFTER_S = 11 * 60.0  # after the budget's end, for what stops by itself ten minutes after it
_SURVEYS = 5  # that a host does not answer, half a second apart, before it is set aside
_LOSSES = 6  # of its host or its courier, before a part is given up: it may be what ends them
_TROUBLES = 3  # hosts that could not run a part, before it is given up


@dataclass
class _Host:
    """A host of the cluster. `kept`: what it has of parts, by key. `ready`: it has said so; `failed`: surveys that
    brought no answer.
    """

    node: str
    name: str
    needs: frozenset[str]
    slots: int
    kept: dict[str, str] = field(default_factory=dict)
    running: int = 0
    failed: int = 0
    ready: bool = False
    alive: bool = True
    unfit: str = ""
    delivered: list[str] = field(default_factory=list)


@dataclass
class _Waiting:
    """A part that is to be run. `asked`: hosts that could not; `why`: what was said last; `losses`: how often lost;
    `stuck`: since when no host can take it.
    """

    order: DispatchOrder
    asked: set[str] = field(default_factory=set)
    why: str = ""
    losses: int = 0
    stuck: float | None = None


@dataclass(frozen=True)
class _Given:
    """A part that a host has. `fetched`: only its bundle is; it takes no slot."""

    part: _Waiting
    host: _Host
    since: float
    fetched: bool


class Schedule:
    """Runs the parts of a request. `ray`: the module, connected."""

    def __init__(self, ray: Any, asked: Dispatch, tell: Callable[[PartEvent], None]) -> None:
        from ray import cloudpickle
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        # A host may have another harness, or none.
        cloudpickle.register_pickle_by_value(courier)  # type: ignore[no-untyped-call]  # Ray leaves it untyped
        self._ray, self._asked, self._tell = ray, asked, tell
        self._on = NodeAffinitySchedulingStrategy
        self._carry, self._survey, self._forget = map(ray.remote, (courier.carry, courier.survey, courier.forget))
        self._waiting = [_Waiting(order) for order in asked.orders]
        self._given: dict[Any, _Given] = {}
        self._surveys: dict[Any, tuple[_Host, float]] = {}
        self._hosts: dict[str, _Host] = {}
        self._seen = set(asked.known)
        self._started = time.monotonic()
        self._looked = 0.0

    def run(self) -> None:
        """Until every part has an event that ends it."""
        while self._waiting or self._given:
            if time.monotonic() - self._looked > _LOOK_S:
                self._look()
                self._give_up()
            self._give()
            self._collect()
        self._clean()

    def _look(self) -> None:
        """Notice hosts that have come or gone; a new one is asked what it has of this night."""
        self._looked = time.monotonic()
        alive = {node["NodeID"]: node for node in self._ray.nodes() if node["Alive"]}
        for host in self._hosts.values():
            host.alive = host.node in alive
        for node, told in alive.items():
            resources = told["Resources"]
            needs = frozenset(filter(is_need, resources))
            for need in needs - self._seen:
                self._tell(PartEvent(kind="known", why=need))
            self._seen |= needs
            if needs and node not in self._hosts:
                slots = int(resources.get(SLOT, 0))
                host = _Host(node, told.get("NodeName") or told["NodeManagerAddress"], needs, slots)
                self._hosts[node] = host
        asked = {host.node for host, _ in self._surveys.values()}
        for host in self._silent():
            if host.node not in asked:
                self._ask(host)

    def _silent(self) -> list[_Host]:
        """The hosts that have not said what they have of this night, and may yet."""
        return [host for host in self._hosts.values() if host.alive and not (host.ready or host.unfit)]

    def _ask(self, host: _Host) -> None:
        keys = [part.order.key for part in self._waiting] + [given.part.order.key for given in self._given.values()]
        self._surveys[self._survey.options(**self._at(host)).remote(keys)] = host, time.monotonic()

    def _at(self, host: _Host, **resources: float) -> dict[str, Any]:
        strategy = self._on(host.node, soft=False)
        return {"num_cpus": 0, "max_retries": 0, "scheduling_strategy": strategy, "resources": resources}

    def _give(self) -> None:
        """Give parts to hosts that have a slot, in the night's order. None while a host has not said what it has."""
        if self._silent():
            return
        able = [host for host in self._hosts.values() if host.alive and host.ready and not host.unfit]
        free = {need for host in able if host.running < host.slots for need in host.needs}
        sealed = {key for host in able for key, state in host.kept.items() if state == "sealed"}
        for part in list(self._waiting):
            if part.order.need not in free and part.order.key not in sealed:
                continue  # most of them, at most times
            host = self._host_for(part)
            if host is None:
                continue
            fetched = host.kept.get(part.order.key) == "sealed"
            given = self._at(host) if fetched else self._at(host, **{part.order.need: 1, SLOT: 1})
            host.kept.setdefault(part.order.key, "begun")
            host.running += not fetched
            request = msgspec.json.encode(msgspec.structs.replace(part.order.request, minutes=self._minutes()))
            ref = self._carry.options(**given).remote(part.order.key, request, self._asked.guard)
            self._given[ref] = _Given(part, host, time.monotonic(), fetched)
            self._waiting.remove(part)
            self._tell(PartEvent(kind="began", part=part.order.name, host=host.name))

    def _host_for(self, part: _Waiting) -> _Host | None:
        """The host that has the part already, else the one that can do least besides; None: wait."""
        able = [host for host in self._able(part) if host.ready]
        with_it = [host for host in able if part.order.key in host.kept]
        for host in with_it:
            if host.kept[part.order.key] == "sealed":
                return host
        free = [host for host in (with_it or able) if host.running < host.slots]
        return min(free, key=lambda host: (len(host.needs), host.running - host.slots, host.name), default=None)

    def _able(self, part: _Waiting) -> list[_Host]:
        there = [host for host in self._hosts.values() if host.alive and not host.unfit]
        return [host for host in there if part.order.need in host.needs and host.node not in part.asked]

    def _collect(self) -> None:
        """Take what is done."""
        now = time.monotonic()
        for ref, (host, since) in list(self._surveys.items()):
            if not host.alive or now - since > _SURVEY_S:
                del self._surveys[ref]
                host.ready = host.alive
        refs = [*self._given, *self._surveys]
        if not refs:
            time.sleep(_LOOK_S / 2)
            return
        for ref in self._ray.wait(refs, num_returns=1, timeout=_LOOK_S)[0]:
            if ref in self._surveys:
                self._surveyed(ref)
            else:
                self._ended(ref)

    def _surveyed(self, ref: Any) -> None:
        host, _ = self._surveys.pop(ref)
        try:
            host.kept |= self._ray.get(ref)
            host.ready = True
        except Exception as error:  # of Ray: the host or the courier is gone, or it cannot start one
            host.failed += 1
            if host.failed == _SURVEYS:
                self._set_aside(host, f"it could not say what it has: {_line(error)}")

    def _ended(self, ref: Any) -> None:
        given = self._given.pop(ref)
        part, host, key = given.part, given.host, given.part.order.key
        host.running -= not given.fetched
        try:
            answer = self._ray.get(ref)
        except self._ray.exceptions.RayTaskError as error:
            answer = {"state": "trouble", "why": _line(error), "unfit": False}
        except Exception as error:  # of Ray, of many kinds: whoever had it is gone, and part of it may be left there
            answer = {"state": "lost", "why": f"its host or courier was lost: {_line(error)}"}
        if answer["state"] == "lost":
            part.losses += 1
            part.why = f"{answer['why']} ({part.losses} times)"
            self._again(part)
            return
        if answer["state"] == "sealed":
            event = settle(part.order.name, Path(part.order.bundle), answer, time.monotonic() - given.since)
            if event.final:
                host.delivered.append(key)
            self._tell(event)
            return
        host.kept.pop(key, None)
        part.asked.add(host.node)
        part.why = f"{host.name}: {answer['why']}"
        if answer["unfit"] and not host.unfit:
            self._set_aside(host, answer["why"])
        self._again(part)

    def _set_aside(self, host: _Host, why: str) -> None:
        host.unfit = why
        self._tell(PartEvent(kind="note", why=f"{host.name} is set aside for this night: {why}"))

    def _again(self, part: _Waiting) -> None:
        """Have it wait before all others, and look at once what has become of the hosts."""
        self._waiting.insert(0, part)
        self._looked = 0.0

    def _give_up(self) -> None:
        """End the parts that no host will run."""
        now = time.monotonic()
        spent = self._minutes() == 0.0
        for part in list(self._waiting):
            name, event = part.order.name, None
            if spent:
                event = PartEvent(kind="spent", part=name, why="not run: the night's budget of minutes is spent")
            elif part.losses > _LOSSES or len(part.asked) >= _TROUBLES:
                event = PartEvent(kind="failed", part=name, why=part.why)
            elif self._able(part):
                part.stuck = None
            else:
                part.stuck = now if part.stuck is None else part.stuck
                if now - part.stuck > (self._asked.patience_s if self._may_come(part, now) else _GRACE_S):
                    event = self._without_host(part)
            if event is not None:
                self._waiting.remove(part)
                self._tell(event)
        if spent and now - self._started > (self._asked.begin_within_s or 0.0) + _STOP_AFTER_S:
            for ref, given in list(self._given.items()):
                self._ray.cancel(ref)
                del self._given[ref]
                self._tell(PartEvent(kind="spent", part=given.part.order.name, why="stopped: the budget is spent"))

    def _may_come(self, part: _Waiting, now: float) -> bool:
        """Whether a host that was lost has what the part needs, or one that was there before the head was."""
        lost = (host for host in self._hosts.values() if not host.alive and not host.unfit)
        if any(part.order.need in host.needs and host.node not in part.asked for host in lost):
            return True
        return part.order.need in self._asked.known and now - self._started < self._asked.patience_s

    def _without_host(self, part: _Waiting) -> PartEvent:
        """The event of a part that no host can take."""
        need, name = part.order.need, part.order.name
        if need not in self._seen:
            return PartEvent(kind="absent", part=name, why=f"no host of the cluster announces {need}")
        unfit = [host for host in self._hosts.values() if host.unfit and need in host.needs]
        why = part.why or (f"{unfit[0].name}: {unfit[0].unfit}" if unfit else f"every host with {need} was lost")
        return PartEvent(kind="failed", part=name, why=why)

    def _minutes(self) -> float | None:
        """Minutes in which a part may begin."""
        within = self._asked.begin_within_s
        return None if within is None else max(0.0, within - (time.monotonic() - self._started)) / 60

    def _clean(self) -> None:
        """Let hosts remove what has arrived."""
        hosts = [host for host in self._hosts.values() if host.alive and host.delivered]
        refs = [self._forget.options(**self._at(host)).remote(host.delivered) for host in hosts]
        if refs:
            self._ray.wait(refs, num_returns=len(refs), timeout=_SURVEY_S)


def _line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1][:200] if lines else ''}"
