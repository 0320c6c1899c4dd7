"""A summary as Markdown, short enough for the summary of a CI job."""

from collections.abc import Iterator

from harness.report.corners import Corners
from harness.report.corners.claims import PAGE
from harness.report.corners.evaluate import CLAIM_COLUMNS
from harness.report.corners.table import COLUMNS, left_out
from harness.report.markdown import escape, table
from harness.report.summary import UNDATED, Summary, full_name, model_of
from harness.report.tables import GATE_COLUMNS, SUMMARY_COLUMNS, gate_table, summary_table

LONGEST = 900_000  # bytes; GitHub takes 1 MiB of a job
_OF_CLAIM = {"holds": "✅", "does not hold": "❌", "not measured": "⏭️"}
_SIGNS = {"PASS": "✅", "FAIL": "❌", "INCONCLUSIVE": "⚠️", "NOT RUN": "⏭️"}


def render(summary: Summary) -> str:
    """The verdict, the differing pairs with their evidence, then tables of everything."""
    worst = "PASS" if summary.exit_code == 0 else "FAIL" if summary.exit_code == 1 else "INCONCLUSIVE"
    parts = [f"# {_SIGNS[worst]} {escape(summary.headline)}"]
    dates = [summary.night] if summary.night != UNDATED else []
    facts = [summary.title, *dates, *summary.hosts]
    parts.append(escape(" · ".join(facts)))
    for row in (*summary.of_status("FAIL"), *summary.of_status("INCONCLUSIVE")):
        assert row.verdict is not None
        parts.append(f"## {_SIGNS[row.verdict.status]} {escape(full_name(row))}")
        parts.append(f"**{escape(row.verdict.sentence)}**")
        parts += [escape(finding) for finding in row.findings]
        if row.verdict.evidence:
            parts.append(table(GATE_COLUMNS, gate_table(row.verdict)))
    parts += [f"**{escape(event.title)}**: {escape(event.line)}" for event in summary.events]
    if summary.problems:
        parts += ["## Problems", "\n".join(f"- {escape(p)}" for p in summary.problems)]
    if summary.rows:
        rows = [[model_of(r), *cells] for r, cells in zip(summary.rows, summary_table(summary.rows), strict=True)]
        parts += ["## Pairs", table(("network", *SUMMARY_COLUMNS), rows)]
    for corners in summary.corners:
        parts += _corners(corners)
    if summary.checks:
        rows = [
            [f"{_SIGNS[c.status]} {c.name}", c.status, "-" if c.seconds is None else f"{c.seconds:.0f}", c.line]
            for c in summary.checks
        ]
        parts += ["## Checks", table(("check", "result", "seconds", ""), rows)]
    unfinished = [cell for cell in summary.cells if cell.counts and not cell.complete]
    if unfinished:
        cells = [[cell.name, cell.manifest.status, cell.note, cell.facts.command] for cell in unfinished]
        parts += ["## Cells that are not complete", table(("cell", "status", "why", "again"), cells)]
    return _cut("\n\n".join(parts) + "\n")


def _corners(corners: Corners) -> Iterator[str]:
    """The table of a network's corners, and what it says of the published claims."""
    yield f"## Corners of {escape(corners.network)}"
    kinds = corners.table.kinds
    yield table(("kind", *COLUMNS), [[kind, *row.shown] for kind, rows, _ in kinds for row in rows])
    yield from (f"{left_out(kind, more)}" for kind, _, more in kinds if more)
    if corners.claims:
        claims = [
            [f"{_OF_CLAIM[one.outcome]} {one.outcome}", one.claim.says, one.claim.published, one.words]
            for one in corners.claims
        ]
        yield f"The claims of the published page ({escape(PAGE)}): {corners.counts}."
        yield table(CLAIM_COLUMNS, claims)


def _cut(text: str) -> str:
    """Cut a text to the size that a job's summary takes; report.html has the rest."""
    whole = text.encode()
    if len(whole) <= LONGEST:
        return text
    return whole[:LONGEST].decode(errors="ignore").rpartition("\n")[0] + "\n\nCut here: report.html has the rest.\n"
