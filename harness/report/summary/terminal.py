"""A summary for a terminal: the headline, and whatever is not well."""

from collections.abc import Iterator
from functools import partial

from harness.report.summary import Summary, full_name
from harness.report.text import render_decided, render_judged, render_several
from harness.system.text import Document, spaced

MOST = 20  # lines about one kind of thing; report.md has them all


def render(summary: Summary, *, verbose: bool = False) -> Document:
    """The headline, the pairs that differ with their evidence, a line for everything else that is not well.

    `verbose`: the evidence of every pair.
    """
    judged = summary.judged
    parts = [Document([summary.headline])]
    if verbose:
        parts += [render_judged(row, full_name) for row in judged]
    elif len(summary.of_status("PASS")) < len(judged):
        parts += render_several(judged, partial(render_decided, name=full_name), full_name)
    if lines := list(_lines(summary)):
        parts.append(Document(lines))
    return spaced(parts)


def _lines(summary: Summary) -> Iterator[str]:
    """A line for each cell, check, event and problem that somebody has to look at."""
    kinds = (
        [f"not complete: {cell.name}: {cell.note}" for cell in summary.incomplete],
        [f"check {one.name}: {one.status}: {one.line}" for one in summary.checks if one.status != "PASS"],
        [f"{event.title}: {event.line}" for event in summary.events],
        list(_about_claims(summary)),
        [f"problem: {problem}" for problem in summary.problems],
    )
    for lines in kinds:
        yield from lines[:MOST]
        if len(lines) > MOST:
            yield f"and {len(lines) - MOST} more like the last one: report.md has them all"


def _about_claims(summary: Summary) -> Iterator[str]:
    """How many of the published claims hold, and those that do not."""
    for corners in summary.corners:
        if corners.claims:
            yield f"published claims, {corners.network}: {corners.counts}"
            yield from (one.sentence for one in corners.claims if one.outcome == "does not hold")
