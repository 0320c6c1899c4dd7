"""The update of one parameter: left out, turned around, at other places. No gradient and hardly a norm shows it."""

import re
from collections.abc import Callable
from typing import Any

from harness.run.inprocess import Phase2, Phase3, Side
from harness.validation.power.fault import Fault, Injection
from harness.validation.power.faults.injecting import Injections, everywhere

# The parameter as it becomes, of what it was and what it should become: as Python, and as lines of StableHLO.
Expression = Callable[[Any, Any], Any]
_STALE = "%{old}"
_TURNED = """\
    %back = stablehlo.subtract %{old}, %{old}_new : {type}
    %wrong = stablehlo.add %{old}, %back : {type}
"""
_TRANSPOSED = """\
    %move = stablehlo.subtract %{old}_new, %{old} : {type}
    %move_across = stablehlo.transpose %move, dims = [1, 0] : ({type}) -> {type}
    %wrong = stablehlo.add %{old}, %move_across : {type}
"""


def _moved(param: str, becomes: Expression, lines: str = "", result: str = "%wrong") -> Injections:
    """`lines`, `result`: what phase 3's step does before it returns, and returns for the parameter."""

    def made(side: Side) -> None:
        if isinstance(side, Phase2):
            update = side.script.update

            def wrong(params: Any, *rest: Any) -> Any:
                moved, slots = update(params, *rest)
                return {**moved, param: becomes(params[param], moved[param])}, slots

            vars(side.script)["update"] = wrong
            return
        assert isinstance(side, Phase3)
        old = param.replace(".", "_")
        shape = next(p.shape for p in side.graph.params if p.name == param)
        names = {"old": old, "type": f"tensor<{'x'.join(map(str, shape))}x{side.dtype}>"}
        head, returned = side.text.rsplit("    return\n", 1)
        returned = re.sub(rf"%{old}_new", result.format(**names), returned, count=1)
        side.text = f"{head}{lines.format(**names)}    return\n{returned}"

    return everywhere(Injection(made=made))


def _stale(param: str) -> Injections:
    """One parameter that every update leaves as it was."""
    return _moved(param, lambda old, new: old, result=_STALE)


def _turned(param: str) -> Injections:
    return _moved(param, lambda old, new: old + (old - new), _TURNED)


def _transposed(param: str) -> Injections:
    return _moved(param, lambda old, new: old + (new - old).T, _TRANSPOSED)


def _of(name: str, kind: str, network: str, injections: Injections) -> Fault:
    return Fault(name, kind, "optimizer", {network: None}, injections)


FAULTS = (
    _of("one parameter never updated", "stale parameter", "mlp", _stale("dense2.w")),
    _of("gamma never updated", "stale parameter", "residual", _stale("residual1.b1.conv1.gamma")),
    _of("bias never updated", "stale parameter", "attention", _stale("encoder1.b1.mlp1.b")),
    _of("update of a weight turned around", "sign of a gradient", "mlp", _turned("dense2.w")),
    _of("update of a filter turned around", "sign of a gradient", "cnn", _turned("conv2.w")),
    _of("update of a projection turned around", "sign of a gradient", "attention", _turned("encoder1.b1.v.w")),
    _of("update of a bias turned around", "sign of a gradient", "mlp", _turned("dense3.b")),
    _of("update of a weight transposed", "permuted tensor", "mlp", _transposed("dense2.w")),
    _of("update of a projection transposed", "permuted tensor", "attention", _transposed("encoder1.b1.q.w")),
)
