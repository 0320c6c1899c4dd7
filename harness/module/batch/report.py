"""What `harness module reduce-batch` prints: what holds the batch, and what was compared."""

from typing import Any

from harness.module.batch.comparison import F64_ROUNDING, BatchComparison
from harness.module.batch.reduction import ReducedModule
from harness.system.files import json_document
from harness.system.text import Document, Table


def reduced_report(reduced: ReducedModule, comparison: BatchComparison, form: str) -> Document | str:
    """A reduction, for people or as JSON."""
    if form == "json":
        return json_document(_facts(reduced, comparison), indent=2).decode()
    rows = [[one.name, one.before, one.after, one.why] for one in reduced.held]
    blocks: list[str | Table] = [
        f"{reduced.module.path}: batch {reduced.batch} becomes {reduced.to}",
        "",
        Table(("", "before", "after", "why"), rows, wrapped=True),
        "",
    ]
    if comparison.values:
        compared = [[value.name, f"{value.error:.1e}"] for value in comparison.values]
        verdict = "They differ: the reduced module is another program." if comparison.differs else "The same."
        blocks += [
            Table(("first samples in f64, by what makes them", "relative error"), compared, right=("relative error",)),
            verdict,
        ]
    else:
        blocks.append(f"Nothing was compared: {comparison.note}.")
    blocks.append(_CONSTANTS.format(batch=reduced.batch))
    return Document(blocks)


def comment(reduced: ReducedModule) -> str:
    """The first lines of a reduced module."""
    return (
        f"// {reduced.module.path.name}, @{reduced.module.function}: batch {reduced.batch} became {reduced.to}.\n"
        f"// {_CONSTANTS.format(batch=reduced.batch)}\n"
    )


_CONSTANTS = "Constants such as 1/{batch} stay: what was a mean is a sum over fewer samples, times that constant."


def _facts(reduced: ReducedModule, comparison: BatchComparison) -> dict[str, Any]:
    return {
        "module": str(reduced.module.path),
        "function": reduced.module.function,
        "batch": reduced.batch,
        "to": reduced.to,
        "holding_the_batch": [
            {"name": one.name, "before": one.before, "after": one.after, "why": one.why} for one in reduced.held
        ],
        "compared": [{"name": value.name, "relative_error": value.error} for value in comparison.values],
        "allowed": F64_ROUNDING,
        "not_compared": comparison.note,
        "same": None if comparison.note else not comparison.differs,
    }
