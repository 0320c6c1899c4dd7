"""The page as text: what it holds, and what it must never hold."""

import base64
import gzip
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from harness.report import page as page_package
from harness.report.page import matrix, panels, render_page
from harness.report.summary import Summary, full_name, model_of
from tests.support.pages import COMMAND, EVENT, EVIL, a_hostile_night, a_night, many_pipelines


class Elements(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def panels(self) -> list[dict[str, str | None]]:
        """The panels of pairs."""
        return [found for found in self.of("details") if "panel" in (found.get("class") or "")]

    def of(self, tag: str, **attributes: str) -> list[dict[str, str | None]]:
        """The attributes of those elements."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        return [found for name, found in self.found if name == tag and wanted.items() <= found.items()]


def unpacked(page: str, name: str) -> bytes:
    (data,) = re.findall(rf'id="packed-{name}">([A-Za-z0-9+/=]+)</script>', page)
    return gzip.decompress(base64.b64decode(data))


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    return a_night(tmp_path_factory.mktemp("wrong"), wrong=True)


@pytest.fixture(scope="module")
def page(wrong: Summary) -> str:
    return render_page(wrong)


def test_the_verdict_stands_first_in_words_and_with_a_sign(wrong: Summary, page: str) -> None:
    (said,) = re.findall(r'<h1 id="headline">(.*?)</h1>', page)
    differ = wrong.of_status("FAIL")
    assert said == f"{len(differ)} of {len(wrong.judged)} pairs differ, each with phase3-rocm"
    named = page.partition('id="headline"')[2].partition('class="facts"')[0]
    assert all(f"{full_name(row)}</a>" in named for row in (*differ, *wrong.of_status("INCONCLUSIVE")))
    assert wrong.agreement in named
    assert re.search(r'class="word">\s*Differ\s*<', page)
    assert "<title>✕ Differ · Training traces · 2026-04-01</title>" in page


def test_the_first_pairs_that_differ_are_named_and_the_others_counted(tmp_path: Path) -> None:
    page = render_page(many_pipelines(tmp_path))
    named = Elements(page.partition('id="headline"')[2].partition('class="facts"')[0]).text.split("\n")
    assert "5 of 15 pairs differ, each with wrong-cpu" in page
    assert sum("vs wrong-cpu" in line for line in named) == 3
    assert "and 2 more" in " ".join(named)
    assert "10 pairs agree on 8 of 20 steps" in " ".join(named)
    assert "<summary>10 agree on 8 of 20 steps</summary>" in page
    assert "undated" not in page


def test_every_pair_has_a_row_a_panel_and_a_field(wrong: Summary, page: str) -> None:
    elements = Elements(page)
    panels = [found["id"] for found in elements.panels]
    rows = [found["data-pair"] for found in elements.of("tr") if "data-pair" in found]
    fields = [found["href"] for found in elements.of("a") if "field" in (found.get("class") or "")]
    assert len(wrong.rows) == len(panels) == len(set(panels)) == len(rows) == len(fields)
    assert set(panels) == set(rows) == {(field or "")[1:] for field in fields}
    assert set(json.loads(unpacked(page, "panels"))) == set(panels)


def test_what_differs_comes_first_and_is_open(page: str) -> None:
    panels = Elements(page).panels
    order = [found["data-status"] for found in panels]
    assert order == sorted(order, key=["differ", "inconclusive", "agree"].index)
    assert {found["data-status"] for found in panels if "open" in found} == {"differ"}


def test_a_field_that_is_not_there_says_why(page: str) -> None:
    assert re.search(r'class="field absent" title="no CUDA device"', page)


def test_a_panel_tells_gates_numbers_environments_and_commands(wrong: Summary, page: str) -> None:
    panels = json.loads(unpacked(page, "panels"))
    row = next(row for row in wrong.of_status("FAIL") if row.kind == "cross-compiler")
    assert row.verdict is not None
    text = Elements(panels["pair-mnist-cnn-phase2-rocm-vs-phase3-rocm"]).text
    assert model_of(row) == "mnist_cnn"
    assert all(line.line in text for line in row.verdict.evidence)
    assert text.count(COMMAND) == 2
    assert "≠ compiler" in text
    assert "versions.jax" in text


def test_events_and_problems_are_told_before_the_matrix(wrong: Summary, page: str) -> None:
    text = Elements(page.partition('id="matrix"')[0]).text
    assert EVENT.line in text
    assert all(problem in text for problem in wrong.problems)
    assert "cross-comp" in text


def test_it_may_load_nothing_and_run_only_itself(page: str) -> None:
    (policy,) = (found["content"] or "" for found in Elements(page).of("meta", http_equiv="Content-Security-Policy"))
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in policy
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    for code in (script.encode(), unpacked(page, "library")):
        assert base64.b64encode(hashlib.sha256(code).digest()).decode() in policy
    assert not re.search(r"""(?:src|href)=["'](?!#)""", page)
    assert "url(" not in page
    assert "@import" not in page


def test_hostile_texts_are_data(tmp_path: Path) -> None:
    page = render_page(a_hostile_night(tmp_path))
    panels = json.loads(unpacked(page, "panels"))
    known = set(json.loads(unpacked(render_page(a_night(tmp_path / "again", wrong=True)), "panels")))
    assert known
    for html in (page, *panels.values()):
        elements = Elements(html)
        assert "window.hurt" in elements.text
        assert not [tag for tag, _ in elements.found if tag in ("img", "b", "iframe", "object")]
        assert not [name for _, attributes in elements.found for name in attributes if name.startswith("on")]
        assert EVIL in elements.text
    scripts = Elements(page).of("script")
    assert len(scripts) == 5
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in panels)


