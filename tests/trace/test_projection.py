"""The projection is the one that the specification of traces defines, and sees what a norm does not."""

import re

import numpy as np
import pytest

from harness.trace.projection import project, projection_seed
from tests.support.paths import ROOT

(SECTION,) = re.findall(r"^## Projections\n(.*?)^## ", (ROOT / "traces" / "README.md").read_text(), re.M | re.S)
SHAPES = [(7,), (3, 4), (4, 3, 3, 3)]


def in_words(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The signs, by the steps of the specification in the integers of Python, and its constants."""
    stride, *multipliers = (int(digits, 16) for digits in re.findall(r"\*=? (0x\w{8})", SECTION))
    signs = []
    for i in range(int(np.prod(shape))):
        w = (i * stride + projection_seed(name)) % 2**32
        w ^= w >> 16
        w = w * multipliers[0] % 2**32
        w ^= w >> 15
        w = w * multipliers[1] % 2**32
        w ^= w >> 16
        signs.append(-1.0 if w >> 31 else 1.0)
    return np.array(signs).reshape(shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_signs_are_those_of_the_specification(shape):
    x = np.random.default_rng(0).normal(size=shape)
    assert project("conv1.w", x) == pytest.approx(float(np.sum(in_words("conv1.w", shape) * x)), rel=1e-12)


def test_the_worked_example_of_the_specification_holds():
    rows, name, seed, signs, value = re.search(
        r"gradient `(\[\[.*\]\])` of the parameter `(\S+)`\. Its seed is `(\w+)`"
        r".*the signs are `([+ -]+)`.* is `(-?\d+)`",
        SECTION,
        re.S,
    ).groups()
    x = np.array([[float(n) for n in row.split(",")] for row in re.findall(r"\[([\d, ]+)\]", rows)])
    assert projection_seed(name) == int(seed, 16)
    assert [f"{sign:+g}"[0] for sign in in_words(name, x.shape).ravel()] == signs.split()
    assert project(name, x) == float(value)


def test_a_sign_and_a_permutation_change_it_and_not_the_norm():
    x = np.random.default_rng(1).normal(size=(16, 9))
    for other in (-x, x[::-1], x[:, ::-1]):
        assert np.linalg.norm(other) == pytest.approx(np.linalg.norm(x), rel=1e-12)
        assert abs(project("w", other) - project("w", x)) > 0.1


def test_the_name_is_part_of_it():
    x = np.random.default_rng(2).normal(size=64)
    assert project("conv1.w", x) != pytest.approx(project("conv2.w", x), rel=1e-3)
