"""A spread night without a cluster: its parts, what they bring back, and what is not run again."""

import json
import random
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import msgspec
import pytest

from harness.errors import ConfigError
from harness.night.config import parse_config
from harness.night.config_text import config_text
from harness.night.folder import Night, NightFolder, begin, find_folder
from harness.night.run import Budget
from harness.night.spread import courier, engine, unit
from harness.night.spread.courier import REQUEST
from harness.night.spread.engine import Engine, PartEvent, PartOrder, event_path, find_engine, settle
from harness.night.spread.parts import NightPart, split_night
from harness.night.spread.run import run_spread
from harness.report.summary.build import summarise
from harness.system.process import run_module
from harness.validation.hosts import stand_in
from harness.verdict.compare import Judging
from tests.support.nights import CHECK, NOON

PLAIN = "ladder = false\nlockstep = false\nstates = 0\nsteps = 20\n"
CONFIG = f"""
backends = ["cpu", "cuda"]

[[verify]]
models = ["mnist_mlp"]
seed = 43
{PLAIN}
[[check]]
name = "a check"
command = ["python", "-c", "print('agrees')"]
"""
CELLS = 4
IN_ORDER = 0


class InProcess:
    """An engine whose hosts are folders; it has what `backends` names, and takes the parts in an order of its own."""

    def __init__(self, work: Path, seed: int = 0, backends: Sequence[str] = ("cpu", "cuda")) -> None:
        self.ran: list[str] = []
        self._work, self._seed, self._random, self._backends = work, seed, random.Random(seed), backends

    def run(
        self,
        orders: Sequence[PartOrder],
        budget: Budget,
        on_event: Callable[[PartEvent], None],
        known: Collection[str] = (),
    ) -> None:
        order_here = (
            range(len(orders)) if self._seed == IN_ORDER else self._random.sample(range(len(orders)), len(orders))
        )
        for order in (orders[k] for k in order_here):
            part = order.part
            if part.backend not in self._backends:
                on_event(PartEvent(kind="absent", part=part.name, why=f"no host of the cluster announces {part.need}"))
                continue
            folder = self._work / part.key
            folder.mkdir(parents=True, exist_ok=True)
            (folder / REQUEST).write_bytes(msgspec.json.encode(part.request(budget.left_minutes())))
            outcome = unit.run_part(folder, stand_in.run_stand_in)
            answer = {"bundle": (folder / "bundle.tar.gz").read_bytes(), **msgspec.structs.asdict(outcome)}
            self.ran.append(part.name)
            on_event(settle(part.name, order.bundle, answer, 0.0))


@pytest.fixture(autouse=True)
def quick_stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(stand_in.LOG, str(tmp_path / "cells.log"))
    monkeypatch.setenv(stand_in.SECONDS, "0")


def spread(folder: Path, engine: Engine, config: str = CONFIG, minutes: float | None = None) -> list[str]:
    folder.mkdir(exist_ok=True)
    said: list[str] = []
    night = begin(NightFolder(folder), config, NOON, spread=True)
    run_spread(NightFolder(folder), night, engine, Budget(minutes), said.append, folder)
    return said


def told_by(folder: Path) -> tuple[object, ...]:
    found = summarise([folder], Judging())
    rows = [(row.a, row.b, row.kind, row.verdict.status if row.verdict else row.note) for row in found.rows]
    paths = [cell.trace.relative_to(folder) for cell in found.cells]
    return rows, paths, [(check.name, check.status) for check in found.checks], found.problems


def log(folder: Path) -> list[str]:
    return (folder / "cells.log").read_text().split("\n")[:-1]


def test_a_network_and_its_evidence_stay_together_on_a_backend() -> None:
    parts = _parts(
        'backends = ["cuda", "cpu"]\npipelines = { mine = "train" }\n[[verify]]\nmodels = ["mnist_mlp"]\n' + CHECK
    )
    assert [(part.name, part.need) for part in parts] == [
        ("mnist_mlp@cuda", "backend:cuda"),
        ("mnist_mlp@cpu", "backend:cpu"),
        ("check-a", "backend:cpu"),
    ]
    on_cuda, on_cpu = (part.verification for part in parts[:2])
    assert on_cuda is not None and on_cpu is not None
    assert [cell.name.split("-")[-1] for cell, _ in on_cpu.planned_cells()] == ["cpu", "cpu"]
    assert [cell.pipeline for cell, _ in on_cuda.planned_cells()] == ["phase2", "phase3", "mine"]
    assert on_cpu.from_states(60_000) is not None and on_cuda.from_states(60_000) is None


