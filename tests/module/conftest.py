"""What tests of modules share."""

import numpy as np
import pytest

from harness.module.execute import execute
from harness.module.executors import EXECUTORS
from tests.support.stablehlo_modules import one_function


@pytest.fixture(scope="module")
def vulkan() -> None:
    """Skips without a driver: `make vulkan` installs one where it can."""
    text = one_function("    %y = stablehlo.negate %x : tensor<2xf32>", "%x: tensor<2xf32>", "tensor<2xf32>")
    execution = execute(EXECUTORS["vulkan"], text, "main", [np.ones(2, np.float32)], timeout_s=120)
    if execution.outcome == "absent":
        pytest.skip(execution.message)
    assert execution.outcome == "ran", execution.message
    assert execution.device
