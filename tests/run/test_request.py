"""What is asked of somebody else's program, and what that is told that cannot be asked, or not of these weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import harness
from harness.errors import ContractError
from harness.trace.reader import read_trace


class Plain(harness.Weights):
    """One parameter, without a slot."""

    def __init__(self, dtype: str) -> None:
        self.w = np.zeros(3, dtype)

    def parameters(self) -> Mapping[str, Any]:
        return {"w": self.w}

    def gradients(self) -> Mapping[str, Any]:
        return {}

    def statistics(self) -> Mapping[str, Any]:
        return {}

    def state(self) -> Mapping[str, Any]:
        return self.parameters()

    def put(self, tensors: Mapping[str, np.ndarray], step: int | None) -> None:
        self.w[...] = tensors["w"]


def train(environment: Mapping[str, str], dtype: str = "float32", steps: int = 3, **keys: Any) -> None:
    request = harness.RunRequest(environment=environment, **keys)
    with request.start(Plain(dtype), network="N", config={"lr": 1}, steps=steps) as run:
        for step in run.steps():
            run.step(loss=step, lr=1)


def test_a_run_is_traced_in_the_precision_that_its_weights_have(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    asked = {"LEAN_MLIR_TRACE_OUT": str(path), "HARNESS_DTYPE": "f64"}
    train(asked, "float64", dtypes=("f32", "f64"))
    assert read_trace(path).header.dtype == "f64"
    train(asked)
    assert read_trace(path).header.dtype == "f32", "a program that has no other says so"
    with pytest.raises(ContractError, match="w is float32, this run is in float64"):
        train(asked, dtypes=("f32", "f64"))


@pytest.mark.parametrize(
    ("environment", "keys", "told"),
    [
        ({"HARNESS_DTYPE": "double"}, {}, "HARNESS_DTYPE is 'double', expected f32 or f64 or wide."),
        ({}, {"dtypes": ()}, "dtypes is (), expected some of f32, f64, as a tuple."),
        ({}, {"dtypes": "f32"}, "dtypes is 'f32', expected some of f32, f64, as a tuple."),
        ({}, {"dtypes": ("wide",)}, "dtypes is ('wide',), expected some of f32, f64, as a tuple."),
        ({}, {"steps": 0}, "steps is 0, expected at least 1."),
        ({"HARNESS_STATE_OUT": "/proc", "HARNESS_STATE_STEPS": "1"}, {}, "HARNESS_STATE_OUT is '/proc': "),
    ],
)
def test_what_makes_no_sense_is_one_line(environment: dict[str, str], keys: dict[str, Any], told: str) -> None:
    with pytest.raises(ContractError) as error:
        train(environment, **keys)
    assert told in str(error.value)
    assert "\n" not in str(error.value)
