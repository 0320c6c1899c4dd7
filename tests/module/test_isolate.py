"""The operation that an executor gets wrong is named, whatever else is right or refused beside it."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from ml_dtypes import bfloat16

from harness.errors import ModuleError
from harness.module.executors import EXECUTORS, ModuleExecutor
from harness.module.inputs import draw
from harness.module.isolate import confirm
from harness.module.isolate import search as search_module
from harness.module.isolate.places import places
from harness.module.isolate.program import opened
from harness.module.isolate.reproducer import write_reproducers
from harness.module.isolate.scan import RefusedOperation
from harness.module.isolate.search import Isolation, isolate
from harness.module.isolate.tables import isolated
from harness.module.isolate.windows import windows
from harness.module.load import StableModule, load
from harness.module.words import FLUSHED
from tests.support.paths import ROOT
from tests.support.stablehlo_modules import SGD_STEP, nested_calls, one_function, overlapping_pool_gradient

pytestmark = pytest.mark.usefixtures("workers_here")

WORKER = ROOT / "tests" / "support" / "faulty_worker.py"
SQUARE = "tensor<4x4xf32>"
RUNS = 2


@pytest.fixture(autouse=True)
def fewer_fresh_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each costs the start of a process."""
    monkeypatch.setattr(confirm, "RUNS", RUNS)


def module_of(text: str, folder: Path) -> StableModule:
    path = folder / "module.mlir"
    path.write_text(text)
    return load(path)


def faulty(name: str, fault: str, *flag: str) -> ModuleExecutor:
    row = EXECUTORS[name]
    return replace(row, name=f"wrong-{name}", command=(sys.executable, str(WORKER), fault, *flag))


def search(module: StableModule, executor: ModuleExecutor, *, whole: bool = False, window: int = 80) -> Isolation:
    return isolate(module, executor, draw(module, 0), seed=0, timeout_s=120, whole=whole, window=window)


def named(isolation: Isolation) -> list[list[str]]:
    return [[op.name for op in fault.ops] for fault in isolation.faults]


@pytest.mark.parametrize("text", [SGD_STEP, nested_calls()], ids=["sgd", "nested calls"])
def test_every_operation_of_the_text_has_its_place(text: str, tmp_path: Path) -> None:
    module = module_of(text, tmp_path)
    with opened(module.inlined) as program:
        found = places(module)
        assert [place.kind for place in found] == [f"stablehlo.{op.kind}" for op in program.operations]
    lines = (tmp_path / "module.mlir").read_text().splitlines()
    for place in found:
        assert place.line is not None
        assert lines[place.line - 1].lstrip().startswith(place.name + (":" if place.kind.endswith("while") else " ="))


def test_an_operation_has_its_line_also_where_the_text_says_where_it_comes_from(tmp_path: Path) -> None:
    def step(x: jax.Array, w: jax.Array) -> jax.Array:
        return jax.numpy.tanh(x @ w).sum()

    shape = jax.ShapeDtypeStruct((4, 4), np.float32)
    text = jax.jit(jax.grad(step)).lower(shape, shape).as_text(debug_info=True)
    assert "loc(#loc" in text
    lines = text.splitlines()
    for place in places(module_of(text, tmp_path)):
        assert place.line is not None
        assert lines[place.line - 1].lstrip().startswith(f"{place.name} = {place.kind}")


@pytest.mark.parametrize("size", [1, 5, 80])
def test_every_operation_is_in_one_window_or_made_anew(size: int, tmp_path: Path) -> None:
    with opened(module_of(SGD_STEP, tmp_path).inlined) as program:
        parts = windows(program, size)
        inside = [number for part in parts for number in part.operations]
        assert inside == sorted(set(inside))
        left = [op for op in program.operations if op.number not in inside]
        assert {op.kind for op in left} <= {"constant", "iota", "broadcast_in_dim", "compare"}
        assert all(len(part.operations) <= size for part in parts)
        made = set(range(program.arguments))
        for part in parts:
            assert made.issuperset(part.inputs)
            made |= set(part.outputs)
        assert made.issuperset(program.returned)


def test_no_window_compares_what_it_has_rounded(tmp_path: Path) -> None:
    with opened(module_of(SGD_STEP, tmp_path).inlined) as program:
        (number,) = [op.number for op in program.operations if op.kind == "compare"]
        compared = program.operations[number].operands[0]
        for part in windows(program):
            made = {value for one in part.operations for value in program.operations[one].results}
            assert number not in part.operations or compared not in made


def test_what_is_added_to_a_parameter_is_looked_at_by_itself(tmp_path: Path) -> None:
    kind = "tensor<3xf32>"
    body = f"    %g = stablehlo.exponential %x : {kind}\n    %y = stablehlo.subtract %w, %g : {kind}"
    text = one_function(body, f"%x: {kind}, %w: {kind}", kind)
    with opened(module_of(text, tmp_path).inlined) as program:
        (part,) = windows(program)
        assert part.outputs == (2, 3)


