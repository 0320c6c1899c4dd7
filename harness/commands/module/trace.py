"""`harness module trace STEP.toml`: train a network with a module's step, and trace it."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.commands.completion import complete_models
from harness.commands.options import data_option, image_size_option, seed_option, start_option
from harness.commands.paths import FilePath
from harness.commands.run import run_alone
from harness.commands.run_options import (
    RunOptions,
    batch_option,
    channels_option,
    keep_states_option,
    out_option,
    shuffle_option,
    steps_option,
    timeout_option,
)

if TYPE_CHECKING:
    from harness.spec.netspec import DType
    from harness.spec.run_config import Start


@click.command("trace")
@click.argument("file", type=FilePath(exists=True), metavar="STEP.toml")
@click.option(
    "--model", required=True, shell_complete=complete_models, metavar="MODEL", help="Network that the step trains."
)
@click.option(
    "--on",
    "executor",
    default="xla",
    show_default=True,
    metavar="NAME",
    help="Executor: xla, iree, iree-generic or vmvx.",
)
@steps_option
@batch_option
@image_size_option
@click.option(
    "--dtype",
    type=click.Choice(["f32", "f64"]),
    default="f32",
    show_default=True,
    help="f64: the module is widened, and runs on XLA.",
)
@seed_option
@start_option
@data_option
@shuffle_option
@channels_option
@timeout_option
@keep_states_option
@out_option
def trace_command(
    file: Path,
    model: str,
    executor: str,
    steps: int | str | None,
    batch: int | str | None,
    image_size: int | None,
    dtype: "DType",
    seed: int,
    start: "Start",
    data: str | None,
    shuffle: bool,
    channels: str,
    timeout: float | None,
    keep_states: int,
    out: Path,
) -> None:
    """Train MODEL with the step of a module, and print the path of the trace.

    STEP.toml says what the module's arguments and results are; `harness module inspect --toml` writes it.

    Exit codes: 0 the run is complete, 2 usage, or module, step file and network do not fit, 3 it is not complete.
    """
    from dataclasses import replace

    import msgspec

    from harness.system.process import interruptible

    name = f"{_name(file)}_{_name(Path(executor))}"
    asked = RunOptions(
        model=model,
        steps=steps,
        batch=batch,
        image_size=image_size,
        profile="shared",
        dtype=dtype,
        seed=seed,
        data=data,
        shuffle=shuffle,
        eager=False,
        channels=channels,
        timeout=timeout,
        keep_states=keep_states,
        externals=(),
        modules=(f"{name}={file}@{executor}",),
        out=out,
    )
    loaded = asked.load()
    run = msgspec.structs.replace(loaded.run, start=start)
    interruptible()
    run_alone(replace(loaded, run=run, backends=("cpu",)), name, "cpu")


def _name(path: Path) -> str:
    """A word for a pipeline's name: letters, digits and underscores, a letter first."""
    word = re.sub(r"[^A-Za-z0-9_]", "_", path.stem)
    return word if word[:1].isalpha() else f"step_{word}"
