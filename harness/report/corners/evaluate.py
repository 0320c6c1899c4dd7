"""Which of the published claims hold on the runs of a report: each in a sentence with the figure that decides it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.report.corners.claims import BATCH, CLAIMS, Claim
from harness.report.corners.measures import ClaimFigure
from harness.report.corners.table import KINDS, CornerRow
from harness.report.tables import listed
from harness.trace.format import TraceHeader

CLAIM_COLUMNS = ("claim", "the published page says", "its figures", "here")
Outcome = Literal["holds", "does not hold", "not measured"]


@dataclass(frozen=True)
class ClaimFinding:
    """A claim held to the pairs of one network. `pair`: the one that decides, empty where none does.

    `measured`, `asked`: of how many pairs it is known, and of how many it would be.
    """

    claim: Claim
    outcome: Outcome
    line: str
    pair: str
    measured: int
    asked: int

    @property
    def words(self) -> str:
        """The figure that decides, and whose it is: `phase3-rocm vs phase3-cuda: 99.35 %; claimed: at least 99 %`."""
        of = f"{self.pair}: " if self.pair else ""
        part = f"; {self.measured} of {self.asked} pairs measured" if 0 < self.measured < self.asked else ""
        return f"{of}{self.line}{part}"

    @property
    def sentence(self) -> str:
        """The claim, whether it holds, and the figure, for a line that stands alone."""
        return f"{self.claim.says.removesuffix('.')}: {self.outcome} ({self.words})."


def evaluate(rows: Sequence[CornerRow], claims: Sequence[Claim] = CLAIMS) -> tuple[ClaimFinding, ...]:
    """The claims about the network of these rows, in their order; none where the page has no such runs."""
    pairs = [row for row in rows if _is_as_published(row)]
    names = {header.netspec_name for row in pairs for header in _headers(row)}
    return tuple(_finding(claim, pairs) for claim in claims if claim.network in names)


def _finding(claim: Claim, pairs: Sequence[CornerRow]) -> ClaimFinding:
    asked = [row for row in pairs if row.row.kind in claim.kinds and not (claim.two_backends and _on_one(row))]
    figures = [(row.row.name, claim.measure(row.row)) for row in asked]
    measured = [(name, figure) for name, figure in figures if figure.holds is not None]
    if not measured:
        why = _why_not(claim, [figure for _, figure in figures])
        return ClaimFinding(claim, "not measured", why, "", 0, len(asked))
    failed = [one for one in measured if one[1].holds is False]
    name, figure = max(failed or measured, key=lambda one: one[1].size)
    return ClaimFinding(claim, "does not hold" if failed else "holds", figure.line, name, len(measured), len(asked))


def _why_not(claim: Claim, figures: Sequence[ClaimFigure]) -> str:
    if not figures:
        kinds = "" if len(claim.kinds) == len(KINDS) else f"{' or '.join(claim.kinds)} "
        return f"there is no {kinds}pair{' of two backends' if claim.two_backends else ''}"
    return listed(list(dict.fromkeys(figure.line for figure in figures)))


def _on_one(row: CornerRow) -> bool:
    """Whether both sides ran on one kind of backend."""
    return len({cell.facts.backend for cell in row.row.cells}) == 1


def _is_as_published(row: CornerRow) -> bool:
    """Whether a pair is of runs such as the page is about: f32, in file order, the published batch."""
    headers = _headers(row)
    return bool(headers) and all(
        header.config.get("batch_size") == BATCH and header.dtype in (None, "f32") and header.shuffle is not True
        for header in headers
    )


def _headers(row: CornerRow) -> list[TraceHeader]:
    comparison = row.row.comparison
    return [] if comparison is None else [side.trace.header for side in (comparison.a, comparison.b)]
