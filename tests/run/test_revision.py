"""The harness of another revision, here of a few lines: what it is asked, and what is made of what it leaves."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import harness
from harness.errors import RevisionError
from harness.run import revision
from harness.run.revision import find_checkout, harness_at
from harness.run.verification import Verification
from harness.spec.models import load_model
from harness.spec.run_config import RunConfig
from harness.system.git import Repository
from harness.system.scratch import scratch
from harness.trace.store import StoredCell
from tests.support.checkouts import fake_code
from tests.support.paths import ROOT
from tests.support.processes import dies, start
from tests.support.repositories import commit, new_repository, run_git

LEAVE = """
import json, pathlib
out = pathlib.Path(words[words.index("--out") + 1]) / "traces"
out.mkdir(parents=True)
cell = dict(model="mnist_mlp", pipeline=words[words.index("--pipeline") + 1], backend="cpu", steps=4)
(out / "c.manifest.json").write_text(json.dumps(dict(status={status!r}, reason={reason!r}, cell=cell)))
(out / "c{suffix}").write_text("its trace")
sys.exit({code})
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for what is temporary, here and in processes."""
    folder = tmp_path / "temporary"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    return folder


def use(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    monkeypatch.setattr(revision, "find_checkout", lambda: Repository(root))


def run(out: Path, timeout_s: float = 60) -> StoredCell:
    """Phase 2 as of `v1`."""
    verification = Verification(
        model=load_model("mnist_mlp"), out=out, run=RunConfig(steps=4), timeout_s=timeout_s, backends=("cpu",)
    )
    with harness_at("v1") as other:
        return other.run(verification, verification.cell("phase2", "cpu"), Path("/data"))


def test_a_run_is_kept_under_the_name_of_its_revision(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = fake_code(tmp_path / "code", LEAVE.format(status="complete", reason=None, suffix=".jsonl", code=0))
    use(monkeypatch, root)
    commit_name = run_git(root, "rev-parse", "v1").strip()
    before = run_git(root, "status", "--porcelain", "--ignored")
    cell = run(tmp_path / "out")
    short = commit_name[:7]
    assert cell.facts.pipeline == f"phase2@{short}"
    assert cell.trace == tmp_path / f"out/traces/at-{short}/mnist_mlp.phase2@{short}-noshuf-cpu.jsonl"
    assert cell.trace.read_text() == "its trace"
    assert cell.manifest.provenance == {"revision": commit_name}
    assert cell.manifest.cell == cell.facts
    assert cell.facts.command == (
        f"harness verify mnist_mlp --against-rev {commit_name} --backends cpu --steps 4 --batch full"
    )
    assert list(temporary.glob("*/*")) == []
    assert run_git(root, "status", "--porcelain", "--ignored") == before
    assert run_git(root, "worktree", "list").count("\n") == 1


def test_a_run_that_is_not_complete_leaves_its_prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave = LEAVE.format(status="crashed", reason="its device burns", suffix=".partial.jsonl", code=3)
    use(monkeypatch, fake_code(tmp_path / "code", leave))
    cell = run(tmp_path / "out")
    assert (cell.manifest.status, cell.manifest.reason) == ("crashed", "its device burns")
    assert cell.trace.name.endswith(".partial.jsonl")
    assert cell.trace.read_text() == "its trace"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("sys.exit(0)", "its `harness run` left no cell (exit code 0: it said nothing)"),
        ("sys.exit('it is broken')", "its `harness run` left no cell (exit code 1: it is broken)"),
        ("import time; time.sleep(60)", "its `harness run` left no cell (it did not end in time)"),
        (LEAVE.format(status="good", reason=None, suffix=".jsonl", code=0), "c.manifest.json:1: not a manifest: "),
    ],
    ids=["nothing", "crash", "hang", "manifest"],
)
def test_a_harness_that_leaves_no_cell_is_a_crashed_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, told: str
) -> None:
    use(monkeypatch, fake_code(tmp_path / "code", code))
    monkeypatch.setattr(revision, "_QUESTION_S", 5.0)
    cell = run(tmp_path / "out", timeout_s=0.1)
    assert cell.manifest.status == "crashed"
    assert told in str(cell.manifest.reason)
    assert str(tmp_path) not in str(cell.manifest.reason)


def test_a_revision_that_refuses_is_an_error_in_its_own_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, fake_code(tmp_path / "code", "print('harness: unknown model.', file=sys.stderr); sys.exit(2)"))
    with pytest.raises(RevisionError, match=r"^revision 'v1' \([0-9a-f]{7}\): unknown model\.$"):
        run(tmp_path / "out")


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ({"help_code": 2}, "its harness has no verb `run`: "),
        ({"package": "import numpy_of_old"}, "its package cannot be imported: ModuleNotFoundError: No module named"),
        ({}, "its `harness run` does not know --channels, --shuffle. Leave it out."),
    ],
    ids=["verb", "import", "option"],
)
def test_what_a_revision_cannot_do_is_told_before_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: dict[str, object], told: str
) -> None:
    use(monkeypatch, fake_code(tmp_path / "code", **code))  # type: ignore[arg-type]
    with harness_at("v1") as other:
        if not code:
            other.check(["run", "mnist_mlp", "--pipeline", "phase2", "--steps", "4"])
        with pytest.raises(RevisionError) as refused:
            other.check(["run", "--pipeline", "phase2", "--channels", "all", "--shuffle", "--channels", "all"])
    assert told in str(refused.value)


def test_only_code_of_the_revision_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither modules that it lacks nor networks: an editable installation would find both in today's checkout."""
    names = ["harness.errors", "harness.specs.mnist_mlp"]
    ask = f"import importlib.util as u; sys.exit(str([u.find_spec(name) for name in {names}]))"
    use(monkeypatch, fake_code(tmp_path / "code", ask))
    assert "left no cell (exit code 1: [None, None])" in str(run(tmp_path / "out").manifest.reason)


