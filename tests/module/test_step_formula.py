"""Formulas of a step file: arithmetic of a few names, and nothing of Python."""

import pytest

from harness.errors import ModuleError
from harness.module.training.expression import Formula

VALUES = {"step": 3.0, "rate": 0.1, "epoch": 0.0, "batch": 8.0}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("rate", 0.1),
        ("1 - 0.9**step", 1 - 0.9**3),
        ("rate * sqrt(1 - 0.999**step) / (1 - 0.9**step)", 0.1 * (1 - 0.999**3) ** 0.5 / (1 - 0.9**3)),
        ("-1/batch + epoch", -0.125),
        (" +2.5e-1 ", 0.25),
    ],
)
def test_a_formula_has_the_value_of_its_arithmetic(text: str, value: float) -> None:
    assert Formula(text)(VALUES) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("__import__('os').system('true')", "has \"__import__('os').system('true')\" in it"),
        ("step.real", "has 'step.real' in it"),
        ("[step][0]", "has '[step][0]' in it"),
        ("step if rate else 0", "has 'step if rate else 0' in it"),
        ("pow(step, 2)", "has 'pow(step, 2)' in it"),
        ("momentum", "has 'momentum' in it; a formula is made of numbers, step, rate, epoch, batch, "),
        ("True", "has 'True' in it"),
        ("1j", "has '1j' in it"),
        ("step // 2", "has 'step // 2' in it"),
        ("1 -", "is no formula, expected one such as '1 - 0.9**step'"),
        ("", "is no formula"),
        ("-" * 5000 + "1", "is longer than 200 characters"),
    ],
)
def test_what_is_no_formula_is_refused_by_name(text: str, told: str) -> None:
    with pytest.raises(ModuleError) as caught:
        Formula(text)
    assert told in str(caught.value)


@pytest.mark.parametrize("text", ["1 / epoch", "10**10**10", "(0 - step)**0.5", "sqrt(-step)", "epoch**(-1)"])
def test_a_formula_without_a_value_says_where(text: str) -> None:
    with pytest.raises(ModuleError, match=r"has no value at step 3, rate 0\.1, epoch 0, batch 8: "):
        Formula(text)(VALUES)
