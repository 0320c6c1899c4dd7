"""Writes a summary in every form."""

from pathlib import Path

from harness.report.attest.make import write_statements
from harness.report.page import render_page
from harness.report.summary import Summary, as_json, junit, markdown, model_of
from harness.report.summary.history import append_history, row_of
from harness.system.files import replace_file


def write_summary(folder: Path, summary: Summary) -> list[Path]:
    """Write the reports into the folder and return their paths; beside them, statements of cells and verdict.

    Raises: AttestationError, OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    forms = {
        "report.html": render_page(summary).encode(),
        "report.md": markdown.render(summary).encode(),
        "junit.xml": junit.render(summary),
        "verdict.json": as_json.render(summary).encode(),
    }
    for name, content in forms.items():
        with replace_file(folder / name) as file:
            file.write(content)
    paths = [folder / name for name in forms]
    cells = [cell for cell in summary.cells if cell.complete]
    write_statements(folder / "attestations", cells, folder / "verdict.json", parameters={"mode": summary.mode})
    return paths


def record_history(path: Path, summary: Summary) -> None:
    """Add the judged pairs of the night. Raises: HarnessError for a file that is no history, OSError."""
    append_history(path, [row_of(summary.night, model_of(row), row) for row in summary.judged])