def test_a_part_with_what_its_regions_use_is_a_module(tmp_path: Path) -> None:
    module = module_of(nested_calls(), tmp_path)
    arguments = draw(module, 0)
    isolation = isolate(module, EXECUTORS["xla"], arguments, seed=0, timeout_s=120, window=3, whole=False)
    assert len(isolation.windows) > 3
    assert {window.outcome for window in isolation.windows} == {"ran"}
    assert isolation.exit_code == 0


def test_one_wrong_operation_is_named_with_its_line(tmp_path: Path) -> None:
    module = module_of(SGD_STEP, tmp_path)
    isolation = search(module, faulty("xla", "sign"))
    assert named(isolation) == [["%W0n"]]
    (fault,) = isolation.faults
    assert fault.ops[0].kind == "stablehlo.subtract"
    assert SGD_STEP.splitlines()[(fault.ops[0].line or 0) - 1].lstrip().startswith("%W0n =")
    assert (fault.confirmation.word, fault.confirmation.wrong, fault.confirmation.runs) == ("fault", RUNS, RUNS)
    assert fault.confirmation.by == "interpreter in f64"
    assert isolation.exit_code == 1


def test_several_wrong_operations_of_a_window_are_all_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = f"({SQUARE}, {SQUARE}) -> {SQUARE}"
    product = f"stablehlo.dot_general %{{}}, %w, contracting_dims = [1] x [0] : {kind}"
    body = f"    %a = {product.format('x')}\n    %b = stablehlo.tanh %a : {SQUARE}\n    %y = {product.format('b')}"
    module = module_of(one_function(body, f"%x: {SQUARE}, %w: {SQUARE}", SQUARE), tmp_path)
    isolation = search(module, faulty("xla", "scaled"))
    assert sorted(named(isolation)) == [["%a"], ["%y"]]
    assert isolation.left == []

    monkeypatch.setattr(search_module, "_MOST_FAULTS", 1)
    isolation = search(module, faulty("xla", "scaled"))
    assert [(one.wrong, one.of) for one in isolation.left] == [(1, 1)]
    told = "1 sets are named of the operations from tanh %b (line 4) to dot_general %y (line 5)"
    assert told in " ".join(str(isolated(isolation, [], "text", "")).split())
    assert json.loads(str(isolated(isolation, [], "json", "")))["left"][0]["wrong"] == 1


def test_a_fault_of_two_operations_together_is_both_of_them(tmp_path: Path) -> None:
    product = f"stablehlo.dot_general %x, %w, contracting_dims = [1] x [0] : ({SQUARE}, {SQUARE}) -> {SQUARE}"
    body = f"    %a = {product}\n    %b = stablehlo.add %a, %w : {SQUARE}\n    %y = stablehlo.tanh %b : {SQUARE}"
    module = module_of(one_function(body, f"%x: {SQUARE}, %w: {SQUARE}", SQUARE), tmp_path)
    assert named(search(module, faulty("xla", "fused"))) == [["%a", "%b"]]


def test_a_fault_across_a_cut_is_found_by_other_cuts(tmp_path: Path) -> None:
    product = f"stablehlo.dot_general %x, %w, contracting_dims = [1] x [0] : ({SQUARE}, {SQUARE}) -> {SQUARE}"
    body = f"    %a = {product}\n    %b = stablehlo.add %a, %w : {SQUARE}\n    %y = stablehlo.tanh %b : {SQUARE}"
    module = module_of(one_function(body, f"%x: {SQUARE}, %w: {SQUARE}", SQUARE), tmp_path)
    isolation = search(module, faulty("xla", "fused"), whole=True, window=1)
    assert isolation.procedure == "halves"
    assert isolation.whole is not None
    assert isolation.whole.word == "fault"
    assert named(isolation) == [["%a", "%b"]]


def test_what_is_wrong_once_and_never_again_is_a_race(tmp_path: Path) -> None:
    isolation = search(module_of(SGD_STEP, tmp_path), faulty("xla", "scaled", str(tmp_path / "done")))
    assert isolation.faults == ()
    assert len(isolation.fleeting) == 1
    assert isolation.exit_code == 1


def test_what_is_taken_for_zero_is_no_fault(tmp_path: Path) -> None:
    body = "    %y = stablehlo.divide %x, %z : tensor<2xf32>"
    module = module_of(one_function(body, "%x: tensor<2xf32>, %z: tensor<2xf32>", "tensor<2xf32>"), tmp_path)
    fed = list(np.array([[1e-40, 1], [0, 2]], np.float32))
    isolation = isolate(module, EXECUTORS["xla"], fed, seed=0, timeout_s=120)
    (found,) = isolation.faults
    assert (found.confirmation.word, found.confirmation.note) == ("rounding", FLUSHED)
    assert isolation.exit_code == 0


