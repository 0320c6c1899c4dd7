from pathlib import Path
from typing import Any

from harness.night.references.accept import propose, write
from harness.night.references.comparison import first_unlike_step
from harness.night.references.environment import environment_of
from harness.night.references.findings import ReferenceFindings, compare_to_references
from harness.night.references.reference import TRACE
from harness.trace.store import StoredCell
from tests.support.sample_cells import CLOSE, FAR, KEY, LOSSES, MODEL, NAME, a_cell, bumped
from tests.support.sample_traces import trace

BUMPED = bumped(jax="0.11.0", jaxlib="0.11.0", iree_base_compiler="3.14.0", iree_base_runtime="3.14.0")
OTHER = "other_mlp"


def keep(into: Path, *cells: StoredCell) -> None:
    write(propose([cell.trace for cell in cells], "a test", into), into)


def compare(into: Path, *cells: StoredCell) -> ReferenceFindings:
    return compare_to_references(cells, into)


def test_a_cell_is_judged_by_the_reference_of_its_environment(tmp_path: Path) -> None:
    into = tmp_path / "reference"
    keep(into, a_cell(tmp_path / "old"))
    found = compare(into, a_cell(tmp_path / "same"))
    (one,) = found.compared
    assert (one.name, one.key, one.steps, one.first_unlike, one.passed) == (NAME, KEY, 20, None, True)
    assert one.row.kind == "cross-time"
    assert one.row.name == f"reference of {KEY} vs phase2-cpu"
    assert [cell.name for cell in one.row.cells] == [NAME, NAME]
    assert [cell.relative for cell in one.row.cells] == [f"{KEY}/{NAME}{TRACE}", f"{NAME}.jsonl"]
    assert one.row.findings == ("bit for bit alike.",)
    assert (found.event, found.without, found.exit_code) == (None, (), 0)


def test_a_cell_that_is_not_bit_for_bit_alike_says_where_and_what_else_changed(tmp_path: Path) -> None:
    into = tmp_path / "reference"
    keep(into, a_cell(tmp_path / "old"))
    (one,) = compare(into, a_cell(tmp_path / "new", [*LOSSES[:4], *CLOSE[4:]], told={"cpu_count": 4})).compared
    assert (one.passed, one.first_unlike) == (True, 5)
    assert one.row.findings[0].startswith("step 5 is the first")
    assert one.row.findings[1] == "since the reference: cpu_count: 2 → 4."
    found = compare(into, a_cell(tmp_path / "new", FAR))
    assert not found.compared[0].passed
    assert found.exit_code == 1


def test_a_norm_that_differs_is_not_bit_for_bit_alike() -> None:
    one, two = (trace(LOSSES, norms={"grad_norms": {"w": [1.0, 1.0, last, *[1.0] * 17]}}) for last in (1.0, 1.5))
    assert first_unlike_step(one, one) is None
    assert first_unlike_step(one, two) == 3
    assert first_unlike_step(one, trace(FAR, norms={"grad_norms": {"w": [1.0] * 20}})) == 3
    assert first_unlike_step(one, trace(LOSSES[:2])) is None


def test_fewer_or_more_steps_than_the_reference_are_a_prefix(tmp_path: Path) -> None:
    into = tmp_path / "reference"
    keep(into, a_cell(tmp_path / "old", header={"planned_steps": 20}))
    for count in (8, 40):
        losses = [2.0 / (k + 1) for k in range(count)]
        (one,) = compare(into, a_cell(tmp_path / "new", losses, header={"planned_steps": count})).compared
        assert (one.passed, one.steps, one.first_unlike) == (True, min(count, 20), None)
        assert f"the first {min(count, 20)} steps are compared" in one.row.findings[0]
        assert f"the reference has 20, the cell {count}" in one.row.findings[0]


def seventy(folder: Path, **keys: Any) -> list[StoredCell]:
    """35 networks, each by both pipelines."""
    each = [(f"network{number}", pipeline) for number in range(35) for pipeline in ("phase2", "phase3")]
    return [a_cell(folder, model=model, pipeline=pipeline, **keys) for model, pipeline in each]


