"""The writer of anybody's training loop: what it writes of which arrays, and what it says of what makes no trace."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import harness
from harness.data.batches import batch_sha256
from harness.errors import TraceError
from harness.trace.arrays import batch_digest, norm
from harness.trace.format import StepLine
from harness.trace.projection import project
from harness.trace.reader import read_trace
from tests.support.paths import ROOT

RANDOM = np.random.default_rng(3)
START = {"w": RANDOM.normal(size=(7, 30)).astype(np.float32), "b": np.zeros(30, np.float32)}


class Tensor:
    """What is used of PyTorch's tensors, over an array."""

    def __init__(self, array: np.ndarray, grad: "Tensor | None" = None) -> None:
        self.array, self.grad = array, grad

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def dtype(self) -> str:
        return f"torch.{self.array.dtype}"

    @property
    def T(self) -> "Tensor":  # noqa: N802
        return Tensor(self.array.T)

    def detach(self) -> "Tensor":
        return Tensor(self.array)

    def cpu(self) -> "Tensor":
        return self

    def numpy(self) -> np.ndarray:
        return self.array


def lines(path: Path) -> dict[int, StepLine]:
    return dict(read_trace(path, with_lines=True).lines)


def train(path: Path, steps: int = 3, **keys: Any) -> dict[int, StepLine]:
    """Each step takes a hundredth of each parameter away, in place."""
    params = {name: array.copy() for name, array in START.items()}
    with harness.TraceWriter(path, network="N", params=params, **keys) as trace:
        for _ in range(steps):
            grads = {name: array.copy() for name, array in params.items()}
            for array in params.values():
                array -= np.float32(0.01) * array
            trace.step(loss=1.5, lr=0.01, grads=grads)
    return lines(path)


def test_norms_are_of_the_parameters_before_a_step_and_of_what_it_moves(tmp_path: Path) -> None:
    found = train(tmp_path / "a.jsonl")
    for k in (1, 2, 3):
        norm = np.linalg.norm(START["w"].astype(np.float64)) * 0.99 ** (k - 1)
        line = found[k]
        assert line.param_norms == {"w": pytest.approx(norm, rel=1e-6), "b": 0}
        assert line.grad_norm == line.grad_norms["w"] == pytest.approx(norm, rel=1e-6)  # type: ignore[index]
        assert line.update_norms["w"] == pytest.approx(norm * 0.01, rel=1e-4)  # type: ignore[index]
        assert (line.epoch, line.loss, line.lr, line.wall_ms is None) == (0, 1.5, 0.01, False)


def test_projections_are_those_of_the_specification(tmp_path: Path) -> None:
    found = train(tmp_path / "a.jsonl")[1].grad_projections
    assert found == {name: pytest.approx(project(name, array), abs=1e-5) for name, array in START.items()}


def test_tensors_that_have_gradients_need_not_be_handed_over(tmp_path: Path) -> None:
    tensors = {name: Tensor(array.T.copy(), Tensor(3 * array.T)) for name, array in START.items()}
    with harness.TraceWriter(
        tmp_path / "a.jsonl", network="N", params=tensors.items(), layout=lambda _, tensor: tensor.T
    ) as trace:
        for tensor in tensors.values():
            tensor.array += 1
        trace.step(loss=1, lr=0.1)
    (line,) = lines(tmp_path / "a.jsonl").values()
    assert line.grad_projections == {n: pytest.approx(project(n, 3 * a), abs=1e-4) for n, a in START.items()}
    assert line.update_norms == {n: pytest.approx(np.sqrt(a.size), rel=1e-6) for n, a in START.items()}


def test_a_loop_that_makes_new_parameters_hands_them_over(tmp_path: Path) -> None:
    with harness.TraceWriter(tmp_path / "a.jsonl", network="N", params=list(START)) as trace:
        for k in (1, 2):
            trace.step(loss=1, lr=0.1, params={name: array + k for name, array in START.items()})
    first, second = lines(tmp_path / "a.jsonl").values()
    assert (first.param_norms, first.update_norms) == (None, None), "nobody has said where it starts"
    assert second.update_norms == {n: pytest.approx(np.sqrt(a.size), rel=1e-6) for n, a in START.items()}


def test_channels_are_written_at_the_steps_that_are_observed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def observed(**keys: Any) -> list[int]:
        found = train(tmp_path / "a.jsonl", 130, **keys)
        return [step for step, line in found.items() if line.update_norms]

    assert observed() == [*range(1, 9), 64, 128]
    assert observed(channels="none") == []
    monkeypatch.setenv("HARNESS_TRACE_CHANNELS", "all")
    assert len(observed()) == 130


