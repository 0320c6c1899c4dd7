"""The one rule of the house: a room imports itself and the rooms above it, never one below."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

HARNESS = Path(__file__).parents[2] / "harness"
# In the order of the data, as docs/architecture.md draws them.
ROOMS = (
    "system",
    "spec",
    "data",
    "trace",
    "emit",
    "nn",
    "run",
    "verdict",
    "explain",
    "module",
    "night",
    "report",
    "validation",
    "commands",
)
DOORS = {"__init__", "__main__", "api", "cli", "diff", "errors", "pytest_plugin"}
_MODULE = re.compile(r"harness(\.[A-Za-z_]\w*)+")


def imported(source: str) -> Iterator[tuple[int, str]]:
    """Line and name of every module of ours that a text imports, at any depth, or names in a string of its own.

    Such strings are what `-m`, `import_module` and a table of verbs are given.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import; name the module in full"
            base = node.module or ""
            if base == "harness":
                yield from ((node.lineno, f"harness.{alias.name}") for alias in node.names)
            elif base.startswith("harness."):
                yield node.lineno, base
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name.startswith("harness."))
        elif isinstance(node, ast.Constant) and (found := _MODULE.match(str(node.value))):
            yield node.lineno, found.group()


def room_of(module: str) -> str | None:
    """The room of a module's name, None for a door or for a network of `harness.specs`."""
    name = module.split(".")[1]
    return name if name in ROOMS else None


def backward(path: Path) -> list[str]:
    """The imports of a module from rooms below its own, and from doors but `errors`. A door may import any of them."""
    room = room_of(".".join(("harness", *path.relative_to(HARNESS).with_suffix("").parts)))
    if room is None:
        return []
    below = {*ROOMS[ROOMS.index(room) + 1 :], *DOORS} - {"errors"}
    return [
        f"{path.relative_to(HARNESS)}:{line}: {room} imports {module}"
        for line, module in imported(path.read_text())
        if module.split(".")[1] in below
    ]


def test_no_room_imports_one_below() -> None:
    assert [line for path in sorted(HARNESS.rglob("*.py")) for line in backward(path)] == []


def test_only_rooms_and_doors_stand_at_the_top() -> None:
    assert {path.name for path in HARNESS.iterdir() if path.is_dir() and path.name != "__pycache__"} == set(ROOMS)
    assert {path.stem for path in HARNESS.glob("*.py")} == DOORS


@pytest.mark.parametrize(
    "line",
    [
        "from harness.report.text import Table",
        "def late():\n    import harness.night.folder",
        "from harness import report",
        'run([sys.executable, "-m", "harness.validation.oracle.worker"])',
        'import_module("harness.commands.diff")',
    ],
)
def test_every_form_of_import_is_seen(line: str) -> None:
    assert any(room_of(module) in ROOMS[9:] for _, module in imported(line))


def test_files_fit_in_a_head() -> None:
    long = {str(path): n for path in HARNESS.rglob("*.py") if (n := path.read_text().count("\n")) > 300}
    assert long == {}
