"""Products of a lower precision have a word of their own, which evidence gives them and not the size of an error."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ml_dtypes import bfloat16

from harness.module.check import check_module
from harness.module.executors import EXECUTORS
from harness.module.inputs import draw
from harness.module.load import load
from harness.module.precision import FORMATS, RoundedProducts, at_highest
from harness.module.words import ExecutorCheck, ModuleCheck
from harness.run.inprocess.reference_interpreter import interpret
from tests.support.paths import ROOT
from tests.support.stablehlo_modules import SGD_STEP, one_function

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


def test_operands_are_rounded_to_a_format_bit_for_bit() -> None:
    """bf16 against ml_dtypes, with numbers that lie half way between two; the other formats by their bits."""
    count = 4096
    drawn = np.random.default_rng(0).standard_normal(count - 4).astype(np.float32)
    ties = np.array([1 + 2**-8, 1 + 3 * 2**-8, -1 - 2**-8, np.inf], np.float32)
    x = np.concatenate([drawn * np.float32(2.0) ** np.arange(-46, count - 50, dtype=np.float32).clip(max=46), ties])
    kind = f"tensor<{count}x1xf32>"
    body = f"    %y = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0] : ({kind}, tensor<1xf32>)"
    arguments = f"%x: {kind}, %w: tensor<1xf32>"
    plain = one_function(f"{body} -> tensor<{count}xf32>", arguments, f"tensor<{count}xf32>")
    text = RoundedProducts().clone(plain, "main")
    exact = [np.array(0.0), np.array(0.0), np.array(0, np.uint32)]
    for to in FORMATS:
        fed = [x[:, None].astype(np.float64), np.ones(1), *to.arguments(), *exact]
        (found,) = interpret(text, "main", fed)
        if to.name == "bf16":
            np.testing.assert_array_equal(found, x.astype(bfloat16).astype(np.float64))
        bits = found.astype(np.float32).view(np.uint32)
        assert not np.any(bits % 2 ** (23 - to.bits)), to.name
        assert not to.truncated or np.all(np.abs(found) <= np.abs(x)), to.name
        finite = np.isfinite(x)
        step = np.spacing(np.abs(x[finite])) * 2.0 ** (23 - to.bits)
        assert np.all(np.abs(found[finite] - x[finite]) <= step * (1.0 if to.truncated else 0.5)), to.name


def test_products_ask_for_the_highest_precision_once() -> None:
    asked = at_highest(SGD_STEP)
    assert asked.count("precision = [HIGHEST, HIGHEST]") == 5 == asked.count("dot_general")
    assert at_highest(asked) == ""