def test_an_interpreter_in_the_working_folder_runs_the_revision_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = "import subprocess; sys.exit(subprocess.check_output([sys.executable, '-m', 'harness.part'], text=True))"
    root = fake_code(tmp_path / "code", ask)
    (root / "harness" / "part.py").write_text("print('of the revision')")
    run_git(root, "tag", "-d", "v1")
    commit(root, "v1")
    (root / "harness" / "part.py").write_text("print('of today')")
    use(monkeypatch, root)
    monkeypatch.chdir(root)
    assert "left no cell (exit code 1: of the revision)" in str(run(tmp_path / "out").manifest.reason)


def test_a_revision_without_a_harness_and_one_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = new_repository(tmp_path / "other")
    (root / "a").touch()
    commit(root, "v1")
    use(monkeypatch, root)
    for name, told in (("v1", r"no harness/cli\.py in it"), ("v9", "'v9': no such revision"), ("-v", "no revision")):
        with pytest.raises(RevisionError, match=told), harness_at(name):
            pass


def test_a_link_out_of_the_revision_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = fake_code(tmp_path / "code")
    (root / "harness" / "out").symlink_to("/etc")
    commit(root, "v2")
    use(monkeypatch, root)
    with pytest.raises(RevisionError, match=r"the archive of [0-9a-f]{12} is refused: .*link"), harness_at("v2"):
        pass


def test_a_python_that_unpacks_without_care_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = fake_code(tmp_path / "code")
    commit(root, "v2")
    use(monkeypatch, root)
    monkeypatch.delattr("tarfile.data_filter")
    with pytest.raises(RevisionError, match=r"unpacked by Python 3\.11\.4 or newer, not 3\."), harness_at("v2"):
        pass


def test_the_checkout_is_where_the_harness_is_else_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_checkout().root == ROOT
    root = fake_code(tmp_path / "code")
    installed = root / ".venv" / "site-packages" / "harness" / "__init__.py"
    installed.parent.mkdir(parents=True)
    monkeypatch.setattr(harness, "__file__", str(installed))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RevisionError, match="in a checkout of the harness's own repository"):
        find_checkout()
    monkeypatch.chdir(root / "harness")
    assert find_checkout().root == root


def test_a_kill_leaves_no_process_and_the_next_removes_the_folder(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "pid"
    root = fake_code(
        tmp_path / "code",
        f"import os, pathlib, time; pathlib.Path({str(told)!r}).write_text(str(os.getpid())); time.sleep(60)",
    )
    program = (
        "from pathlib import Path\n"
        "from harness.run import revision\n"
        "from harness.run.verification import Verification\n"
        "from harness.spec.models import load_model\n"
        "from harness.system.git import Repository\n"
        f"revision.find_checkout = lambda: Repository(Path({str(root)!r}))\n"
        f"v = Verification(model=load_model('mnist_mlp'), out=Path({str(tmp_path / 'out')!r}))\n"
        "with revision.harness_at('v1') as other: other.run(v, v.cell('phase2', 'cpu'), Path('/data'))\n"
    )
    process = start([sys.executable, "-c", program], cwd=ROOT, env={**os.environ, "TMPDIR": str(temporary)})
    deadline = time.monotonic() + 60
    while not (told.exists() and told.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert dies(int(told.read_text()))
    (left,) = temporary.glob("*/.scratch-*")
    with scratch():
        assert not left.exists()
    assert run_git(root, "worktree", "list").count("\n") == 1
    assert not (tmp_path / "out").exists()
    assert subprocess.run(["git", "-C", root, "fsck"], capture_output=True, check=False).returncode == 0
