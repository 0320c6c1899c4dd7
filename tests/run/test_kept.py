"""Cells that need not run again: only those that would be run exactly so."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from harness.run.cell import Cell
from harness.run.cell_plan import CellPlan
from harness.run.execute import run_cell
from harness.run.external import parse_external
from harness.run.kept import find_ended, find_kept
from harness.run.programs import external_program
from harness.spec.models import load_model
from harness.trace.manifest import CellFacts, write_manifest
from harness.trace.segments import segments_path
from tests.support.misbehaving_cells import plan_of

FACTS = CellFacts(model="net", pipeline="other", backend="cpu")
PROVENANCE = {"versions": {"jax": "1"}, "emitted_sha256": "ab", "compile_s": 3.0, "compile_cached": False}
THREE = "header(3); [step(k) for k in (1, 2, 3)]"


def done(folder: Path, code: str = THREE, **keys: object) -> CellPlan:
    plan = plan_of(folder, code, **({"facts": FACTS, "provenance": PROVENANCE} | keys))
    run_cell(plan)
    return plan


def test_a_cell_that_ran_exactly_so_is_kept(tmp_path: Path) -> None:
    plan = done(tmp_path)
    kept = find_kept(plan)
    assert kept is not None
    assert (kept.status, kept.steps_written) == ("complete", 3)
    later = replace(plan, provenance=PROVENANCE | {"compile_s": 0.1, "compile_cached": True}, timeout_s=5.0)
    assert find_kept(later) == kept, "how long it took says nothing about its result"
    elsewhere = replace(plan, facts=msgspec.structs.replace(FACTS, command="harness run net --data FOLDER"))
    assert find_kept(elsewhere) == kept, "nor does how a report says that it is run again"


@pytest.mark.parametrize(
    "change",
    [
        lambda plan: replace(plan, provenance=PROVENANCE | {"emitted_sha256": "cd"}),
        lambda plan: replace(plan, provenance=PROVENANCE | {"versions": {"jax": "2"}}),
        lambda plan: replace(plan, provenance=PROVENANCE | {"data_sha256": "ef"}),
        lambda plan: replace(plan, provenance=PROVENANCE | {"network_sha256": "01"}),
        lambda plan: replace(plan, planned_steps=4),
        lambda plan: replace(plan, facts=CellFacts(model="net", pipeline="other", backend="cpu", init_seed=43)),
    ],
)
def test_one_that_would_be_run_otherwise_is_not(tmp_path: Path, change: Callable[[CellPlan], CellPlan]) -> None:
    assert find_kept(change(done(tmp_path))) is None


def test_a_header_that_tells_of_another_start_is_not_kept(tmp_path: Path) -> None:
    code = 'trace.write(json.dumps({"kind": "header", "phase": "o", "netspec_name": "N", "config": {}, '
    code += '"total_params": 1, "dataset": "d", "emitter_version": "0", "init_sha256": "aa"}) + "\\n")\n'
    plan = done(tmp_path, code + "for k in (1, 2, 3): step(k)")
    assert find_kept(replace(plan, inputs={"init_sha256": "aa"})) is not None
    assert find_kept(replace(plan, inputs={"init_sha256": "bb"})) is None


def test_a_trace_that_is_not_the_one_of_the_manifest_is_not_kept(tmp_path: Path) -> None:
    plan = done(tmp_path)
    plan.trace.write_text(plan.trace.read_text().replace("0.5", "0.6"))
    assert find_kept(plan) is None
    plan.trace.unlink()
    assert find_kept(plan) is None


def test_a_manifest_that_contradicts_itself_is_of_no_run_that_ended(tmp_path: Path) -> None:
    plan = done(tmp_path)
    manifest = find_kept(plan)
    assert manifest is not None
    write_manifest(plan.manifest, msgspec.structs.replace(manifest, exit_code=1))
    assert (find_kept(plan), find_ended(plan)) == (None, None)


def test_a_crash_is_a_result_and_a_cell_that_was_stopped_is_none(tmp_path: Path) -> None:
    crashed = done(tmp_path, "header(3); step(1); sys.exit(1)")
    assert find_kept(crashed) is not None
    stopped = done(tmp_path, "header(3); step(1); time.sleep(60)", timeout_s=0.5)
    assert (find_kept(stopped), find_ended(stopped)) == (None, None)


def test_a_command_is_known_by_its_words_and_its_files(tmp_path: Path) -> None:
    cell = Cell(load_model("mnist_mlp"), "ext", "cpu")
    script = tmp_path / "train.py"
    script.write_text("print(1)")

    def digest(command: str) -> object:
        return external_program(parse_external(f"ext={command}"), cell).provenance["command_sha256"]

    first = digest(f"python3 {script}")
    assert digest(f"python3 {script}") == first
    assert digest(f"python3 {script} --fast") != first
    script.write_text("print(2)")
    assert digest(f"python3 {script}") != first


def test_a_follower_is_kept_with_its_segments_only(tmp_path: Path) -> None:
    facts = CellFacts(model="net", pipeline="other", backend="cpu", evidence=True, follows="phase2", segment=8)
    plan = done(tmp_path, facts=facts)
    assert find_kept(plan) is None, "killed before they were written"
    segments_path(plan.trace).write_text("{}")
    assert find_kept(plan) is not None
