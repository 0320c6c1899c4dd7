"""Cells held to the plan of the newest run: what an earlier run left does not count, what lacks is told."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.errors import TraceError
from harness.trace.manifest import CellFacts, manifest_path
from harness.trace.planned import HeldToPlans, add_planned, hold_to_plans, write_planned
from harness.trace.store import StoredCell, read_store
from tests.support.stored_cells import store

IN_F64 = {"dtype": "f64", "steps": 3, "evidence": True, "channels": "all"}


def run(root: Path, steps: int, pipelines: Sequence[str] = ("phase2", "phase3"), f64: bool = True) -> None:
    """What a verification leaves: its cells, those in f64, and its plan."""
    cells = [store(root, pipeline, steps=steps) for pipeline in pipelines]
    cells += [store(root, pipeline, **IN_F64) for pipeline in pipelines if f64]
    write_planned(root, "some_mlp", [cell.facts for cell in cells])


def held(root: Path) -> HeldToPlans:
    return hold_to_plans(read_store([root]).cells, [root])


def names(cells: Sequence[StoredCell]) -> list[str]:
    return sorted(cell.relative.removesuffix(".jsonl") for cell in cells)


def test_all_cells_count_where_no_plan_is_or_none_is_of_them(tmp_path: Path) -> None:
    store(tmp_path, "phase2")
    assert len(held(tmp_path).cells) == 1
    write_planned(tmp_path, "other", [CellFacts(model="other", pipeline="phase2", backend="cpu")])
    found = held(tmp_path)
    assert (len(found.cells), found.earlier) == (1, ())


def test_a_run_that_is_all_there_lacks_nothing(tmp_path: Path) -> None:
    run(tmp_path, 3)
    found = held(tmp_path)
    assert (len(found.cells), found.earlier, found.missing) == (4, (), ())


def test_what_a_longer_list_of_pipelines_left_is_earlier(tmp_path: Path) -> None:
    run(tmp_path, 3, ("phase2", "phase3", "phase2-iree", "phase3-xla"))
    run(tmp_path, 3)
    found = held(tmp_path)
    assert names(found.earlier) == [
        "evidence/some_mlp.phase2-iree-noshuf-cpu.f64",
        "evidence/some_mlp.phase3-xla-noshuf-cpu.f64",
        "some_mlp.phase2-iree-noshuf-cpu",
        "some_mlp.phase3-xla-noshuf-cpu",
    ]
    assert (len(found.cells), found.missing) == (4, ())


def test_cells_in_f64_of_an_earlier_run_are_no_evidence_for_a_newer_one(tmp_path: Path) -> None:
    run(tmp_path, 20)
    run(tmp_path, 3, f64=False)
    found = held(tmp_path)
    assert names(found.earlier) == [f"evidence/some_mlp.{name}-noshuf-cpu.f64" for name in ("phase2", "phase3")]
    assert names(found.cells) == [f"some_mlp.{name}-noshuf-cpu" for name in ("phase2", "phase3")]


@pytest.mark.parametrize("changes", [{"init_seed": 43}, {"batch_size": 2}, {"profile": "published"}, {"dtype": "f64"}])
def test_cells_of_another_start_or_size_are_of_no_earlier_run(tmp_path: Path, changes: dict[str, Any]) -> None:
    store(tmp_path, "phase2", **changes)
    run(tmp_path, 3)
    found = held(tmp_path)
    assert (len(found.cells), found.earlier) == (5, ())


@pytest.mark.parametrize(("evidence", "place"), [(False, ""), (True, "evidence/")])
def test_a_planned_cell_that_is_gone_is_missing(tmp_path: Path, evidence: bool, place: str) -> None:
    run(tmp_path, 3)
    gone = next(cell for cell in read_store([tmp_path]).cells if cell.facts.evidence is evidence)
    for path in (gone.trace, manifest_path(gone.trace)):
        path.unlink()
    (line,) = held(tmp_path).missing
    assert line == f"{place}{gone.name}: planned with 3 steps, and there is no such cell. Run it again."
    assert hold_to_plans(read_store([tmp_path]).cells, [tmp_path], [tmp_path]).missing == ()


def test_a_cell_of_another_length_in_the_place_of_a_planned_one_is_earlier(tmp_path: Path) -> None:
    run(tmp_path, 3)
    store(tmp_path, "phase2", steps=20)
    found = held(tmp_path)
    assert names(found.earlier) == ["some_mlp.phase2-noshuf-cpu"]
    assert len(found.missing) == 1


def test_cells_that_are_run_one_by_one_make_a_run_of_one_length(tmp_path: Path) -> None:
    cells = [store(tmp_path, pipeline, steps=3) for pipeline in ("phase2", "phase3")]
    for cell in cells:
        add_planned(tmp_path, "some_mlp", cell.facts)
    assert (len(held(tmp_path).cells), held(tmp_path).missing) == (2, ())
    longer = store(tmp_path, "phase2", steps=20)
    add_planned(tmp_path, "some_mlp", longer.facts)
    found = held(tmp_path)
    assert (names(found.cells), names(found.earlier)) == (
        ["some_mlp.phase2-noshuf-cpu"],
        ["some_mlp.phase3-noshuf-cpu"],
    )


def test_a_cell_that_is_run_again_by_itself_stays_one_of_its_run(tmp_path: Path) -> None:
    run(tmp_path, 3)
    again = next(cell for cell in read_store([tmp_path]).cells if cell.facts.pipeline == "phase2")
    add_planned(tmp_path, "some_mlp", msgspec.structs.replace(again.facts, command="by hand"))
    found = held(tmp_path)
    assert (len(found.cells), found.earlier, found.missing) == (4, (), ())


@pytest.mark.parametrize("content", [b"{", b'{"planned_version":2,"cells":[]}', b"[" * 100_000])
def test_a_plan_that_cannot_be_read_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.planned.json").write_bytes(content)
    with pytest.raises(TraceError, match=r"^x\.planned\.json: not the plan of a run: .*Remove it, and run"):
        held(tmp_path)


def test_a_plan_that_is_no_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.planned.json").mkdir()
    with pytest.raises(TraceError, match="not a regular file"):
        held(tmp_path)
