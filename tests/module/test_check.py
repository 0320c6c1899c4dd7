"""Verdicts: right modules are off by rounding everywhere, an injected fault is a fault on its executor only."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.errors import ModuleError
from harness.module import experiment, explanations, second_look
from harness.module.check import check_module
from harness.module.executors import EXECUTORS, ModuleExecutor
from harness.module.inputs import draw
from harness.module.load import StableModule, load
from harness.module.measure import difference
from harness.module.task import Array
from harness.module.words import AS_WITHOUT_COMPILER, FLUSHED, OUT_OF_RANGE, ModuleCheck
from tests.support.paths import ROOT
from tests.support.stablehlo_modules import (
    SGD_STEP,
    nested_calls,
    one_function,
    overlapping_pool_gradient,
    pool_gradient,
)

pytestmark = pytest.mark.usefixtures("workers_here")

WORKER = ROOT / "tests" / "support" / "faulty_worker.py"
XLA, IREE = EXECUTORS["xla"], EXECUTORS["iree"]
HERE = ("xla", "iree", "iree-generic", "vmvx", "interpreter")


def module_of(text: str, folder: Path) -> StableModule:
    path = folder / "module.mlir"
    path.write_text(text)
    return load(path)


def verdict(
    module: StableModule, executors: Sequence[ModuleExecutor], arguments: Sequence[Array] | None = None
) -> ModuleCheck:
    fed = draw(module, 0) if arguments is None else arguments
    return check_module(module, executors, fed, seed=0, timeout_s=120)


def words(check: ModuleCheck) -> dict[str, str]:
    return {one.execution.executor.name: one.word for one in check.executors}


def faulty(row: ModuleExecutor, fault: str, *flag: str) -> ModuleExecutor:
    """The row with a fault of tests/support/faulty_worker.py."""
    return replace(row, name=f"faulty-{row.name}", command=(sys.executable, str(WORKER), fault, *flag))


@pytest.mark.parametrize("text", [SGD_STEP, nested_calls()], ids=["sgd", "nested calls"])
def test_a_right_module_is_off_by_rounding_on_every_executor(text: str, tmp_path: Path) -> None:
    check = verdict(module_of(text, tmp_path), [EXECUTORS[name] for name in HERE])
    assert words(check) == dict.fromkeys(HERE, "rounding")
    assert check.exit_code == 0
    assert any(result.error > 0 for one in check.executors for result in one.results)


@pytest.mark.parametrize("row", [XLA, IREE], ids=["xla", "iree"])
@pytest.mark.parametrize("fault", ["scaled", "sign"])
def test_an_injected_fault_is_found_on_its_executor_only(fault: str, row: ModuleExecutor, tmp_path: Path) -> None:
    wrong = faulty(row, fault)
    check = verdict(module_of(SGD_STEP, tmp_path), [XLA, IREE, wrong])
    assert words(check) == {"xla": "rounding", "iree": "rounding", wrong.name: "fault"}
    assert check.exit_code == 1
    assert check.confirmed == "by executors that agree with it"
    found = {result.name: result for result in check.executors[2].results}
    assert found["new W0"].word == "fault"
    assert found["new W0"].of == "update"
    assert found["new W0"].note == "wrong in 3 of 3 runs"
    if fault == "sign":
        assert found["new W0"].error == pytest.approx(2.0, rel=1e-3)
        assert found["loss"].word == "rounding"


def test_a_fault_without_a_witness_is_confirmed_by_a_second_reference(tmp_path: Path) -> None:
    check = verdict(module_of(SGD_STEP, tmp_path), [faulty(XLA, "scaled")])
    assert words(check) == {"faulty-xla": "fault"}
    assert check.confirmed == "by interpreter in f64"


def test_a_reference_that_is_wrong_itself_is_doubted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (experiment, explanations, second_look):
        monkeypatch.setattr(module, "REFERENCE", faulty(XLA, "sign"))
    check = verdict(module_of(SGD_STEP, tmp_path), [XLA, IREE])
    assert words(check) == {"xla": "reference in doubt", "iree": "reference in doubt"}
    assert check.exit_code == 3


def test_what_is_wrong_in_some_runs_only_is_a_race(tmp_path: Path) -> None:
    check = verdict(module_of(SGD_STEP, tmp_path), [faulty(XLA, "scaled", str(tmp_path / "done"))])
    assert words(check) == {"faulty-xla": "race"}
    assert {result.note for result in check.executors[0].results if result.word == "race"} == {"wrong in 1 of 3 runs"}
    assert check.exit_code == 1


def test_another_choice_among_equal_elements_is_a_tie(tmp_path: Path) -> None:
    module = module_of(pool_gradient(), tmp_path)
    check = verdict(module, [XLA, IREE], [np.zeros((1, 8, 8, 4), np.float32)])
    assert words(check) == {"xla": "rounding", "iree": "tie"}
    assert check.exit_code == 0


def test_without_equal_elements_the_same_module_has_no_tie(tmp_path: Path) -> None:
    module = module_of(pool_gradient(), tmp_path)
    assert words(verdict(module, [XLA, IREE])) == {"xla": "rounding", "iree": "rounding"}


def test_what_overflows_in_f32_everywhere_is_a_doubt(tmp_path: Path) -> None:
    kind = "tensor<4xf32>"
    module = module_of(one_function(f"    %y = stablehlo.exponential %x : {kind}", f"%x: {kind}", kind), tmp_path)
    check = verdict(module, [XLA, IREE], [np.array([1.0, 2.0, 100.0, 3.0], np.float32)])
    assert words(check) == {"xla": "doubt", "iree": "doubt"}
    assert check.exit_code == 3


def test_what_comes_of_an_overflow_on_the_way_is_a_doubt(tmp_path: Path) -> None:
    kind = "tensor<4xf32>"
    body = f"    %s = stablehlo.multiply %x, %x : {kind}\n    %d = stablehlo.subtract %s, %s : {kind}\n"
    body += f"    %e = stablehlo.exponential %d : {kind}\n    %r = stablehlo.rsqrt %s : {kind}\n"
    body += f"    %y = stablehlo.add %e, %r : {kind}"
    module = module_of(one_function(body, f"%x: {kind}", kind), tmp_path)
    check = verdict(module, [XLA, IREE], [np.array([1.0, 2.0, 1e30, 3.0], np.float32)])
    assert check.exit_code == 3
    for one in check.executors:
        assert (one.word, one.results[0].note) == ("doubt", OUT_OF_RANGE)


@pytest.mark.parametrize("least", [1e-40, 3e-38], ids=["below the normal numbers", "normal"])
def test_numbers_taken_for_zero_are_rounding_and_lost_normal_ones_a_fault(least: float, tmp_path: Path) -> None:
    """Both quotients are lost by this executor, of 1e-40 and of 3e-38; only one of them may be."""
    kind = "tensor<4xf32>"
    module = module_of(
        one_function(f"    %y = stablehlo.divide %x, %z : {kind}", f"%x: {kind}, %z: {kind}", kind), tmp_path
    )
    x, z = np.array([[least, least, 1, 2], [0, 2e-38, 2, 4]], np.float32)
    check = verdict(module, [XLA, IREE, faulty(XLA, "small")], [x, z])
    lost = least < np.finfo(np.float32).tiny
    told = ("rounding", FLUSHED if lost else "")
    assert [(one.word, one.results[0].note) for one in check.executors[:2]] == [told, told]
    assert check.executors[2].word == ("rounding" if lost else "fault")


def test_a_long_sum_of_equal_terms_is_rounding_though_every_step_errs_alike(tmp_path: Path) -> None:
    body = "    %zero = stablehlo.constant dense<0.0> : tensor<f32>\n"
    body += "    %y = stablehlo.reduce(%x init: %zero) applies stablehlo.add across dimensions = [0]"
    body += " : (tensor<65536xf32>, tensor<f32>) -> tensor<f32>"
    module = module_of(one_function(body, "%x: tensor<65536xf32>", "tensor<f32>"), tmp_path)
    equal = np.full(65536, 0.1, np.float32)
    right = verdict(module, [XLA, IREE], [equal])
    assert words(right) == {"xla": "rounding", "iree": "rounding"}
    assert right.executors[1].results[0].note == AS_WITHOUT_COMPILER
    spoiled = verdict(module, [faulty(IREE, "sums")], [equal])
    assert words(spoiled) == {"faulty-iree": "fault"}


def test_a_result_without_a_number_is_no_agreement(tmp_path: Path) -> None:
    kind = "tensor<4xf32>"
    module = module_of(one_function(f"    %y = stablehlo.log %x : {kind}", f"%x: {kind}", kind), tmp_path)
    check = verdict(module, [XLA], [-np.ones(4, np.float32)])
    assert words(check) == {"xla": "no number"}
    assert check.exit_code == 3


def test_a_result_without_elements_is_no_agreement_alone(tmp_path: Path) -> None:
    body = "    %y = stablehlo.slice %x [0:0] : (tensor<4xf32>) -> tensor<0xf32>"
    module = module_of(one_function(body, "%x: tensor<4xf32>", "tensor<0xf32>"), tmp_path)
    check = verdict(module, [XLA])
    assert words(check) == {"xla": "empty"}
    assert check.exit_code == 3


def test_who_refuses_or_is_absent_is_listed_and_judges_nobody(tmp_path: Path) -> None:
    module = module_of(overlapping_pool_gradient(), tmp_path)
    absent = replace(IREE, name="elsewhere", device="nowhere")
    check = verdict(module, [XLA, IREE, absent])
    assert words(check) == {"xla": "rounding", "iree": "refused", "elsewhere": "absent"}
    assert check.exit_code == 0
    assert verdict(module, [IREE, absent]).exit_code == 3


def test_who_does_not_finish_is_no_agreement(tmp_path: Path) -> None:
    kind = "tensor<2xf32>"
    module = module_of(one_function(f"    %y = stablehlo.negate %x : {kind}", f"%x: {kind}", kind), tmp_path)
    check = verdict(module, [XLA, replace(XLA, name="dying", command=(sys.executable, "-c", "raise SystemExit(9)"))])
    assert words(check) == {"xla": "rounding", "dying": "crashed"}
    assert check.exit_code == 3


def test_a_long_sum_that_is_added_one_by_one_is_rounding(tmp_path: Path) -> None:
    body = "    %zero = stablehlo.constant dense<0.0> : tensor<f32>\n    %y = stablehlo.reduce(%x init: %zero)"
    kind = "(tensor<800000x2xf32>, tensor<f32>) -> tensor<2xf32>"
    body += f" applies stablehlo.add across dimensions = [0] : {kind}"
    module = module_of(one_function(body, "%x: tensor<800000x2xf32>", "tensor<2xf32>"), tmp_path)
    x = np.random.default_rng(0).uniform(0.0, 1.0, (800000, 2)).astype(np.float32)
    check = verdict(module, [XLA, IREE], [x])
    assert words(check) == {"xla": "rounding", "iree": "rounding"}
    assert all(result.bound < 2e-4 for one in check.executors for result in one.results)


def test_whole_numbers_are_the_same_or_wrong(tmp_path: Path) -> None:
    body = "    %n = stablehlo.convert %x : (tensor<4xf32>) -> tensor<4xi32>\n"
    body += "    %y = stablehlo.add %n, %n : tensor<4xi32>"
    module = module_of(one_function(body, "%x: tensor<4xf32>", "tensor<4xi32>"), tmp_path)
    assert words(verdict(module, [XLA, IREE], [np.array([1.5, 2.5, -3.5, 0.0], np.float32)])) == {
        "xla": "rounding",
        "iree": "rounding",
    }


def test_a_module_that_is_not_judged_is_refused_with_the_operation(tmp_path: Path) -> None:
    call = "    %y = stablehlo.custom_call @mine(%x) : (tensor<4xf32>) -> tensor<4xf32>"
    module = module_of(one_function(call, "%x: tensor<4xf32>", "tensor<4xf32>"), tmp_path)
    with pytest.raises(ModuleError, match=r"module\.mlir: line 3, stablehlo\.custom_call: a custom call of"):
        verdict(module, [XLA], [np.ones(4, np.float32)])


def test_elements_that_rounding_decides_about_hide_nothing_beside_them(tmp_path: Path) -> None:
    body = """
    %three = stablehlo.constant dense<3.0> : tensor<16xf32>
    %part = stablehlo.divide %x, %three : tensor<16xf32>
    %back = stablehlo.multiply %part, %three : tensor<16xf32>
    %left = stablehlo.subtract %back, %x : tensor<16xf32>
    %root = stablehlo.sqrt %left : tensor<16xf32>
    %tiny = stablehlo.constant dense<1.0e-9> : tensor<16xf32>
    %small = stablehlo.multiply %root, %tiny : tensor<16xf32>
    %dot = stablehlo.dot_general %x, %w, contracting_dims = [0] x [0]
      : (tensor<16xf32>, tensor<16x4xf32>) -> tensor<4xf32>
    %y = stablehlo.concatenate %small, %dot, dim = 0 : (tensor<16xf32>, tensor<4xf32>) -> tensor<20xf32>"""
    module = module_of(one_function(body, "%x: tensor<16xf32>, %w: tensor<16x4xf32>", "tensor<20xf32>"), tmp_path)
    wrong = faulty(XLA, "scaled")
    check = verdict(module, [XLA, wrong])
    assert words(check) == {"xla": "rounding", wrong.name: "fault"}
    assert check.executors[0].results[0].note.startswith("rounding decides whether ")
    assert np.isfinite(check.executors[0].results[0].bound)


def test_whole_numbers_of_64_bits_are_compared_to_the_last_one() -> None:
    large = np.array([2**60], np.int64)
    assert difference(large, large).norm == 0
    assert difference(large + 1, large).norm == 1
