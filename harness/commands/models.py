"""`harness models`."""

import sys

import click

from harness.commands.usage import USAGE


@click.command("models")
def models_command() -> None:
    """List the networks with their parameter counts.

    Exit codes: 0 all are listed, 2 one cannot be loaded, of which a line says why.
    """
    from harness.errors import SpecError
    from harness.report.terminal import show
    from harness.spec.models import load_model, model_names
    from harness.system.text import Document, Table

    found, broken = [], []
    for name in model_names():
        try:
            found.append(load_model(name))
        except SpecError as error:
            broken.append(str(error))
    rows = [
        [
            m.name,
            m.spec.name,
            f"{m.graph.total_params:,}",
            str(len(m.graph.params)),
            m.spec.dataset,
            m.spec.netspec_hash()[:12],
        ]
        for m in found
    ]
    headers = ["model", "name", "parameters", "tensors", "data", "netspec"]
    show(Document([Table(headers, rows, right=("parameters", "tensors"))]))
    for line in broken:
        click.echo(f"harness: {line}", err=True)
    if broken:
        sys.exit(USAGE)
