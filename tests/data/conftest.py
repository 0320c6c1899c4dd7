"""Fixtures for the tests of data sets."""

from pathlib import Path

import pytest


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole search path; `tests.support.npm.use` puts a program there that plays npm."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder
