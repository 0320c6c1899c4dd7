"""`harness module VERB FILE`: any StableHLO module, whoever made it. One file per verb, and the options they share."""

import click

from harness.commands.module.check import check_command
from harness.commands.module.inspect import inspect_command
from harness.commands.module.isolate import isolate_command
from harness.commands.module.run import run_command


@click.group("module")
def module_command() -> None:
    """Run any StableHLO module on several executors, and tell rounding from a fault."""


for verb in (inspect_command, run_command, check_command, isolate_command):
    module_command.add_command(verb)
