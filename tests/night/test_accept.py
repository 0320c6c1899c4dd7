import gzip
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from harness.cli import main
from harness.errors import ReferenceTraceError, TraceError
from harness.night.references.reference import RECORD, TRACE, ReferenceTrace, read_reference, settle
from harness.trace.manifest import manifest_path
from harness.trace.reader import read_trace
from harness.trace.store import StoredCell
from tests.support.sample_cells import CLOSE, FAR, KEY, LOSSES, MODEL, NAME, a_cell, bumped
from tests.support.schemas import violation

OTHER = "other_mlp"
OTHER_NAME = f"{OTHER}.phase2-noshuf-cpu"


def accept(into: Path, *cells: StoredCell | Path, reason: str = "the first run", more: tuple[str, ...] = ()) -> Result:
    paths = [str(one if isinstance(one, Path) else one.trace) for one in cells]
    return CliRunner().invoke(main, ["accept", *paths, "--reason", reason, "--into", str(into), *more])


def accepted(into: Path, *cells: StoredCell | Path, **keys: Any) -> str:
    result = accept(into, *cells, **keys)
    assert result.exit_code == 0, result.output
    return result.output


def reference(into: Path, key: str = KEY, name: str = NAME) -> ReferenceTrace:
    return read_reference(into / key / f"{name}{RECORD}")


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_first_reference_has_its_trace_its_manifest_and_a_record(tmp_path: Path) -> None:
    cell, into = a_cell(tmp_path / "cells", manifest={"test_accuracy": 0.75}), tmp_path / "reference"
    accepted(into, cell, reason=" why\nnot ")
    assert sorted(files(into)) == [f"{KEY}/{NAME}{end}" for end in (".accepted.json", ".jsonl.gz", ".manifest.json")]
    kept = reference(into)
    assert gzip.decompress((into / KEY / f"{NAME}{TRACE}").read_bytes()) == cell.trace.read_bytes()
    assert kept.manifest == cell.manifest
    (only,) = kept.record.acceptances
    assert (only.why, only.forced, only.old, only.verdict) == ("why not", False, None, None)
    assert (only.new.steps, only.new.step_1, only.new.step_3, only.new.last) == (20, 2.0, 2.0 / 3, 0.1)
    assert only.new.last_median == (2.0 / 10 + 2.0 / 11) / 2
    assert only.new.test_accuracy == 0.75


def test_what_replaces_a_reference_is_judged_and_its_history_stays(tmp_path: Path) -> None:
    into = tmp_path / "reference"
    accepted(into, a_cell(tmp_path / "a"))
    accepted(into, a_cell(tmp_path / "b", CLOSE), reason="threads")
    accepted(into, a_cell(tmp_path / "c", CLOSE[:8]), reason="shorter")
    first, second, third = reference(into).record.acceptances
    assert [first.why, second.why, third.why] == ["the first run", "threads", "shorter"]
    assert (second.old, third.old) == (first.new, second.new)
    assert second.verdict is not None
    assert (second.verdict.status, second.verdict.bitwise, second.verdict.steps) == ("PASS", False, 20)
    assert third.verdict is not None
    assert (third.verdict.bitwise, third.verdict.steps, third.forced) == (True, 8, False)
    assert third.new.last_median == (CLOSE[3] + CLOSE[4]) / 2


def test_a_change_beyond_rounding_needs_force_and_is_recorded_as_forced(tmp_path: Path) -> None:
    into = tmp_path / "reference"
    accepted(into, a_cell(tmp_path / "a"), a_cell(tmp_path / "a", model=OTHER))
    before = files(into)
    far, fine = a_cell(tmp_path / "b", FAR), a_cell(tmp_path / "b", CLOSE, model=OTHER)
    refused = accept(into, fine, far)
    assert refused.exit_code == 1
    (line,) = refused.stderr.splitlines()
    assert line.startswith(f"harness: {far.trace}: ")
    assert files(into) == before  # not even the one that would pass
    accepted(into, fine, far, more=("--force",))
    assert reference(into).record.acceptances[-1].forced
    assert not reference(into, name=OTHER_NAME).record.acceptances[-1].forced


def test_a_first_reference_is_judged_by_the_most_similar_environment(tmp_path: Path) -> None:
    into = tmp_path / "reference"
    accepted(into, a_cell(tmp_path / "a", told={"cpu_features": ["avx2"]}))
    accepted(into, a_cell(tmp_path / "b"))
    new = bumped(jax="0.11.0", jaxlib="0.11.0")
    assert accept(into, a_cell(tmp_path / "c", FAR, told=new)).exit_code == 1
    accepted(into, a_cell(tmp_path / "c", CLOSE, told=new), reason="toolchain")
    (only,) = reference(into, "cpu-avx512-jaxlib-0.11.0").record.acceptances
    assert only.old is not None
    assert only.old.environment == KEY
    assert len(reference(into).record.acceptances) == 1


