"""`harness envelope MODEL`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from harness.commands.completion import complete_models
from harness.commands.options import batch_option, data_option, image_size_option, seed_option
from harness.commands.paths import FilePath, FolderPath

if TYPE_CHECKING:
    from harness.system.text import Document
    from harness.verdict.envelope.envelope import Envelope
    from harness.verdict.envelope.plan import Plan

BUDGET = 400


@click.command("envelope")
@click.argument("model", required=False, shell_complete=complete_models)
@click.option(
    "--steps-budget",
    type=click.IntRange(min=1),
    default=BUDGET,
    show_default=True,
    metavar="N",
    help="Training steps that all members may take together, at most.",
)
@click.option(
    "--seconds",
    type=click.IntRange(min=1),
    default=60,
    show_default=True,
    metavar="N",
    help="Take only as many steps as fit into this time, once all is compiled; at least three of every member.",
)
@batch_option
@image_size_option
@seed_option
@click.option(
    "--init",
    type=FilePath(exists=True),
    metavar="FILE",
    help="Initial parameters, little-endian float32 in the network's order, instead of those of a seed.",
)
@data_option
@click.option("--out", type=FilePath(), metavar="FILE", help="Default: into the cache.")
@click.option(
    "--fit",
    type=FolderPath(),
    metavar="FOLDER",
    help="Instead: run clean pairs of small networks, keep what came of each in FOLDER, and fit the margin of --out.",
)
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Processes of --fit. Default: one a core.")
@click.pass_context
def envelope_command(
    ctx: click.Context,
    model: str | None,
    steps_budget: int,
    seconds: int,
    batch: int | None,
    image_size: int | None,
    seed: int,
    init: Path | None,
    data: str | None,
    out: Path | None,
    fit: Path | None,
    jobs: int | None,
) -> None:
    """Measure what rounding alone does to the first steps of MODEL, and keep it for `diff` and `verify`.

    Thirty-eight runs whose parameters, layer outputs, scalars or order of summation differ in the last digit show how
    far losses, gradients and updates come apart, how fast that grows, and from which step on it says nothing.
    """
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    if fit is not None:
        _fit(fit, jobs or len(os.sched_getaffinity(0)), out)
        return
    if model is None:
        raise click.UsageError("name a MODEL; `harness models` lists them.")
    if init is not None and ctx.get_parameter_source("seed") is ParameterSource.COMMANDLINE:
        raise click.UsageError("--seed and --init exclude each other.")
    from harness.data.dataset import resolve_data
    from harness.data.initial_parameters import read_init
    from harness.errors import EnvelopeError
    from harness.report.terminal import show
    from harness.run.inprocess import first_batches
    from harness.spec.models import load_model
    from harness.verdict.envelope.build import build_envelope, drawn
    from harness.verdict.envelope.envelope import write_envelope
    from harness.verdict.envelope.find import keep_envelope, make_cache
    from harness.verdict.envelope.members import Members
    from harness.verdict.envelope.plan import affordable, make_plan

    make_plan(steps_budget)  # refuses one that is too small
    if out is None:  # before the work, not after it
        make_cache()
    elif not out.absolute().parent.is_dir():
        raise EnvelopeError(f"--out {out}: the folder {out.absolute().parent} does not exist. Make it first.")
    loaded = load_model(model, batch=batch, image_size=image_size)
    graph, config = loaded.graph, loaded.config
    folder = resolve_data(data, loaded.spec.dataset, loaded.spec.input_shape).folder
    initial = drawn(graph, seed) if init is None else read_init(init, graph.total_params)
    click.echo("compiling…", err=True)
    members = Members(graph, config, first_batches(graph, config, folder, 1))
    a_step = members.step_seconds(initial)
    plan = make_plan(affordable(seconds, a_step, steps_budget))
    click.echo(describe(plan, a_step))
    members.feed = first_batches(graph, config, folder, plan.reference.steps)
    envelope = build_envelope(
        members, plan, seed, lambda line: click.echo(f"{line}…", err=True), initial=None if init is None else initial
    )
    if out is None:
        path = keep_envelope(envelope)
    else:
        path = out
        write_envelope(path, envelope)
    show(render(envelope))
    click.echo(f"Written to {path}")


def describe(plan: "Plan", step_seconds: float) -> str:
    """The cost of a plan, before it is run."""
    return (
        f"{plan.cost} training steps of {step_seconds:.2g} s: {len(plan.members)} members of {plan.steps}, "
        f"{1 + len(plan.perturbed_far)} runs of {plan.reference.steps} for the growth"
    )


def render(envelope: "Envelope") -> "Document":
    """The table of an envelope: by step the loss and the channel that came apart most, then growth and cost."""
    from harness.system.text import Document, Table

    rows = []
    for step, spread in enumerate(envelope.spread, 1):
        largest = int(spread.argmax())
        rows.append([str(step), f"{spread[0]:.1e}", f"{spread[largest]:.1e}", envelope.channels[largest]])
    start = (
        f"initial parameters {envelope.init_sha256[:12]}…"
        if envelope.init_seed is None
        else f"init seed {envelope.init_seed}"
    )
    growth = "does not grow" if envelope.growth is None else f"grows {envelope.growth:.2f} times a step"
    horizon = "never reaches" if envelope.horizon is None else f"after step {envelope.horizon} reaches"
    how = "" if envelope.observed or envelope.horizon is None else ", extrapolated"
    return Document(
        [
            "",
            f"{envelope.netspec_name}, {start}: how far {envelope.members} members come apart",
            "",
            Table(("step", "loss", "largest", "of"), rows),
            "",
            f"A small difference of the loss {growth}, and {horizon} {envelope.ceiling:.1e}{how}.",
            f"Cost: {envelope.training_steps} training steps in {envelope.seconds:.0f} s with compilation, "
            f"{envelope.seconds / envelope.plain_seconds:.2f} of what so many plain ones take.",
        ]
    )


def _fit(folder: Path, jobs: int, out: Path | None) -> None:
    from harness.system.files import write_json
    from harness.validation.power.calibrate import SEEDS, default_names, fit_margin
    from harness.verdict.envelope.margin import MARGIN_FILE

    folder.mkdir(parents=True, exist_ok=True)
    margin = fit_margin(SEEDS, default_names(), jobs, folder, click.echo)
    path = MARGIN_FILE if out is None else out
    write_json(path, margin, indent=2)
    held = margin.held_out
    click.echo(
        f"Fitted on {margin.fitted_on['pairs']} pairs; held out, {held['outside']} of {held['pairs']} are outside. "
        f"Written to {path}"
    )
