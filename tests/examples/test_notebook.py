"""The notebook of the examples, executed by a kernel without a screen."""

import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.support.paths import ROOT

# What the kernel's own libraries warn about is no matter of this project.
pytestmark = pytest.mark.filterwarnings("default")


def test_the_notebook_runs_and_shows_the_pair_that_differs(tmp_path: Path) -> None:
    path = shutil.copy(ROOT / "examples/traces.ipynb", tmp_path)
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    (shown,) = notebook.cells[2].outputs
    html = shown["data"]["text/html"]
    assert "FAIL</strong> right vs wrong" in html
    assert html.count("<polyline") == 3
    assert shown["data"]["text/plain"] == "<right vs wrong: FAIL>"
    (frame,) = notebook.cells[3].outputs
    assert "delta" in frame["data"]["text/html"]
    picture = ROOT / "build" / "notebook.html"
    picture.parent.mkdir(exist_ok=True)
    picture.write_text(f'<!doctype html><meta charset="utf-8">{html}')