def test_accepting_the_same_trace_again_changes_nothing(tmp_path: Path) -> None:
    cell, into = a_cell(tmp_path / "cells"), tmp_path / "reference"
    accepted(into, cell)
    before = files(into)
    accepted(into, cell)
    assert files(into) == before


def test_each_cell_has_a_line_that_says_what_became_of_it(tmp_path: Path) -> None:
    into, first = tmp_path / "reference", a_cell(tmp_path / "a")
    close, far = a_cell(tmp_path / "b", CLOSE), a_cell(tmp_path / "c", FAR)
    kept = f"{into / KEY / NAME}{TRACE}: "
    compared = f"20 steps compared with the reference of {KEY}, not bit for bit alike; "
    assert accepted(into, first) == f"{kept}the first reference of this name.\n"
    assert accepted(into, first) == f"{kept}is this trace already.\n"
    assert accepted(into, close).startswith(f"{kept}{compared}PASS on 8 of 20 steps: ")
    refused = accept(into, far).stderr
    assert refused.startswith(f"harness: {far.trace}: refused, FAIL (optimizer): ")
    assert refused.endswith(" Nothing was written; --force accepts it all the same.\n")
    assert accepted(into, far, more=("--force",)).startswith(f"{kept}forced: {compared}FAIL (optimizer): ")


def test_the_same_trace_gives_the_same_bytes(tmp_path: Path) -> None:
    cell = a_cell(tmp_path / "cells")
    packed = tmp_path / "packed" / f"{NAME}.jsonl.gz"
    packed.parent.mkdir()
    with gzip.open(packed, "wb", compresslevel=1) as file:
        file.write(cell.trace.read_bytes())
    shutil.copy(manifest_path(cell.trace), manifest_path(packed))
    accepted(tmp_path / "one", cell)
    accepted(tmp_path / "two", packed)
    path = f"{KEY}/{NAME}{TRACE}"
    assert files(tmp_path / "one")[path] == files(tmp_path / "two")[path]
    assert files(tmp_path / "one")[path][4:8] == bytes(4)  # when it was made


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        ("the run of the cell is crashed", {"manifest": {"status": "crashed"}}),
        ("its trace_sha256 is not this file's", {"manifest": {"trace_sha256": "0" * 64}}),
        ("does not say which trace", {"manifest": {"trace_sha256": None}}),
        ("says 7 steps, its trace has 20", {"manifest": {"steps_written": 7}}),
        ("20 of 21 planned steps", {"header": {"planned_steps": 21}}),
        ("where it ran", {"manifest": {"provenance": {}}}),
        ("which run it is", {"manifest": {"cell": None}}),
        ("backend is cpu in the manifest and rocm in the trace", {"header": {"backend": "rocm"}}),
        (
            "emitted_sha256 is a in the manifest and b in the trace",
            {"told": {"emitted_sha256": "a"}, "header": {"emitted_sha256": "b"}},
        ),
        ("evidence for other cells", {"evidence": True}),
        ("step 2 is not finite", {"losses": [1.0, float("inf")]}),
        ("step 1 is not finite", {"losses": [float("nan")]}),
        ("letters, digits", {"model": "mnist mlp"}),
    ],
)
def test_what_is_not_a_whole_cell_is_refused(tmp_path: Path, what: str, changes: dict[str, Any]) -> None:
    trace = a_trace(tmp_path, **changes)
    result = accept(tmp_path / "reference", trace)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"harness: {trace}: ")
    assert what in line
    assert files(tmp_path / "reference") == {}


def a_trace(folder: Path, **keys: Any) -> Path:
    """The trace of a cell whose manifest may not be readable."""
    try:
        return a_cell(folder, **keys).trace
    except TraceError:
        return folder / f"{NAME}.jsonl"


def test_usage_errors_write_nothing(tmp_path: Path) -> None:
    cell, into = a_cell(tmp_path / "cells"), tmp_path / "reference"
    other = a_cell(tmp_path / "others")
    alone, empty = tmp_path / f"{NAME}.jsonl", a_cell(tmp_path / "empty")
    shutil.copy(cell.trace, alone)
    empty.trace.write_bytes(cell.trace.read_bytes().partition(b"\n")[0] + b"\n")
    for cells, reason, what in (
        ((cell,), " \n", "--reason has 0 characters"),
        ((cell,), "x" * 2001, "--reason has 2001 characters"),
        ((cell, other), "x", "is of the same name"),
        ((alone,), "x", "has no manifest"),
        ((empty,), "x", "has no step"),
        ((tmp_path / "absent.jsonl",), "x", "cannot be read"),
    ):
        result = accept(into, *cells, reason=reason)
        assert (result.exit_code, what in result.stderr) == (2, True), result.output
    assert accept(into, reason="x").exit_code == 2
    assert not into.exists()


