"""Products of a lower precision have a word of their own, which evidence gives them and not the size of an error."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harness.module.check import check_module
from harness.module.executors import EXECUTORS
from harness.module.inputs import draw
from harness.module.load import load
from harness.module.precision import at_highest
from harness.module.words import ExecutorCheck, ModuleCheck
from tests.support.paths import ROOT
from tests.support.stablehlo_modules import SGD_STEP

pytestmark = pytest.mark.usefixtures("workers_here")

WORKER = ROOT / "tests" / "support" / "faulty_worker.py"


def verdict(fault: str, folder: Path, executor: str = "xla") -> ModuleCheck:
    path = folder / "module.mlir"
    path.write_text(SGD_STEP)
    module = load(path)
    row = replace(EXECUTORS[executor], name="faulty", command=(sys.executable, str(WORKER), fault))
    return check_module(module, [EXECUTORS["iree"], row], draw(module, 0), seed=0, timeout_s=120)


def noted(one: ExecutorCheck) -> set[str]:
    return {result.note for result in one.results if result.word == "precision"}


@pytest.mark.parametrize(
    ("fault", "executor", "note"),
    [
        ("bf16", "xla", "as with operands of products in bf16"),
        ("tf32", "iree", "as with operands of products in TF32"),
        ("cut tf32", "xla", "as with operands of products in TF32, towards zero"),
        ("tf32 unless highest", "xla", "as with operands of products in TF32; right at the highest precision"),
        ("few bits unless highest", "xla", "right at the highest precision of products"),
    ],
)
def test_products_of_lower_precision_are_called_so(fault: str, executor: str, note: str, tmp_path: Path) -> None:
    check = verdict(fault, tmp_path, executor)
    right, lower = check.executors
    assert (right.word, lower.word) == ("rounding", "precision")
    assert noted(lower) == {note}
    assert {result.word for result in lower.results} <= {"precision", "rounding"}
    assert check.exit_code == 1
    assert check.confirmed == "by executors that agree with it"


def test_another_fault_of_that_size_stays_a_fault(tmp_path: Path) -> None:
    right, wrong = verdict("scaled", tmp_path).executors
    assert (right.word, wrong.word) == ("rounding", "fault")
    assert noted(wrong) == set()


def test_products_ask_for_the_highest_precision_once() -> None:
    asked = at_highest(SGD_STEP)
    assert asked.count("precision = [HIGHEST, HIGHEST]") == 5 == asked.count("dot_general")
    assert at_highest(asked) == ""
