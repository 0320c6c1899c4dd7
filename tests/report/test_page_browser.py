"""The page in a real browser: it opens, it answers, it asks nobody for anything. Pictures go to build/screenshots."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from bench.page import find_chromium
from harness.report.corners.claims import CLAIMS
from harness.report.page import matrix, panels, render_page
from harness.report.page.panels import make_panels, urgent_first
from harness.report.page.statements import make_statements
from harness.report.summary import Summary
from tests.support.pages import COMMAND, EVIL, a_hostile_night, a_night, four_corners, many_pipelines
from tests.support.paths import ROOT

CHROMIUM = find_chromium()
PICTURES = ROOT / "build" / "screenshots"
PHONE = {"width": 360, "height": 780}
SCREEN = {"width": 1280, "height": 900}
FIRST = "#pair-mnist-mlp-phase2-cpu-vs-phase3-cpu"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (Debian: apt-get install chromium)")


@dataclass
class Reports:
    """Made-up reports and their pages, by name."""

    folder: Path
    summaries: dict[str, Summary] = field(default_factory=dict)

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.html"

    def add(self, name: str, summary: Summary) -> None:
        self.summaries[name] = summary
        self.path(name).write_text(render_page(summary), encoding="utf-8")


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Reports:
    folder = tmp_path_factory.mktemp("pages")
    made = Reports(folder)
    made.add("well", a_night(folder / "well"))
    made.add("wrong", a_night(folder / "wrong", wrong=True, steps=7020))
    made.add("hostile", a_hostile_night(folder / "hostile"))
    made.add("many", many_pipelines(folder / "many"))
    made.add("vendors", four_corners(folder / "vendors"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(panels, "MOST", 7)
        patch.setattr(matrix, "MOST_COLUMNS", 10)
        made.add("crowd", many_pipelines(folder / "crowd"))
    made.add("nothing", Summary("Training traces", "2026-04-01", "cross-comp", (), ()))
    return made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


Open = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, reports: Reports) -> Iterator[Open]:
    """Opens a report. Afterwards: nothing was said on the console, and nothing but the file was asked for."""
    said: list[str] = []
    asked: list[str] = []
    contexts = []

    def note(message: ConsoleMessage) -> None:
        said.append(f"{message.type}: {message.text}")

    def open_report(name: str, address: str = "", viewport: dict[str, int] = SCREEN, **options: str) -> Page:
        context = browser.new_context(
            viewport=viewport, permissions=["clipboard-read", "clipboard-write"], reduced_motion="reduce", **options
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("console", note)
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        page.on("dialog", lambda dialog: said.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: asked.append(request.url.partition("#")[0]))
        page.goto(reports.path(name).as_uri() + address)
        page.wait_for_selector("html[data-ready]")
        return page

    yield open_report
    for context in contexts:
        context.close()
    assert said == []
    assert asked == [url for url in asked if url in {reports.path(name).as_uri() for name in reports.summaries}]
    assert len(asked) == len(contexts)


def picture(page: Page, name: str, *, full: bool = False) -> None:
    page.wait_for_timeout(200)
    page.screenshot(path=PICTURES / f"{name}.png", full_page=full)


def chart(page: Page, panel: str = ".panel[open]") -> str:
    """Waits for the first chart of a panel and returns its selector."""
    page.locator(panel).first.scroll_into_view_if_needed()
    page.wait_for_selector(f"{panel} .chart[data-from] .main-svg")
    return f"{panel} >> nth=0 >> .chart"


def steps(page: Page, figure: str) -> tuple[int, int]:
    """The steps that a chart says it shows."""
    found = page.locator(figure).first
    return int(found.get_attribute("data-from") or 0), int(found.get_attribute("data-to") or 0)


def drawn(page: Page) -> list[float]:
    """The range of the axis of the first chart that is drawn."""
    found: list[float] = page.evaluate("document.querySelector('.chart[data-from] .plot')._fullLayout.xaxis.range")
    return found


def wide(page: Page) -> bool:
    """Whether the page can be scrolled sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


