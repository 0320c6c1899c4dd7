"""The corners of networks: pipelines on every backend and host side by side, and the published claims held to them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.report.corners.evaluate import ClaimFinding, evaluate
from harness.report.corners.table import CornerTable, corner_tables
from harness.report.corners.two_backends import pairs_of_two_backends
from harness.trace.store import StoredCell
from harness.verdict.compare import Judging
from harness.verdict.pair import PairRow


@dataclass(frozen=True)
class Corners:
    """Those of one network. `claims`: empty where the published page says nothing about such runs."""

    table: CornerTable
    claims: tuple[ClaimFinding, ...]

    @property
    def network(self) -> str:
        return self.table.network

    @property
    def counts(self) -> str:
        """How many claims hold: `3 hold, 1 does not hold, 5 not measured`."""
        outcomes = [finding.outcome for finding in self.claims]
        hold, fail, unknown = (outcomes.count(one) for one in ("holds", "does not hold", "not measured"))
        words = ("holds" if hold == 1 else "hold", "does not hold" if fail == 1 else "do not hold", "not measured")
        return ", ".join(f"{n} {word}" for n, word in zip((hold, fail, unknown), words, strict=True) if n)


def find_corners(
    rows: Sequence[PairRow], cells: Sequence[StoredCell], judging: Judging, network: Callable[[PairRow], str]
) -> tuple[Corners, ...]:
    """The corners of every network that has more than one backend or host. `rows`: of the cells, judged."""
    tables = corner_tables([*rows, *pairs_of_two_backends(cells, judging)], network)
    return tuple(Corners(table, evaluate(table.rows)) for table in tables)