def test_a_toolchain_bump_is_one_event_and_no_red_row(tmp_path: Path) -> None:
    into = tmp_path / "reference"
    keep(into, *seventy(tmp_path / "old"))
    cells = seventy(tmp_path / "new", told=BUMPED, losses=CLOSE)
    found = compare(into, *cells)
    assert (found.compared, found.rows, found.without, found.exit_code) == ((), (), (), 0)
    event = found.event
    assert event is not None
    assert (event.outcome, event.beyond, len(event.compared)) == ("note", (), 70)
    assert {one.key for one in event.compared} == {"cpu-avx512-iree-3.13.0", KEY}
    new_keys = {environment_of(cell.read().trace.header, cell.manifest).key for cell in cells}
    assert new_keys == {"cpu-avx512-iree-3.14.0", "cpu-avx512-jaxlib-0.11.0"}
    assert [(change.sentence, change.cells) for change in event.changes] == [
        ("iree 3.13.0 → 3.14.0", 35),
        ("jaxlib 0.10.2 → 0.11.0", 35),
    ]


def test_an_event_names_the_cells_that_moved_too_far(tmp_path: Path) -> None:
    into = tmp_path / "reference"
    keep(into, *seventy(tmp_path / "old"))
    cells = seventy(tmp_path / "new", told=BUMPED, losses=CLOSE)
    far = a_cell(tmp_path / "new", FAR, model="network7", pipeline="phase3", told=BUMPED)
    found = compare(into, *(far if one.name == far.name else one for one in cells))
    event = found.event
    assert event is not None
    assert (event.outcome, [one.name for one in event.beyond], found.exit_code) == (
        "fail",
        ["network7.phase3-noshuf-cpu"],
        1,
    )
    assert event.sentence.endswith("69 of 70 cells within the envelope of their old reference; "
                                   "not network7.phase3-noshuf-cpu.")  # fmt: skip


def test_an_event_takes_the_reference_of_the_environment_most_like_its_own(tmp_path: Path) -> None:
    into = tmp_path / "reference"
    keep(into, a_cell(tmp_path / "a"))
    keep(into, a_cell(tmp_path / "b", told={"cpu_features": ["avx2"]}))
    event = compare(into, a_cell(tmp_path / "c", told=bumped(jaxlib="0.11.0"))).event
    assert event is not None
    assert [one.key for one in event.compared] == [KEY]
    assert [change.sentence for change in event.changes] == ["jaxlib 0.10.2 → 0.11.0"]


def test_a_name_without_reference_is_listed_once(tmp_path: Path) -> None:
    cells = [a_cell(tmp_path / folder) for folder in ("host1", "host2")]
    found = compare(tmp_path / "reference", *cells)
    assert (found.without, found.compared, found.event, found.exit_code) == ((NAME,), (), None, 3)


def test_what_is_no_complete_cell_of_its_own_is_left_out(tmp_path: Path) -> None:
    into = tmp_path / "reference"
    keep(into, a_cell(tmp_path / "old"))
    crashed = a_cell(tmp_path / "crashed", status="crashed")
    evidence = a_cell(tmp_path / "cells", evidence=True)
    assert compare(into, crashed, evidence) == ReferenceFindings()


def test_a_damaged_reference_or_cell_is_one_inconclusive_row(tmp_path: Path) -> None:
    into = tmp_path / "reference"
    keep(into, *(a_cell(tmp_path / "old", model=model) for model in (MODEL, OTHER, "third_mlp")))
    (into / KEY / f"{NAME}{TRACE}").write_bytes(b"")
    cells = [a_cell(tmp_path / "new", model=model) for model in (MODEL, OTHER, "third_mlp")]
    cells[1].trace.write_bytes(b"")
    found = compare(into, *cells)
    assert [one.name for one in found.compared] == [cells[2].name]
    assert [row.cells[1] for row in found.unreadable] == cells[:2]
    assert found.exit_code == 3
    for row, what in zip(found.unreadable, ("version control", "the file is empty"), strict=True):
        assert row.verdict is not None
        assert (row.b, row.verdict.status, row.verdict.gate) == ("phase2-cpu", "INCONCLUSIVE", "reference")
        assert what in row.verdict.reason


def test_another_run_under_the_same_name_is_refused_not_compared(tmp_path: Path) -> None:
    into = tmp_path / "reference"
    keep(into, a_cell(tmp_path / "old", header={"data_sha256": "a" * 64}))
    (one,) = compare(into, a_cell(tmp_path / "new", header={"data_sha256": "b" * 64})).compared
    assert one.row.verdict is not None
    assert (one.row.verdict.status, one.row.verdict.fault, one.passed) == ("FAIL", "contract", False)


def test_a_cell_that_was_fed_a_stand_in_has_no_reference(tmp_path: Path) -> None:
    into = tmp_path / "reference"
    keep(into, a_cell(tmp_path / "old"))
    found = compare(into, a_cell(tmp_path / "new", FAR, header={"dataset": "mnist-synthetic"}))
    assert (found.rows, found.event, found.without) == ((), None, (NAME,))
