"""Clean pairs, which differ by rounding alone: every verdict on one of them has to be a pass."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from harness.run.backends import BACKENDS
from harness.run.compile import compile_module
from harness.run.inprocess import Array, Batch, Phase2, Phase3, Side, Step
from harness.run.iree_runner import Device
from harness.spec.netspec import DType
from harness.validation.interpreted import train_interpreted
from harness.validation.power.examination import Detection, detections
from harness.validation.power.networks import NETWORKS, Feed, draw_feed
from harness.validation.power.pairs import DTYPES, Run, envelope_of, run, verdicts

_INIT_SEED = 42


@dataclass(frozen=True)
class Variation:
    """A difference between two clean sides. `pairs`: how many of each network. `environment`: of the process.

    `sides`: the classes of the two; `reversed_batches`: True when one of them, in turns, is fed every batch backwards.
    """

    pairs: int
    sides: tuple[type[Phase2], type[Phase3]] = (Phase2, Phase3)
    environment: tuple[tuple[str, str], ...] = ()
    reversed_batches: bool = False


class OneThread(Phase3):
    """Runs on the calling thread only."""

    def _device(self, text: str, what: str) -> Device:
        module = compile_module(text, BACKENDS["cpu"].compile_flags(), f"{self.graph.spec.name}, {what}")
        return Device("local-sync", [module.path])


class Interpreted(Phase3):
    """The modules in the StableHLO reference interpreter."""

    def train(self, batches: Sequence[Batch], rates: Sequence[np.float32], initial: Array | None = None) -> list[Step]:
        return train_interpreted(self, batches, rates, self.initial() if initial is None else initial)


VARIATIONS = {
    "other seeds": Variation(70),
    "batches summed backwards": Variation(10, reversed_batches=True),
    "IREE on one thread": Variation(8, (Phase2, OneThread)),
    "XLA on one thread": Variation(8, environment=(("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false"),)),
    "generic processor": Variation(8, environment=(("HARNESS_IREE_TARGET_CPU", "generic"),)),
    "jit off": Variation(1, environment=(("JAX_DISABLE_JIT", "1"),)),
    "interpreter": Variation(1, (Phase2, Interpreted)),
}


@dataclass(frozen=True)
class CleanPair:
    """One clean pair. `seed`: of its data and, from 42 on, of its initial parameters."""

    network: str
    variation: str
    seed: int

    @property
    def name(self) -> str:
        """For people, and as a key."""
        return f"{self.variation} | {self.network} | {self.seed}"


PAIRS = tuple(
    CleanPair(network, name, seed)
    for network in NETWORKS
    for name, variation in VARIATIONS.items()
    for seed in range(variation.pairs)
)


@cache
def _side(make: type[Phase2] | type[Phase3], network: str, dtype: DType) -> Side:
    """Made once: initial parameters and batches are no part of its program."""
    one = NETWORKS[network]
    return make(one.graph(), one.config, dtype)


def examine_pair(pair: CleanPair) -> dict[str, Detection]:
    """The verdict of each detector on a clean pair."""
    variation = VARIATIONS[pair.variation]
    feed = draw_feed(pair.network, pair.seed)
    backwards = pair.seed % 2 if variation.reversed_batches else None
    runs = [
        {dtype: _run(_side(make, pair.network, dtype), feed, pair.seed, at == backwards) for dtype in DTYPES}
        for at, make in enumerate(variation.sides)
    ]
    return detections(verdicts(runs[0], runs[1], envelope_of(pair.network, pair.seed)))


def _run(side: Side, feed: Feed, seed: int, backwards: bool) -> Run:
    side.init_seed = _INIT_SEED + seed
    if not backwards:
        return run(side, feed)
    rows = tuple(rows[::-1] for rows in feed.image_rows)
    # The same sums in another order, under the name of the batch as it is drawn.
    return run(side, replace(feed, image_rows=rows, label_rows=rows), stated=feed)
