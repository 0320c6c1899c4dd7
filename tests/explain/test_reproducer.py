"""A culprit's folder shows it without the project, and one that does not show it says so."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import load_file

from harness.cli import main
from harness.explain.locate.location import define, locate
from harness.explain.locate.reproducer import Reproducer, write_reproducer, write_whole_reproducer
from harness.explain.locate.side_under_test import SideUnderTest
from harness.nn.layers.max_pool import MaxPool
from harness.nn.losses import SoftmaxCrossEntropy
from harness.nn.optimizers import Adam
from tests.support.wrong_sides import (
    experiment,
    fused_pool,
    gradient_scaled,
    loss_scaled,
    mutated,
    pair,
    with_slow_momentum,
)


def reproduced(folder: Path, sides: tuple[SideUnderTest, SideUnderTest]) -> Reproducer:
    defined = define(sides[0].experiment, 1)
    location = locate(*sides, defined=defined)
    return write_reproducer(folder, location.culprits, sides, *defined)


@pytest.mark.parametrize(
    ("side", "table", "facts", "change", "line"),
    [
        ("phase3", "hlo_backward", MaxPool, gradient_scaled, "phase3  WRONG  "),
        ("phase2", "jax_loss", SoftmaxCrossEntropy, loss_scaled, "phase2  WRONG  "),
        ("phase3", "hlo_optimizer", Adam, with_slow_momentum, "phase3  WRONG  "),
    ],
    ids=["layer", "loss", "update"],
)
def test_a_folder_shows_the_culprit_and_no_other(tmp_path, side, table, facts, change, line) -> None:
    other = "phase2" if side == "phase3" else "phase3"
    wrong = SideUnderTest(side, experiment("small"), rules=mutated(table, facts, change))
    made = reproduced(tmp_path, (SideUnderTest(other, experiment("small")), wrong))
    assert made.shows, made.output
    assert line in made.output
    assert f"{other}  WRONG" not in made.output
    assert {path.name for path in tmp_path.iterdir()} == {
        *("README.md", "run.py", "facts.json", "phase2.py", "phase3.mlir"),
        *("inputs.safetensors", "expected.safetensors"),
    }
    assert "harness" not in (tmp_path / "run.py").read_text()
    assert made.output.splitlines()[0] in (tmp_path / "README.md").read_text()


def test_a_folder_that_shows_nothing_says_so(tmp_path) -> None:
    wrong = SideUnderTest("phase3", experiment("small"), rules=mutated("hlo_backward", MaxPool, gradient_scaled))
    right = pair("small")
    defined = define(experiment("small"), 1)
    culprits = locate(right[0], wrong, defined=defined).culprits
    made = write_reproducer(tmp_path, culprits, right, *defined)
    assert not made.shows
    assert "does NOT show the error" in (tmp_path / "README.md").read_text()


def test_a_network_whose_whole_step_is_wrong_is_shrunk(tmp_path) -> None:
    made = write_whole_reproducer(
        tmp_path, "relu1, backward", (SideUnderTest("phase2", experiment("small")), fused_pool()), "phase3"
    )
    assert made.shows, made.output
    wrong = [line for line in made.output.splitlines() if " WRONG " in line]
    assert wrong
    assert all(line.startswith("phase3") and "gradient of conv1." in line for line in wrong)
    facts, expected = json.loads((tmp_path / "facts.json").read_text()), load_file(tmp_path / "expected.safetensors")
    assert all(np.linalg.norm(expected[name]) <= 1.001 * scale for name, scale in facts["scales"].items())
    assert len(json.loads(facts["network"])["layers"]) < len(experiment("small").graph.spec.layers)


def test_the_command_names_the_pool_and_leaves_a_folder_and_dumps(tmp_path) -> None:
    options = ["--profile", "published", "--data", "synthetic", "--dtype", "f64", "--dump", "--out", str(tmp_path)]
    done = CliRunner().invoke(main, ["explain", "conv-pool", *options, "--format", "json"])
    assert done.exit_code == 1, done.output
    said = json.loads(done.output)
    assert (said["fault"], said["layer"], said["side"]) == ("backward", "pool1", "phase3")
    assert said["reproducer"]["shows"]
    assert sum("the loss is bit for bit that of the step without taps" in line for line in said["dumped"]) == 2
    place = tmp_path / "conv-pool.step1.published"
    sides = [load_file(place / f"{side}.f64.safetensors") for side in ("phase2", "phase3", "definition")]
    assert set(sides[0]) == set(sides[1]) == set(sides[2])
    assert {"loss", "activation/pool1", "cotangent/pool1", "gradient/conv1.w", "update/conv1.w"} < set(sides[0])
    for side in sides[:2]:
        np.testing.assert_allclose(side["activation/pool1"], sides[2]["activation/pool1"], atol=1e-12)
    np.testing.assert_allclose(sides[0]["cotangent/conv1.bias"], sides[2]["cotangent/conv1.bias"], atol=1e-15)
    assert np.abs(sides[1]["cotangent/conv1.bias"] - sides[2]["cotangent/conv1.bias"]).max() > 1e-6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "unknown case 'nothing'"),
        (["dense", "--image-size", "14"], "dense: the case has one image size only"),
        (["dense", "--step", "0"], "Invalid value for '--step'"),
        (["dense", "--against", "x", "--dump"], "--against and --dump exclude each other"),
        (["dense", "--batch", "100000", "--data", "synthetic"], "do not make one batch of 100000"),
    ],
)
def test_bad_usage_is_one_line(arguments, message) -> None:
    done = CliRunner().invoke(main, ["explain", *arguments])
    assert done.exit_code == 2
    assert message in done.output
    assert "Traceback" not in done.output
