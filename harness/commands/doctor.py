"""`harness doctor`."""

import click


@click.command("doctor")
def doctor_command() -> None:
    """Say what this host can run, and why not the rest; what to do about a line stands in it."""
    from harness.report.terminal import show
    from harness.run.health import examine

    show(examine())
