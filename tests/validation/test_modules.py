"""A slice of the faults of executors of modules; what the campaign counts and prints."""

import json
import re
from pathlib import Path

import jax.numpy as jnp
import msgspec
import numpy as np
import pytest

from harness.errors import HarnessError, ModuleError
from harness.module.executors import EXECUTORS
from harness.module.inputs import draw
from harness.module.mlir import function_named, parsed
from harness.run.inprocess.reference_interpreter import interpret
from harness.spec.models import model_names
from harness.validation.modules.campaign import CHECK, EFFECT, ISOLATE, MODULE_TARGETS, NETWORK, RIGHT, finding_of
from harness.validation.modules.examination import (
    MEASURED,
    CheckFinding,
    EffectFinding,
    Judged,
    NetworkFinding,
    examine_effect,
    examine_fault,
)
from harness.validation.modules.faults import FAULTS, OpFault, marked
from harness.validation.modules.injection import CHANGES, MARK, Injector
from harness.validation.modules.isolation import IsolationFinding, Named, examine_isolation, named
from harness.validation.modules.networks import MODULES, module_of
from harness.validation.modules.own_networks import SIZES
from harness.validation.modules.table import fault_rows, modules_exit_code, render_modules
from harness.validation.power.journal import Row
from tests.support.stablehlo_modules import one_function

pytestmark = pytest.mark.usefixtures("workers_here")

SEEN = "mlp emitted | dot_general 2 | scaled"
FAINT = "mlp emitted | divide 5 | scaled"
LOST = "mlp emitted | select 2 | missing"


def fault(name: str) -> OpFault:
    return next(one for one in FAULTS if one.name == name)


def judged(word: str, ratio: float = 0.1) -> Judged:
    return Judged(word, ratio, "", 1.0, 0.1)


def row(kind: str, name: str, finding: object) -> Row:
    return Row(kind, name, None if finding is None else msgspec.to_builtins(finding), "", 1.0)


def checked(name: str, on: str, word: str, ratio: float, witness: str = "rounding") -> Row:
    return row(CHECK, name, CheckFinding({"iree": judged(witness), f"faulty-{on}": judged(word, ratio)}, ""))


def shown(rows: list[Row]) -> str:
    """The Markdown with single blanks."""
    return re.sub(" +", " ", str(render_modules(rows, "markdown")))


def test_a_slice_of_the_faults_is_called_a_fault_on_the_faulty_executor_alone() -> None:
    assert examine_effect(fault(SEEN)).ratio > 100
    found = examine_fault(fault(SEEN), ["interpreter", "iree"])
    right = {"xla": "rounding", "iree": "rounding"}
    assert {on: one.word for on, one in found.judged.items()} == {
        **right,
        "faulty-interpreter": "fault",
        "faulty-iree": "fault",
    }
    assert found.confirmed


def test_a_fault_that_rounding_hides_is_small_in_exact_arithmetic() -> None:
    assert 1 < examine_effect(fault(FAINT)).ratio < 4


def test_isolate_names_the_faulty_operation() -> None:
    found = examine_isolation(fault(SEEN), EXECUTORS["interpreter"])
    assert (found.named, found.words, found.others) == ("operation", ("fault",), 0)
    assert found.sets[0].startswith("dot_general")


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_leaves_a_module_with_nothing_marked(change: str) -> None:
    of_change = [one for one in FAULTS if one.change == change]
    assert len(of_change) >= 8
    for one in of_change:
        text = marked(one).module.inlined
        wrong = Injector().clone(text, "main")
        assert text.count(MARK) == 1
        assert MARK not in wrong
        assert wrong != text.replace(f'{{{MARK} = "{change}"}} ', "")


A, B = (np.random.default_rng(seed).standard_normal((3, 3)).astype(np.float32) for seed in (1, 2))
BFLOAT16 = np.asarray(jnp.asarray(A * B).astype(jnp.bfloat16).astype(jnp.float32))
LAST_LOST = np.where(np.arange(9).reshape(3, 3) < 8, A + B, 0)
PRODUCT = "dot_general %a, %b, contracting_dims = [1] x [0]"


