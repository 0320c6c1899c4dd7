"""Folders and files for a while: the dead leave none, and the living lose none."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.system.files import replace_file
from harness.system.scratch import scratch, temporary_root
from tests.support.paths import ROOT
from tests.support.processes import start

AT_WORK = """
import sys, time
from pathlib import Path
from harness.system.files import replace_file
from harness.system.scratch import scratch
folder = Path(sys.argv[1])
with scratch(folder) as mine, replace_file(folder / "file") as file:
    (mine / "inside").mkdir()
    print("working", flush=True)
    time.sleep(60)
"""


def test_what_a_killed_process_left_goes_and_what_a_living_one_has_stays(tmp_path: Path) -> None:
    with start([sys.executable, "-c", AT_WORK, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None and child.stdout.readline() == "working\n"
        before = {path for path in tmp_path.iterdir() if path.name.startswith(".")}
        with scratch(tmp_path), replace_file(tmp_path / "file") as file:
            file.write(b"x")
        assert {path for path in tmp_path.iterdir() if path.name.startswith(".")} == before
        assert len(before) == 2
        child.send_signal(signal.SIGKILL)
        child.wait(30)
    with scratch(tmp_path), replace_file(tmp_path / "file") as file:
        file.write(b"y")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_temporary_folder_is_this_users_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with scratch() as folder:
        assert folder.parent == temporary_root()
        assert folder.stat().st_mode & 0o777 == folder.parent.stat().st_mode & 0o777 == 0o700
    assert list(temporary_root().iterdir()) == []
    temporary_root().chmod(0o777)
    with pytest.raises(OSError, match="can be written by other users, expected a folder of this user alone"):
        temporary_root()


def test_a_link_in_the_place_of_what_is_swept_leads_nowhere(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "a").touch()
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / ".scratch-planted").symlink_to(kept)
    (folder / ".file.1.part").symlink_to(kept / "a")
    with scratch(folder), replace_file(folder / "file") as file:
        file.write(b"x")
    assert (kept / "a").exists()
