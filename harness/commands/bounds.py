"""`harness bounds FOLDER`."""

import sys
from pathlib import Path

import click

from harness.commands.options import jobs_option
from harness.commands.paths import FolderPath
from harness.commands.usage import FiniteRange


@click.command("bounds")
@click.argument("folder", type=FolderPath())
@click.option("--seeds", type=click.IntRange(1, 1000), default=5, show_default=True, help="Starts of each network.")
@click.option(
    "--networks",
    metavar="A,B",
    help="`NAME` or `NAME@BATCH`. Default: the oracle's cases and the networks of the package.",
)
@click.option(
    "--long",
    "long_runs",
    type=click.Path(exists=True, dir_okay=False),
    multiple=True,
    metavar="TRACE",
    help="Right free runs, compared pairwise within each network and start. May be given repeatedly.",
)
@click.option(
    "--lockstep",
    "in_lockstep",
    type=FolderPath(),
    multiple=True,
    metavar="FOLDER",
    help="What `verify` wrote of right runs in lockstep. May be given repeatedly.",
)
@click.option(
    "--only",
    type=click.Choice(["later", "lockstep"]),
    help="Fit the bounds of later steps, or those of lockstep, again, and keep the package's others.",
)
@click.option(
    "--timeout",
    type=FiniteRange(min=0.1),
    metavar="SECONDS",
    default=7200.0,
    show_default=True,
    help="Longest run of one process, which trains one network.",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Default: the package's.")
@jobs_option
def bounds_command(
    folder: Path,
    seeds: int,
    networks: str | None,
    long_runs: tuple[str, ...],
    in_lockstep: tuple[Path, ...],
    only: str | None,
    timeout: float,
    out: Path | None,
    jobs: int | None,
) -> None:
    """Fit the bounds by which the gate `rounding` judges every pair, on right runs that differ by rounding alone.

    FOLDER keeps the traces of the runs; those that are there already are not run again. It takes hours.

    Exit codes: 0 fitted, 1 some runs did not finish and nothing was fitted, 2 usage.
    """
    import msgspec

    from harness.nn.cases import CASES
    from harness.spec.models import model_names
    from harness.spec.run_config import DEFAULT_INIT_SEED
    from harness.system.files import write_json
    from harness.system.progress import JobProgress
    from harness.trace.recording import read_recording
    from harness.validation.power.campaign import default_processes
    from harness.validation.rounding.campaign import train_all, train_all_in_lockstep, train_all_long
    from harness.validation.rounding.fit import (
        fit_bounds,
        fit_later,
        furthest_first,
        pairs_of_one_start,
        right_long_pairs,
    )
    from harness.validation.rounding.lockstep_fit import fit_lockstep, fit_near, right_locksteps
    from harness.validation.rounding.lockstep_runs import LOCKSTEP_NETWORKS, read_lockstep_runs
    from harness.validation.rounding.long_runs import LONG_NETWORKS
    from harness.validation.rounding.runs import OTHER_BATCHES, find_network
    from harness.validation.rounding.whole_fit import fit_ensembles
    from harness.verdict.rounding.bounds import BOUNDS_FILE, fitted_bounds

    names = networks.split(",") if networks else [*CASES, *model_names(), *OTHER_BATCHES]
    for name in names:
        find_network(name)  # says so before the work, if there is no such network
    chosen = tuple(range(DEFAULT_INIT_SEED, DEFAULT_INIT_SEED + seeds))
    processes = jobs or default_processes()
    given = [read_recording(Path(path)) for path in long_runs]
    troubles: list[str] = []
    if only != "lockstep":
        with JobProgress("long runs", len(LONG_NETWORKS)) as progress:
            troubles += train_all_long(folder, processes, timeout, progress)
    if only != "later":
        with JobProgress("lockstep", len(LOCKSTEP_NETWORKS)) as progress:
            troubles += train_all_in_lockstep(folder, processes, timeout, progress)
    if only is None:
        with JobProgress("bounds", len(names)) as progress:
            troubles += train_all(names, chosen, folder, processes, timeout, progress)
    if troubles:
        for trouble in troubles:
            click.echo(trouble, err=True)
        sys.exit(1)
    if only != "later":
        together = [*read_lockstep_runs(folder), *right_locksteps(in_lockstep)]
    if only == "lockstep":
        bounds = msgspec.structs.replace(fitted_bounds(), lockstep=fit_lockstep(together), near=fit_near(together))
    else:
        pairs = [*pairs_of_one_start([run.trace for run in given]), *right_long_pairs(folder)]
        if only is None:
            bounds = fit_bounds(folder, pairs, together)
        else:
            kept = fitted_bounds()
            bounds = msgspec.structs.replace(kept, later=fit_later(pairs, furthest_first(kept.tables)))
        later = msgspec.structs.replace(bounds.later, ensembles=fit_ensembles(given))
        bounds = msgspec.structs.replace(bounds, later=later)
    path = BOUNDS_FILE if out is None else out
    write_json(path, bounds, indent=1)
    held = bounds.held_out
    click.echo(
        f"Fitted on {bounds.source}; {held['inside']} of {held['networks']} networks are inside the bounds of the "
        f"others. Written to {path}"
    )