def test_the_header_says_what_is_known_and_what_is_not(tmp_path: Path) -> None:
    train(tmp_path / "a.jsonl", init_sha256="ab", planned_steps=3)
    header = read_trace(tmp_path / "a.jsonl").header
    assert (header.dtype, header.total_params, header.params) == ("f32", 240, ["w", "b"])
    assert (header.init_sha256, header.planned_steps) == ("ab", 3)
    assert header.unknown == ["config", "dataset", "epoch"]
    train(tmp_path / "b.jsonl", config={"lr": 0.01}, dataset="mnist", epoch_steps=2)
    whole = read_trace(tmp_path / "b.jsonl")
    assert whole.header.unknown is None
    assert whole.epoch.tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.arange(6, dtype=np.float16).reshape(2, 3), 55),
        (np.arange(6, dtype=ml_dtypes.bfloat16), 55),
        (np.asfortranarray(np.arange(6.0).reshape(2, 3)), 55),
        (np.arange(1000, dtype=np.float32), 332833500),
        (np.array(3.0), 9),
        (np.zeros((0, 4)), 0),
    ],
)
def test_arrays_of_any_kind_and_shape_have_a_norm(tmp_path: Path, array: np.ndarray, expected: float) -> None:
    with harness.TraceWriter(tmp_path / "a.jsonl", network="N", params=["w"]) as trace:
        trace.step(loss=1, lr=0, grads=[array])
    (line,) = lines(tmp_path / "a.jsonl").values()
    assert line.grad_norm == pytest.approx(np.sqrt(expected), rel=1e-6)