@pytest.mark.parametrize(
    ("op", "change", "expected"),
    [
        (PRODUCT, "scaled", 1.001 * (A @ B)),
        ("multiply %a, %b", "rounded", BFLOAT16),
        ("add %a, %b", "last element", LAST_LOST),
        ("subtract %a, %b", "sign", A + B),
        (PRODUCT, "sign", -(A @ B)),
        (PRODUCT, "wrong axis", A.T @ B),
        ("add %a, %b", "missing", A),
        ("exponential %a", "missing", A),
    ],
)
def test_a_change_does_what_it_is_called(op: str, change: str, expected: np.ndarray) -> None:
    attribute = f'{{{MARK} = "{change}"}}'
    operands = "tensor<3x3xf32>" if op.count("%") == 1 else "(tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>"
    kind = operands if op == PRODUCT else "tensor<3x3xf32>"
    body = f"    %y = stablehlo.{op} {attribute} : {kind}"
    text = one_function(body, "%a: tensor<3x3xf32>, %b: tensor<3x3xf32>", "tensor<3x3xf32>")
    (found,) = interpret(Injector().clone(text, "main"), "main", [A, B])
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_an_operation_without_two_like_axes_takes_none_for_another() -> None:
    body = f'    %y = stablehlo.negate %a {{{MARK} = "wrong axis"}} : tensor<3x2xf32>'
    with pytest.raises(ModuleError, match=r"stablehlo.negate: no two axes of one size"):
        Injector().clone(one_function(body, "%a: tensor<3x2xf32>", "tensor<3x2xf32>"), "main")


def test_the_place_of_a_marked_operation_counts_those_of_its_function() -> None:
    for one in FAULTS[::7]:
        found = marked(one)
        with parsed(found.module.inlined) as module:
            op = function_named(module, "main").regions[0].blocks[0].operations[found.place]
            assert op.operation.name == f"stablehlo.{one.op}"
            assert MARK in op.attributes


def test_a_mark_changes_nothing_on_a_right_executor() -> None:
    right, marks = module_of("mlp"), marked(fault(SEEN)).module
    fed = draw(right, 0)
    a, b = (interpret(module.text, module.function, fed) for module in (right, marks))
    assert len(a) > 10
    assert all(np.array_equal(one, other) for one, other in zip(a, b, strict=True))


def test_an_operation_that_is_not_there_is_refused() -> None:
    with pytest.raises(HarnessError, match=r"mlp emitted \| convolution 1 \| sign: the module has no such operation"):
        marked(OpFault("mlp", "emitted", "convolution", 1, "sign"))


def test_there_are_enough_faults_and_every_network_of_the_package_is_a_target() -> None:
    assert len({one.name for one in FAULTS}) == len(FAULTS) >= 60
    assert {(one.network, one.source) for one in FAULTS} <= set(MODULES)
    assert {one.network for one in FAULTS} == {network for network, _ in MODULES}
    assert set(SIZES) == set(model_names())
    assert len({(target.kind, target.name) for target in MODULE_TARGETS}) == len(MODULE_TARGETS)


def test_what_cannot_be_seen_is_counted_apart_and_what_is_missed_fails() -> None:
    rows = [
        row(EFFECT, SEEN, EffectFinding(300.0)),
        row(EFFECT, LOST, EffectFinding(0.001)),
        checked(SEEN, "xla", "fault", 299.0),
        checked(LOST, "xla", "rounding", 0.1),
    ]
    assert [one.counts for one in fault_rows(rows, CHECK)] == [True, False]
    assert modules_exit_code(rows) == 0
    told = shown(rows)
    assert "| all | 1 | 1 of 1 |" in told
    assert "| effect 16 and more | 1 | 1 of 1 |" in told
    assert f"{LOST}: cannot be seen at this input: 0.001 of what rounding does." in told

    missed = [*rows[:2], checked(SEEN, "xla", "doubt", 9.0), rows[3]]
    assert modules_exit_code(missed) == 1
    assert f"{SEEN} | xla: doubt, of ratio 9; in exact arithmetic 300." in shown(missed)