def shown(page: Page, selector: str) -> int:
    return page.locator(f":is({selector}):visible").count()


def test_it_opens_with_as_many_rows_as_there_are_pairs_and_cells(open_page: Open, reports: Reports) -> None:
    for name in ("well", "wrong"):
        page = open_page(name)
        summary = reports.summaries[name]
        (first, *_) = make_statements(summary, urgent_first(make_panels(summary.rows, [None] * len(summary.rows))))
        assert page.locator("h1").text_content() == first.line
        assert shown(page, "#deltas tbody tr") == page.locator(".panel").count() == len(summary.rows)
        assert shown(page, "#cells tbody tr") == len(summary.cells)
        assert shown(page, "#checks .card") == len(summary.checks)
        picture(page, f"{name}-light")
        picture(page, f"{name}-light-whole", full=True)


def test_what_differs_is_open_and_drawn(open_page: Open) -> None:
    page = open_page("wrong")
    assert page.locator(".panel[open]").first.get_attribute("data-status") == "differ"
    assert page.locator(".panel.agree[open]").count() == 0
    chart(page)
    page.locator(".panel[open]").first.evaluate("panel => panel.scrollIntoView()")
    picture(page, "wrong-pair")


def test_when_all_is_well_nothing_is_open_and_no_library_is_unpacked(open_page: Open) -> None:
    page = open_page("well")
    assert page.locator(".panel[open]").count() == 0
    assert page.evaluate("typeof Plotly") == "undefined"
    assert page.locator("#packed-library").count() == 1


def test_filtering_by_button_by_text_and_by_address(open_page: Open, reports: Reports) -> None:
    summary = reports.summaries["wrong"]
    page = open_page("wrong")
    page.click("[data-filter=pairs] >> text=differ")
    assert shown(page, "#deltas tbody tr") == shown(page, ".panel") == len(summary.of_status("FAIL"))
    assert page.url.endswith("#status=differ")
    picture(page, "filtered")
    page.click("[data-filter=pairs] >> text=all")
    page.fill("[data-filter=pairs] input", "MLP rocm")
    matching = [row for row in summary.rows if row.cells[0].facts.model == "mnist_mlp" and "rocm" in row.name]
    assert shown(page, "#deltas tbody tr") == shown(page, ".panel") == len(matching) > 0
    page.fill("[data-filter=pairs] input", "no such thing")
    assert shown(page, "#deltas tbody tr") == 0
    page.click("text=Show all")
    assert shown(page, "#deltas tbody tr") == len(summary.rows)
    page.fill("[data-filter=cells] input", "crashed")
    assert shown(page, "#cells tbody tr") == 1
    page = open_page("wrong", "#status=inconclusive&text=vit")
    assert shown(page, "#deltas tbody tr") == len(summary.of_status("INCONCLUSIVE")) > 0
    assert page.input_value("[data-filter=pairs] input") == "vit"


def test_sorting_by_click_and_by_key(open_page: Open) -> None:
    page = open_page("wrong")
    header = page.locator("#deltas th", has_text="Max")
    header.locator("button").click()
    assert header.get_attribute("aria-sort") == "ascending"
    values = page.locator("#deltas tbody td:nth-child(6)").evaluate_all("cells => cells.map(c => c.dataset.v ?? null)")
    numbers = [float(value) for value in values if value is not None]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) > 3
    assert None in values
    assert values[len(numbers) :] == [None] * (len(values) - len(numbers))
    header.locator("button").focus()
    page.keyboard.press("Enter")
    assert header.get_attribute("aria-sort") == "descending"
    again = page.locator("#deltas tbody td:nth-child(6)").evaluate_all("cells => cells.map(c => c.dataset.v ?? null)")
    assert [float(value) for value in again if value is not None] == numbers[::-1]
    assert again[-1] is None


