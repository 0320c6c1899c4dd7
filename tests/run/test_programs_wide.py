"""Both emitted programs in wide arithmetic: equal to the last bit though only facts are shared; their states."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from harness.nn.layers.dense import Dense
from harness.nn.layers.relu import Relu
from harness.nn.optimizers import Adam
from harness.run.inprocess import SHARED, Phase2, Phase3, recorded
from harness.spec.netspec import TrainConfig
from harness.spec.shapes import infer_shapes
from harness.trace.reader import read_trace
from harness.trace.recording import Recording
from harness.trace.state import read_state, state_path
from harness.trace.words import words_digest
from harness.verdict.compare import compare
from harness.verdict.coverage import STEPS
from harness.verdict.evidence import Answer, Beside, PairFacts
from harness.verdict.wide_gate import check_wide
from tests.support.networks import network
from tests.support.programs import drawn
from tests.support.refusals import pipelines, refusal
from tests.support.tiny_programs import GRAPH, Programs

LENGTH, EVERY = 60, 20
ENVIRONMENT = {
    "LEAN_MLIR_MAX_STEPS": str(LENGTH),
    "LEAN_MLIR_NO_SHUFFLE": "1",
    "HARNESS_STATE_STEPS": str(EVERY),
}
PARAMS = {p.name for p in GRAPH.params}


@pytest.fixture(scope="module")
def ran(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders of a run of each program: its trace and its states."""
    folders = {}
    for pipeline in ("phase2", "phase3"):
        folders[pipeline] = folder = tmp_path_factory.mktemp(pipeline)
        (folder / "states").mkdir()
        states = {"HARNESS_STATE_OUT": str(folder / "states")}
        programs.run(pipeline, folder / "run", "wide", **ENVIRONMENT, **states)
    return folders


def judged(a: Recording, b: Recording) -> Answer:
    pair = compare(a, b)
    return check_wide(PairFacts(pair, Beside(in_wide=pair)))


def test_independent_programs_train_bit_for_bit_alike(ran: dict[str, Path]) -> None:
    a, b = (Recording(read_trace(folder / "run" / "trace"), None) for folder in ran.values())
    found = judged(a, b)
    assert (found.outcome, found.numbers[STEPS], found.numbers["losses_differ"]) == ("pass", LENGTH, 0)
    assert (a.trace.loss != a.trace.loss.astype(np.float32)).all()  # in f64
    assert len({step["conv1.w"] for step in a.trace.words.values()}) == LENGTH  # and all of them moved


@pipelines
def test_parameters_are_f32_and_all_else_is_f64(ran: dict[str, Path], pipeline: str) -> None:
    words = read_trace(ran[pipeline] / "run" / "trace").words
    for step in range(1, LENGTH + 2, EVERY):
        path = state_path(ran[pipeline] / "states", step)
        with safe_open(path, "np") as file:
            assert file.metadata() == {"step": str(step), "dtype": "wide"}
        state = read_state(path)
        assert {name for name, x in state.items() if x.dtype == np.float32} == PARAMS
        assert {x.dtype.name for name, x in state.items() if name not in PARAMS} == {"float64"}
        if step > 1:  # the digests of a step are of the parameters after it
            assert words[step - 1] == {name: words_digest(name, state[name]) for name in PARAMS}


@pipelines
def test_a_wide_state_is_taken_by_wide_programs_and_widened_by_those_in_f64(
    programs: Programs, ran: dict[str, Path], pipeline: str, tmp_path: Path
) -> None:
    states = {"HARNESS_STATE_IN": str(ran["phase2" if pipeline == "phase3" else "phase3"] / "states")}
    programs.run(pipeline, tmp_path / "wide", "wide", **ENVIRONMENT, **states)
    free, taken = (read_trace(folder / "trace") for folder in (ran[pipeline] / "run", tmp_path / "wide"))
    assert taken.words == free.words
    (tmp_path / "out").mkdir()
    states["HARNESS_STATE_OUT"] = str(tmp_path / "out")
    programs.run(pipeline, tmp_path / "f64", "f64", **(ENVIRONMENT | {"LEAN_MLIR_MAX_STEPS": "2"}), **states)
    in_f64 = read_trace(tmp_path / "f64" / "trace")
    assert in_f64.loss[0] == pytest.approx(free.loss[0], rel=1e-12)
    assert not in_f64.words
    line = refusal(
        programs, pipeline, tmp_path, dtype="wide", HARNESS_STATE_IN=str(tmp_path / "out"), HARNESS_STATE_STEPS="2"
    )
    assert "conv1.w" in line
    assert "float32" in line


def test_a_constant_that_is_off_by_a_fortieth_of_a_millionth_is_found() -> None:
    graph = infer_shapes(network((64,), Dense(64, 64, activation=Relu()), Dense(64, 64), Dense(64, 4)))
    config = TrainConfig(lr=0.01, batch_size=8, epochs=2, optimizer=Adam())
    batches, epoch_steps = drawn(graph, config, steps=8)
    off = replace(config, optimizer=Adam(beta1=0.9 * (1 + 2.5e-8)))
    sides = [Phase2(graph, config, "wide", SHARED), Phase3(graph, config, "wide"), Phase3(graph, off, "wide")]
    sides[-1].config = config  # what its header states
    rates = sides[0].rates(len(batches), epoch_steps)
    a, right, wrong = (
        recorded(side, side.train(batches, rates), batches, rates, steps_per_epoch=epoch_steps) for side in sides
    )
    assert judged(a, right).outcome == "pass"
    found = judged(a, wrong)
    assert (found.outcome, found.fault) == ("fail", "optimizer")
