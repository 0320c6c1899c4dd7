"""Writes a summary in every form."""

from collections.abc import Callable, Iterable
from pathlib import Path

from harness.report.attest.make import write_statements
from harness.report.page import render_page
from harness.report.summary import Summary, as_json, junit, markdown, model_of
from harness.report.summary.history import append_history, row_of
from harness.system.files import replace_file

# One after another, so that only one of them is in memory.
_FORMS: dict[str, Callable[[Summary], Iterable[bytes]]] = {
    "report.html": lambda summary: [render_page(summary).encode()],
    "report.md": lambda summary: [markdown.render(summary).encode()],
    "junit.xml": lambda summary: [junit.render(summary)],
    "verdict.json": lambda summary: (line.encode() for line in as_json.lines(summary)),
}


def write_summary(folder: Path, summary: Summary) -> list[Path]:
    """Write the reports into the folder and return their paths; beside them, statements of cells and verdict.

    Raises: AttestationError, OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, render in _FORMS.items():
        with replace_file(folder / name) as file:
            file.writelines(render(summary))
    paths = [folder / name for name in _FORMS]
    cells = [cell for cell in summary.cells if cell.complete]
    write_statements(folder / "attestations", cells, folder / "verdict.json", parameters={"mode": summary.mode})
    return paths


def record_history(path: Path, summary: Summary) -> None:
    """Add the judged pairs of the night. Raises: HarnessError for a file that is no history, OSError."""
    append_history(path, [row_of(summary.night, model_of(row), row) for row in summary.judged])