def test_a_damaged_reference_is_not_replaced(tmp_path: Path) -> None:
    cell, into = a_cell(tmp_path / "cells"), tmp_path / "reference"
    accepted(into, cell)
    stem = into / KEY / NAME
    whole = files(into)
    tampered = cell.trace.read_bytes().replace(b'"loss":2.0', b'"loss":2.5')
    for end, content, what in (
        (TRACE, gzip.compress(tampered), "describes another trace"),
        (TRACE, b"no gzip", "cannot be read"),
        (".manifest.json", None, "cannot be read"),
        (RECORD, b"{}", "not a record"),
        (RECORD, whole[f"{KEY}/{NAME}{RECORD}"].replace(b'"name": "mnist', b'"name": "other'), "it is the record of"),
        (RECORD, whole[f"{KEY}/{NAME}{RECORD}"].replace(b'sha256": "', b'sha256": "0'), "record is of another trace"),
    ):
        path = Path(f"{stem}{end}")
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        result = accept(into, a_cell(tmp_path / "new", CLOSE), more=("--force",))
        assert (result.exit_code, what in result.stderr) == (2, True), result.output
        assert "version control" in result.stderr
        path.write_bytes(whole[f"{KEY}/{NAME}{end}"])


def test_the_record_names_the_user_of_git_or_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config"
    config.write_text("[user]\n\tname = Ada <script>\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.chdir(tmp_path)
    accepted(tmp_path / "one", a_cell(tmp_path / "cells"))
    assert reference(tmp_path / "one").record.acceptances[0].who == "Ada <script>"
    config.write_text("")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", str(config))
    accepted(tmp_path / "two", a_cell(tmp_path / "cells"))
    assert reference(tmp_path / "two").record.acceptances[0].who == ""
    monkeypatch.setenv("PATH", "")
    accepted(tmp_path / "three", a_cell(tmp_path / "cells"))
    assert reference(tmp_path / "three").record.acceptances[0].who == ""


def test_a_record_is_as_its_schema_says(tmp_path: Path) -> None:
    into = tmp_path / "reference"
    accepted(into, a_cell(tmp_path / "a", LOSSES[:1]))
    accepted(into, a_cell(tmp_path / "b", CLOSE, manifest={"test_accuracy": 0.75}))
    accepted(into, a_cell(tmp_path / "c", FAR), more=("--force",))
    record = json.loads((into / KEY / f"{NAME}{RECORD}").read_text())
    assert violation(record, "accepted") is None
    assert violation(record | {"acceptances": []}, "accepted") is not None


# Kills its own process at the n-th time that something in the folder changes.
KILLED = """
import os, signal, sys
from pathlib import Path
from harness.night.references.accept import propose, write

into, left = Path(sys.argv[1]), int(sys.argv[2])
changing = {"open", "os.rename", "os.mkdir", "os.rmdir", "os.remove"}

def strike(event, arguments):
    global left
    if event in changing and isinstance(arguments[0], (str, os.PathLike)) and str(into) in str(arguments[0]):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

proposals = propose([Path(path) for path in sys.argv[3:]], "killed", into)
sys.addaudithook(strike)
write(proposals, into)
"""


def test_killed_at_any_moment_every_reference_is_the_old_or_the_new_one(tmp_path: Path) -> None:
    into, names = tmp_path / "reference", (NAME, OTHER_NAME)
    accepted(into, *(a_cell(tmp_path / "old", model=model) for model in (MODEL, OTHER)))
    before = files(into)
    cells = [a_cell(tmp_path / "new", CLOSE, model=model).trace for model in (MODEL, OTHER)]
    outcomes = []
    for moment in range(200):
        shutil.rmtree(into)
        for name, content in before.items():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            (into / name).write_bytes(content)
        done = subprocess.run([sys.executable, "-c", KILLED, str(into), str(moment), *cells], check=False)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL
        settle(into)
        counts = {len(reference(into, name=name).record.acceptances) for name in names}
        assert counts in ({1}, {2})
        if counts == {1}:
            assert {name: before[name] for name in before} == {name: files(into)[name] for name in before}
        outcomes.append(counts.pop())
        accepted(into, *cells)  # and what is left over hinders nobody
        assert not list(into.glob(".*"))
    assert outcomes == sorted(outcomes)
    assert {1, 2} == set(outcomes)
    assert len(outcomes) > 12


def test_a_reference_whose_record_is_gone_is_none(tmp_path: Path) -> None:
    with pytest.raises(ReferenceTraceError, match="cannot be read"):
        reference(tmp_path)


def test_a_reference_is_a_trace_like_any_other(tmp_path: Path) -> None:
    cell, into = a_cell(tmp_path / "cells"), tmp_path / "reference"
    accepted(into, cell)
    assert read_trace(into / KEY / f"{NAME}{TRACE}").loss.tolist() == LOSSES
    result = CliRunner().invoke(
        main, ["diff", str(into / KEY / f"{NAME}{TRACE}"), str(cell.trace), "--mode", "bitwise"]
    )
    assert result.exit_code == 0, result.output
