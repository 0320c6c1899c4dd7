"""`harness models`."""

import click


@click.command("models")
def models_command() -> None:
    """List the networks with their parameter counts."""
    from harness.report.terminal import show
    from harness.spec.models import all_models
    from harness.system.text import Document, Table

    rows = [
        [
            m.name,
            m.spec.name,
            f"{m.graph.total_params:,}",
            str(len(m.graph.params)),
            m.spec.dataset,
            m.spec.netspec_hash()[:12],
        ]
        for m in all_models()
    ]
    headers = ["model", "name", "parameters", "tensors", "data", "netspec"]
    show(Document([Table(headers, rows, right=("parameters", "tensors"))]))
