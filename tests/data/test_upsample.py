"""Enlarging images: what the harness and the emitted script do, against the formula in fractions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data.upsample import upsample
from harness.emit.jax_script import emit_jax_script
from harness.nn.rules import registered_rules
from harness.spec.netspec import Conventions
from tests.support.programs import script_module
from tests.support.tiny_programs import CONFIG, picture_graph


def script_upsample(images: np.ndarray, side: int) -> np.ndarray:
    graph = picture_graph("imagenette", side)
    script = script_module(
        emit_jax_script(graph, CONFIG, "f32", Conventions(), command="test", rules=registered_rules())
    )
    return np.stack([script.upsample(image) for image in images])


def reference(image: np.ndarray, side: int) -> np.ndarray:
    """As it is specified, pixel by pixel; places beyond the middle of the outermost pixels are clamped."""
    n = len(image)

    def places(i: int) -> list[tuple[int, Fraction]]:
        at = min(max(Fraction((2 * i + 1) * n - side, 2 * side), Fraction(0)), Fraction(n - 1))
        low = min(int(at), n - 2)
        return [(low, 1 - (at - low)), (low + 1, at - low)]

    axis = [places(i) for i in range(side)]
    value = [[sum(v * w * int(image[r, c]) for r, v in rows for c, w in columns) for columns in axis] for rows in axis]
    return np.array([[(2 * v + 1) // 2 for v in row] for row in value], np.uint8)


@pytest.mark.parametrize("enlarge", [upsample, script_upsample])
@pytest.mark.parametrize("side", [32, 33, 40, 64, 97])
def test_enlarging_is_what_the_formula_says(enlarge: object, side: int) -> None:
    images = np.random.default_rng(side).integers(0, 256, (2, 3, 32, 32), dtype=np.uint8)
    images[0, 0] = 255
    large = enlarge(images, side)
    assert large.dtype == np.uint8 and large.shape == (2, 3, side, side)
    assert (large[0, 0] == 255).all()
    for n, channel in ((0, 1), (1, 2)):
        assert np.array_equal(large[n, channel], reference(images[n, channel], side))


@settings(max_examples=20)
@given(st.integers(32, 300), st.integers(0, 2**32))
def test_both_programs_enlarge_alike(side: int, seed: int) -> None:
    images = np.random.default_rng(seed).integers(0, 256, (1, 3, 32, 32), dtype=np.uint8)
    assert np.array_equal(upsample(images, side), script_upsample(images, side))


def test_at_its_own_size_an_image_stays_as_it_is() -> None:
    images = np.arange(3 * 32 * 32, dtype=np.uint16).astype(np.uint8).reshape(1, 3, 32, 32)
    assert np.array_equal(upsample(images, 32), images)
