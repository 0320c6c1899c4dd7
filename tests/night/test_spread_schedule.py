"""Which host gets which part, on a cluster that only says that it is one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from harness.errors import BundleError
from harness.night.spread import schedule
from harness.night.spread.engine import SLOT, PartEvent
from harness.night.spread.parts import Request
from harness.night.spread.ray_engine import Dispatch, DispatchOrder
from harness.night.spread.schedule import Schedule

SEALED = {"state": "sealed", "bundle": b"", "host": "h", "final": True, "cells": 1, "complete": 1}
FULL = {"state": "trouble", "why": "no room", "unfit": True}
WRONG = {"state": "trouble", "why": "no such network", "unfit": False}
LOST = {"state": "lost", "why": "killed"}


class PretendedError(Exception):
    """Of a task, or of a host that is gone."""


@dataclass(frozen=True, eq=False)
class Ref:
    value: Any


@dataclass
class PretendedRay:
    """Hosts by name with what they announce; `answers` says what a courier on one brings for a key."""

    hosts: dict[str, tuple[str, ...]]
    answers: Callable[[str, str], Any]
    kept: dict[str, dict[str, str]] = field(default_factory=dict)
    deaf: int = 0
    given: list[tuple[str, str, bool]] = field(default_factory=list)
    exceptions: Any = field(default=type("exceptions", (), {"RayTaskError": type("RayTaskError", (Exception,), {})}))

    def nodes(self) -> list[dict[str, Any]]:
        return [
            {
                "NodeID": name.encode().hex().ljust(56, "0"),
                "NodeName": name,
                "NodeManagerAddress": "",
                "Alive": True,
                "Resources": {SLOT: 1.0, **dict.fromkeys(needs, 1.0)},
            }
            for name, needs in self.hosts.items()
        ]

    def remote(self, function: Any) -> Any:
        ray = self

        class Bound:
            def options(self, **options: Any) -> Any:
                node = bytes.fromhex(options["scheduling_strategy"].node_id).decode().rstrip("\0")

                class Call:
                    @staticmethod
                    def remote(*words: Any) -> Any:
                        if function.__name__ == "survey" and ray.deaf:
                            ray.deaf -= 1
                            return Ref(PretendedError("its courier was killed"))
                        if function.__name__ == "survey":
                            return Ref(ray.kept.get(node, {}))
                        if function.__name__ == "carry":
                            ray.given.append((words[0], node, bool(options["resources"])))
                            return Ref(ray.answers(node, words[0]))
                        return Ref(None)

                return Call()

        return Bound()

    def wait(self, refs: list[Any], num_returns: int, timeout: float) -> tuple[list[Any], list[Any]]:
        return refs[:num_returns], refs[num_returns:]

    def get(self, ref: Any) -> Any:
        if isinstance(ref.value, Exception):
            raise ref.value
        return ref.value


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "_GRACE_S", 0.05)
    monkeypatch.setattr(schedule, "_LOOK_S", 0.01)


def run(ray: PretendedRay, needs: list[str], tmp_path: Path, within: float | None = None) -> dict[str, PartEvent]:
    request = Request(part="p", config="", files={})
    orders = [
        DispatchOrder(name=f"p{k}", key=f"k{k}", need=need, request=request, bundle=str(tmp_path / f"p{k}"))
        for k, need in enumerate(needs)
    ]
    asked = Dispatch(address="", orders=orders, guard="", patience_s=0.2, begin_within_s=within, known=["backend:lost"])
    events: list[PartEvent] = []
    Schedule(ray, asked, events.append).run()
    ends = [event for event in events if event.kind not in ("began", "note", "known")]
    assert len(ends) == len(orders)
    return {event.part: event for event in ends}


def test_a_part_goes_to_the_host_that_can_do_the_least_besides(tmp_path: Path) -> None:
    ray = PretendedRay({"gpu": ("backend:cpu", "backend:cuda"), "cpu": ("backend:cpu",)}, lambda node, key: SEALED)
    run(ray, ["backend:cpu", "backend:cuda"], tmp_path)
    assert ray.given == [("k0", "cpu", True), ("k1", "gpu", True)]


def test_what_nobody_has_is_told_and_what_may_come_back_waited_for(tmp_path: Path) -> None:
    ray = PretendedRay({"a": ("backend:cpu",)}, lambda node, key: SEALED)
    ends = run(ray, ["backend:rocm", "backend:lost", "backend:cpu"], tmp_path)
    assert [ends[name].kind for name in ("p0", "p1", "p2")] == ["absent", "failed", "sealed"]
    assert ends["p0"].why == "no host of the cluster announces backend:rocm"
    assert ends["p1"].why == "every host with backend:lost was lost"


def test_what_a_host_has_kept_is_fetched_from_it(tmp_path: Path) -> None:
    hosts = {"a": ("backend:cpu",), "b": ("backend:cpu",)}
    ray = PretendedRay(hosts, lambda node, key: SEALED, kept={"b": {"k0": "sealed", "k1": "begun"}})
    run(ray, ["backend:cpu", "backend:cpu"], tmp_path)
    assert ray.given == [("k0", "b", False), ("k1", "b", True)]  # the first takes no slot


def test_a_host_that_could_not_say_what_it_has_is_asked_again(tmp_path: Path) -> None:
    hosts = {"a": ("backend:cpu",), "b": ("backend:cpu",)}
    ray = PretendedRay(hosts, lambda node, key: SEALED, kept={"b": {"k0": "sealed"}}, deaf=4)
    run(ray, ["backend:cpu"], tmp_path)
    assert ray.given == [("k0", "b", False)]
    never = PretendedRay({"a": ("backend:cpu",)}, lambda node, key: SEALED, deaf=99)
    found = run(never, ["backend:cpu"], tmp_path)["p0"]
    assert found.kind == "failed" and found.why.startswith("a: it could not say what it has: PretendedError")


def test_a_bundle_that_cannot_be_written_here_ends_the_engine(tmp_path: Path) -> None:
    ray = PretendedRay({"a": ("backend:cpu",)}, lambda node, key: SEALED)
    with pytest.raises(BundleError, match="p0: cannot be written: No such file or directory"):
        run(ray, ["backend:cpu"], tmp_path / "no folder")


def _after(*answers: Any) -> Callable[[str, str], Any]:
    ahead: Iterator[Any] = iter([*answers, *[SEALED] * 9])
    return lambda node, key: next(ahead)


@pytest.mark.parametrize("loss", [LOST, PretendedError("the host is gone")], ids=["program", "courier"])
def test_what_was_lost_goes_on_where_it_was(tmp_path: Path, loss: Any) -> None:
    ray = PretendedRay({"a": ("backend:cpu",), "b": ("backend:cpu",)}, _after(loss))
    assert run(ray, ["backend:cpu"], tmp_path)["p0"].kind == "sealed"
    assert [node for _, node, _ in ray.given] == ["a", "a"]


def test_what_ends_every_host_is_given_up(tmp_path: Path) -> None:
    ray = PretendedRay({"a": ("backend:cpu",)}, lambda node, key: LOST)
    found = run(ray, ["backend:cpu"], tmp_path)["p0"]
    assert (found.kind, found.why) == ("failed", "killed (7 times)")


def test_a_host_that_is_full_gets_nothing_more(tmp_path: Path) -> None:
    full = "a"
    ray = PretendedRay(
        {"a": ("backend:cpu",), "b": ("backend:cpu",)}, lambda node, key: FULL if node == full else SEALED
    )
    ends = run(ray, ["backend:cpu"] * 3, tmp_path)
    assert {event.kind for event in ends.values()} == {"sealed"}
    assert sum(node == full for _, node, _ in ray.given) == 1


def test_what_one_host_cannot_run_another_is_asked(tmp_path: Path) -> None:
    ray = PretendedRay(dict.fromkeys("abcd", ("backend:cpu",)), lambda node, key: WRONG)
    found = run(ray, ["backend:cpu"], tmp_path)["p0"]
    assert (found.kind, found.why) == ("failed", "c: no such network")
    assert [node for _, node, _ in ray.given] == ["a", "b", "c"]
    two = PretendedRay({"a": ("backend:cpu",)}, lambda node, key: WRONG)
    assert run(two, ["backend:cpu"], tmp_path)["p0"].why == "a: no such network"


def test_nothing_begins_when_the_budget_is_spent(tmp_path: Path) -> None:
    ray = PretendedRay({"a": ("backend:cpu",)}, lambda node, key: SEALED)
    assert run(ray, ["backend:cpu"], tmp_path, within=0.0)["p0"].kind == "spent"
    assert ray.given == []