def test_a_refused_operation_is_listed_and_the_rest_is_compared(tmp_path: Path) -> None:
    isolation = search(module_of(SGD_STEP, tmp_path), faulty("xla", "refused"))
    told = "no maximum is known here"
    assert [(place.name, one.message) for place, one in isolation.refused] == [("%a", told), ("%top", told)]
    assert isolation.faults == ()
    assert isolation.exit_code == 0
    count = len(places(isolation.module))
    told = " ".join(str(isolated(isolation, [], "text", "")).split())
    assert "2 windows, 2 of them compared, " in told
    pieces = [piece for window in isolation.windows for piece in window.compared]
    assert 0 < sum(len(piece.part.operations) for piece in pieces) < count


def test_a_function_with_tuples_is_refused_with_the_operation(tmp_path: Path) -> None:
    pairs = "tuple<tensor<4xf32>, tensor<4xf32>>"
    body = f"    %t = stablehlo.tuple %x, %x : {pairs}\n"
    body += f"    %y = stablehlo.get_tuple_element %t[1] : ({pairs}) -> tensor<4xf32>"
    module = module_of(one_function(body, "%x: tensor<4xf32>", "tensor<4xf32>"), tmp_path)
    with pytest.raises(ModuleError, match=r"stablehlo\.tuple gives a tuple<.*Judge the whole"):
        search(module, EXECUTORS["xla"])


def test_the_published_refusal_of_a_pool_is_named(tmp_path: Path) -> None:
    isolation = search(module_of(overlapping_pool_gradient(), tmp_path), EXECUTORS["iree"])
    assert [place.kind for place, _ in isolation.refused] == ["stablehlo.select_and_scatter"]
    assert "failed to legalize operation" in isolation.refused[0][1].message


def test_a_reproducer_runs_without_this_project(tmp_path: Path) -> None:
    module = module_of(SGD_STEP, tmp_path)
    isolation = search(module, faulty("xla", "sign"))
    (done,) = write_reproducers(isolation, tmp_path / "repro", 120)
    assert (done.shows, done.right_on) == (False, "xla")  # the compiler of the script is right
    expected = np.load(done.folder / "expected0.npy")
    np.save(done.folder / "out0.npy", expected.astype(np.float32))

    def compare() -> int:
        command = [sys.executable, "compare.py"]
        return subprocess.run(command, cwd=done.folder, capture_output=True, check=False).returncode

    assert compare() == 0
    np.save(done.folder / "out0.npy", isolation.faults[0].confirmation.executor_results[0])
    assert compare() == 1
    assert "harness" not in "".join(path.read_text() for path in done.folder.iterdir() if path.suffix != ".npy")


def test_a_comparison_without_results_shows_no_fault(tmp_path: Path) -> None:
    np.save(tmp_path / "allowed.npy", np.ones((1, 2)))
    np.save(tmp_path / "expected0.npy", np.ones(2))
    command = [sys.executable, str(ROOT / "harness" / "module" / "isolate" / "reproducer_compare.py")]
    for made in (None, np.ones(2, bfloat16), np.ones(3)):
        if made is not None:
            np.save(tmp_path / "out0.npy", made)
        assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 2


def test_a_fault_of_iree_is_isolated_to_two_operations_with_a_reproducer(tmp_path: Path) -> None:
    """The padded convolution of an image with gaps of `harness/trace/known_trouble.py`."""
    module = load(ROOT / "tests" / "support" / "dilated_convolution.mlir")
    isolation = search(module, EXECUTORS["iree"])
    assert named(isolation) == [["%gaps", "%dx"]]
    assert isolation.faults[0].confirmation.word == "fault"
    (done,) = write_reproducers(isolation, tmp_path, 120)
    assert (done.shows, done.right_on) == (True, "xla")
    assert "wrong in 2 of 2 runs" in (done.folder / "README.md").read_text()


def test_windows_that_were_not_reached_are_no_agreement(tmp_path: Path) -> None:
    isolation = search(module_of(SGD_STEP, tmp_path), EXECUTORS["xla"])
    assert isolation.exit_code == 0
    isolation.unreached = 1
    assert isolation.exit_code == 3


def test_an_operation_that_did_not_finish_is_no_agreement(tmp_path: Path) -> None:
    isolation = search(module_of(SGD_STEP, tmp_path), EXECUTORS["xla"])
    (place, *_) = places(isolation.module)
    isolation.refused.append((place, RefusedOperation(0, "refused", "")))
    assert isolation.exit_code == 0
    isolation.refused.append((place, RefusedOperation(0, "crashed", "")))
    assert isolation.exit_code == 3
