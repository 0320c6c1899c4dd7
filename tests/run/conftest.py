"""Fixtures for the tests of emitted programs."""

import tempfile
from pathlib import Path

import pytest

from harness.run.backends import Backend
from tests.support.tiny_programs import Programs


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    return Programs(tmp_path_factory.mktemp("programs"))


@pytest.fixture
def own_temporary_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A temporary root that no other test puts anything into."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))


@pytest.fixture
def own_chips(monkeypatch: pytest.MonkeyPatch) -> None:
    """The chips of the table, whatever the shell asks for and whatever GPU is here."""
    monkeypatch.delenv("IREE_CHIP", raising=False)
    monkeypatch.setattr(Backend, "has_device_file", False)
