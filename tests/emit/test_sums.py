"""The length of the sums of emitted steps: Mesa's Vulkan driver for the processor ends a loop after 65,536 terms."""

import math
import re

import pytest

from harness.emit.observe import emit_observe
from harness.emit.train_step import emit_train_step
from harness.nn.rules import registered_rules
from harness.spec.models import load_model
from harness.spec.netspec import Conventions

LONGEST = 65_536
REDUCED = re.compile(r"stablehlo\.reduce\(.*?\).*?dimensions = \[([\d, ]*)\][^:]*: \(tensor<([\dx]*)x\w+>", re.DOTALL)


@pytest.mark.parametrize("name", ["mnist_mlp", "mnist_cnn", "cifar_cnn", "vgg16_bn", "vit_tiny"])
def test_no_sum_is_too_long_for_a_driver(name: str) -> None:
    """At the size of the training, whose batches are the longest."""
    model = load_model(name)
    step = emit_train_step(model.graph, model.config, "f32", Conventions(), rules=registered_rules())
    lengths = []
    for axes, shape in REDUCED.findall(step + emit_observe(model.graph, "f32", Conventions())):
        extents = [int(extent) for extent in shape.split("x")]
        lengths.append(math.prod(extents[int(axis)] for axis in axes.split(",")))
    assert len(lengths) > 20
    assert max(lengths) < LONGEST
