"""The plan of a run: facts about modules for their runner. It holds nothing to calculate with."""

import hashlib
from pathlib import Path
from typing import Any, Literal

import msgspec

from harness.errors import EmitError
from harness.spec.netspec import DType, Initialiser, Shape, TrainConfig
from harness.spec.shapes import Graph


class PlannedParam(msgspec.Struct, frozen=True):
    """One trainable tensor, in the order of the init file; what drawing it takes."""

    name: str
    shape: Shape
    init: Initialiser
    fan_in: int


class PlannedState(msgspec.Struct, frozen=True):
    """One running statistic, which starts at zero."""

    name: str
    shape: Shape


class PlannedTraining(msgspec.Struct, frozen=True):
    """Part of a TrainConfig that the runner needs: number of steps, rates, batches."""

    lr: float
    batch_size: int
    epochs: int
    cosine: bool
    warmup_epochs: int
    augment: bool
    schedule: Literal["epoch", "step"]


class RunnerPlan(msgspec.Struct, kw_only=True, frozen=True):
    """Call of modules with the interface of `harness.emit.train_step`.

    `header`: the facts of the trace's header that are known beforehand. `slots`: names of what the optimizer keeps for
    each parameter, zero at the start.

    Shapes: input_shape without the batch.
    """

    header: dict[str, Any]
    dtype: DType
    input_shape: Shape
    params: tuple[PlannedParam, ...]
    states: tuple[PlannedState, ...]
    slots: tuple[str, ...]
    config: PlannedTraining
    init_seed: int


def make_plan(
    header: dict[str, Any], train_step: str, graph: Graph, config: TrainConfig, dtype: DType, init_seed: int
) -> RunnerPlan:
    """The plan of modules, of which `train_step` is one by its text."""
    return RunnerPlan(
        header=header | {"emitted_sha256": hashlib.sha256(train_step.encode()).hexdigest()},
        dtype=dtype,
        input_shape=graph.spec.input_shape,
        params=tuple(PlannedParam(p.name, p.shape, p.init, p.fan_in) for p in graph.params),
        states=tuple(PlannedState(s.name, s.shape) for s in graph.states),
        slots=config.optimizer.slots,
        config=msgspec.convert(config, PlannedTraining, from_attributes=True),
        init_seed=init_seed,
    )


def write_plan(path: Path, plan: RunnerPlan) -> None:
    """Write the plan as JSON. Raises: OSError."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(plan), indent=1))


def read_plan(path: Path) -> RunnerPlan:
    """The plan of a file. Raises: EmitError for a file that holds none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=RunnerPlan)
    except OSError as error:
        raise EmitError(f"{path}: the plan cannot be read: {error.strerror}.") from None
    except msgspec.MsgspecError as error:
        raise EmitError(f"{path}: no plan: {error}. Emit the programs again.") from None
