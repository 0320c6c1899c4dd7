"""The writer of emitted Python: statements are broken as the formatter breaks them, and mean what they meant."""

import ast
import subprocess
import sys

import pytest

from harness.emit.source import WIDTH, Source, literal
from tests.support.paths import ROOT

LONG = "a_long_name_of_a_value_between_two_layers"


def written(statement: str, depth: int = 0) -> str:
    source = Source()
    if depth == 0:
        source.line(statement)
        return str(source)
    with source.block("if True:"):
        source.line(statement)
    return str(source)


@pytest.mark.parametrize("depth", [0, 1])
@pytest.mark.parametrize(
    "statement",
    [
        "x = f(a)",
        f"x = f({LONG}, {LONG}, {LONG})",
        f"return_value = f({LONG}, {LONG}, {LONG}, [{LONG}, {LONG}], {{'key': ({LONG}, {LONG})}})".replace("'", '"'),
        f"x = ({LONG}, {LONG}, {LONG})",
        f"x = {{{LONG}, {LONG}, {LONG}}}",
        f"x = [f({LONG}, {LONG}), f({LONG}, {LONG}, {LONG}, {LONG})]",
        f'x = f("a (string, of [brackets", {LONG}, "and # more, {{too", {LONG}, {LONG})',
        f'x = {{"key": {{"{LONG}": 1, "{LONG}": 2}}, "other": [{LONG}, {LONG}, {LONG}, {LONG}]}}',
    ],
)
def test_statements_are_broken_as_by_the_formatter(statement: str, depth: int) -> None:
    text = written(statement, depth)
    assert max(map(len, text.splitlines())) <= WIDTH
    assert ast.dump(ast.parse(text)) == ast.dump(ast.parse(f"if True:\n    {statement}" if depth else statement))
    command = [sys.executable, "-m", "ruff", "format", "--no-cache", "--config", str(ROOT / "pyproject.toml"), "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    assert text == done.stdout


@pytest.mark.parametrize(
    "statement",
    [
        f"x = {LONG} @ {LONG} + params[{LONG}]",
        f"x = {LONG} * {LONG} * ({LONG} + {LONG})",
        f"x = {LONG} * {LONG} * -({LONG} + {LONG})",
        f"x = f({LONG}, {LONG}, {LONG})[:, 0]",
        f"x = f({LONG}, {LONG}, {LONG}).copy()",
        f"# {LONG} {LONG} {LONG} (in brackets, of a comment)",
        f'"""{LONG} {LONG} {LONG} (in brackets, of a docstring)."""',
    ],
)
def test_an_index_a_term_and_a_comment_stay_whole(statement: str) -> None:
    assert written(statement) == f"{statement}\n"


def test_literals_have_double_quotes() -> None:
    value = {"a": [1, 2.5], "b": ("x",), "c": (), "d": True, 'q"': None}
    text = literal(value)
    assert ast.literal_eval(text) == value
    assert "'" not in text