def test_what_a_part_is_asked_to_run_is_a_night_of_its_own() -> None:
    for part in _parts(CONFIG):
        read = parse_config(part.config, "part")
        alone = [one for one in (part.verification, part.check) if one is not None]
        assert len(alone) == 1
        found = read.verifications(NOON.date(), Path())
        if part.verification is not None:
            planned = [[cell.name for cell, _ in one.planned_cells()] for one in (*found, part.verification)]
            assert planned[0] == planned[1]
        else:
            assert not found and [check.name for check in read.check] == ["a check"]


def test_backends_that_were_not_named_are_not_asked_for_on_their_host() -> None:
    parts = _parts('[[verify]]\nmodels = ["mnist_mlp"]\n')
    for part in parts:
        (found,) = parse_config(part.config, "part").verifications(NOON.date(), Path())
        assert {(cell.backend, asked) for cell, asked in found.planned_cells()} == {(part.backend, False)}


def test_a_configuration_is_read_back_as_what_it_was() -> None:
    odd = 'a "quoted" \\ name, é \N{GRINNING FACE} \x7f \t'
    config = parse_config(CONFIG, "f")
    config = msgspec.structs.replace(config, title=odd, pipelines={"mine": odd}, require_coverage=99.5)
    part = msgspec.structs.replace(config.check[0], environment={"A_B": odd}, timeout_minutes=1e-3)
    config = msgspec.structs.replace(config, check=[part])
    assert parse_config(config_text(config), "g") == config


def test_the_report_is_the_same_whatever_the_order(tmp_path: Path) -> None:
    told = []
    for seed in (1, 2):
        spread(tmp_path / str(seed), InProcess(tmp_path / f"hosts-{seed}", seed))
        told.append(told_by(tmp_path / str(seed)))
    assert told[0] == told[1]
    rows, paths, checks, problems = told[0]
    assert len(paths) == CELLS and not problems and checks == [("a check", "PASS")]
    assert {row[2] for row in rows} == {"cross-compiler", "cross-platform", "cross-vendor"}


def test_what_is_there_is_not_run_again_by_any_engine(tmp_path: Path) -> None:
    first = InProcess(tmp_path / "hosts", backends=("cpu",))
    said = spread(tmp_path / "night", first)
    assert sorted(first.ran) == ["check-a-check", "mnist_mlp.s43@cpu"]
    assert "mnist_mlp.s43@cuda: no host of the cluster announces backend:cuda" in said
    absent = [c for c in summarise([tmp_path / "night"], Judging()).cells if c.manifest.status == "refused"]
    assert {cell.manifest.reason for cell in absent} == {"no host of the cluster announces backend:cuda"}
    second = InProcess(tmp_path / "elsewhere")
    spread(tmp_path / "night", second)
    assert second.ran == ["mnist_mlp.s43@cuda"]
    assert len(log(tmp_path)) == 2 * (CELLS + 1)


def test_what_is_also_run_somewhere_comes_back_with_the_first_backend(tmp_path: Path) -> None:
    config = CONFIG.replace("seed = 43\n", 'seed = 43\nalso_on = ["vulkan"]\n')
    first = InProcess(tmp_path / "hosts")
    said = spread(tmp_path / "night", first, config)
    assert first.ran and not [line for line in said if "Nothing of it" in line]
    cells = summarise([tmp_path / "night"], Judging()).cells
    places = [(cell.facts.pipeline, cell.facts.backend) for cell in cells]
    assert len(places) == CELLS + 1 and places.count(("phase3", "vulkan")) == 1


def test_a_part_that_had_arrived_is_taken_in_first(tmp_path: Path) -> None:
    class Dies(InProcess):
        def run(
            self,
            orders: Sequence[PartOrder],
            budget: Budget,
            on_event: Callable[[PartEvent], None],
            known: Collection[str] = (),
        ) -> None:
            super().run(orders, budget, lambda event: None)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        spread(tmp_path / "night", Dies(tmp_path / "hosts"))
    assert len(summarise([tmp_path / "night"], Judging()).cells) == 0
    again = InProcess(tmp_path / "elsewhere")
    spread(tmp_path / "night", again)
    assert not again.ran and len(log(tmp_path)) == 2 * (CELLS + 1)
    assert len(told_by(tmp_path / "night")[1]) == CELLS  # type: ignore[arg-type]
    assert {path.suffix for path in (tmp_path / "night" / "parts").iterdir()} == {".json"}


