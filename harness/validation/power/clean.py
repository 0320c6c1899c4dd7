"""Clean pairs, which differ by rounding alone: no verdict on one of them may be a failure."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np

from harness.run.backends import BACKENDS
from harness.run.compile import compile_module
from harness.run.inprocess import Array, Batch, Phase2, Phase3, Side, Step
from harness.run.iree_runner import Device
from harness.run.xla_device import XlaDevice
from harness.spec.run_config import DEFAULT_INIT_SEED
from harness.validation.interpreted import train_interpreted
from harness.validation.power.double_scalars import DoubleScalars
from harness.validation.power.examination import Detection, detections
from harness.validation.power.networks import ADAPTIVE, NETWORKS, draw_feed
from harness.validation.power.pairs import DTYPES, OTHER_MODES, Run, run, verdicts
from harness.validation.power.right import right_labels, right_side
from harness.verdict.judge import Status


@dataclass(frozen=True)
class Variation:
    """A difference between two clean sides. `pairs`: how many of each network. `environment`: of the process.

    `networks`: those that it makes a difference to. `sides`: the classes of the two; `reversed_batches`: True when one
    of them, in turns, is fed every batch backwards.
    """

    pairs: int
    sides: tuple[type[Phase2], type[Phase3]] = (Phase2, Phase3)
    environment: tuple[tuple[str, str], ...] = ()
    reversed_batches: bool = False
    networks: tuple[str, ...] = tuple(NETWORKS)


class OneThread(Phase3):
    """Runs on the calling thread only."""

    def _device(self, text: str, what: str) -> Device:
        module = compile_module(text, BACKENDS["cpu"].compile_flags(), f"{self.graph.spec.name}, {what}")
        return Device("local-sync", [module.path])


class OtherCompiler(Phase3):
    """The modules on XLA, which compiles a function when it is first called."""

    def _device(self, text: str, what: str) -> XlaDevice:
        with tempfile.NamedTemporaryFile("w", suffix=".mlir") as file:
            file.write(text)
            file.flush()
            return XlaDevice([Path(file.name)])


class Interpreted(Phase3):
    """The modules in the StableHLO reference interpreter."""

    def train(self, batches: Sequence[Batch], rates: Sequence[np.float32], initial: Array | None = None) -> list[Step]:
        return train_interpreted(self, batches, rates, self.initial() if initial is None else initial)


VARIATIONS = {
    "other seeds": Variation(90),
    # Not where there is dropout, whose mask goes by the place in the batch.
    "batches summed backwards": Variation(
        20, reversed_batches=True, networks=tuple(name for name in NETWORKS if name != "colour")
    ),
    "double scalars": Variation(10, (DoubleScalars, Phase3), networks=ADAPTIVE),
    "other compiler": Variation(10, (Phase2, OtherCompiler)),
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
    if network in variation.networks
    for seed in range(variation.pairs)
)


class CleanFinding(msgspec.Struct, frozen=True):
    """The result of a clean pair. `detections`: by detector. `statuses`: in other modes, by mode and detector."""

    detections: dict[str, Detection]
    statuses: dict[str, dict[str, Status]]


def examine_pair(pair: CleanPair) -> CleanFinding:
    """The verdict of each detector on a clean pair."""
    variation = VARIATIONS[pair.variation]
    backwards = pair.seed % 2 if variation.reversed_batches else None
    a, b = (
        {dtype: _run(right_side(make, pair.network, dtype), pair, at == backwards) for dtype in DTYPES}
        for at, make in enumerate(variation.sides)
    )
    others = {
        mode.name: {name: verdict.status for name, verdict in verdicts(a, b, mode).items()} for mode in OTHER_MODES
    }
    return CleanFinding(detections(verdicts(a, b)), others)


def _run(side: Side, pair: CleanPair, backwards: bool) -> Run:
    feed, labels = draw_feed(pair.network, pair.seed), right_labels(pair.network, pair.seed)
    side.init_seed = DEFAULT_INIT_SEED + pair.seed
    if not backwards:
        return run(side, feed, labels)
    rows = tuple(rows[::-1] for rows in feed.image_rows)
    # The same sums in another order, under the name of the batch as it is drawn.
    return run(side, replace(feed, image_rows=rows, label_rows=rows), labels, stated=feed)