class OnlyDlpack:
    """An array of a framework that numpy knows by DLPack alone."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __dlpack__(self, **keys: Any) -> Any:
        return self.array.__dlpack__(**keys)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.array.__dlpack_device__()


def test_an_array_that_exports_dlpack_alone_has_a_norm(tmp_path: Path) -> None:
    with harness.TraceWriter(tmp_path / "a.jsonl", network="N", params=["w"]) as trace:
        trace.step(loss=1, lr=0, grads=[OnlyDlpack(np.arange(6, dtype=np.float32))])
    (line,) = lines(tmp_path / "a.jsonl").values()
    assert line.grad_norm == pytest.approx(np.sqrt(55), rel=1e-6)


def test_batches_have_the_digest_that_our_programs_write(tmp_path: Path) -> None:
    x, y = RANDOM.normal(size=(4, 5)).astype(np.float32), np.arange(4)
    with harness.TraceWriter(tmp_path / "a.jsonl", network="N") as trace:
        trace.step(loss=1, lr=1, batch=(x, y))
        trace.step(loss=1, lr=1, batch=(x, y.astype(np.uint8)))
    first, second = lines(tmp_path / "a.jsonl").values()
    assert first.batch_sha256 == second.batch_sha256 == batch_sha256(x, y)


def test_the_example_of_the_specification_has_its_digest() -> None:
    found = batch_digest([np.array([[0, 1]], np.float32), np.array([7])])
    assert f"`{found}`" in (ROOT / "traces/README.md").read_text()


def test_a_loop_that_fails_leaves_its_prefix(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), harness.TraceWriter(tmp_path / "a.jsonl", network="N") as trace:
        trace.step(loss=1, lr=1)
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["a.partial.jsonl"]
    assert read_trace(tmp_path / "a.partial.jsonl").steps == 1


def test_a_killed_loop_leaves_every_finished_step(tmp_path: Path) -> None:
    code = f"import harness, os\ntrace = harness.TraceWriter({str(tmp_path / 'a.jsonl')!r}, network='N')\n"
    code += "for _ in range(5): trace.step(loss=1, lr=1)\nos.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code], check=False)
    assert read_trace(tmp_path / "a.partial.jsonl").steps == 5


def test_a_call_before_the_update_is_warned_about(tmp_path: Path) -> None:
    trace = harness.TraceWriter(tmp_path / "a.jsonl", network="N", params=START)
    with trace, pytest.warns(UserWarning, match=r"call step\(\) after the update"):
        trace.step(loss=1, lr=1, grads=START)


@pytest.mark.parametrize(
    ("keys", "step", "told"),
    [
        ({"channels": "some"}, {}, "channels is 'some', expected default, all, none."),
        ({"colour": 1}, {}, "the header of a trace has no colour; traces/README.md lists its keys."),
        ({"planned_steps": "ten"}, {}, "Expected `int | null`, got `str` - at `$.planned_steps`"),
        ({}, {"loss": "low"}, "loss is 'low', expected one number."),
        ({}, {"loss": np.zeros(2)}, "loss is ndarray of shape (2,), expected one number."),
        ({}, {"grads": {"v": np.zeros(2)}}, "'v' is no parameter of this trace; it has w, b."),
        ({}, {"grads": [np.zeros(2)]}, "grads: 1 tensors for 2 parameters; give them by name."),
        ({}, {"grads": {"w": object()}}, "object is no array, expected one of numpy, PyTorch, JAX or DLPack."),
        ({}, {"grads": {"w": np.array(["a"])}}, "an array of str32, expected one of numbers."),
        ({}, {"loss": 10**400}, "expected one number."),
        ({}, {"loss": np.complex64(1 + 1j)}, "expected one number."),
        (
            {},
            {"grads": {"w": np.zeros((30, 7))}},
            "grads: 'w' has shape (30, 7), expected (7, 30), that of the parameter.",
        ),
        ({}, {"params": {"w": START["w"]}}, "params: b not given; give all parameters of this trace."),
        ({}, {"params": START | {"b": np.zeros((1, 30))}}, "params: 'b' has shape (1, 30), expected (30,)"),
        ({}, {"stats": [np.zeros(2)]}, "stats: 1 tensors for 0 parameters; give them by name."),
        ({}, {"batch": {"x": np.zeros(2)}}, "batch is of dict, expected its arrays, inputs first: batch=(x, y)."),
        ({}, {"step": 1.0}, "step is 1.0, expected a whole number of at least 1."),
        ({}, {"epoch": -1}, "epoch is -1, expected a whole number of at least 0."),
        ({"epoch_steps": 0}, {}, "epoch_steps is 0, expected at least 1."),
        ({"config": {"lr": "fast"}}, {}, "config in the header of the trace: Expected `float | null`, got `str`"),
        ({"config": {"act": len}}, {}, "config has 'act' of builtin_function_or_method, expected what JSON can hold."),
        ({"config": [("lr", 1)]}, {}, "config is of list, expected a mapping, such as vars(config)."),
        ({"params": "w"}, {}, "params is of str, expected arrays by name"),
        ({"params": object()}, {}, "such as dict(model.named_parameters()) has them."),
        ({"params": ["w", "w"]}, {}, "params: 'w' is there twice."),
        ({"params": {"dense1": START}}, {}, "Give nested ones flat, by names such as dense1.w."),
        ({"params": {"\ud800": np.zeros(2)}}, {}, "is no text, expected UTF-8."),
        ({}, {"step": 3}, "the first step is 3; steps start at 1."),
    ],
)
def test_what_makes_no_trace_is_one_line(tmp_path: Path, keys: dict[str, Any], step: dict[str, Any], told: str) -> None:
    path = tmp_path / "a.jsonl"
    with (
        pytest.raises(TraceError) as error,
        harness.TraceWriter(path, **({"network": "N", "params": START} | keys)) as trace,
    ):
        trace.step(**({"loss": 1, "lr": 1} | step))
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_configuration_holds_what_programs_have_in_theirs(tmp_path: Path) -> None:
    config = {"lr": np.float32(0.5), "steps": np.int64(3), "out": Path("a/b"), "tags": {"b", "a"}}
    with harness.TraceWriter(tmp_path / "a.jsonl", network="N", config=config):
        pass
    found = read_trace(tmp_path / "a.jsonl").header.config
    assert found == {"lr": 0.5, "steps": 3, "out": "a/b", "tags": ["a", "b"]}


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_norms_reach_as_far_as_the_numbers(scale: float) -> None:
    assert norm(np.full(1000, scale, np.float32)) == pytest.approx(scale * np.sqrt(1000), rel=1e-6)
    assert norm(np.full(1000, scale**8)) == pytest.approx(scale**8 * np.sqrt(1000), rel=1e-6)


def test_what_whole_numbers_move_does_not_wrap_around(tmp_path: Path) -> None:
    params = {"w": np.full(3, 200, np.uint8)}
    with harness.TraceWriter(tmp_path / "a.jsonl", network="N", params=params) as trace:
        params["w"] -= 1
        trace.step(loss=1, lr=1)
    (line,) = lines(tmp_path / "a.jsonl").values()
    assert line.update_norm == pytest.approx(np.sqrt(3))


def test_an_array_alone_is_a_batch(tmp_path: Path) -> None:
    tokens = np.arange(12).reshape(3, 4)
    assert batch_digest(tokens) == batch_digest([tokens])


def test_two_writers_do_not_mix_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with harness.TraceWriter(path, network="N") as trace:
        trace.step(loss=1, lr=1)
        with pytest.raises(TraceError, match="another writer has this trace open"):
            harness.TraceWriter(path, network="N")
        trace.step(loss=2, lr=1)
    assert read_trace(path).loss.tolist() == [1, 2]
    with pytest.raises(TraceError, match="the trace is closed; step 3 is not written"):
        trace.step(loss=3, lr=1)
    with harness.TraceWriter(path, network="N"):
        pass


def test_many_parameters_take_no_time_by_their_square(tmp_path: Path) -> None:
    params = {f"layer{k}.w": np.zeros(1, np.float32) for k in range(20_000)}
    began = time.process_time()
    with harness.TraceWriter(tmp_path / "a.jsonl", network="N", params=params) as trace:
        trace.step(loss=1, lr=1)
    assert time.process_time() - began < 10  # by their square it would be more


def test_no_framework_is_imported() -> None:
    code = "import harness, sys; harness.TraceWriter; print(*{m.partition('.')[0] for m in sys.modules})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert not {"jax", "torch", "iree", "pandas", "keras"} & set(found.stdout.split())