def test_what_arrived_without_a_word_is_asked_for_again(tmp_path: Path) -> None:
    class DiesSooner(InProcess):
        def run(
            self,
            orders: Sequence[PartOrder],
            budget: Budget,
            on_event: Callable[[PartEvent], None],
            known: Collection[str] = (),
        ) -> None:
            super().run(orders, budget, lambda event: None)
            for order in orders:
                event_path(order.bundle).unlink()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        spread(tmp_path / "night", DiesSooner(tmp_path / "hosts"))
    again = InProcess(tmp_path / "hosts")
    spread(tmp_path / "night", again)
    assert len(again.ran) == 3
    assert len(log(tmp_path)) == 2 * (CELLS + 1)  # its host had kept all of it


@pytest.mark.parametrize("harm", ["cut", "of another part"])
def test_a_bundle_that_is_not_what_was_asked_for_is_refused(tmp_path: Path, harm: str) -> None:
    kept: list[bytes] = []

    class Harmful(InProcess):
        def run(
            self,
            orders: Sequence[PartOrder],
            budget: Budget,
            on_event: Callable[[PartEvent], None],
            known: Collection[str] = (),
        ) -> None:
            files = {order.part.name: order.bundle for order in orders}

            def spoil(event: PartEvent) -> None:
                path = files[event.part]
                kept.append(path.read_bytes())
                if event.part == "mnist_mlp.s43@cuda":
                    path.write_bytes(kept[-1][:-40] if harm == "cut" else kept[0])
                on_event(event)

            super().run(orders, budget, spoil)

    spread(tmp_path / "night", Harmful(tmp_path / "hosts", seed=IN_ORDER))
    found = summarise([tmp_path / "night"], Judging())
    assert len(found.cells) == CELLS - 2
    assert any("mnist_mlp.s43@cuda: " in line and "Nothing of it" in line for line in found.problems)


def test_without_an_engine_a_night_goes_on_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "announced", lambda: ["backend:cpu"])
    monkeypatch.setenv(courier.COMMAND, json.dumps(run_module("harness.validation.hosts.stand_in")))
    monkeypatch.setenv(courier.FOLDER, str(tmp_path / "parts"))
    other = CHECK.replace('"a"', '"b"') + 'backend = "cuda"\n'
    said = spread(tmp_path / "night", find_engine(None), CHECK + other)
    assert "check-b: this host has no cuda" in said
    assert told_by(tmp_path / "night")[2] == [("a", "PASS"), ("b", "NOT RUN")]
    assert log(tmp_path) == ["begin a", "end a"]
    assert not list((tmp_path / "parts").iterdir())  # what has arrived is not kept twice


def test_a_part_that_the_budget_cut_short_goes_on(tmp_path: Path) -> None:
    spread(tmp_path / "night", InProcess(tmp_path / "hosts"), minutes=1e-9)
    again = InProcess(tmp_path / "hosts")
    spread(tmp_path / "night", again)
    assert len(again.ran) == 3


def test_a_night_without_an_engine_does_not_become_a_spread_one(tmp_path: Path) -> None:
    begin(NightFolder(tmp_path), CHECK, NOON)
    with pytest.raises(ConfigError, match="was begun without --engine"):
        begin(NightFolder(tmp_path), CHECK, NOON, spread=True)
    nights = tmp_path / "nights"
    (nights / "2026-04-01").mkdir(parents=True)
    begin(NightFolder(nights / "2026-04-01"), CHECK, NOON, spread=True)
    assert find_folder(nights, CHECK, NOON).path.name == "2026-04-01"  # goes on here, on this host
    assert find_folder(nights, CHECK, NOON, spread=True).path.name == "2026-04-01"


def test_an_engine_that_there_is_not_is_one_line() -> None:
    with pytest.raises(ConfigError, match="--engine 'slurm': expected `ray` or `ray://HOST:PORT`"):
        find_engine("slurm")


def test_a_part_has_a_key_of_exactly_what_runs() -> None:
    one, two = (_parts(text) for text in (CONFIG, CONFIG.replace("print(", "exit(")))
    keys = {part.name: part.key for part in one}
    assert len(set(keys.values())) == len(one)
    same = {part.name for part in two if keys.get(part.name) == part.key}
    assert same == {"mnist_mlp.s43@cpu", "mnist_mlp.s43@cuda"}


def _parts(text: str) -> list[NightPart]:
    night = Night(night=NOON.date(), started=NOON, config=text, spread=True)
    return split_night(night, Path(), Path(), [])