def test_zooming_by_mouse_by_numbers_and_back(open_page: Open) -> None:
    page = open_page("wrong")
    figure = chart(page)
    assert steps(page, figure) == (1, 7020)
    whole = drawn(page)
    page.locator(f"{figure} >> .plot").first.scroll_into_view_if_needed()
    box = page.locator(f"{figure} >> .nsewdrag").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 45, steps=5)
    page.mouse.up()
    page.wait_for_function("() => document.querySelector('.chart[data-from]').dataset.from !== '1'")
    first, last = steps(page, figure)
    assert 1 < first < last < 7020
    assert whole[0] < drawn(page)[0] < drawn(page)[1] < whole[1]
    picture(page, "zoomed")
    page.fill(f"{figure} >> [name=from]", "100")
    page.fill(f"{figure} >> [name=to]", "250")
    page.click(f"{figure} >> text=Show")
    assert steps(page, figure) == (100, 250)
    page.click(f"{figure} >> text=Log steps")
    assert drawn(page)[0] == pytest.approx(100, abs=2)
    assert drawn(page)[1] == pytest.approx(250, abs=2)
    page.click(f"{figure} >> text=All steps")
    assert steps(page, figure) == (1, 7020)


def test_a_chart_goes_when_its_panel_is_closed(open_page: Open) -> None:
    page = open_page("wrong")
    chart(page)
    page.locator(".panel[open] > summary").first.click()
    page.wait_for_function("() => !document.querySelector('.panel:not([open]) .main-svg')")
    page.locator(".panel > summary").first.click()
    chart(page)


def test_envelope_tolerance_and_horizon_are_drawn(open_page: Open) -> None:
    page = open_page("wrong", FIRST)
    chart(page, FIRST)
    names = page.evaluate(f"document.querySelector('{FIRST} .plot').data.map(trace => trace.name)")
    assert names == ["A", "B", "|A − B|", "tolerance", "envelope"]
    (line,) = page.evaluate(f"document.querySelector('{FIRST} .plot').layout.shapes")
    assert line["x0"] == 26.5
    page.locator(FIRST).evaluate("panel => panel.scrollIntoView()")
    picture(page, "envelope")


def test_a_field_of_the_matrix_leads_to_its_pair(open_page: Open) -> None:
    page = open_page("well")
    page.click(f".matrix a[href='{FIRST}']")
    page.wait_for_selector(f"{FIRST}[open] .sentence")
    assert page.evaluate("document.activeElement.parentElement.id") == FIRST[1:]


def test_the_verdict_leads_to_what_differs(open_page: Open) -> None:
    page = open_page("wrong")
    page.locator(".look a").first.click()
    page.wait_for_function("() => location.hash.includes('pair-mnist-cnn')")
    top = page.locator(".panel.differ").first.bounding_box()
    assert top is not None
    assert 0 <= top["y"] < SCREEN["height"] / 2
    page = open_page("many")
    assert page.locator(".look a").count() == 4
    page.locator(".look a", has_text="and 2 more").click()
    page.wait_for_function("() => document.querySelector('[data-choice=differ]').ariaPressed === 'true'")
    assert shown(page, ".panel") == page.locator(".panel.differ").count() == 5


def test_a_click_copies_the_command(open_page: Open) -> None:
    page = open_page("well", FIRST)
    page.locator(f"{FIRST} .copy").first.click()
    page.wait_for_selector(f"{FIRST} .copy.done")
    assert page.evaluate("navigator.clipboard.readText()") == COMMAND


