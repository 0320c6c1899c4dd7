"""Folders that only this user can write, and files that are only this user's."""

import os
from pathlib import Path

import pytest

from harness.data.fetch import make_folder
from harness.system.private import make_private, read_own, why_not_private


def test_a_folder_that_is_made_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        make_private(tmp_path / "a" / "b")
        make_folder(tmp_path / "data" / "mnist")
    finally:
        os.umask(before)
    for folder in (tmp_path / "a", tmp_path / "a" / "b", tmp_path / "data", tmp_path / "data" / "mnist"):
        assert why_not_private(folder) is None
        assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o1777])
def test_a_folder_that_others_can_write_is_not_private(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    folder.chmod(mode)
    assert why_not_private(folder) == f"{folder} can be written by other users"
    (folder / "b").mkdir()
    sticky = mode & 0o1000
    assert why_not_private(folder / "b") == (None if sticky else f"{folder} can be written by other users")


def test_a_link_is_as_private_as_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "open" / "inside").mkdir(parents=True)
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "link").symlink_to(tmp_path / "open" / "inside")
    assert why_not_private(tmp_path / "link") == f"{tmp_path}/open can be written by other users"
    assert why_not_private(tmp_path / "nowhere") == f"{tmp_path}/nowhere: No such file or directory"


def test_a_folder_or_file_of_another_user_is_not_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text("x")
    assert read_own(tmp_path / "a", 1) == b"x"
    me = os.geteuid()
    monkeypatch.setattr("os.geteuid", lambda: me + 1)
    assert why_not_private(tmp_path) == f"{tmp_path} belongs to another user"
    assert read_own(tmp_path / "a", 1) is None


def test_only_so_many_bytes_are_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"xy")
    assert (read_own(tmp_path / "a", 2), read_own(tmp_path / "a", 1)) == (b"xy", None)
    assert read_own(tmp_path, 9) is None
    assert read_own(tmp_path / "b", 9) is None