@pytest.mark.parametrize(
    ("sets", "expected"),
    [([(5,)], "operation"), ([(2,), (4, 5)], "set"), ([(2,), (4,)], "other"), ([], "nothing")],
)
def test_what_isolate_names_is_the_operation_a_set_another_or_nothing(
    sets: list[tuple[int, ...]], expected: Named
) -> None:
    assert named(sets, 5) == expected
    found = IsolationFinding(expected, tuple(map(str, sets)), ("fault",) * len(sets), 3, 9, 5.0)
    assert found.others == len(sets) - (expected in ("operation", "set"))
    rows = [row(EFFECT, SEEN, EffectFinding(300.0)), row(ISOLATE, f"{SEEN} | xla", found)]
    assert modules_exit_code(rows) == (0 if expected == "operation" else 1)
    assert (f"{SEEN} | xla: isolate names {expected}" in shown(rows)) == (expected != "operation")


def test_an_operation_that_is_named_beside_another_one_is_no_hit() -> None:
    found = IsolationFinding("operation", ("dot_general %4", "add %7"), ("fault", "fault"), 3, 9, 5.0)
    rows = [row(EFFECT, SEEN, EffectFinding(300.0)), row(ISOLATE, f"{SEEN} | xla", found)]
    assert modules_exit_code(rows) == 1
    assert "isolate names other operations too: dot_general %4 (fault); add %7 (fault)." in shown(rows)


def test_a_check_without_an_end_is_a_miss_on_every_executor() -> None:
    rows = [row(EFFECT, SEEN, EffectFinding(300.0)), Row(CHECK, SEEN, None, "killed", 1.0)]
    assert [(one.on, one.hit) for one in fault_rows(rows, CHECK)] == [(on, False) for on in MEASURED]
    assert modules_exit_code(rows) == 1
    assert f"{SEEN} | vmvx: did not finish: killed." in shown(rows)


def test_a_wrong_word_is_found_too_and_told() -> None:
    rows = [row(EFFECT, SEEN, EffectFinding(300.0)), checked(SEEN, "xla", "precision", 299.0)]
    assert modules_exit_code(rows) == 0
    assert f"{SEEN} | xla: called precision, of ratio 299." in shown(rows)


def test_an_executor_that_refuses_misses_nothing() -> None:
    refused = CheckFinding({"faulty-iree": Judged("refused", 0.0, "it is illegal", 0.0, 0.0)}, "")
    rows = [row(EFFECT, SEEN, EffectFinding(300.0)), row(CHECK, SEEN, refused)]
    assert not fault_rows(rows, CHECK)[0].counts
    assert f"{SEEN} | iree: refused: it is illegal" in str(render_modules(rows, "text"))


@pytest.mark.parametrize("word", ["doubt", "fault", "race", "crashed"])
def test_a_right_executor_that_is_called_wrong_fails(word: str) -> None:
    right = [row(RIGHT, "mlp emitted | 0", CheckFinding({"xla": judged("rounding"), "iree": judged(word, 5.0)}, ""))]
    assert modules_exit_code(right) == 1
    assert f"mlp emitted | 0: iree is called {word} (ratio 5" in shown(right)
    witness = [checked(SEEN, "xla", "fault", 99.0, witness=word)]
    assert modules_exit_code(witness) == 1
    network = NetworkFinding(10, (), judged("ran"), {"xla": judged(word)}, 5.0)
    assert modules_exit_code([row(NETWORK, "mnist_mlp emitted", network)]) == 1


def test_right_modules_and_networks_are_shown_with_their_largest_ratios() -> None:
    ratios = [{"xla": judged("rounding", ratio), "iree": judged("refused", 0.0)} for ratio in (0.25, 0.5)]
    rows = [row(RIGHT, f"mlp emitted | {seed}", CheckFinding(one, "")) for seed, one in enumerate(ratios)]
    network = NetworkFinding(700, (), judged("ran"), {"xla": judged("rounding", 0.7)}, 5.0)
    rows.append(row(NETWORK, "mnist_mlp emitted", network))
    assert modules_exit_code(rows) == 0
    told = shown(rows)
    assert "| mlp emitted | 2 | 0.50 | refused |" in told
    assert r"| mnist\_mlp emitted | 700 | 1.0 + 0.10 | 5 | rounding 0.70, 1.0 + 0.10 |" in told
    assert json.loads(str(render_modules(rows, "json")))["exit_code"] == 0


def test_nothing_examined_is_no_success(tmp_path: Path) -> None:
    assert modules_exit_code([]) == 3
    assert finding_of(Row(RIGHT, "mlp emitted | 0", None, "killed", 1.0)) is None
    assert modules_exit_code([Row(RIGHT, "mlp emitted | 0", None, "killed", 1.0)]) == 1
