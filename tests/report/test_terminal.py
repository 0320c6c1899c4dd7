"""Output for a person at a terminal, and for nobody else."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.report.terminal import OUTCOMES
from harness.system.terminal import is_interactive
from harness.system.text import Document, Table, spaced
from harness.trace.manifest import Manifest, write_manifest
from tests.support.sample_traces import write
from tests.support.terminals import ROOT, on_terminal

FALLING = [2.0 / (k + 1) for k in range(20)]
COLOUR = re.compile(r"\x1b\[[\d;]*m")
GREEN, RED, YELLOW, DIM = "\x1b[32m", "\x1b[1;31m", "\x1b[33m", "\x1b[2m"


@pytest.fixture
def traces(tmp_path) -> list[Path]:
    far = [x + 0.5 for x in FALLING]
    named = {"a": FALLING, "b": [x + 1e-7 for x in FALLING], "far": far, "short": FALLING[:9]}
    return [write(tmp_path / f"{name}.jsonl", losses) for name, losses in named.items()]


def piped(*arguments: object) -> str:
    command = [sys.executable, "-m", *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "110"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False).stdout


def words(text: str) -> list[str]:
    return re.sub(r"[─-]{2,}", " ", COLOUR.sub("", text)).split()


def test_a_terminal_shows_in_colours_what_a_pipe_gets_plain(traces):
    plain = piped("harness.diff", *traces)
    code, seen = on_terminal("harness.diff", *traces, columns=200)
    assert code == 1
    assert "\x1b" not in plain
    for coloured in (f"{GREEN}PASS\x1b[0m", f"{RED}FAIL\x1b[0m", f"{YELLOW}INCONCLUSIVE\x1b[0m", f"{DIM}not reached"):
        assert coloured in seen
    assert words(seen) == words(plain)


@pytest.mark.parametrize("columns", [60, 80, 132])
def test_every_line_fits_the_terminal(traces, columns):
    _, seen = on_terminal("harness.diff", *traces[1:3], columns=columns)
    lines = COLOUR.sub("", seen).splitlines()
    assert max(map(len, lines)) <= columns
    gates = [line.split("  ")[0] for line in lines]
    assert {"contract", "forward", "backward and optimizer", "accuracy"} <= set(gates)


@pytest.mark.parametrize("quiet", [{"CI": "true"}, {"TERM": "dumb"}, {"TERM": None}], ids=str)
def test_a_ci_job_and_a_dumb_terminal_get_what_a_pipe_gets(traces, quiet):
    _, seen = on_terminal("harness.diff", *traces[:2], columns=110, **quiet)
    assert seen == piped("harness.diff", *traces[:2])


def test_no_color_leaves_the_table_and_takes_the_colours(traces):
    _, seen = on_terminal("harness.diff", *traces[:3], NO_COLOR="1")
    assert "───" in seen
    assert not re.search(r"\x1b\[(\d+;)*(3|4|9|10)\d(;\d+)*m", seen)
    assert "PASS" in seen


def test_programs_get_their_form_untouched_on_a_terminal_too(traces):
    for form in ("json", "markdown"):
        arguments = ("harness.diff", *traces[:3], "--format", form)
        assert on_terminal(*arguments, columns=50)[1] == piped(*arguments)


def test_a_name_in_a_trace_cannot_steer_the_terminal(tmp_path, traces):
    write_manifest(tmp_path / "b.manifest.json", Manifest(status="crashed", reason="\x1b]0;owned\x07[bold]x[/bold]"))
    _, seen = on_terminal("harness.diff", *traces[:2], columns=200)
    assert "\\x1b]0;owned\\x07[bold]x[/bold]" in seen
    assert "\x07" not in seen
    assert set(re.findall(r"\x1b.", seen)) == {"\x1b["}


def test_rich_is_loaded_for_a_terminal_alone(traces):
    program = "import sys; from harness.diff import main; main(standalone_mode=False)"
    arguments = ["-X", "importtime", "-c", program, *map(str, traces[:2])]
    found = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "harness.report.terminal" in found.stderr
    assert "rich" not in {line.rpartition("|")[2].strip() for line in found.stderr.splitlines()}


@pytest.mark.parametrize("verb", [["models"], ["data", "list"], ["doctor"]], ids=" ".join)
def test_other_verbs_draw_their_tables_alike(verb):
    code, seen = on_terminal("harness", *verb, columns=160)
    assert code == 0
    assert "───" in seen
    assert "\x1b[1m" in seen
    assert "───" not in piped("harness", *verb)


def test_a_document_is_lines_and_tables():
    table = Table(("case", "seconds", "said"), [["a\x1b", "1.5", "one two"], ["b", "10.25", ""]], right=("seconds",))
    assert str(spaced([Document(["head\r", table]), Document(["end"])])).splitlines() == [
        "head\\r",
        "case      seconds  said",
        "------  ---------  -------",
        "a\\x1b         1.5  one two",
        "b           10.25",
        "",
        "end",
    ]
    assert str(Document([])) == ""


def test_a_table_without_rows_is_its_head():
    assert str(Table(("pair", "step"), [], right=("step",), wrapped=True)).splitlines()[0].split() == ["pair", "step"]


def test_columns_with_outcomes_are_those_of_the_tables():
    from harness.commands.compile import COLUMNS as COMPILED
    from harness.report.tables import GATE_COLUMNS, SUMMARY_COLUMNS
    from harness.report.verification import CELL_COLUMNS
    from harness.validation.oracle.table import COLUMNS as CASES

    for columns in (GATE_COLUMNS, SUMMARY_COLUMNS, CELL_COLUMNS, COMPILED, CASES):
        assert len(OUTCOMES & set(columns)) == 1


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "CI": "false"}, True),
        ({"TERM": "xterm", "CI": ""}, True),
        ({"TERM": "xterm", "CI": "1"}, False),
        ({"TERM": "dumb"}, False),
        ({}, False),
    ],
    ids=str,
)
def test_only_a_terminal_outside_of_ci_is_read_by_a_person(variables, expected, monkeypatch):
    for name in ("CI", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert is_interactive(Terminal()) is expected
    assert not is_interactive(io.StringIO())
