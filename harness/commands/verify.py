"""`harness verify MODEL`: run the cells, judge their pairs, look for causes, split, report."""

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

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
    from harness.verdict.compare import Judging


@click.command(
    "verify",
    context_settings=renamed({"ladder": "f64-check", "no-ladder": "no-f64-check", "square": "factorial"}),
)
@click.option(
    "--backends",
    callback=read_names,
    metavar="A,B",
    shell_complete=complete_backends,
    help="Default: every backend that is present.",
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
@click.option("--compile-all", is_flag=True, help="Compile phase 3 also for backends that are absent.")
@verbose_option
def verify_command(
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
    from harness.system.process import interruptible
    from harness.verdict.compare import judging_by

    judging = judging_by(mode, window, None, all_steps, coverage)
    if factorial and asked.eager:
        raise click.UsageError("--factorial and --eager exclude each other: all runs of a factorial are compiled.")
    for name in backends or ():
        backend(name)
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
        compile_all=compile_all,
    )
    interruptible()
    outcome = verify(verification, judging)
    paths = report.write_reports(outcome)
    show(report.for_terminal(outcome, verbose=verbose))
    click.echo(f"\nReports: {', '.join(map(str, paths))}; traces: {verification.folder}/")
    sys.exit(report.outcome_exit_code(outcome))


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
