"""Prints the output of a verb: plain for files, pipes and CI jobs, in colours and to the width for a person."""

import sys
from typing import TYPE_CHECKING

import click

from harness.system.terminal import is_interactive
from harness.system.text import Document, Table, escape_control

if TYPE_CHECKING:
    from rich.table import Table as RichTable
    from rich.text import Text

# Columns whose cells begin with an outcome.
OUTCOMES = {"verdict", "outcome", "status", "result", "state"}
GOOD, BAD, OPEN, ABSENT = "green", "bold red", "yellow", "dim"
_STYLES = {
    GOOD: ("PASS", "pass", "AGREE", "complete", "compiles", "ready"),
    BAD: ("FAIL", "fail", "DISAGREE", "BROKEN", "crashed", "does not compile", "broken"),
    OPEN: ("INCONCLUSIVE", "inconclusive", "timed-out", "interrupted", "refused", "SHOWN", "low"),
}
_UNBROKEN = 12  # characters; a column of numbers stays whole
_VERDICTS = {r"\bPASS\b": GOOD, r"\bFAIL\b": BAD, r"\bINCONCLUSIVE\b": OPEN}


def show(content: Document | str) -> None:
    """Print a document, or text of another form as it is."""
    if isinstance(content, str) or not is_interactive(sys.stdout):
        click.echo(str(content), nl=False)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(file=sys.stdout, highlight=False)
    for block in content.blocks:
        if isinstance(block, Table):
            console.print(_table(block))
        else:
            line = Text(escape_control(block))
            for pattern, style in _VERDICTS.items():
                line.highlight_regex(pattern, style)
            console.print(line)


def _table(table: Table) -> "RichTable":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as RichTable
    from rich.text import Text

    shown = RichTable(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for index, column in enumerate(table.columns):
        longest = max((len(row[index]) for row in table.rows), default=0)
        whole = longest <= _UNBROKEN
        shown.add_column(
            Text(column), justify="right" if column in table.right else "left", overflow="fold", no_wrap=whole
        )
    for row in table.rows:
        cells = [Text(escape_control(cell)) for cell in row]
        for column, cell in zip(table.columns, cells, strict=True):
            if column in OUTCOMES:
                _colour(cell)
        shown.add_row(*cells)
    return shown


def _colour(cell: "Text") -> None:
    """Colour the words of an outcome; a cell without any is dim."""
    for style, words in _STYLES.items():
        for word in words:
            if cell.plain.startswith(word):
                cell.stylize(style, 0, len(word))
                return
    cell.stylize(ABSENT)
