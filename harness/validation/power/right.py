"""The right sides of a network, made once: initial parameters and batches are no part of their programs."""

from functools import cache

import numpy as np

from harness.data.batches import Labels
from harness.run.inprocess import Phase2, Phase3, Side
from harness.spec.netspec import DType
from harness.spec.run_config import DEFAULT_INIT_SEED
from harness.validation.power.networks import NETWORKS, draw_feed


@cache
def right_side(make: type[Phase2] | type[Phase3], network: str, dtype: DType) -> Side:
    """The side of a network; whoever takes it sets its `init_seed`."""
    one = NETWORKS[network]
    return make(one.graph(), one.config, dtype)


@cache
def right_labels(network: str, seed: int = 0) -> Labels:
    """Labels of the test images of a seed, such that the right network is as often right as one that has learnt.

    A few steps on drawn images teach nothing. So the labels are what the right network answers after them, every
    fourth one moved on.

    Shapes: (TESTED,).
    """
    side, feed = right_side(Phase2, network, "f32"), draw_feed(network, seed)
    side.init_seed = DEFAULT_INIT_SEED + seed
    steps = side.train(feed.batches(side), feed.rates(side), side.initial())
    labels: Labels = np.argmax(side.logits(steps[-1], feed.test_images), axis=-1).astype(np.int32)
    labels[::4] = (labels[::4] + 1) % NETWORKS[network].spec.classes
    return labels
