"""Runs that keep states, and their replay: also of another host, of a changed state, of a run with a late fault."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.commands import replay
from harness.errors import SpecError, TraceError
from harness.night.bundle.gather import gather
from harness.night.bundle.land import import_bundle
from harness.night.bundle.write import write_bundle
from harness.report import as_json
from harness.report.replay import for_terminal
from harness.run import programs as run_programs
from harness.run import replay as run_replay
from harness.run.run_cells import run_single
from harness.run.verification import Verification
from harness.spec.models import Model
from harness.spec.run_config import RunConfig
from harness.system.files import digest_of
from harness.trace.kept_states import states_folder
from harness.trace.manifest import KeptState, manifest_path, read_manifest, write_manifest
from harness.trace.state import read_state, state_path, write_state
from harness.trace.store import StoredCell, read_cell, verified_cells
from harness.verdict.judge import Verdict
from tests.support.schemas import violation
from tests.support.tiny_programs import CONFIG, GRAPH, SPEC, Programs

pytestmark = pytest.mark.usefixtures("own_temporary_root", "tiny_model")
TINY = Model("tiny", SPEC, CONFIG, GRAPH, None, None)
STEPS, KEPT = 40, (25, 33, 41)


@pytest.fixture
def tiny_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_replay, "load_model", lambda name, **sizes: TINY)


def asked(programs: Programs, out: Path) -> Verification:
    return Verification(
        model=TINY,
        out=out,
        run=RunConfig(steps=STEPS),
        backends=("cpu",),
        data=str(programs.data),
        keep_states=4,
        is_evidence=False,
    )


@pytest.fixture(scope="module")
def with_states(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> StoredCell:
    """A run of phase 2 with three states."""
    said: list[int] = []
    verification = asked(programs, tmp_path_factory.mktemp("kept"))
    cell = run_single(verification, "phase2", "cpu", lambda of, examples: said.extend(of.kept_steps(examples)))
    assert tuple(said) == KEPT
    return cell


@pytest.fixture
def copy(with_states: StoredCell, tmp_path: Path) -> StoredCell:
    """A copy of the run, for whoever changes it."""
    folder = shutil.copytree(with_states.trace.parent, tmp_path / "copy")
    return read_cell(manifest_path(folder / with_states.trace.name), folder)


def replayed(programs: Programs, cell: StoredCell, out: Path, **options: Any) -> dict[str, Verdict]:
    """The verdicts by the name of the replay."""
    ran = run_replay.run_replay(cell, out, data=str(programs.data), **options)
    rows = replay.judge(cell, ran)
    assert f"{len(KEPT)}, " in str(for_terminal(cell, ran, rows))
    document = json.loads(as_json.render(rows))
    assert violation(document, "diff") is None
    assert [pair["kind"] for pair in document["pairs"]] == [row.kind for row in rows]
    return {row.b: row.verdict for row in rows if row.verdict is not None}


def changed(cell: StoredCell, step: int, change: Callable[[dict], None], *, told: bool) -> StoredCell:
    """The cell with one state changed; `told`: as if its run had kept that one."""
    folder = states_folder(cell.trace)
    tensors = read_state(state_path(folder, step))
    change(tensors)
    write_state(folder, step, tensors, "f32")
    if told:
        path = state_path(folder, step)
        states = [
            KeptState(step, path.stat().st_size, digest_of(path)) if one.step == step else one
            for one in cell.manifest.states
        ]
        write_manifest(manifest_path(cell.trace), msgspec.structs.replace(cell.manifest, states=tuple(states)))
    return read_cell(manifest_path(cell.trace), cell.root)


def test_kept_states_are_told_with_their_digests_and_the_next_run_forgets_them(
    programs: Programs, copy: StoredCell
) -> None:
    assert [state.step for state in copy.manifest.states] == list(KEPT)
    for state in copy.manifest.states:
        path = state_path(states_folder(copy.trace), state.step)
        assert (state.size, state.sha256) == (path.stat().st_size, digest_of(path))
    without = msgspec.structs.replace(copy.manifest, states=())
    assert read_manifest(manifest_path(copy.trace)) != without


def test_a_run_of_another_host_is_replayed_after_it_was_imported(
    programs: Programs, copy: StoredCell, tmp_path: Path
) -> None:
    """As if the run had been on a GPU: its files come in a bundle, and say so."""
    trace = copy.trace.rename(copy.trace.with_name(copy.trace.name.replace("-cpu", "-cuda")))
    states_folder(copy.trace).rename(states_folder(trace))
    manifest_path(copy.trace).unlink()
    (trace.parent / "tiny.planned.json").unlink()
    assert copy.manifest.cell is not None
    facts = msgspec.structs.replace(copy.manifest.cell, backend="cuda")
    trace.write_text(trace.read_text().replace('"backend": "cpu"', '"backend": "cuda"'))
    there = {"host": "far", "emitted_sha256": copy.manifest.provenance["emitted_sha256"]}
    manifest = msgspec.structs.replace(
        copy.manifest, cell=facts, trace_sha256=digest_of(trace), provenance={**copy.manifest.provenance, **there}
    )
    write_manifest(manifest_path(trace), manifest)
    write_bundle(tmp_path / "far.tar.gz", gather([trace.parent]))
    landed = import_bundle(tmp_path / "far.tar.gz", tmp_path / "imported")
    assert landed.folder is not None
    (cell,) = verified_cells([landed.folder])
    found = replayed(programs, cell, tmp_path / "out")
    assert {name: verdict.status for name, verdict in found.items()} == {
        "phase2-cpu from its states": "PASS",
        "phase3-cpu from its states": "PASS",
        "phase3-cpu in f64": "PASS",
    }
    f32 = found["phase3-cpu from its states"]
    assert f32.headline == "PASS on 16 of 40 steps"
    line = next(line for line in f32.evidence if line.gate == "replay")
    assert "2 states at most" in line.line
    again = import_bundle(tmp_path / "far.tar.gz", tmp_path / "imported")
    assert (again.folder, again.there) == (None, 1)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda path: path.unlink(), "33.safetensors: is not there"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "33.safetensors: .* bytes; the manifest says"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"), "33.safetensors: SHA-256 .*not the state of"),
    ],
    ids=["missing", "truncated", "tampered"],
)
def test_a_state_that_is_not_the_one_of_the_manifest_is_refused(
    copy: StoredCell, tmp_path: Path, damage: Callable[[Path], object], told: str
) -> None:
    damage(state_path(states_folder(copy.trace), 33))
    with pytest.raises(TraceError, match=told) as refused:
        run_replay.run_replay(copy, tmp_path / "out")
    assert "\n" not in str(refused.value)
    assert str(tmp_path) not in str(refused.value)
    with pytest.raises(TraceError, match=told):
        gather([copy.trace])


def test_a_cell_without_states_is_refused(copy: StoredCell, tmp_path: Path) -> None:
    write_manifest(manifest_path(copy.trace), msgspec.structs.replace(copy.manifest, states=()))
    with pytest.raises(TraceError, match="keeps no states"):
        run_replay.run_replay(read_cell(manifest_path(copy.trace), copy.root), tmp_path / "out")


def scale(name: str, factor: float) -> Callable[[dict], None]:
    def change(tensors: dict) -> None:
        tensors[name] = (tensors[name] * factor).astype(tensors[name].dtype)

    return change


def test_a_state_that_is_not_of_the_run_is_found_by_its_steps(
    programs: Programs, copy: StoredCell, tmp_path: Path
) -> None:
    cell = changed(copy, 33, scale("dense1.w", 1.01), told=True)
    found = replayed(programs, cell, tmp_path / "out", dtypes=("f32",), pipelines=("phase3",))
    (verdict,) = found.values()
    assert (verdict.status, verdict.gate) == ("FAIL", "replay")
    assert "25 to 32" in (verdict.place or "")  # the state that the steps from 25 on should have led to


RATE = "                lr = learning_rate(step, steps_per_epoch)\n"
FAULTS = {
    "rate": (RATE, RATE + "                lr = lr * np.float32(1.02 if step == 30 else 1)\n", "schedule", "step 30"),
    "momentum": (
        RATE,
        RATE + "                if step == 29: slots = slots | {'m': jax.tree.map(jnp.zeros_like, slots['m'])}\n",
        "replay",
        "25 to 32",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_late_fault_of_the_run_is_found_within_a_kept_segment(
    programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    line, wrong, gate, place = FAULTS[name]
    emit = run_programs.emit_jax_script

    def faulty(*given: Any, **more: Any) -> str:
        text = emit(*given, **more)
        assert text.count(line) == 1
        return text.replace(line, wrong)

    with monkeypatch.context() as patched:
        patched.setattr(run_programs, "emit_jax_script", faulty)
        cell = run_single(asked(programs, tmp_path / "faulty"), "phase2", "cpu", lambda of, examples: None)
    found = replayed(programs, cell, tmp_path / "out", pipelines=("phase3",))
    verdict = found["phase3-cpu from its states"]
    assert (verdict.status, verdict.gate) == ("FAIL", gate), verdict.sentence
    assert place in (verdict.place or "")
    assert found["phase3-cpu in f64"].status == "PASS", "the programs of this host are right"


def test_a_network_of_a_file_is_replayed_with_that_file_only(copy: StoredCell, tmp_path: Path) -> None:
    manifest = read_manifest(manifest_path(copy.trace))
    assert manifest.cell is not None
    facts = msgspec.structs.replace(manifest.cell, network_file="nets/tiny.py")
    write_manifest(manifest_path(copy.trace), msgspec.structs.replace(manifest, cell=facts))
    cell = read_cell(manifest_path(copy.trace), copy.root)
    with pytest.raises(SpecError, match=r"^tiny\.phase2-noshuf-cpu: its network is in a file .* with --model FILE\.$"):
        run_replay.run_replay(cell, tmp_path)
    for name in ("evil.py", "../evil"):
        named = replace(cell, facts=msgspec.structs.replace(facts, model=name, network_file=None))
        with pytest.raises(SpecError, match=rf"its network is in a file of its own, {re.escape(name)}\."):
            run_replay.run_replay(named, tmp_path)
    with pytest.raises(SpecError, match=r"--model nets/other\.py: the file of network 'other'; the cell's is 'tiny'"):
        run_replay.run_replay(cell, tmp_path, network=Path("nets/other.py"))
