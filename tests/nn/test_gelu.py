"""The exact GELU where it is hard: far from zero, near it, and where its tail is about to vanish."""

import numpy as np
from scipy.special import ndtr

from harness.nn.layers.gelu import Gelu
from tests.support.programs import hlo_layer, iree_call, layer_node


def test_the_exact_gelu_is_that_of_the_error_function_everywhere() -> None:
    """To a few units in the last place of 1, the size of the distribution, and its slope likewise."""
    sizes = np.concatenate([np.geomspace(1e-300, 1e3, 400), np.linspace(0, 9, 1001), [1e10, 1e200]])
    x = np.concatenate([-sizes, sizes])[None]
    node = layer_node(Gelu("none"), ((x.size,),))
    y, slope = iree_call(hlo_layer(node, 1), [x, np.ones_like(x), np.array(1.0)])
    density = np.exp(-np.square(np.minimum(np.abs(x), 40)) / 2) / np.sqrt(2 * np.pi)
    assert (np.abs(y - x * ndtr(x)) <= 1e-15 * np.maximum(1, np.abs(x))).all()
    np.testing.assert_allclose(slope, ndtr(x) + np.clip(x, -40, 40) * density, rtol=0, atol=1e-15)
