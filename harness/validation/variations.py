"""The ways in which two right sides differ by rounding alone; no verdict on such a pair may be a failure."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from harness.nn.layers.dropout import Dropout
from harness.nn.optimizers import Adam
from harness.run.backends import BACKENDS
from harness.run.compile import compile_module
from harness.run.inprocess import Array, Batch, Phase2, Phase3, Step
from harness.run.iree_device import Device
from harness.run.xla_device import XlaDevice
from harness.spec.netspec import NetSpec, TrainConfig
from harness.validation.interpreted import train_interpreted
from harness.validation.power.double_scalars import DoubleScalars


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


class TrainedNetwork(Protocol):
    """A network and how it is trained."""

    @property
    def spec(self) -> NetSpec: ...

    @property
    def config(self) -> TrainConfig: ...


def _any(network: TrainedNetwork) -> bool:
    return True


def _adaptive(network: TrainedNetwork) -> bool:
    """Whether its optimizer computes with powers."""
    return isinstance(network.config.optimizer, Adam)


def _without_places(network: TrainedNetwork) -> bool:
    """Whether an example's place in the batch is nothing to it; the mask of a dropout goes by that."""
    return not any(isinstance(layer, Dropout) for layer in network.spec.layers)


@dataclass(frozen=True)
class Variation:
    """A difference between two right sides. `sides`: their classes. `environment`: of the process.

    `backwards`: one of them is fed the rows of every batch in reverse order. `ulp`: the second one starts one unit in
    the last place away. `suits`: the networks that rounding, and nothing else, differs for.
    """

    sides: tuple[type[Phase2], type[Phase3]] = (Phase2, Phase3)
    environment: tuple[tuple[str, str], ...] = ()
    backwards: bool = False
    ulp: bool = False
    suits: Callable[[TrainedNetwork], bool] = _any


VARIATIONS = {
    "other seeds": Variation(),
    "batches summed backwards": Variation(backwards=True, suits=_without_places),
    "double scalars": Variation((DoubleScalars, Phase3), suits=_adaptive),
    "other compiler": Variation((Phase2, OtherCompiler)),
    "one ulp away": Variation(ulp=True),
    "IREE on one thread": Variation((Phase2, OneThread)),
    "XLA on one thread": Variation(environment=(("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false"),)),
    "generic processor": Variation(environment=(("HARNESS_IREE_TARGET_CPU", "generic"),)),
    "jit off": Variation(environment=(("JAX_DISABLE_JIT", "1"),)),
    "interpreter": Variation((Phase2, Interpreted)),
}


@dataclass(frozen=True)
class CleanPair:
    """Two right sides of a network. `variation`: a key of `VARIATIONS`.

    `seed`: of their data and, from 42 on, of their initial parameters.
    """

    network: str
    variation: str
    seed: int

    @property
    def name(self) -> str:
        """For people, and as a key."""
        return f"{self.variation} | {self.network} | {self.seed}"


def clean_pairs(networks: Mapping[str, TrainedNetwork], numbers: Mapping[str, int]) -> tuple[CleanPair, ...]:
    """Pairs of each network, by variation so many of those that suit it."""
    return tuple(
        CleanPair(name, variation, seed)
        for name, network in networks.items()
        for variation, number in numbers.items()
        if VARIATIONS[variation].suits(network)
        for seed in range(number)
    )
