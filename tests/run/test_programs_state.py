"""States of both emitted programs: written before a step, taken in its place, and the same facts on either side."""

from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from harness.spec.netspec import DType
from harness.trace.logits import logits_path, read_logits
from harness.trace.state import read_state, state_path
from tests.support.refusals import pipelines, refusal
from tests.support.tiny_programs import GRAPH, SHORT, TEST, Programs, Run

STEPS = 6
PARTS = "3+2,9+1,10+2,13+0"
TAKEN = {"HARNESS_STATE_IN": ".", "HARNESS_STATE_STEPS": "2"}
ENVIRONMENT = SHORT | {"LEAN_MLIR_MAX_STEPS": str(STEPS)}
NAMES = {p.name for p in GRAPH.params} | {f"{p.name}.{slot}" for p in GRAPH.params for slot in "mv"}
NAMES |= {s.name for s in GRAPH.states}


def run(programs: Programs, pipeline: str, folder: Path, dtype: DType = "f32", every: str = "2", **more: str) -> Run:
    """A run that writes its states into `folder`/states."""
    (folder / "states").mkdir(parents=True)
    states = {"HARNESS_STATE_OUT": str(folder / "states"), "HARNESS_STATE_STEPS": every}
    return programs.run(pipeline, folder / "run", dtype, **ENVIRONMENT, **states, **more)


def numbers(found: Run) -> list[object]:
    return [{key: value for key, value in step.items() if key != "wall_ms"} for step in found.steps]


