"""The documents keep up with the code, and their links lead somewhere."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from harness.cli import main
from harness.run.backends import BACKENDS
from harness.run.contract import VARIABLES
from harness.spec.models import model_names
from tests.support.paths import ROOT

CLI = (ROOT / "docs" / "cli.md").read_text()
SEMANTICS = (ROOT / "specs" / "README.md").read_text()
SOURCES = [path for folder in ("harness", "specs") for path in (ROOT / folder).rglob("*.py")]
SPECIFICATIONS = [ROOT / folder / "README.md" for folder in ("ci", "reports", "specs", "traces")]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *SPECIFICATIONS]
FRONT_PAGE_BYTES = 5600
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")


def _verbs(command: click.Command = main, name: str = "") -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for part, below in command.commands.items():
            yield from _verbs(below, f"{name} {part}".strip())
    else:
        yield name, command


VERBS = dict(_verbs())


def _options(command: click.Command, *, hidden: bool) -> set[str]:
    options = [p for p in command.params if isinstance(p, click.Option) and (hidden or not p.hidden)]
    return {name for p in options for name in (*p.opts, *p.secondary_opts) if name.startswith("--")}


def _section(heading: str) -> str:
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", CLI, re.MULTILINE | re.DOTALL)
    assert found, f"docs/cli.md has no section '{heading}'"
    return found[1]


def _without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$|^ {4}[^\n]*$|`[^`\n]*`", "", text, flags=re.MULTILINE | re.DOTALL)


def _anchors(page: Path) -> set[str]:
    """The fragments of a page's headings, as GitHub makes them: lower case, no punctuation, hyphens for blanks."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _code(text: str) -> str:
    """The code of a page in lines: its spans, then its blocks."""
    text = text.replace("python -m harness.diff", "harness diff")
    blocks = re.findall(r"^```.*?^```$", text, re.MULTILINE | re.DOTALL)
    return "\n".join([*re.findall(r"`([^`]+)`", text), *re.findall(r"^ {4}.*$", text, re.MULTILINE), *blocks])


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_option_of_a_verb_is_in_its_section_and_no_other(verb: str) -> None:
    command, section = VERBS[verb], _section(verb)
    written = set(_OPTION.findall(section))
    assert _options(command, hidden=False) - written == set()
    assert written - _options(command, hidden=True) == set()


def test_every_section_that_shows_a_command_is_of_a_verb() -> None:
    shown = re.findall(r"^## (.*)\n\n`harness ", CLI, re.MULTILINE)
    assert sorted(shown) == sorted(VERBS)


def test_shared_options_exist() -> None:
    every = set().union(*(_options(command, hidden=True) for command in VERBS.values()))
    shared = set(_OPTION.findall(_section("Shared options")))
    assert shared
    assert shared - every == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_that_a_page_shows_exist(page: Path) -> None:
    wrong = []
    for line in re.findall(r"(?:^|[ /`])harness ([a-z][^&|;#\n]*)", _code(page.read_text()), re.MULTILINE):
        one, two = (*line.split(), "")[:2]
        command = VERBS.get(f"{one} {two}") or VERBS.get(one)
        if command is None or set(_OPTION.findall(line)) - _options(command, hidden=True):
            wrong.append(line)
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_make_targets_that_a_page_shows_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^ *make ([a-z]+)", _code(page.read_text()), re.MULTILINE)) - targets == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", _without_code(page.read_text())):
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_document_can_be_reached_from_the_front_page() -> None:
    reached, ahead = set(), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page not in reached:
            reached.add(page)
            links = re.findall(r"\]\(([^)#\s]+\.md)", _without_code(page.read_text()))
            ahead += [(page.parent / link).resolve() for link in links if "://" not in link]
    assert set(PAGES) - reached == set()


def test_the_front_page_is_short() -> None:
    assert len((ROOT / "README.md").read_bytes()) < FRONT_PAGE_BYTES


def test_make_prints_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    documented = re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE)
    assert sorted(phony.split()) == sorted(documented)


def test_the_documents_name_the_contract_the_backends_and_the_networks() -> None:
    documents = "".join(page.read_text() for page in PAGES if page.parent.name == "docs")
    assert [name for name in VARIABLES if f"`{name}`" not in documents] == []
    assert [name for name in BACKENDS if f"`{name}`" not in CLI] == []
    networks = set(model_names()) - {"mobilenet_v2", "mobilenet_v3"}  # "`mobilenet_v1` to `mobilenet_v4`"
    assert [name for name in sorted(networks) if f"`{name}`" not in _section("Networks")] == []


def test_every_cited_section_exists() -> None:
    headings = {line.lstrip("# ").lower() for line in SEMANTICS.splitlines() if line.startswith("#")}
    cited = {}
    for path in SOURCES:
        for section in re.findall(r'specs/README\.md, "?([A-Z][A-Za-z0-9 ]*)', path.read_text()):
            cited[section.strip().lower()] = path.name
    assert len(cited) > 10
    assert {section: name for section, name in cited.items() if section not in headings} == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_source_files_that_a_page_names_exist(page: Path) -> None:
    rooms = "|".join(folder.name for folder in (ROOT / "harness").iterdir() if folder.is_dir())
    named = re.findall(rf"`(?:harness/)?((?:{rooms})/[\w/]+\.py)`", page.read_text())
    assert [path for path in named if not (ROOT / "harness" / path).is_file()] == []
