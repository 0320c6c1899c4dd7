"""The options that tell the reader of other tools' logs what their columns do not."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from harness.trace.logs.keys import LogKeys

Command = TypeVar("Command", bound=Callable[..., Any])
_OPTIONS = {
    "step": "Column of the steps",
    "loss": "Column of the losses",
    "lr": "Column of the learning rates",
    "norm": "Column of the norms of all gradients",
}


def log_options(command: Command) -> Command:
    """Adds the options `--step-key` and so on, and `--run`, each of which may be given once or once for each file."""
    run = click.option("--run", "runs", multiple=True, metavar="NAME", help="Run of a log that has several.")
    for name, what in reversed(_OPTIONS.items()):
        text = f"{what} of a log; once for all files, or once for each."
        option = click.option(f"--{name}-key", f"{name}_keys", multiple=True, metavar="COLUMN", help=text)
        command = option(command)
    return run(command)


def log_keys(files: int, runs: tuple[str, ...], **keys: tuple[str, ...]) -> "list[LogKeys]":
    """What is told of each of so many files. Raises: click.UsageError for options that are neither one nor as many."""
    from harness.trace.logs.keys import LogKeys

    given = {name.removesuffix("_keys"): values for name, values in keys.items()} | {"run": runs}
    for name, values in given.items():
        if len(values) not in (0, 1, files):
            option = "--run" if name == "run" else f"--{name}-key"
            raise click.UsageError(f"{option} is there {len(values)} times; expected once, or once for each file.")
    return [
        LogKeys(**{name: values[file % len(values)] for name, values in given.items() if values})
        for file in range(files)
    ]