def test_the_same_report_is_the_same_page(wrong: Summary, page: str) -> None:
    assert render_page(wrong) == page


def test_nothing_at_all_is_a_page_too() -> None:
    nothing = Summary("Training traces", "2026-04-01", "cross-comp", (), ())
    page = render_page(nothing)
    assert nothing.headline in page
    assert "nothing to compare" in page
    assert json.loads(unpacked(page, "panels")) == {}


def test_words_are_readable_in_both_colour_schemes() -> None:
    style = (Path(page_package.__file__).parent / "templates" / "page.css").read_text()
    pairs = {name: both for name, *both in re.findall(r"--([a-z-]+): light-dark\((#\w{6}), (#\w{6})\)", style)}
    grounds = {"ink": "paper card sunken", "soft": "paper card sunken", "accent": "paper card sunken accent-soft"}
    grounds |= {"good": "card good-soft", "bad": "card bad-soft", "grey": "card grey-soft"}
    for word, behind in grounds.items():
        for ground in behind.split():
            for scheme in (0, 1):
                assert _contrast(pairs[word][scheme], pairs[ground][scheme]) >= 4.5, (word, ground, scheme)
    for drawn in ("accent", "b", "tolerance", "good", "grey"):
        assert all(_contrast(pairs[drawn][scheme], pairs["card"][scheme]) >= 3 for scheme in (0, 1)), drawn


def _contrast(a: str, b: str) -> float:
    """Source: WCAG 2.2, contrast ratio."""
    dark, light = sorted(_luminance(colour) for colour in (a, b))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_of_many_pairs_the_urgent_have_panels_and_all_have_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = many_pipelines(tmp_path)
    monkeypatch.setattr(panels, "MOST", 7)
    monkeypatch.setattr(matrix, "MOST_COLUMNS", 10)
    page = render_page(summary)
    kept = re.findall(r'<details class="panel (\w+)" id="([^"]+)"', page)
    assert [status for status, _ in kept] == ["differ"] * 5 + ["agree"] * 2
    assert set(json.loads(unpacked(page, "panels"))) == {name for _, name in kept}
    charts = json.loads(unpacked(page, "charts"))["charts"]
    assert (len(charts), sum(chart is not None for chart in charts)) == (15, 7)
    rows = unpacked(page, "rows").decode()
    assert (rows.count("<tr "), rows.count("<a href=")) == (len(summary.rows), 7)
    assert "and 8 more, which are in the table above" in page
    assert "5 of 15 differ" in page
    assert 'href="#text=mnist_mlp&amp;status=differ"' in page
    monkeypatch.setattr(page_package, "MOST_ROWS", 9)
    fewer = render_page(summary)
    assert unpacked(fewer, "rows").decode().count("<tr ") == 9
    assert "and 6 pairs are there alone" in fewer
