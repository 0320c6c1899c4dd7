"""The rules as a value: collected once by decorators, handed to emitters, and never changed."""

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.emit.jax_script import emit_jax_script
from harness.emit.train_step import emit_logits, emit_train_step
from harness.errors import RuleError
from harness.nn.layers.batch_norm import BatchNorm
from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.dense import Dense
from harness.nn.layers.flatten import Flatten
from harness.nn.layers.relu import Relu
from harness.nn.rules import registered_rules
from harness.spec.netspec import Conventions, Layer, Shape
from harness.spec.rules import Registry, Rules, hlo_backward, hlo_forward, jax_rule
from harness.spec.shapes import infer_shapes
from tests.support.networks import config, network

RULES = registered_rules()
GRAPH = infer_shapes(network((1, 4, 4), ConvBn(1, 2, activation=Relu()), Flatten(), Dense(32, 4)))
WRONG = RULES.replace(
    jax={Relu: lambda layer, j, x: j.mul(1.001, RULES.jax[Relu](layer, j, x))},
    hlo_backward={Relu: lambda layer, h, y, dy: (h.mul(RULES.hlo_backward[Relu](layer, h, y, dy)[0], 1.001),)},
)


def script(rules: Rules) -> str:
    return emit_jax_script(GRAPH, config(), "f32", Conventions(), command="a test", rules=rules)


def step(rules: Rules) -> str:
    return emit_train_step(GRAPH, config(), "f32", Conventions(), rules=rules)


def logits(rules: Rules) -> str:
    return emit_logits(GRAPH, 4, "f32", Conventions(), rules=rules)


def test_a_second_rule_is_refused() -> None:
    registry = Registry("demo")
    registry(Dense)(lambda: None)
    with pytest.raises(RuleError, match=r"demo: Dense has a rule already\. Remove one of them\."):
        registry(Dense)(lambda: None)


def test_a_missing_rule_lists_what_exists() -> None:
    registry = Registry("demo")
    registry(Dense)(lambda: None)
    with pytest.raises(RuleError, match=r"demo: no rule for Relu. Existing: Dense\. Register one with @demo\."):
        registry.table().of(Relu)


def test_a_table_does_not_see_what_is_registered_behind_it() -> None:
    registry = Registry("demo")
    table = registry.table()
    registry(Dense)(lambda: None)
    assert (list(table), list(registry.table())) == ([], [Dense])


@pytest.mark.parametrize("change", [lambda: setattr(RULES, "jax", RULES.jax_eval), lambda: RULES.jax._rules.clear()])
def test_rules_do_not_change(change: Callable[[], None]) -> None:
    with pytest.raises((dataclasses.FrozenInstanceError, AttributeError)):
        change()


def test_other_rules_are_another_value() -> None:
    assert registered_rules() == RULES != WRONG
    assert WRONG.hlo_forward is RULES.hlo_forward
    assert WRONG.jax[Dense] is RULES.jax[Dense]
    assert WRONG.replace(jax={Relu: RULES.jax[Relu]}, hlo_backward={Relu: RULES.hlo_backward[Relu]}) == RULES


def test_only_what_there_is_can_be_replaced() -> None:
    with pytest.raises(RuleError, match="hlo_forward: no rule for ConvBn"):
        RULES.replace(hlo_forward={ConvBn: lambda: None})
    with pytest.raises(AttributeError, match="hlo_backwards"):
        RULES.replace(hlo_backwards={Relu: lambda: None})


def test_evaluation_falls_back_to_training_on_both_sides() -> None:
    assert RULES.jax_eval_of(Relu) is RULES.jax[Relu]
    y, saved = object(), object()
    rules = RULES.replace(hlo_forward={Relu: lambda *arguments: (y, saved)})
    assert rules.hlo_eval_of(Relu)(Relu(), None, None) is y
    assert RULES.jax_eval_of(BatchNorm) is RULES.jax_eval[BatchNorm]
    assert RULES.hlo_eval_of(BatchNorm) is RULES.hlo_eval[BatchNorm]
    for of in (RULES.jax_eval_of, RULES.hlo_eval_of):
        with pytest.raises(RuleError, match="no rule for ConvBn"):
            of(ConvBn)


def test_emitters_go_by_the_rules_that_they_are_handed() -> None:
    assert "1.001 * " in script(WRONG)
    assert "dense<1.001>" in step(WRONG)
    assert logits(WRONG) == logits(RULES)  # its forward rules are right
    assert "1.001" not in script(RULES) + step(RULES)


def test_threads_that_emit_by_different_rules_get_each_their_own_text() -> None:
    tasks: list[tuple[Callable[[Rules], str], Rules]] = [(emit, r) for emit in (script, step) for r in (RULES, WRONG)]
    alone = [emit(rules) for emit, rules in tasks]
    assert len(set(alone)) == len(tasks)
    interval, rounds = sys.getswitchinterval(), 16
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(lambda task: task[0](task[1]), tasks * rounds))
    finally:
        sys.setswitchinterval(interval)
    assert together == alone * rounds


@dataclasses.dataclass(frozen=True)
class Triple(Layer):
    """A layer of a user's own, registered while the test runs."""

    kind = "triple"

    def out_shape(self, *inputs: Shape) -> Shape:
        return inputs[0]


def test_a_layer_that_is_registered_later_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    for registry in (jax_rule, hlo_forward, hlo_backward):
        monkeypatch.setattr(registry, "_rules", dict(registry._rules))  # nothing of it stays behind

    @jax_rule(Triple)
    def jax_triple(layer: Triple, j: JaxBuilder, x: Expr) -> Expr:
        return j.mul(3.0, x)

    @hlo_forward(Triple)
    def hlo_triple(layer: Triple, h: HloBuilder, x: Value) -> tuple[Value, None]:
        return h.mul(x, 3.0, "y"), None

    @hlo_backward(Triple)
    def hlo_triple_backward(layer: Triple, h: HloBuilder, saved: None, dy: Value) -> tuple[Value]:
        return (h.mul(dy, 3.0, "dx"),)

    graph = infer_shapes(network((6,), Triple(), Dense(6, 4)))
    given: Any = (graph, config(), "f32", Conventions())
    assert "triple1 = 3.0 * x\n" in emit_jax_script(*given, command="a test", rules=registered_rules())
    assert "%triple1_y = stablehlo.multiply %x, " in emit_train_step(*given, rules=registered_rules())
    with pytest.raises(RuleError, match="jax_rule: no rule for Triple"):
        emit_jax_script(*given, command="a test", rules=RULES)


def test_emitters_know_no_layer_loss_or_optimizer() -> None:
    emitters = "jax_script, phase3, train_step, export, header"
    code = f"import sys\nfrom harness.emit import {emitters}\nprint(*sys.modules, sep='\\n')"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "harness.emit.train_step" in loaded
    vocabulary = ("harness.nn.layers", "harness.nn.losses", "harness.nn.optimizers", "harness.nn.rules")
    assert [name for name in loaded if name.startswith(vocabulary)] == []
