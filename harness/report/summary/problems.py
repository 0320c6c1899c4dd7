"""Runs in which something is wrong that no pair shows, a line each."""

from collections.abc import Iterator, Sequence

from harness.spec.models import load_model, model_names
from harness.trace.format import one_line
from harness.trace.store import StoredCell
from harness.verdict.pair import PairRow


def find_alone(cells: Sequence[StoredCell], rows: Sequence[PairRow]) -> Iterator[str]:
    """Runs that are complete and that nothing was compared with."""
    compared = {cell for row in rows for cell in row.cells}
    for cell in cells:
        if cell.complete and not cell.facts.evidence and cell not in compared:
            yield f"{cell.name}: nothing is there to compare it with, a run that differs from it in one factor."


def find_mislabelled(cells: Sequence[StoredCell]) -> Iterator[str]:
    """Runs that carry the name of one network of this package and were of another."""
    known = set(model_names())
    for cell in cells:
        told = cell.manifest.provenance.get("netspec_name")
        if told is not None and cell.facts.model in known:
            expected = load_model(cell.facts.model).spec.name
            if told != expected:
                yield f"{cell.name}: network is {expected} by its name and {one_line(told)} by its manifest."
