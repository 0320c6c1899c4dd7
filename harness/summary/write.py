"""Writes a summary in every form."""

from pathlib import Path

from harness.atomicfile import replace_file
from harness.summary import Summary, as_json, junit, markdown, model_of
from harness.summary.history import append_history, row_of


def write_summary(folder: Path, summary: Summary) -> list[Path]:
    """Write the reports into the folder and return their paths. `verdict.json` is the last: with it, all are there.

    Raises: OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    forms = {
        "report.md": markdown.render(summary).encode(),
        "junit.xml": junit.render(summary),
        "verdict.json": as_json.render(summary).encode(),
    }
    for name, content in forms.items():
        with replace_file(folder / name) as file:
            file.write(content)
    return [folder / name for name in forms]


def record_history(path: Path, summary: Summary) -> None:
    """Add the judged pairs of the night. Raises: HarnessError for a file that is no history, OSError."""
    append_history(path, [row_of(summary.night, model_of(row), row) for row in summary.judged])
