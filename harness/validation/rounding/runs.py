"""Right runs of one network from one start, each of which rounds otherwise; this is what a process of the fit runs.

Every run leaves a trace with norms and projections at every step, in FOLDER/NETWORK/SEED/VARIANT.jsonl.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from harness.data.dataset import resolve_data
from harness.errors import HarnessError, SpecError
from harness.nn.cases import OracleCase, find_case
from harness.nn.optimizers import Adam
from harness.run.inprocess import Phase2, Phase3, Side, first_batches, recorded
from harness.spec.netspec import DType
from harness.spec.network_file import is_network_file
from harness.spec.run_config import STRESS_STEPS, Start
from harness.system.files import replace_file
from harness.system.jobs import answer
from harness.trace.format import StepLine, Trace, to_number
from harness.validation.power.double_scalars import DoubleScalars
from harness.validation.variations import OneThread, OtherCompiler

STEPS = 8
# Rounding grows otherwise at another batch, and not always less at a smaller one.
OTHER_BATCHES = ("cifar_cnn@8", "cifar_cnn@32", "mnist_cnn@8", "mnist_cnn@32", "mnist_mlp@8", "mnist_mlp@32")
IN_F64 = "f64.jsonl"  # the run that others are held to
STRESSED = ".stressed.jsonl"  # of runs from a stressed start
MakeSide = Callable[..., Side]
Order = TypeVar("Order")


@dataclass(frozen=True)
class Surroundings:
    """Variants that share a process: the sides by name, and the environment that makes them what they are.

    `stressed`: those that are run for a step from a stressed start as well.
    """

    sides: Mapping[str, MakeSide]
    environment: Mapping[str, str]
    stressed: tuple[str, ...] = ()


SURROUNDINGS = {
    "usual": Surroundings(
        {
            "phase2": Phase2,
            "phase3": Phase3,
            "double": DoubleScalars,
            "onethread": OneThread,
            "phase3xla": OtherCompiler,
        },
        {},
        stressed=("phase2", "phase3", "onethread", "phase3xla"),
    ),
    "one-thread": Surroundings({"phase2xla1": Phase2}, {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}),
    "f64": Surroundings({"f64": Phase2}, {"JAX_ENABLE_X64": "1"}, stressed=("f64",)),
    "generic": Surroundings({"phase3generic": Phase3}, {"HARNESS_IREE_TARGET_CPU": "generic"}),
}


@dataclass(frozen=True)
class RunOrder:
    """What a process is to run. `network`: a case, or `NAME@BATCH` for another number of examples a step.

    `surroundings`: a key of `SURROUNDINGS`.
    """

    network: str
    surroundings: str
    seeds: tuple[int, ...]
    folder: str


def find_network(name: str) -> OracleCase:
    """The case of a name, or of `NAME@BATCH`. Raises: SpecError when there is none, or for a file of one's own."""
    if is_network_file(name):
        raise SpecError(f"{name}: bounds are fitted on networks of this package and cases only. Leave the file out.")
    case, _, batch = name.partition("@")
    if batch and not (batch.isascii() and batch.isdecimal() and len(batch) < 8 and int(batch)):
        raise SpecError(f"{name}: {batch!r} is no number of examples.")
    return find_case(case, int(batch) if batch else None)


def train_right_runs(order: RunOrder) -> int:
    """Train what is missing; the number of traces that are there afterwards.

    Raises: HarnessError when a program cannot be made, or the data not be had.
    """
    case = find_network(order.network)
    graph, config = case.graph(), case.config
    data = resolve_data(None, case.spec.dataset, case.spec.input_shape).folder
    dtype: DType = "f64" if order.surroundings == "f64" else "f32"
    feed = first_batches(graph, config, data, STEPS, dtype)
    there = 0
    surroundings = SURROUNDINGS[order.surroundings]
    for variant, make in surroundings.sides.items():
        if make is DoubleScalars and not isinstance(config.optimizer, Adam):
            continue
        runs: dict[Path, tuple[int, Start]] = {}
        for seed in order.seeds:
            start = Path(order.folder, order.network, str(seed))
            runs[start / f"{variant}.jsonl"] = seed, "drawn"
            if variant in surroundings.stressed:
                runs[start / f"{variant}{STRESSED}"] = seed, "stressed"
        there += len(runs)
        missing = {path: run for path, run in runs.items() if not path.exists()}
        if not missing:
            continue
        side = make(graph, config, dtype)
        for path, (seed, start_from) in missing.items():
            side.init_seed = seed  # initial parameters are no part of the program
            initial = side.initial(start_from)
            number = STEPS if start_from == "drawn" else STRESS_STEPS
            batches, rates = feed.batches[:number], side.rates(number, feed.steps_per_epoch)
            steps = side.train(batches, rates, initial)
            per_epoch = feed.steps_per_epoch
            run = recorded(side, steps, batches, rates, initial=initial, steps_per_epoch=per_epoch)
            write_trace(path, run.trace)
    return there


def write_trace(path: Path, trace: Trace) -> None:
    """Write a trace as a file; a step that has no channels as its loss and its rate."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bare = zip(trace.epoch.tolist(), trace.loss.tolist(), trace.lr.tolist(), strict=True)
    steps = [
        StepLine(kind="step", step=step, epoch=epoch, loss=to_number(loss), lr=lr)
        for step, (epoch, loss, lr) in zip(trace.step.tolist(), bare, strict=True)
    ]
    lines = [msgspec.json.encode(trace.lines.get(line.step, line)) for line in steps]
    lines = [msgspec.json.encode(trace.header), *lines]
    with replace_file(path) as file:
        file.write(b"".join(line + b"\n" for line in lines))


def obey(kind: type[Order], train: Callable[[Order], int]) -> None:
    """Train what this process was ordered to, by its argument, and answer how many runs that makes."""
    try:
        made = train(msgspec.json.decode(sys.argv[1], type=kind))
    except HarnessError as error:
        sys.exit(str(error))
    answer(made)


if __name__ == "__main__":
    obey(RunOrder, train_right_runs)
