"""`harness module reduce-batch` and `tie` at the command line: what they write, print and end with."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from harness.cli import main
from harness.module.batch.comparison import BatchComparison, ComparedValue
from harness.module.load import load
from tests.support.paths import ROOT

pytestmark = pytest.mark.usefixtures("workers_here")

STEP = str(ROOT / "tests" / "support" / "sgd_step.mlir")
LOSS = """
import jax


def loss(W0, b0, W1, x, onehot):
    return -(jax.nn.log_softmax(jax.nn.relu(x @ W0 + b0) @ W1) * onehot).sum(-1).mean()
"""


def harness(*words: str) -> Result:
    return CliRunner().invoke(main, ["module", *words])


def test_reduce_batch_writes_a_module_and_what_it_is_fed(tmp_path: Path) -> None:
    written, inputs = tmp_path / "step3.mlir", tmp_path / "in3.npz"
    done = harness("reduce-batch", STEP, "--to", "3", "-o", str(written), "--save-inputs", str(inputs))
    assert done.exit_code == 0, done.output
    assert "batch 8 becomes 3" in done.stdout
    assert "The same." in done.stdout
    assert written.read_text().startswith("// sgd_step.mlir, @train_step: batch 8 became 3.\n")
    with np.load(inputs) as file:
        assert {name: file[name].shape[0] for name in ("x", "onehot", "W0")} == {"x": 3, "onehot": 3, "W0": 12}
    assert harness("run", str(written), "--on", "xla", "--inputs", str(inputs)).exit_code == 0


def test_reduce_batch_prints_the_module_where_no_file_is_named(tmp_path: Path) -> None:
    done = harness("reduce-batch", STEP, "--to", "2", "--format", "json")
    assert done.exit_code == 0, done.output
    (tmp_path / "printed.mlir").write_text(done.stdout)
    assert load(tmp_path / "printed.mlir").arguments[0].type.shape == (2, 12)
    facts = json.loads(done.stderr[done.stderr.index("{") :])
    assert (facts["batch"], facts["to"], facts["same"]) == (8, 2, True)
    assert [one["name"] for one in facts["holding_the_batch"]] == ["x", "onehot"]


def test_reduce_batch_writes_nothing_that_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    differing = BatchComparison((ComparedValue("result y", 0.5),))
    monkeypatch.setattr("harness.module.batch.comparison.compare_first_samples", lambda *given: differing)
    written = tmp_path / "step3.mlir"
    done = harness("reduce-batch", STEP, "--to", "3", "-o", str(written))
    assert done.exit_code == 1
    assert "They differ" in done.stdout
    assert not written.exists()


def test_reduce_batch_ends_bad_input_with_one_line(tmp_path: Path) -> None:
    for words in (["--to", "8"], ["--to", "2", "--batch-of", "z=0"], ["--to", "2", "-o", str(tmp_path / "no" / "x")]):
        done = harness("reduce-batch", STEP, *words)
        assert done.exit_code == 2
        assert "Traceback" not in done.output


def test_tie_ends_with_the_word_of_the_tie(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(LOSS)
    done = harness("tie", STEP, "--against", f"{tmp_path / 'own.py'}:loss")
    assert done.exit_code == 0, done.output
    assert "Tied: all 4 are the same." in done.stdout
    (tmp_path / "other.mlir").write_text(Path(STEP).read_text().replace("dense<0.125>", "dense<0.25>"))
    done = harness("tie", STEP, "--against", str(tmp_path / "other.mlir"), "--format", "json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["explained"] == [
        "the module's gradients are 0.5, 1 over two, times those it is held against"
    ]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "Give either --against or --model."),
        (["--against", "own.py"], "expected FILE.py:NAME"),
        (["--against", "nowhere.py:loss"], "there is no file 'nowhere.py'"),
        (["--against", "nowhere.mlir"], "there is no file 'nowhere.mlir'"),
        (["--model", "nothing"], "nothing"),
    ],
)
def test_tie_ends_bad_input_with_one_line(words: list[str], told: str) -> None:
    done = harness("tie", STEP, *words)
    assert done.exit_code == 2
    assert told in done.output + str(done.exception)
