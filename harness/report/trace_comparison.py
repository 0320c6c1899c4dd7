"""A judged pair of traces as Python code and notebooks have it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import TraceError
from harness.report import tables, text
from harness.report.page import render_comparison, render_page
from harness.report.summary import UNDATED, Summary
from harness.system.extras import extra
from harness.system.files import replace_file
from harness.verdict.evidence import Evidence
from harness.verdict.judge import Verdict
from harness.verdict.pair import PairRow

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, eq=False)
class TraceComparison:
    """Two runs, compared and judged. It is true where they agree, and prints as `harness diff` does.

    `row`: all that is known of the pair.
    """

    row: PairRow

    @property
    def verdict(self) -> Verdict:
        """The verdict; its `status` is PASS, FAIL or INCONCLUSIVE, its `sentence` says it with its reason."""
        assert self.row.verdict is not None, "a pair of traces is always judged"
        return self.row.verdict

    @property
    def passed(self) -> bool:
        """Whether the verdict is PASS."""
        return self.verdict.status == "PASS"

    @property
    def gates(self) -> tuple[Evidence, ...]:
        """The evidence of each gate: `gate`, `outcome`, `line`, `place`, `fault`, `numbers`."""
        return self.verdict.evidence

    @cached_property
    def table(self) -> list[dict[str, str]]:
        """The rows of the table of differences: step 1, step 2, step 3, median, max and so on."""
        numbers = None if self.row.comparison is None else self.row.comparison.numbers
        rows = tables.pair_table(numbers) if numbers is not None and numbers.compared else []
        return [dict(zip(tables.PAIR_COLUMNS, row, strict=True)) for row in rows]

    def frame(self) -> "pandas.DataFrame":
        """A row for each compared step, by its number: loss and learning rate of both sides, and `delta`, |A - B|.

        Units: losses in nats. Raises: PackageError without the extra `pandas`.
        """
        with extra():
            import pandas

        numbers = None if self.row.comparison is None else self.row.comparison.numbers
        names = ("loss_a", "loss_b", "delta", "lr_a", "lr_b")
        columns: dict[str, Any] = {name: [] if numbers is None else getattr(numbers, name) for name in names}
        steps: Any = [] if numbers is None else numbers.steps
        return pandas.DataFrame(columns, index=pandas.Index(steps, name="step", dtype="int64"))

    def plot(self) -> Any:
        """A `plotly.graph_objects.Figure`: losses of both sides, and below them how far they are apart, log axis."""
        from plotly.subplots import make_subplots

        figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.06)
        numbers = None if self.row.comparison is None else self.row.comparison.numbers
        if numbers is not None:
            steps = numbers.steps.tolist()
            for name, values in ((f"A: {self.row.a}", numbers.loss_a), (f"B: {self.row.b}", numbers.loss_b)):
                figure.add_scatter(x=steps, y=values.tolist(), name=name, row=1, col=1)
            figure.add_scatter(x=steps, y=numbers.delta.tolist(), name="|A − B|", row=2, col=1)
        if self.row.lockstep is not None and (together := self.row.lockstep.comparison.numbers) is not None:
            x, y = together.steps.tolist(), together.delta.tolist()
            figure.add_scatter(x=x, y=y, name="|A − B|, in lockstep", row=2, col=1)
        figure.update_yaxes(title="loss, nats", row=1, col=1)
        figure.update_yaxes(title="|A − B|, nats", type="log", exponentformat="power", row=2, col=1)
        figure.update_xaxes(title="step", row=2, col=1)
        return figure.update_layout(title=f"{self.row.name}: {self.verdict.headline}")

    def write_html(self, path: str | Path) -> None:
        """Write the page of this pair, a single file. Raises: TraceError for the path of a trace; OSError."""
        write_page(Path(path), [self.row])

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        return str(text.render_pair(self.row))

    def __repr__(self) -> str:
        return f"<{self.row.name}: {self.verdict.headline}>"

    def _repr_html_(self) -> str:
        return render_comparison(self.row)


def write_page(path: Path, rows: Sequence[PairRow]) -> None:
    """Write one page of pairs that belong to no night.

    Raises: TraceError for the path of a trace that is compared; OSError.
    """
    sides = [
        side.trace.path for row in rows if row.comparison is not None for side in (row.comparison.a, row.comparison.b)
    ]
    if any(Path(side).exists() and path.exists() and path.samefile(side) for side in sides):
        raise TraceError(f"{path}: one of the traces; the page would replace it. Give another path.")
    modes = {row.comparison.judging.mode.name for row in rows if row.comparison is not None}
    title = rows[0].name if len(rows) == 1 else "Training traces"
    page = render_page(Summary(title, UNDATED, ", ".join(sorted(modes)), (), tuple(rows)))
    with replace_file(path) as file:
        file.write(page.encode())
