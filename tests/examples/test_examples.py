"""The examples, as their users run them. Each needs the framework that it is written in, and is skipped without it."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness import cli
from harness.trace.reader import read_trace
from tests.support.paths import ROOT

EXAMPLES = ROOT / "examples"


def needs(framework: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(find_spec(framework) is None, reason=f"{framework} is not installed")


def lockstep(out: Path, model: str, pipeline: str, follow: str, program: str, steps: int) -> str:
    """What `harness run` says of the program in lockstep with phase 2."""
    words = ["run", model, "--pipeline", pipeline, "--follow", follow, "--steps", str(steps), "--out", str(out)]
    name = program.partition("_")[0]
    found = CliRunner().invoke(cli.main, [*words, "--pipeline-cmd", f"{name}={sys.executable} {EXAMPLES / program}.py"])
    assert found.exit_code == 0, found.output
    return " ".join(found.output.split())


@pytest.mark.parametrize(
    ("model", "program", "steps"),
    [
        pytest.param("mnist_mlp", "torch_mlp", 20, marks=needs("torch")),
        pytest.param("mnist_cnn", "torch_cnn", 20, marks=needs("torch")),
    ],
)
@pytest.mark.parametrize("leads", [False, True], ids=["follows", "leads"])
def test_a_program_agrees_with_phase_2_in_lockstep(
    tmp_path: Path, model: str, program: str, steps: int, leads: bool
) -> None:
    name = program.partition("_")[0]
    pipeline, follow = ("phase2", name) if leads else (name, "phase2")
    told = lockstep(tmp_path, model, pipeline, follow, program, steps)
    assert f"set to the state of {follow} 2 times" in told
    assert f"{steps} of {steps} steps are judged as closely as rounding allows" in told
    assert "data pass the batches of 8 steps are the same" in told
    assert "PASS: every gate reached passed" in told


@pytest.mark.parametrize(
    ("model", "program"),
    [
        pytest.param("mnist_mlp", "optax_mlp", marks=needs("optax")),
        pytest.param("mnist_mlp", "torch_mlp", marks=needs("torch")),
        pytest.param("mnist_cnn", "torch_cnn", marks=needs("torch")),
    ],
)
def test_a_program_takes_part_in_the_cross_check_in_f64(tmp_path: Path, model: str, program: str) -> None:
    name = program.partition("_")[0]
    for pipeline in ("phase2", name):
        words = ["run", model, "--pipeline", pipeline, "--steps", "4", "--dtype", "f64", "--out", str(tmp_path)]
        command = f"{name}={sys.executable} {EXAMPLES / program}.py"
        found = CliRunner().invoke(cli.main, [*words, "--pipeline-cmd", command])
        assert found.exit_code == 0, found.output
    sides = [str(next((tmp_path / "traces").glob(f"{model}.{p}-*.jsonl"))) for p in ("phase2", name)]
    found = CliRunner().invoke(cli.main, ["diff", *sides])
    assert found.exit_code == 0, found.output
    ladder = re.search(r"ladder +pass .*?wide", found.output, re.S)
    assert ladder, found.output


@pytest.fixture(params=["jax", "torch"])
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    if find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    yield request.param


@needs("keras")
def test_the_callback_traces_what_keras_trains(tmp_path: Path, backend: str) -> None:
    path = tmp_path / "keras.jsonl"
    environment = {**os.environ, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"}
    subprocess.run([sys.executable, EXAMPLES / "keras_callback.py", path], check=True, env=environment)
    trace = read_trace(path, with_lines=True)
    assert (trace.steps, trace.header.total_params, trace.header.unknown) == (30, 387, None)
    assert len(set(trace.loss.tolist())) == 30, "no loss is the mean of several"
    assert trace.lines[1].update_norm, "the parameters are those after the step"


def own_names(node: ast.stmt) -> set[str]:
    """Names that a statement has, without those of the statements in it."""
    inner = [child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.stmt)]
    return {name.id for child in inner for name in ast.walk(child) if isinstance(name, ast.Name)}


def test_at_most_six_statements_of_the_torch_example_are_for_the_harness() -> None:
    (main,) = (
        node for node in ast.parse((EXAMPLES / "torch_mlp.py").read_text()).body if isinstance(node, ast.FunctionDef)
    )
    statements = [node for node in ast.walk(main) if isinstance(node, ast.stmt) and node is not main]
    ours = [ast.unparse(node) for node in statements if own_names(node) & {"harness", "weights", "run", "request"}]
    ours = [line for line in ours if "load(" not in line]  # the data would be read without it as well
    assert 4 <= len(ours) <= 6, ours
