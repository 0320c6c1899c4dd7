"""The options of the verbs that train networks, declared once and handed over as one object."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate

import click

from harness.commands.options import (
    data_option,
    dtype_option,
    image_size_option,
    model_argument,
    profile_option,
    read_count,
    seed_option,
)
from harness.commands.paths import FolderPath
from harness.commands.usage import FiniteRange

if TYPE_CHECKING:
    from harness.run.verification import Verification
    from harness.spec.netspec import DType


@dataclass(frozen=True)
class RunOptions:
    """A network and how to train it, as it was typed. Each field is the parameter of that name in `_DECLARED`."""

    model: str
    steps: int | str | None
    batch: int | str | None
    image_size: int | None
    profile: str
    dtype: "DType"
    seed: int
    data: str | None
    shuffle: bool
    eager: bool
    channels: str
    timeout: float | None
    keep_states: int
    externals: tuple[str, ...]
    modules: tuple[str, ...]
    out: Path

    def load(self) -> "Verification":
        """The verification that was asked for, with the network loaded; the rest are defaults.

        Raises: HarnessError.
        """
        from harness.run.cell_plan import DEFAULT_TIMEOUT_S
        from harness.run.external import parse_externals, refuse_same_names
        from harness.run.verification import Verification
        from harness.spec.models import load_for_run
        from harness.spec.run_config import RunConfig

        externals = parse_externals(self.externals)
        model, steps = load_for_run(self.model, self.steps, self.batch, self.image_size)
        if self.modules:
            from harness.module.training.pipeline import module_pipelines

            externals = (*externals, *module_pipelines(self.modules, model))
            refuse_same_names(externals)
        return Verification(
            model=model,
            out=self.out,
            run=RunConfig(
                dtype=self.dtype,
                init_seed=self.seed,
                profile=self.profile,
                shuffle=self.shuffle,
                eager=self.eager,
                steps=steps,
                channels=self.channels,
            ),
            data=self.data,
            timeout_s=DEFAULT_TIMEOUT_S if self.timeout is None else self.timeout,
            externals=externals,
            keep_states=self.keep_states,
        )


steps_option = click.option(
    "--steps", callback=read_count, metavar="N|full", help="Training steps. Default: the network's own."
)
batch_option = click.option(
    "--batch", callback=read_count, metavar="N|full", help="Examples a step. Default: the network's own for verify."
)
shuffle_option = click.option("--shuffle", is_flag=True, help="Shuffle every epoch, alike in all pipelines.")
channels_option = click.option(
    "--channels",
    type=click.Choice(["default", "all", "none"]),
    default="default",
    show_default=True,
    help="Steps that carry norms, projections and batch digests: 1-8 and every 64th, all, or none.",
)
timeout_option = click.option(
    "--timeout", type=FiniteRange(min=0.1), metavar="SECONDS", help="Longest run of one cell."
)
keep_states_option = click.option(
    "--keep-states",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Keep N states with each cell, from which `harness replay` can judge it on another host.",
)
out_option = click.option("--out", type=FolderPath(), default=Path(), help="Output directory.")

_DECLARED = (
    model_argument,
    steps_option,
    batch_option,
    image_size_option,
    profile_option,
    dtype_option,
    seed_option,
    data_option,
    shuffle_option,
    click.option("--eager", is_flag=True, help="Phase 2 without just-in-time compilation."),
    channels_option,
    timeout_option,
    keep_states_option,
    click.option(
        "--pipeline-cmd",
        "externals",
        multiple=True,
        metavar="NAME=COMMAND",
        help="Also run a command that obeys the environment contract. May be given several times.",
    ),
    click.option(
        "--module",
        "modules",
        multiple=True,
        metavar="NAME=STEP.toml[@EXECUTOR]",
        help="Also train with the step of a StableHLO module. May be given several times.",
    ),
    out_option,
)


def run_options(function: Callable[Concatenate[RunOptions, ...], None]) -> Callable[..., None]:
    """Declare all options of `RunOptions`; they reach the function as its first argument."""

    @wraps(function)
    def collect(**given: Any) -> None:
        function(RunOptions(**{field.name: given.pop(field.name) for field in fields(RunOptions)}), **given)

    declared: Callable[..., None] = collect
    for option in reversed(_DECLARED):
        declared = option(declared)
    return declared


def announce_states(verification: "Verification", examples: int) -> None:
    """Say before a run how much the states take that are kept with its cells. `examples`: of training images."""
    from harness.run.sampling import state_bytes

    if steps := verification.kept_steps(examples):
        size = state_bytes(verification.model.graph, verification.model.config)
        size *= 2 if verification.run.dtype == "f64" else 1
        each = f"{len(steps)} states of {size / 1e6:,.1f} MB"
        click.echo(f"{each} are kept with each cell: {len(steps) * size / 1e6:,.0f} MB a cell.", err=True)
