"""`harness host [ADDRESS]`."""

import json
from pathlib import Path

import click

from harness.commands.paths import FolderPath


@click.command("host")
@click.argument("address", required=False, metavar="[HOST:PORT]")
@click.option("--head", is_flag=True, help="Begin a cluster, and take part in it.")
@click.option("--ip", default="127.0.0.1", show_default=True, help="Address of this host for the others.")
@click.option(
    "--port", type=click.IntRange(1024, 65535), default=6379, show_default=True, help="With --head: its port."
)
@click.option(
    "--slots", type=click.IntRange(1, 1000), default=1, show_default=True, metavar="N", help="Parts to run at a time."
)
@click.option("--folder", type=FolderPath(), help="Where parts run. Default: `parts` in the cache.")
@click.option(
    "--await",
    "awaited",
    type=click.IntRange(min=1),
    metavar="N",
    help="Only wait for N hosts, and list them.",
)
@click.option("--resources", "only_print", is_flag=True, help="Print what this host would announce, as JSON, and end.")
def host_command(
    address: str | None,
    head: bool,
    ip: str,
    port: int,
    slots: int,
    folder: Path | None,
    awaited: int | None,
    only_print: bool,
) -> None:
    """Take part in a cluster, so that `nightly --engine ray` can run parts of a night here.

    HOST:PORT is the address of the cluster's head. What this host has is asked of each backend and announced.

    Exit codes: 2 it cannot take part, or the others did not come; 130 stopped.
    """
    from harness.errors import ContractError
    from harness.night.spread.cluster import await_hosts, read_address
    from harness.night.spread.host import HostPlan, resources, take_part
    from harness.system.text import escape_control

    if only_print:
        click.echo(json.dumps(resources(slots)))
        return
    if head == (address is not None) or (head and awaited is not None):
        raise ContractError("expected either --head, to begin a cluster, or HOST:PORT of the head of one.")
    if address is not None:
        read_address(address)
    if awaited is not None and address is not None:
        for line in await_hosts(address, awaited):
            click.echo(escape_control(line))
        return
    plan = HostPlan(address, ip, port, slots, folder)
    take_part(plan, lambda line: click.echo(escape_control(line), err=True))
