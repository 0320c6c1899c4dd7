"""`harness verify MODEL`: run the cells, judge their pairs, look for causes, split, report."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from harness.commands.completion import complete_backends
from harness.commands.options import (
    all_steps_option,
    coverage_option,
    mode_option,
    read_names,
    renamed,
    segment_option,
    verbose_option,
    window_option,
)
from harness.commands.run_options import RunOptions, run_options

if TYPE_CHECKING:
    from harness.report.verification import Outcome
    from harness.run.verification import Verification
    from harness.trace.store import StoredCell
    from harness.verdict.compare import Judging
    from harness.verdict.pair import PairRow


@click.command(
    "verify",
    context_settings=renamed({"ladder": "f64-check", "no-ladder": "no-f64-check", "square": "factorial"}),
)
@click.option(
    "--backends",
    callback=read_names,
    metavar="A,B",
    shell_complete=complete_backends,
    help="Default: those of cpu, cuda and rocm that are present.",
)
@run_options
@mode_option
@window_option
@all_steps_option
@coverage_option
@click.option(
    "--f64-check/--no-f64-check", default=True, help="Run pairs on the CPU in f64 too, for 4 steps. On by default."
)
@click.option(
    "--stress/--no-stress",
    default=True,
    help="With the f64 check, also run a step from a stressed start in both precisions. On by default.",
)
@click.option(
    "--wide/--no-wide",
    default=True,
    help="Also run pairs on the CPU in f64 with parameters rounded to f32 after each step, for up to 64 steps, which "
    "have to be equal. On by default.",
)
@click.option(
    "--lockstep/--no-lockstep",
    default=True,
    help="Also run phase 3 set to phase 2's state every 8 steps, so that every step is judged. On by default.",
)
@segment_option
@click.option(
    "--states",
    type=click.IntRange(min=0),
    default=16,
    show_default=True,
    metavar="N",
    help="With the f64 check, run the pair on the CPU in f64 from N states of phase 2's run, and compare the test's "
    "logits by each; 0: none.",
)
@click.option("--factorial", is_flag=True, help="Also run each derivation on the other compiler; split the difference.")
@click.option(
    "--interpreter",
    is_flag=True,
    help="Also run phase 3 on the CPU without a compiler, operation by operation: for a few steps of small networks.",
)
@click.option(
    "--against-rev",
    "revision",
    metavar="REV",
    help="Instead hold each pipeline to itself, as the generator of this git revision of the harness runs it; bit for "
    "bit unless --mode says otherwise.",
)
@click.option("--compile-all", is_flag=True, help="Compile phase 3 also for backends that are absent.")
@verbose_option
@click.pass_context
def verify_command(
    ctx: click.Context,
    asked: RunOptions,
    backends: tuple[str, ...] | None,
    mode: str,
    window: int | None,
    all_steps: bool,
    coverage: float,
    f64_check: bool,
    stress: bool,
    wide: bool,
    lockstep: bool,
    segment: int,
    states: int,
    factorial: bool,
    interpreter: bool,
    revision: str | None,
    compile_all: bool,
    verbose: bool,
) -> None:
    """Train MODEL with every pipeline on every backend and judge each pair of runs.

    MODEL is a network of `harness models`, or the path of a file of your own, NAME.py, which is run.

    Exit codes: 0 all pairs agree, 1 one differs, 2 usage, 3 inconclusive or a backend that was asked for is absent.
    """
    from harness.report import verification as report
    from harness.report.terminal import show
    from harness.run.backends import backend
    from harness.run.software import with_software_steps
    from harness.system.process import interruptible
    from harness.verdict.compare import judging_by

    if revision is not None and ctx.get_parameter_source("mode") is ParameterSource.DEFAULT:
        mode = "bitwise"
    judging = judging_by(mode, window, None, all_steps, coverage)
    if revision is not None and asked.externals:
        raise click.UsageError("--against-rev runs the harness's own pipelines: leave --pipeline-cmd out.")
    if revision is not None and asked.modules:
        raise click.UsageError("--against-rev runs the harness's own pipelines: leave --module out.")
    if revision is not None and asked.keep_states:
        raise click.UsageError("--against-rev keeps no states: leave --keep-states out.")
    if factorial and asked.eager:
        raise click.UsageError("--factorial and --eager exclude each other: all runs of a factorial are compiled.")
    for name in backends or ():
        backend(name)
    _refuse_alone(backends or (), asked)
    verification = replace(
        asked.load(),
        backends=backends,
        f64_check=f64_check,
        stress=stress,
        wide=wide,
        lockstep=lockstep,
        segment=segment,
        states=states,
        factorial=factorial,
        interpreter=interpreter,
        compile_all=compile_all,
    )
    interruptible()
    if asked.steps is None:
        verification, why = with_software_steps(verification)
        if why:
            click.echo(why, err=True)
    outcome = verify(verification, judging) if revision is None else verify_against(verification, judging, revision)
    paths = report.write_reports(outcome)
    show(report.for_terminal(outcome, verbose=verbose))
    click.echo(f"\nReports: {', '.join(map(str, paths))}; traces: {verification.folder}/")
    sys.exit(report.outcome_exit_code(outcome))


def _refuse_alone(backends: Sequence[str], asked: RunOptions) -> None:
    """Refuse backends on which one run alone would be, which nothing could be compared with."""
    from harness.run.backends import BACKENDS
    from harness.run.pipelines import MAIN

    runs = [name for name in backends for pipeline in MAIN if BACKENDS[name].serves(pipeline)]
    if len(runs) == 1 and not (asked.externals or asked.modules):
        raise click.BadParameter(
            f"{runs[0]} has one pipeline, which is compared with that of another backend. Name cpu as well.",
            param_hint="--backends",
        )


def verify(verification: "Verification", judging: "Judging") -> "Outcome":
    """Run all cells one after another and judge every pair that differs in one factor.

    Raises: HarnessError for unusable input; a cell that fails is a result and not an error.
    """
    from harness.commands.run_options import announce_states
    from harness.explain.subprocess import Trained, explain_pairs
    from harness.report.verification import Outcome
    from harness.run.policy import Policy
    from harness.run.progress import CellProgress
    from harness.run.run_cells import run_all
    from harness.run.runner import prepared
    from harness.verdict.pairs import judge_pairs, split_factorials

    with prepared(verification) as runner, CellProgress() as progress:
        announce_states(verification, runner.data.examples)
        for report in verification.reports:
            report.unlink(missing_ok=True)  # nothing of an earlier run may pass for this one
        ran = run_all(runner, Policy(), progress)
        rows = list(judge_pairs(ran.cells, judging, ran.evidence))
        trained = Trained(verification.model.source, runner.data.folder)
        with progress.preparing("why pairs differ"):
            rows = list(explain_pairs(rows, ran.evidence, trained))
    factorials = tuple(split_factorials(ran.cells, judging)) if verification.factorial else ()
    return Outcome(
        verification=verification,
        judging=judging,
        data=runner.data,
        init_sha256=runner.init_sha256,
        cells=ran.cells,
        evidence=ran.evidence,
        rows=tuple(rows),
        factorials=factorials,
    )


def verify_against(verification: "Verification", judging: "Judging", revision: str) -> "Outcome":
    """Run each of our pipelines as the generator of a revision does, and as today's, and judge it against itself.

    Both have the same data, seed, steps and order; digests in the traces say whether they began alike.

    Raises: HarnessError for unusable input or a revision that cannot run; a cell that fails is a result.
    """
    from harness.report.verification import Outcome
    from harness.run.backends import presence
    from harness.run.policy import Policy
    from harness.run.progress import CellProgress
    from harness.run.revision import harness_at
    from harness.run.runner import prepared
    from harness.verdict.pairs import judge_pairs

    cells: list[StoredCell] = []
    rows: list[PairRow] = []
    with prepared(verification) as runner, harness_at(revision) as other, CellProgress() as progress:
        held = replace(verification, against=other.short)
        planned = list(held.planned_cells())
        other.check([word for cell, _ in planned for word in other.words(held, cell, runner.data.folder)])
        for report in held.reports:
            report.unlink(missing_ok=True)  # nothing of an earlier run may pass for this one
        runner.write_planned(held.facts(cell, asked=asked) for cell, asked in planned)
        for cell, asked in planned:
            both = []
            if presence(cell.backend, cell.pipeline):
                with progress.preparing(f"{runner.name_of(held, cell)} as of {other.short}", "running", "run"):
                    both.append(other.run(held, cell, runner.data.folder))
            both.append(runner.run(held, cell, Policy(), progress, asked=asked))
            rows += judge_pairs(both, judging)
            cells += both
        runner.write_planned(cell.facts for cell in cells if "@" not in cell.facts.pipeline)
    return Outcome(
        verification=held,
        judging=judging,
        data=runner.data,
        init_sha256=runner.init_sha256,
        cells=tuple(cells),
        evidence=(),
        rows=tuple(rows),
    )
