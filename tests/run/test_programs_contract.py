"""Both emitted programs under the same environment: they start alike, are fed alike, stop alike and end alike."""

import hashlib
import math
from pathlib import Path

import numpy as np
import pytest

from harness.data.initial_parameters import write_init
from harness.spec.netspec import DType
from tests.support.tiny_programs import (
    ALL_STEPS,
    CHANNELS,
    CONFIG,
    EPOCH_STEPS,
    FILES,
    GRAPH,
    PLAIN,
    SHORT,
    TEST,
    Programs,
    blank_files,
)

KINDS = ("grad", "param", "update")
MOVING = ("grad", "update")


def expected_rate(epoch: int) -> float:
    """Linear warm-up, then half a cosine; f64 rounded to f32."""
    if epoch < CONFIG.warmup_epochs:
        return float(np.float32(CONFIG.lr * (epoch + 1) / CONFIG.warmup_epochs))
    done = (epoch - CONFIG.warmup_epochs) / (CONFIG.epochs - CONFIG.warmup_epochs)
    return float(np.float32(CONFIG.lr * 0.5 * (1 + math.cos(math.pi * done))))


def test_with_nothing_set_both_train_alike(programs: Programs, tmp_path: Path) -> None:
    """The whole training: shuffled, own initial parameters, default channels, no limit."""
    two, three = programs.both(tmp_path, LEAN_MLIR_INIT_DUMP="init")
    digest = write_init(tmp_path / "expected", GRAPH.params)
    for run, pipeline in ((two, "phase2"), (three, "phase3")):
        assert run.header["init_sha256"] == digest
        assert (tmp_path / pipeline / "init").read_bytes() == (tmp_path / "expected").read_bytes()
        assert run.header["planned_steps"] == len(run.steps) == ALL_STEPS
        assert run.header["shuffle"] is True
        assert run.column("epoch") == [step // EPOCH_STEPS for step in range(ALL_STEPS)]
        observed = [step["step"] for step in run.steps if set(step) == PLAIN | CHANNELS]
        assert observed == [1, 2, 3, 4, 5, 6, 7, 8, 64]
        assert all(set(step) == PLAIN for step in run.steps if step["step"] not in observed)
        assert all(list(run.steps[0][f"{kind}_norms"]) == [p.name for p in GRAPH.params] for kind in KINDS)
        assert all(list(run.steps[0][f"{kind}_projections"]) == [p.name for p in GRAPH.params] for kind in MOVING)
        assert list(run.steps[0]["stat_norms"]) == [s.name for s in GRAPH.states]
        assert run.column("lr") == [expected_rate(step // EPOCH_STEPS) for step in range(ALL_STEPS)]
    np.testing.assert_allclose(two.column("loss")[:4], three.column("loss")[:4], rtol=1e-5)
    assert abs(two.correct - three.correct) <= 1

    own = {"kind", "phase", "pipeline", "emitted_sha256", "jit", "devices"}
    assert {key: two.header[key] for key in two.header.keys() - own} == {
        key: three.header[key] for key in three.header.keys() - own
    }
    assert list(two.header)[:7] == list(three.header)[:7]


@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_shuffled_batches_are_the_same_and_change_with_the_epoch(
    programs: Programs, dtype: DType, tmp_path: Path
) -> None:
    steps = 2 * EPOCH_STEPS + 1
    two, three = programs.both(tmp_path, dtype, HARNESS_TRACE_CHANNELS="all", LEAN_MLIR_MAX_STEPS=str(steps))
    fed = two.column("batch_sha256")
    assert fed == three.column("batch_sha256")
    assert len(set(fed)) == steps == len(two.steps) == len(three.steps)
    rtol = {"f32": 1e-5, "f64": 1e-12}[dtype]
    for key in ("loss", *(f"{kind}_norm" for kind in KINDS)):
        np.testing.assert_allclose(two.column(key)[:4], three.column(key)[:4], rtol=rtol, err_msg=key)
    for key in (f"{kind}_norms" for kind in KINDS):
        for name in (p.name for p in GRAPH.params):
            left, right = (run.steps[0][key][name] for run in (two, three))
            assert left == pytest.approx(right, rel=rtol, abs=rtol), (key, name)
    for kind in MOVING:
        for name, size in two.steps[0][f"{kind}_norms"].items():
            left, right = (run.steps[0][f"{kind}_projections"][name] for run in (two, three))
            assert left == pytest.approx(right, abs=rtol * max(size, 1.0)), (kind, name)
    for name, left in two.steps[0]["stat_norms"].items():
        assert left > 0.0, f"{name} starts at zero, and is that of before the step"
        assert left == pytest.approx(three.steps[0]["stat_norms"][name], rel=rtol), name
    if dtype == "f64":
        np.testing.assert_allclose(two.column("loss"), three.column("loss"), rtol=1e-10)
        assert two.correct == three.correct
    assert two.header["dtype"] == three.header["dtype"] == dtype


def test_in_file_order_every_epoch_is_fed_alike(programs: Programs, tmp_path: Path) -> None:
    """With a limit beyond the end of the training, which changes nothing."""
    for run in programs.both(tmp_path, **SHORT | {"LEAN_MLIR_MAX_STEPS": str(ALL_STEPS + 1)}):
        assert run.header["planned_steps"] == ALL_STEPS
        fed = run.column("batch_sha256")
        assert fed == fed[:EPOCH_STEPS] * CONFIG.epochs and len(set(fed)) == EPOCH_STEPS
        assert run.header["shuffle"] is False
        first = (programs.data / FILES[0]).read_bytes()[16 : 16 + 8 * 784]
        pixels = np.frombuffer(first, np.uint8).astype("<f4") / np.float32(255)
        labels = np.frombuffer((programs.data / FILES[1]).read_bytes()[8:16], np.uint8).astype("<i4")
        assert fed[0] == hashlib.sha256(pixels.tobytes() + labels.tobytes()).hexdigest()


def test_what_one_dumps_the_other_loads(programs: Programs, tmp_path: Path) -> None:
    """Parameters of another seed, so that a program that draws its own in spite of the file shows itself."""
    once = {"LEAN_MLIR_MAX_STEPS": "1", "LEAN_MLIR_NO_SHUFFLE": "1", "HARNESS_TRACE_CHANNELS": "none"}
    runs = {}
    for giver, taker in (("phase2", "phase3"), ("phase3", "phase2")):
        given, taken = tmp_path / giver, tmp_path / f"{taker}-loads"
        runs[giver] = programs.run(giver, given, seed=43, LEAN_MLIR_INIT_DUMP="init", **once)
        loading = {"LEAN_MLIR_INIT_LOAD": str(given / "init"), "LEAN_MLIR_INIT_DUMP": "again", **once}
        runs[taken.name] = programs.run(taker, taken, **loading)
        assert (taken / "again").read_bytes() == (given / "init").read_bytes()
    write_init(tmp_path / "seed43", GRAPH.params, 43)
    assert (tmp_path / "phase2" / "init").read_bytes() == (tmp_path / "seed43").read_bytes()
    assert len({run.header["init_sha256"] for run in runs.values()}) == 1
    assert all(set(step) == PLAIN for run in runs.values() for step in run.steps)
    losses = {name: run.column("loss") for name, run in runs.items()}
    assert losses["phase2"] == losses["phase2-loads"] and losses["phase3"] == losses["phase3-loads"]
    assert losses["phase2"] == pytest.approx(losses["phase3"], rel=1e-6)


@pytest.mark.parametrize("pipeline", ["phase2", "phase3"])
def test_every_test_image_counts_once(programs: Programs, pipeline: str, tmp_path: Path) -> None:
    """All are of the one class that was learnt, and the last batch is not full."""
    data = tmp_path / "one-class"
    data.mkdir()
    for name, content in blank_files(TEST, TEST).items():
        (data / name).write_bytes(content)
    assert TEST % CONFIG.batch_size != 0
    run = programs.run(pipeline, tmp_path / "run", data=data, **SHORT | {"LEAN_MLIR_MAX_STEPS": "20"})
    assert run.correct == TEST


@pytest.mark.parametrize("pipeline", ["phase2", "phase3"])
def test_without_a_trace_file_nothing_is_left_behind(programs: Programs, pipeline: str, tmp_path: Path) -> None:
    command = (*programs.command(pipeline), str(programs.data))
    done = programs.start(command, tmp_path, LEAN_MLIR_MAX_STEPS="1")
    assert done.returncode == 0, done.stderr
    assert "step 1 of 1: loss " in done.stdout
    assert list(tmp_path.iterdir()) == []


# Phase 2 alone: how it is run does not change what it computes.


@pytest.mark.parametrize(("visible", "used"), [(2, 2), (3, 2)], ids=["two", "three-do-not-divide-the-batch"])
def test_data_parallel_training_agrees_with_one_device(
    programs: Programs, visible: int, used: int, tmp_path: Path
) -> None:
    flags = f"--xla_force_host_platform_device_count={visible}"
    many = programs.run("phase2", tmp_path / "many", XLA_FLAGS=flags, **SHORT)
    one = programs.one_device()
    assert (one.header["devices"], many.header["devices"]) == (1, used)
    assert one.column("batch_sha256") == many.column("batch_sha256")
    assert one.column("lr") == many.column("lr")
    np.testing.assert_allclose(many.column("loss"), one.column("loss"), rtol=1e-5)
    assert abs(many.correct - one.correct) <= 1


def test_eager_training_agrees_with_compiled(programs: Programs, tmp_path: Path) -> None:
    eager = programs.run("phase2", tmp_path / "eager", JAX_DISABLE_JIT="1", **SHORT)
    one = programs.one_device()
    assert (one.header["jit"], eager.header["jit"]) == (True, False)
    assert one.column("batch_sha256") == eager.column("batch_sha256")
    np.testing.assert_allclose(eager.column("loss"), one.column("loss"), rtol=1e-5)
    assert abs(eager.correct - one.correct) <= 1