@pytest.fixture(scope="module")
def led(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The states of phase 2 before every second step."""
    folder = tmp_path_factory.mktemp("led")
    run(programs, "phase2", folder)
    return folder / "states"


@pipelines
def test_states_are_written_before_the_steps_and_after_the_last(
    programs: Programs, pipeline: str, tmp_path: Path
) -> None:
    for every, expected in (("2", {1, 3, 5, 7}), ("1,4,99", {1, 4}), ("5,", {5}), ("4", {1, 5, 7})):
        folder = tmp_path / every
        found = run(programs, pipeline, folder, every=every)
        assert {path.name for path in (folder / "states").iterdir()} == {f"{step}.safetensors" for step in expected}
    free = programs.run(pipeline, tmp_path / "free", **ENVIRONMENT)
    assert numbers(found) == numbers(free)  # to the last bit
    path = state_path(tmp_path / "2" / "states", 3)
    with safe_open(path, "np") as file:
        assert file.metadata() == {"step": "3", "dtype": "f32"}
    state = read_state(path)
    assert state.keys() == NAMES
    assert {p.name: state[p.name].shape for p in GRAPH.params} == {p.name: p.shape for p in GRAPH.params}
    # The norms of step 3 are those of the parameters before it.
    told = free.steps[2]["param_norms"]
    assert {name: float(np.linalg.norm(state[name])) for name in told} == pytest.approx(told, rel=1e-5)


@pipelines
def test_a_run_that_takes_its_own_states_is_the_same_run(programs: Programs, pipeline: str, tmp_path: Path) -> None:
    free = run(programs, pipeline, tmp_path / "free")
    taken = run(programs, pipeline, tmp_path / "taken", HARNESS_STATE_IN=str(tmp_path / "free" / "states"))
    assert numbers(taken) == numbers(free)


def test_a_follower_is_set_to_its_leaders_state(programs: Programs, led: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in led.iterdir():
        state = load_file(path)
        state["conv1.beta"] += np.float32(0.5)
        save_file(state, moved / path.name, {"step": path.stem, "dtype": "f32"})
    run(programs, "phase3", tmp_path / "right", HARNESS_STATE_IN=str(led))
    run(programs, "phase3", tmp_path / "off", HARNESS_STATE_IN=str(moved))
    folders = (led, tmp_path / "right" / "states", tmp_path / "off" / "states")
    leader, right, off = (read_state(state_path(folder, 3)) for folder in folders)
    for name in NAMES:
        assert right[name] == pytest.approx(leader[name], rel=1e-3, abs=1e-6), name
    assert off["conv1.beta"] == pytest.approx(leader["conv1.beta"] + 0.5, abs=0.05)


@pipelines
def test_an_f32_state_is_widened_and_never_the_other_way_round(
    programs: Programs, pipeline: str, led: Path, tmp_path: Path
) -> None:
    run(programs, pipeline, tmp_path / "wide", "f64", HARNESS_STATE_IN=str(led))
    wide = tmp_path / "wide" / "states"
    # Its own first state, written before the leader's is taken, is the drawn start; after it, it trains in f64.
    assert all(x.dtype == np.float64 for x in read_state(state_path(wide, 3)).values())
    line = refusal(
        programs,
        pipeline,
        tmp_path,
        programs.data,
        **ENVIRONMENT,
        HARNESS_STATE_IN=str(wide),
        HARNESS_STATE_STEPS="2",
    )
    assert "conv1.w" in line
    assert "float32" in line


@pipelines
@pytest.mark.parametrize("order", ["file", "shuffled"])
def test_parts_of_a_run_are_the_steps_of_the_whole_one(
    programs: Programs, pipeline: str, order: str, tmp_path: Path
) -> None:
    (tmp_path / "states").mkdir()
    environment = {"HARNESS_TRACE_CHANNELS": "all", "HARNESS_STATE_STEPS": "3,9,10,12,13"}
    environment |= {"LEAN_MLIR_MAX_STEPS": "12"} | ({"LEAN_MLIR_NO_SHUFFLE": "1"} if order == "file" else {})
    states = str(tmp_path / "states")
    whole = programs.run(pipeline, tmp_path / "whole", **environment, HARNESS_STATE_OUT=states)
    again = {"HARNESS_STATE_IN": states, "HARNESS_STATE_OUT": str(tmp_path / "out"), "HARNESS_RUN_STEPS": PARTS}
    for name in ("out", "logits"):
        (tmp_path / name).mkdir()
    parts = programs.run(
        pipeline, tmp_path / "parts", **environment, **again, HARNESS_LOGITS_OUT=str(tmp_path / "logits")
    )
    assert parts.header["run_steps"] == PARTS
    assert numbers(parts) == [line for line in numbers(whole) if line["step"] in (3, 4, 9, 10, 11)]
    assert "test accuracy" not in parts.out
    # The states that the parts reach, and no state that they were given.
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"10.safetensors", "12.safetensors"}
    for step in (10, 12):
        ours, theirs = (read_state(state_path(tmp_path / name, step)) for name in ("out", "states"))
        assert all(np.array_equal(ours[name], theirs[name]) for name in NAMES)
    steps = {path.name: read_logits(path) for path in (tmp_path / "logits").iterdir()}
    assert steps.keys() == {f"{step}.logits.safetensors" for step in (3, 9, 10, 13)}
    logits, labels = steps["13.logits.safetensors"]
    assert (logits.shape, labels.shape) == ((TEST, 10), (TEST,))
    assert whole.tested == (int((logits.argmax(axis=-1) == labels).sum()), TEST)


def test_logits_of_one_state_agree_in_f64(programs: Programs, led: Path, tmp_path: Path) -> None:
    environment = ENVIRONMENT | {
        "HARNESS_STATE_IN": str(led),
        "HARNESS_STATE_STEPS": "2",
        "HARNESS_RUN_STEPS": "3+0,7+0",
    }
    for pipeline in ("phase2", "phase3"):
        (tmp_path / pipeline).mkdir()
        folder = str(tmp_path / pipeline)
        programs.run(pipeline, tmp_path / f"run-{pipeline}", "f64", **environment, HARNESS_LOGITS_OUT=folder)
    for step in (3, 7):
        (a, labels_a), (b, labels_b) = (
            read_logits(logits_path(tmp_path / pipeline, step)) for pipeline in ("phase2", "phase3")
        )
        assert a.dtype == b.dtype == np.float64
        assert np.abs(a - b).max() < 1e-12 < np.abs(a).max()
        assert labels_a.tolist() == labels_b.tolist()


@pipelines
@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"HARNESS_STATE_OUT": "absent", "HARNESS_STATE_STEPS": "2"}, "HARNESS_STATE_OUT is 'absent'"),
        ({"HARNESS_STATE_IN": "absent", "HARNESS_STATE_STEPS": "2"}, "HARNESS_STATE_IN is 'absent'"),
        ({"HARNESS_STATE_OUT": "."}, "HARNESS_STATE_STEPS is ''"),
        ({"HARNESS_STATE_OUT": ".", "HARNESS_STATE_STEPS": "0"}, "HARNESS_STATE_STEPS is '0'"),
        ({"HARNESS_STATE_OUT": ".", "HARNESS_STATE_STEPS": "1, 2"}, "HARNESS_STATE_STEPS is '1, 2'"),
        (
            {"HARNESS_STATE_OUT": ".", "HARNESS_STATE_STEPS": "2", "HARNESS_STATE_ROOM": "x"},
            "HARNESS_STATE_ROOM is 'x'",
        ),
        (TAKEN | {"HARNESS_RUN_STEPS": "3-4"}, "HARNESS_RUN_STEPS is '3-4'"),
        (TAKEN | {"HARNESS_RUN_STEPS": "5+2,5+1"}, "HARNESS_RUN_STEPS"),
        (TAKEN | {"HARNESS_RUN_STEPS": "4+1"}, "HARNESS_RUN_STEPS has 4, expected a step of HARNESS_STATE_STEPS"),
        (TAKEN | {"HARNESS_RUN_STEPS": "69+3"}, "HARNESS_RUN_STEPS has 69+3, expected steps"),
        (
            {"HARNESS_STATE_OUT": ".", "HARNESS_STATE_STEPS": "2", "HARNESS_RUN_STEPS": "3+1"},
            "HARNESS_RUN_STEPS has 3, expected",
        ),
    ],
    ids=lambda value: None if isinstance(value, dict) else value[14:].replace(" ", ""),
)
def test_a_bad_value_is_refused_by_name(
    programs: Programs, pipeline: str, environment: dict[str, str], told: str, tmp_path: Path
) -> None:
    assert told in refusal(programs, pipeline, tmp_path, programs.data, **environment)
