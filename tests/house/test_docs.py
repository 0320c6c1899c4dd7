"""The documents keep up with the code."""

import re
from pathlib import Path

import pytest

from harness.cli import main
from harness.run.backends import BACKENDS
from harness.run.contract import VARIABLES
from harness.spec.models import model_names

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
SEMANTICS = (ROOT / "specs" / "README.md").read_text()
SOURCES = [path for folder in ("harness", "specs") for path in (ROOT / folder).rglob("*.py")]


@pytest.mark.parametrize("verb", sorted(main.commands))
def test_the_readme_names_every_verb(verb: str) -> None:
    assert f"`{verb}" in README


@pytest.mark.parametrize("option", [o for p in main.commands["verify"].params for o in p.opts if o.startswith("--")])
def test_the_readme_names_every_option_of_verify(option: str) -> None:
    assert option in README


def test_make_prints_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    documented = re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE)
    assert sorted(phony.split()) == sorted(documented)


def test_the_readme_names_the_contract_and_the_published_networks() -> None:
    ours = [name for name in VARIABLES if name.startswith(("LEAN_MLIR", "HARNESS"))]
    assert ours
    assert [name for name in ours if name not in README] == []
    assert all(name in README for name in BACKENDS)
    assert {"mnist_mlp", "mnist_cnn"} <= set(model_names())


def test_every_cited_section_exists() -> None:
    headings = {line.lstrip("# ").lower() for line in SEMANTICS.splitlines() if line.startswith("#")}
    cited = {}
    for path in SOURCES:
        for section in re.findall(r'specs/README\.md, "?([A-Z][A-Za-z0-9 ]*)', path.read_text()):
            cited[section.strip().lower()] = path.name
    assert len(cited) > 10
    assert {section: name for section, name in cited.items() if section not in headings} == {}
