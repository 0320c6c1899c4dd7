"""`harness module VERB FILE`: any StableHLO module, whoever made it. One file per verb, and the options they share."""

import click

from harness.commands.module.check import check_command
from harness.commands.module.inspect import inspect_command
from harness.commands.module.isolate import isolate_command
from harness.commands.module.reduce_batch import reduce_batch_command
from harness.commands.module.run import run_command
from harness.commands.module.tie import tie_command
from harness.commands.module.trace import trace_command
from harness.commands.usage import ending


class _ModuleGroup(click.Group):
    """Ends as what was begun is put away, however it was interrupted."""

    def invoke(self, ctx: click.Context) -> object:
        from harness.system.process import interruptible

        interruptible()
        with ending():
            return super().invoke(ctx)


@click.group("module", cls=_ModuleGroup)
def module_command() -> None:
    """Run any StableHLO module on several executors, and tell rounding from a fault."""


for verb in (
    inspect_command,
    run_command,
    check_command,
    isolate_command,
    reduce_batch_command,
    tie_command,
    trace_command,
):
    module_command.add_command(verb)
