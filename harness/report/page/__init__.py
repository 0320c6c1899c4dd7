"""The report as a page: one HTML file that holds everything it shows and asks no network for anything."""

import base64
import gzip
import hashlib
import json
from collections.abc import Collection
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.report.corners.claims import PAGE
from harness.report.corners.evaluate import CLAIM_COLUMNS
from harness.report.corners.table import COLUMNS, left_out
from harness.report.page.matrix import make_matrix
from harness.report.page.panels import MOST_ROWS, Panel, group, make_panels, urgent_first, which_have_panels
from harness.report.page.picture import picture
from harness.report.page.series import draw, encode
from harness.report.page.statements import make_statements
from harness.report.page.trend import make_trends
from harness.report.page.words import DIFFERS, OF_CHECK, OF_CLAIM, OF_EXIT_CODE, seconds
from harness.report.summary import UNDATED, Summary
from harness.report.tables import GATE_COLUMNS, PAIR_COLUMNS, deciding_gates, gate_table, pair_table
from harness.verdict.pair import PairRow

OPENED = 6  # panels that are open at first
_COLOURS = {"PASS": "#1a7f37", "FAIL": "#b3261e", "INCONCLUSIVE": "#7a5c00"}
# Of a curve its colour and, so that colour is not all that tells them apart, its dashes.
_STROKES = {"a": ("#1f77b4", ""), "b": ("#d1495b", "5 3"), "free": ("#555555", ""), "lockstep": ("#1a7f37", "2 2")}

_TEMPLATES = Environment(
    loader=PackageLoader(__name__),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render_page(summary: Summary) -> str:
    """The whole page. Names out of traces and manifests are text in it, whatever characters they have.

    Panels, curves and the plotting library travel compressed: a browser unpacks the part that is looked at.
    """
    kept = which_have_panels(summary.rows)
    charts, curves = draw(summary.rows, kept)
    panels = make_panels(summary.rows, charts)
    shown = [panel for panel in panels if panel.number in kept]
    many = len(shown) < len(panels)
    sorted_panels = urgent_first(panels)
    about_curves, numbers = encode(charts, curves)
    script, library = _asset("page.js") + _asset("charts.js"), _library()
    return _TEMPLATES.get_template("page.html").render(
        summary=summary,
        verdict=OF_EXIT_CODE[summary.exit_code],
        hosts=summary.hosts,
        took=seconds(_took(summary)),
        matrix=make_matrix(summary, panels, kept),
        panels=sorted_panels,
        statements=make_statements(summary, sorted_panels),
        dated=summary.night != UNDATED,
        groups=group(panels, kept),
        kept=kept,
        many=many,
        rows_left_out=max(0, len(panels) - MOST_ROWS),
        opened=_opened(sorted_panels),
        trends=make_trends(summary, shown),
        of_check=OF_CHECK,
        of_claim=OF_CLAIM,
        corner_columns=COLUMNS,
        claim_columns=CLAIM_COLUMNS,
        left_out=left_out,
        published_page=PAGE,
        panel_of={id(panel.row): panel.id for panel in shown},
        identify=id,
        seconds=seconds,
        script=Markup(script),
        style=Markup(_asset("page.css")),
        sources=" ".join(map(_script_source, (script, library))),
        packed={
            **({"rows": Markup(_pack(_render_rows(sorted_panels, kept)))} if many else {}),
            "panels": Markup(_pack(_render_panels(shown))),
            "charts": Markup(_pack(about_curves)),
            "curves": Markup(_pack(numbers)),
            "library": Markup(_packed_library()),
        },
    )


def render_comparison(row: PairRow) -> str:
    """One pair as a piece of HTML that a notebook shows: the verdict, a picture, tables. It has no script."""
    comparison, verdict = row.comparison, row.verdict
    assert verdict is not None, "a pair that was judged"
    numbers = None if comparison is None else comparison.numbers
    together = None if row.lockstep is None else row.lockstep.comparison.numbers
    return _TEMPLATES.get_template("comparison.html").render(
        name=row.name,
        headline=verdict.headline,
        colour=_COLOURS[verdict.status],
        sentence=verdict.sentence,
        picture=None if numbers is None else picture(numbers, together),
        strokes=_STROKES,
        keys={"a": f"A: {row.a}", "b": f"B: {row.b}", "free": "|A − B|", "lockstep": "|A − B|, in lockstep"},
        numbers=pair_table(numbers) if numbers is not None and numbers.compared else [],
        decided=[] if verdict.status == "PASS" else deciding_gates(verdict),
        gates=gate_table(verdict),
        findings=row.findings,
        number_columns=PAIR_COLUMNS,
        gate_columns=GATE_COLUMNS,
    )


def _render_rows(panels: list[Panel], kept: Collection[int]) -> bytes:
    rows = _TEMPLATES.get_template("rows.html")
    return rows.render(panels=panels[:MOST_ROWS], kept=kept).encode()


def _render_panels(panels: list[Panel]) -> bytes:
    template = _TEMPLATES.get_template("panel.html")
    columns = {"pair_columns": PAIR_COLUMNS, "gate_columns": GATE_COLUMNS}
    return json.dumps({panel.id: template.render(panel=panel, **columns) for panel in panels}).encode()


def _opened(panels: list[Panel]) -> set[str]:
    return {panel.id for panel in panels[:OPENED] if panel.mark == DIFFERS}


def _took(summary: Summary) -> float:
    cells = [cell.manifest.wall_s for cell in summary.cells]
    return sum(filter(None, [*cells, *(check.seconds for check in summary.checks)]))


def _asset(name: str) -> str:
    return files(__name__).joinpath("templates", name).read_text("utf-8")


@cache
def _library() -> str:
    return files("plotly").joinpath("package_data", "plotly.min.js").read_text("utf-8")


@cache
def _packed_library() -> str:
    return _pack(_library().encode())


def _pack(data: bytes) -> str:
    """Compress with gzip and encode in base64: letters, digits and three signs, whatever the data holds."""
    return base64.b64encode(gzip.compress(data, 9, mtime=0)).decode()


def _script_source(text: str) -> str:
    """The source by which a Content-Security-Policy allows exactly this script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
