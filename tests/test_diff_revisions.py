"""Traces and logs of revisions: the same file, as it was committed and as it is."""

import gzip
import json
import os
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.diff import main
from harness.system import git
from harness.trace.manifest import Manifest, write_manifest
from tests.support.repositories import commit, new_repository, run_git
from tests.support.sample_logs import write_log
from tests.support.sample_traces import write

FALLING = [2.0 / (k + 1) for k in range(20)]
FAR = [x + 1 for x in FALLING]


def diff(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


def refused(*arguments: object) -> str:
    """The one line by which it ends with code 2."""
    found = diff(*arguments)
    assert found.exit_code == 2, found.output
    assert found.stdout == ""
    assert found.stderr.count("\n") == 1
    return found.stderr.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """`traces/x.jsonl` in v1, far from it in v2, and as in v1 in the working tree."""
    root = new_repository(tmp_path / "repository")
    (root / "traces").mkdir()
    write(root / "traces" / "x.jsonl", FALLING)
    commit(root, "v1")
    write(root / "traces" / "x.jsonl", FAR)
    commit(root, "v2")
    write(root / "traces" / "x.jsonl", FALLING)
    return root


def test_two_revisions_of_a_file_are_a_pair(repository: Path) -> None:
    found = diff("--rev", "v1", "--rev", "v2", repository / "traces" / "x.jsonl", "--format", "json")
    assert found.exit_code == 1
    (pair,) = json.loads(found.stdout)["pairs"]
    assert pair["pair"] == "v1:traces/x.jsonl vs v2:traces/x.jsonl"
    assert [pair[side]["trace"] for side in "ab"] == ["v1:traces/x.jsonl", "v2:traces/x.jsonl"]
    assert pair["numbers"]["step_1"] == 1.0


def test_one_revision_is_compared_with_the_working_tree(repository: Path) -> None:
    path = repository / "traces" / "x.jsonl"
    assert diff("--rev", "v1", path, "--mode", "bitwise").exit_code == 0
    found = diff("--rev", "HEAD", path)
    assert found.exit_code == 1
    assert found.stdout.startswith("A     HEAD:traces/x.jsonl (")
    assert f"\nB     {path} (" in found.stdout


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_people_read_the_sides_by_revision_and_path(repository: Path, form: str) -> None:
    path = repository / "traces" / "x.jsonl"
    printed = diff("--rev", "v1", "--rev", "HEAD~1", path, path, "--format", form).stdout
    assert printed.count("v1:traces/x.jsonl vs HEAD~1:traces/x.jsonl") >= 2


def test_each_path_is_a_pair_of_its_own(repository: Path) -> None:
    write(repository / "y.jsonl", FAR)
    commit(repository, "v3")
    paths = repository / "traces" / "x.jsonl", repository / "y.jsonl"
    pairs = json.loads(diff("--rev", "v3", *paths, "--format", "json").stdout)["pairs"]
    assert [(pair["a"]["trace"], pair["verdict"]["status"]) for pair in pairs] == [
        ("v3:traces/x.jsonl", "PASS"),
        ("v3:y.jsonl", "PASS"),
    ]


def test_it_works_from_a_subfolder_and_through_a_linked_folder(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository / "traces")
    assert diff("--rev", "v1", "x.jsonl").exit_code == 0
    (repository.parent / "link").symlink_to(repository / "traces")
    assert diff("--rev", "v1", repository.parent / "link" / "x.jsonl").exit_code == 0


def test_a_file_and_its_folder_may_be_gone_from_the_working_tree(repository: Path) -> None:
    run_git(repository, "rm", "-qrf", "traces")
    path = repository / "traces" / "x.jsonl"
    assert diff("--rev", "v1", "--rev", "v2", path).exit_code == 1
    assert refused("--rev", "v1", path) == f"{path}:1: cannot be read: No such file or directory."


def test_compressed_traces_and_logs_of_other_tools_are_read(repository: Path) -> None:
    content = (repository / "traces" / "x.jsonl").read_bytes()
    (repository / "x.jsonl.gz").write_bytes(gzip.compress(content))
    log = write_log(repository, "csv", FALLING)
    commit(repository, "v3")
    assert diff("--rev", "v3", repository / "x.jsonl.gz", log).exit_code == 0


def test_the_manifest_of_a_revision_counts(repository: Path) -> None:
    write_manifest(repository / "traces" / "x.manifest.json", Manifest(status="crashed", steps_written=20))
    commit(repository, "v3")
    (repository / "traces" / "x.manifest.json").unlink()
    found = diff("--rev", "v3", repository / "traces" / "x.jsonl")
    assert found.exit_code == 3
    assert "crashed" in found.stdout
    (repository / "traces" / "x.manifest.json").write_text("{")
    commit(repository, "v4")
    line = refused("--rev", "v4", "--rev", "v4", repository / "traces" / "x.jsonl")
    assert line.startswith("v4:traces/x.manifest.json:1: not a manifest: ")


def test_the_rest_of_a_run_beside_a_whole_one_is_seen(repository: Path) -> None:
    write_manifest(repository / "traces" / "x.manifest.json", Manifest(status="complete", steps_written=20))
    write(repository / "traces" / "x.partial.jsonl", FALLING)
    commit(repository, "v3")
    found = diff("--rev", "v3", "--rev", "v3", repository / "traces" / "x.jsonl")
    assert "x.partial.jsonl lies beside it" in found.stdout


def test_neither_filters_nor_text_conversions_run(repository: Path) -> None:
    (repository / ".gitattributes").write_text("*.jsonl filter=spoil diff=spoil text eol=crlf\n")
    for name in ("filter.spoil.smudge", "diff.spoil.textconv"):
        run_git(repository, "config", name, "touch ran; false")
    assert diff("--rev", "v1", repository / "traces" / "x.jsonl", "--mode", "bitwise").exit_code == 0
    assert not (repository / "ran").exists()


def test_the_environment_of_a_hook_does_not_choose_the_repository(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(new_repository(tmp_path / "other") / ".git"))
    assert diff("--rev", "v1", repository / "traces" / "x.jsonl").exit_code == 0


def test_nothing_is_left_behind(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir(mode=0o700)
    before = run_git(repository, "status", "--porcelain")
    diff("--rev", "v1", "--rev", "v2", repository / "traces" / "x.jsonl")
    assert list((tmp_path / "temporary").glob("*/*")) == []
    assert run_git(repository, "status", "--porcelain") == before
    assert run_git(repository, "worktree", "list").count("\n") == 1


# ---- errors, a line each


def test_a_revision_that_is_not_there(repository: Path) -> None:
    path = repository / "traces" / "x.jsonl"
    assert refused("--rev", "v9", path).startswith(f"harness: 'v9': no such revision in {repository}. ")
    for odd in ("--output=/tmp/x", "-h", " "):
        assert refused(f"--rev={odd}", path).startswith(f"harness: {odd!r}: no revision; expected a commit")
    assert "no such revision" in refused("--rev", "v1:traces", path)


def test_a_shallow_clone_is_told(repository: Path, tmp_path: Path) -> None:
    first = run_git(repository, "rev-parse", "v1").strip()
    run_git(tmp_path, "clone", "-q", "--depth=1", f"file://{repository}", "shallow")
    line = refused("--rev", first, tmp_path / "shallow" / "traces" / "x.jsonl")
    assert "a shallow clone, which lacks older ones. `git fetch --unshallow` fetches them." in line


def test_a_path_that_the_revision_does_not_have(repository: Path) -> None:
    path = write(repository / "new.jsonl", FALLING)
    assert refused("--rev", "v1", path) == "v1:new.jsonl: no such file in this revision."
    (repository / "new.jsonl.dvc").write_text("outs:\n")
    commit(repository, "v3", "new.jsonl.dvc")
    assert "new.jsonl.dvc is: get the trace with `dvc get --rev`" in refused("--rev", "v3", path)


def test_the_second_revision_as_a_word_of_its_own(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    found = diff("--rev", "v1", "v2", "traces/x.jsonl")
    assert found.exit_code == 2
    assert "v1:v2: no such file in this revision. It is a revision, though: give each of two its own" in found.stderr


def test_outside_of_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    line = refused("--rev", "v1", write(tmp_path / "x.jsonl", FALLING))
    assert line.startswith(f"harness: {tmp_path}: not in the working tree of a git repository (not a git repository")


def test_without_git(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "git is not installed" in refused("--rev", "v1", repository / "traces" / "x.jsonl")


def test_a_git_that_does_not_end(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(git, "_TIMEOUT_S", 0.2)
    assert "`git rev-parse` did not end within 0 seconds" in refused("--rev", "v1", repository / "traces" / "x.jsonl")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n", "a pointer of Git LFS"),
        ("/annex/objects/SHA256E-s12--00.jsonl\n", "a pointer of git-annex"),
    ],
)
def test_a_pointer_in_the_place_of_the_trace(repository: Path, content: str, told: str) -> None:
    (repository / "p.jsonl").write_text(content)
    commit(repository, "v3")
    assert refused("--rev", "v3", "--rev", "v3", repository / "p.jsonl").startswith(f"v3:p.jsonl: {told}, which keeps")


def test_links_are_told(repository: Path) -> None:
    (repository / "a.jsonl").symlink_to(".git/annex/objects/Xx/a.jsonl")
    (repository / "l.jsonl").symlink_to("traces/x.jsonl")
    (repository / "folder").symlink_to("traces")
    commit(repository, "v3")
    assert "v3:a.jsonl: a link into git-annex" in refused("--rev", "v3", "--rev", "v3", repository / "a.jsonl")
    assert refused("--rev", "v3", repository / "l.jsonl").startswith("v3:l.jsonl: a symbolic link; expected a trace")
    (repository / "folder").unlink()
    line = refused("--rev", "v3", "--rev", "v3", repository / "folder" / "below" / "x.jsonl")
    assert "folder is a symbolic link" in line


def test_a_folder_and_a_submodule(repository: Path, tmp_path: Path) -> None:
    other = new_repository(tmp_path / "other")
    write(other / "x.jsonl", FALLING)
    commit(other, "w1")
    run_git(repository, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other), "sub")
    commit(repository, "v3")
    assert refused("--rev", "v3", "--rev", "v3", repository / "traces").startswith(
        "v3:traces: a directory; expected a trace"
    )
    assert refused("--rev", "v3", "--rev", "v3", repository / "sub").startswith("v3:sub: a submodule; expected a trace")
    assert diff("--rev", "w1", repository / "sub" / "x.jsonl").exit_code == 0  # its own revisions, where it is there
    run_git(repository, "submodule", "--quiet", "deinit", "-f", "sub")
    (repository / "sub").rmdir()
    line = refused("--rev", "v3", "--rev", "v3", repository / "sub" / "x.jsonl")
    assert "sub is a submodule" in line


def test_a_huge_file(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.trace.revisions._LARGEST", 100)
    line = refused("--rev", "v1", repository / "traces" / "x.jsonl")
    assert line.startswith("v1:traces/x.jsonl: 1,")
    assert "bytes; expected at most a GiB" in line


def test_a_damaged_file_is_told_by_revision_and_line(repository: Path) -> None:
    (repository / "traces" / "x.jsonl").write_text('{"kind": "header"\n')
    commit(repository, "v3")
    assert refused("--rev", "v3", "--rev", "v1", repository / "traces" / "x.jsonl").startswith("v3:traces/x.jsonl:1: ")


@pytest.mark.parametrize("arguments", [["--rev", "v1"], ["--rev", "a", "--rev", "b", "--rev", "c", "x.jsonl"]])
def test_too_few_files_and_too_many_revisions(arguments: list[str]) -> None:
    assert "expected once or twice" in (line := refused(*arguments)) or "name at least one trace" in line


def test_hostile_names_do_not_steer_the_terminal(repository: Path) -> None:
    assert "\x1b" not in refused("--rev", "\x1b[2J", repository / "traces" / "x.jsonl")
    assert "\x1b" not in refused("--rev", "v1", write(repository / "\x1b[2J.jsonl", FALLING))


def test_a_lost_object_is_told(repository: Path) -> None:
    name = run_git(repository, "rev-parse", "v1:traces/x.jsonl").strip()
    (repository / ".git" / "objects" / name[:2] / name[2:]).unlink()
    line = refused("--rev", "v1", repository / "traces" / "x.jsonl")
    assert line.startswith(f"v1:traces/x.jsonl: {repository}: git does not have {name[:12]}: ")


def test_a_revision_is_read_by_several_processes_when_it_is_large(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.trace.recording._WORTH_PROCESSES", 1)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert diff("--rev", "v1", "--rev", "v2", repository / "traces" / "x.jsonl").exit_code == 1


def test_git_runs_without_a_shell(repository: Path) -> None:
    assert "no such revision" in refused("--rev", "v1; touch ran", repository / "traces" / "x.jsonl")
    assert not list(repository.rglob("ran"))
    assert subprocess.run(["git", "-C", repository, "fsck"], capture_output=True, check=False).returncode == 0