def test_everything_works_without_a_mouse(open_page: Open) -> None:
    page = open_page("wrong")

    def reach(condition: str, most: int = 250) -> None:
        for _ in range(most):
            page.keyboard.press("Tab")
            if page.evaluate(f"(e => {condition})(document.activeElement)"):
                outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert outline != "none"
                return
        raise AssertionError(f"Tab never reached {condition}")

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    reach("e.matches('.matrix a.differ')")
    picture(page, "focus")
    reach("e.matches('[data-filter=pairs] input')")
    page.keyboard.type("cnn")
    assert 0 < shown(page, "#deltas tbody tr") < page.locator("#deltas tbody tr").count()
    reach("e.matches('#deltas .sort') && e.textContent === 'Median'")
    page.keyboard.press("Space")
    assert page.locator("#deltas th", has_text="Median").get_attribute("aria-sort") == "ascending"
    reach("e.matches('.panel[open] > summary')")
    figure = chart(page)
    reach("e.matches('.plot')")
    page.keyboard.press("+")
    first, last = steps(page, figure)
    assert 1 < first < last < 7020
    page.keyboard.press("ArrowRight")
    assert steps(page, figure)[0] > first
    page.keyboard.press("0")
    assert steps(page, figure) == (1, 7020)
    reach("e.matches('.copy')")
    page.keyboard.press("Enter")
    page.wait_for_selector(".copy.done")
    assert page.evaluate("navigator.clipboard.readText()") == COMMAND
    reach("e.matches('.panel:not([open]) > summary')")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.activeElement.parentElement.querySelector('.sentence')")


def test_dark_by_the_system_and_by_the_button(open_page: Open) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    page = open_page("wrong", color_scheme="dark")
    dark = page.evaluate(paper)
    chart(page)
    ink = page.evaluate("document.querySelector('.plot').layout.font.color")
    page.locator(".panel[open]").first.evaluate("panel => panel.scrollIntoView()")
    picture(page, "wrong-pair-dark")
    page.evaluate("scrollTo(0, 0)")
    picture(page, "wrong-dark")
    page.click("#theme")
    assert page.evaluate(paper) != dark
    assert page.evaluate("document.querySelector('.plot').layout.font.color") != ink
    page.click("#theme")
    assert page.evaluate(paper) == dark
    assert page.evaluate("document.querySelector('.plot').layout.font.color") == ink
    light = open_page("well", color_scheme="light")
    assert light.evaluate(paper) != dark
    picture(open_page("well", color_scheme="dark"), "well-dark")


