"""`harness module` at the command line: what it prints, saves and ends with."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from harness.cli import main
from harness.module.inputs import draw
from harness.module.load import load
from tests.support.paths import ROOT
from tests.support.stablehlo_modules import one_function

STEP = str(ROOT / "tests" / "support" / "sgd_step.mlir")


def harness(*words: str) -> Result:
    return CliRunner().invoke(main, ["module", *words])


def test_inspect_as_json_has_names_pairs_and_operations() -> None:
    facts = json.loads(harness("inspect", STEP, "--format", "json").stdout)
    assert (facts["form"], facts["function"], facts["loss"]) == ("text", "train_step", 3)
    assert [argument["name"] for argument in facts["arguments"]] == ["x", "W0", "b0", "W1", "onehot", "lr"]
    assert [result["argument"] for result in facts["results"]] == [1, 2, 3, None]
    assert facts["ops"]["stablehlo.dot_general"] == 5
    assert facts["refusals"] == []


def test_inspect_as_text_names_what_is_not_judged(tmp_path: Path) -> None:
    path = tmp_path / "own.mlir"
    call = "    %y = stablehlo.custom_call @mine(%x) : (tensor<4xf32>) -> tensor<4xf32>"
    path.write_text(one_function(call, "%x: tensor<4xf32>", "tensor<4xf32>"))
    done = harness("inspect", str(path))
    assert done.exit_code == 0
    assert "Not judged: line 3, stablehlo.custom_call" in done.stdout
    assert harness("check", str(path)).exit_code == 2


def test_run_saves_the_results_of_every_executor(tmp_path: Path) -> None:
    inputs, saved = tmp_path / "in.npz", tmp_path / "out.npz"
    module = load(Path(STEP))
    arrays = {argument.name: array for argument, array in zip(module.arguments, draw(module, 5), strict=True)}
    np.savez(inputs, **arrays)  # type: ignore[arg-type]
    done = harness("run", STEP, "--on", "xla,interpreter", "--inputs", str(inputs), "--save", str(saved))
    assert done.exit_code == 0, done.output
    with np.load(saved) as file:
        assert sorted(file) == [f"{name}/{number}" for name in ("interpreter", "xla") for number in range(4)]
        np.testing.assert_allclose(file["xla/0"], file["interpreter/0"], rtol=1e-5)
        assert not np.array_equal(file["xla/0"], arrays["W0"])


def test_check_as_json_has_a_word_for_every_executor_and_result() -> None:
    done = harness("check", STEP, "--on", "xla,interpreter", "--format", "json")
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert facts["exit_code"] == 0
    assert facts["members"] == 4
    assert [row["verdict"] for row in facts["executors"]] == ["rounding", "rounding"]
    for row in facts["executors"]:
        assert [result["verdict"] for result in row["results"]] == ["rounding"] * 4
        assert [result["relative_to"] for result in row["results"]] == ["update", "update", "update", "value"]
        assert all(result["ratio"] < 4 for result in row["results"])


def test_isolate_as_json_lists_its_windows_and_no_fault(tmp_path: Path) -> None:
    out = tmp_path / "repro"
    done = harness("isolate", STEP, "--on", "xla", "--window", "20", "--output", str(out), "--format", "json")
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert (facts["executor"], facts["procedure"], facts["whole"]) == ("xla", "scan", "rounding")
    assert len(facts["windows"]) == 2
    assert {window["outcome"] for window in facts["windows"]} == {"ran"}
    assert all(window["ratio"] < 4 for window in facts["windows"])
    assert (facts["faults"], facts["not_compared"], facts["reproducers"]) == ([], [], [])
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("inspect", "nowhere.mlir"), "'nowhere.mlir' does not exist"),
        (("inspect", STEP, "--function", "step"), "unknown function 'step'"),
        (("run", STEP, "--on", "xla,tpu"), "unknown executor 'tpu'"),
        (("check", STEP, "--on", ","), "expected names separated by commas"),
        (("run", STEP, "--save", "/nowhere/out.npz"), "there is no folder '/nowhere'"),
        (("run", STEP, "--save", "/proc/out.npz"), "/proc/out.npz: No such file or directory"),
        (("check", STEP, "--inputs", STEP), "not an .npz of arrays"),
        (("check", STEP, "--timeout", "0"), "0.0 is not in the range"),
        (("isolate", STEP, "--on", "xla,iree"), "unknown executor 'xla,iree'"),
        (("isolate", STEP, "--window", "0"), "0 is not in the range"),
    ],
)
def test_a_wrong_use_is_told_in_one_line(words: tuple[str, ...], told: str) -> None:
    done = harness(*words)
    assert done.exit_code == 2
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
