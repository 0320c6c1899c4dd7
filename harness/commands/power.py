"""`harness power`."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from harness.commands.options import format_option, jobs_option
from harness.commands.paths import FolderPath
from harness.commands.usage import FiniteRange

DEFAULT_TIMEOUT_S = 1800.0


@click.command("power")
@jobs_option
@click.option(
    "--late",
    is_flag=True,
    help="Late faults and right whole runs, judged by all evidence, in lockstep and from traces alone.",
)
@click.option(
    "--modules",
    is_flag=True,
    help="Faults of executors of StableHLO modules, and right modules, judged by `harness module check`.",
)
@click.option("--only", metavar="TEXT", multiple=True, help="Only what has this in its name; may be given repeatedly.")
@click.option("--resume", is_flag=True, help="Keep the rows that this very code left in the folder.")
@click.option(
    "--timeout",
    type=FiniteRange(min=0.1),
    metavar="SECONDS",
    default=DEFAULT_TIMEOUT_S,
    show_default=True,
    help="Longest run of one process, which examines several cases.",
)
@click.option(
    "--out",
    type=FolderPath(),
    default=Path("build/power"),
    show_default=True,
    help="Folder of the rows and of the tables, as power.json and power.md.",
)
@format_option("text", "markdown", "json")
def power_command(
    jobs: int | None,
    late: bool,
    modules: bool,
    only: tuple[str, ...],
    resume: bool,
    timeout: float,
    out: Path,
    form: str,
) -> None:
    """Inject faults and see which of them the verdict finds; judge clean pairs, of which it may fail none.

    Exit codes: 0 as powerful as it has to be, 1 not, 2 usage, 3 nothing was examined.
    """
    from harness.errors import HarnessError
    from harness.report.terminal import show
    from harness.system.progress import JobProgress
    from harness.validation.late.campaign import LATE_TARGETS, late_campaign
    from harness.validation.late.table import late_exit_code, render_late
    from harness.validation.modules.campaign import MODULE_TARGETS, module_campaign
    from harness.validation.modules.table import modules_exit_code, render_modules
    from harness.validation.power.campaign import TARGETS, Campaign, Target, default_processes
    from harness.validation.power.table import exit_code, render

    if late and modules:
        raise click.UsageError("--late and --modules are two campaigns. Choose one.")
    make: Callable[[Sequence[Target], Path], Campaign] = Campaign
    targets, folder, rendered, judge = TARGETS, out, render, exit_code
    if late:
        targets, folder, make = LATE_TARGETS, out / "late", late_campaign
        rendered, judge = render_late, late_exit_code
    if modules:
        targets, folder, make = MODULE_TARGETS, out / "modules", module_campaign
        rendered, judge = render_modules, modules_exit_code
    chosen = [t for t in targets if not only or any(text in f"{t.kind} | {t.name}" for text in only)]
    if not chosen:
        raise HarnessError(f"nothing has {' or '.join(map(repr, only))} in its name. Leave --only out for everything.")
    campaign = make(chosen, folder)
    campaign.prepare()
    if not resume:
        campaign.start_anew()
    with JobProgress("power", len(campaign.missing)) as progress:
        campaign.run(jobs or default_processes(), timeout, progress)
    rows = campaign.rows
    for name, kind in (("power.json", "json"), ("power.md", "markdown")):
        (folder / name).write_text(str(rendered(rows, kind)))
    show(rendered(rows, form))
    sys.exit(judge(rows))