def test_on_a_phone_all_evidence_lies_within_the_screen(open_page: Open) -> None:
    page = open_page("many", viewport=PHONE)
    page.wait_for_selector(".panel[open] .gates")
    for selector, least in (("#deltas .pill", 15), (".gates .said", 15), (".copyable code", 2), ("#cells tbody td", 6)):
        boxes = [box for one in page.locator(selector).all() if (box := one.bounding_box()) is not None]
        assert len(boxes) >= least
        assert all(box["width"] > 0 and box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"] for box in boxes)
    cut = "all => all.filter(e => e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1).length"
    for selector in (".field", ".copyable code", ".panel[open] .scroll", "#deltas .scroll", "#cells .scroll"):
        assert page.locator(selector).evaluate_all(cut) == 0, selector
    page.evaluate("document.getElementById('deltas').scrollIntoView()")
    picture(page, "many-evidence-phone")


@pytest.mark.parametrize("viewport", [PHONE, SCREEN], ids=["phone", "screen"])
def test_a_table_that_scrolls_says_so_and_fades_where_it_goes_on(open_page: Open, viewport: dict[str, int]) -> None:
    page = open_page("many", viewport=viewport)
    box = page.locator("#matrix .scroll")
    more = "box => ['left', 'right'].filter(side => box.hasAttribute('data-more-' + side))"
    assert box.evaluate(more) == ["right"]
    assert shown(page, "#matrix .goes-on") == 1
    assert "gradient" in box.evaluate("box => getComputedStyle(box).maskImage")
    picture(page, f"many-{viewport['width']}")
    box.evaluate("box => { box.scrollLeft = 40; box.dispatchEvent(new Event('scroll')); }")
    assert box.evaluate(more) == ["left", "right"]
    box.evaluate("box => { box.scrollLeft = box.scrollWidth; box.dispatchEvent(new Event('scroll')); }")
    assert box.evaluate(more) == ["left"]
    assert shown(page, "#cells .goes-on") == 0


@pytest.mark.parametrize("name", ["well", "wrong", "hostile", "many", "vendors", "crowd", "nothing"])
def test_on_a_phone_nothing_scrolls_sideways(open_page: Open, name: str) -> None:
    page = open_page(name, viewport=PHONE)
    assert not wide(page)
    picture(page, f"{name}-phone")
    for panel in page.locator(".group").all():
        panel.evaluate("group => { group.open = true; }")
    for panel in page.locator(".panel").all()[:3]:
        panel.evaluate("panel => { panel.open = true; panel.scrollIntoView(); }")
        page.wait_for_timeout(300)
    if name == "wrong":
        chart(page)
        page.locator(".panel[open]").first.evaluate("panel => panel.scrollIntoView()")
        picture(page, "wrong-pair-phone")
    assert not wide(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_corners_of_made_up_vendors_lead_to_their_pairs(open_page: Open, scheme: str) -> None:
    page = open_page("vendors", color_scheme=scheme)
    corners = page.locator("#corners")
    corners.scroll_into_view_if_needed()
    assert shown(page, "#corners .corners tbody tr:not(.kind)") == 4
    assert shown(page, "#corners .claims tbody tr") == len([claim for claim in CLAIMS if claim.network == "MNIST-MLP"])
    assert "does not hold" in (corners.locator("summary").first.text_content() or "")
    page.evaluate("document.querySelector('#corners').scrollIntoView()")
    picture(page, f"vendors-{scheme}")
    corners.locator("a", has_text="phase3-green vs phase3-red").click()
    page.wait_for_selector(".panel[open] .gates")
    assert page.evaluate("location.hash").startswith("#pair-mnist-mlp-phase3-green-vs-phase3-red")


def test_of_a_crowd_all_rows_are_found_and_the_urgent_have_panels(open_page: Open) -> None:
    page = open_page("crowd", "#status=differ")
    page.wait_for_selector("#deltas tbody tr >> nth=14", state="attached")
    assert shown(page, "#deltas tbody tr") == 5
    assert page.locator(".panel").count() == 7
    page.click("[data-filter=pairs] [data-choice='']")
    assert shown(page, "#deltas tbody tr") == 15
    assert page.locator("[data-filter=pairs] .count").text_content() == "15"
    page.locator("#deltas .sort", has_text="Max").click()
    page.click("#matrix a.field")
    assert shown(page, "#deltas tbody tr") == 5
    page.evaluate("scrollTo(0, 0)")
    picture(page, "crowd")


def test_hostile_names_do_nothing(open_page: Open) -> None:
    page = open_page("hostile")
    for panel in page.locator(".panel").all():
        panel.evaluate("panel => { panel.closest('.group').open = panel.open = true; }")
    chart(page)
    page.wait_for_function(
        "() => [...document.querySelectorAll('.panel')].every(panel => panel.querySelector('.sentence'))"
    )
    assert page.evaluate("window.hurt") is None
    assert page.locator("img, iframe, object, [onclick], [onerror]").count() == 0
    assert page.locator("script[src]").count() == 0
    page.hover(".chart[data-from] .nsewdrag")
    page.wait_for_selector(".hoverlayer .legend, .hoverlayer .hovertext")
    page.locator(".panel[open] .copy").first.click()
    page.wait_for_selector(".copy.done")
    assert page.evaluate("navigator.clipboard.readText()") == EVIL
    page.fill("[data-filter=pairs] input", EVIL)
    assert page.evaluate("window.hurt") is None
    assert not wide(page)
    page.evaluate("scrollTo(0, 0)")
    picture(page, "hostile")


def test_print_hides_the_controls_and_closed_panels(open_page: Open) -> None:
    page = open_page("wrong")
    chart(page)
    page.emulate_media(media="print")
    assert shown(page, ".bar, .filters, .copy") == 0
    assert shown(page, ".panel") == page.locator(".panel[open]").count() > 0
    picture(page, "printed", full=True)


def test_a_report_of_nothing_says_so(open_page: Open, reports: Reports) -> None:
    page = open_page("nothing")
    assert reports.summaries["nothing"].headline in (page.locator("h1").text_content() or "")
    picture(page, "nothing")
