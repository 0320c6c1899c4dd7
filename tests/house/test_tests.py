"""The order of the tests themselves: a room for each room, helpers in one place, and no test leans on another."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.support.paths import ROOT

TESTS = ROOT / "tests"
FILES = [path for path in sorted(TESTS.rglob("*.py")) if path.parent != TESTS / "golden"]
ROOMS = {path.parent.name for path in (ROOT / "harness").glob("*/__init__.py")}
OF_A_TEST = re.compile(
    r"\b(?:from|import)\s+tests\b(?!\.support\.)\S*"
)  # also in the code that a child process is given


def place(path: Path) -> str:
    return str(path.relative_to(TESTS))


def imported(tree: ast.AST) -> Iterator[str]:
    """The modules that a file imports, a leading dot for those that are found beside it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def fixtures(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and any("pytest.fixture" in ast.unparse(by) for by in node.decorator_list):
            yield node.name


def test_every_folder_is_a_room_or_has_its_own_reason() -> None:
    assert {path.name for path in TESTS.iterdir() if path.is_dir() and any(path.glob("*.py"))} <= {
        *ROOMS,
        "examples",
        "golden",
        "house",
        "support",
    }
    assert len(ROOMS) > 10


def test_a_file_holds_tests_fixtures_or_helpers_and_its_name_says_which() -> None:
    others = [path for path in FILES if not re.fullmatch(r"test_\w+|conftest", path.stem)]
    assert [place(path) for path in others if path.parent != TESTS / "support"] == []
    assert [place(path) for path in FILES if path.parent == TESTS / "support" and path not in others] == []
    assert len(others) > 10


def test_no_test_imports_another_test() -> None:
    beside = {path.stem for path in FILES}
    found = []
    for path in FILES:
        text = path.read_text()
        names = [name for name in imported(ast.parse(text)) if name.startswith(".") or name.partition(".")[0] in beside]
        found += [f"{place(path)}: {name}" for name in (*names, *OF_A_TEST.findall(text))]
    assert found == []
    assert len(FILES) > 90


def test_a_fixture_of_one_name_exists_once() -> None:
    places = defaultdict(list)
    for path in FILES:
        for name in fixtures(ast.parse(path.read_text())):
            places[name].append(place(path))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
    assert "mnist" in places


def test_a_name_has_at_most_75_characters() -> None:
    names = [name for path in FILES for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)]
    assert [name for name in names if len(name) > 75] == []
    assert len(names) > 500
