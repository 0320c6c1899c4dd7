"""Bundles: what is exported arrives, whole or not at all, and replaces nothing."""

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cli import main
from harness.errors import BundleError, TraceError
from harness.night.bundle import format as bundle_format
from harness.night.bundle.format import host_folder
from harness.night.bundle.gather import gather
from harness.night.bundle.land import import_bundle
from harness.night.bundle.write import write_bundle
from harness.night.checks import NightCheck, write_check
from harness.trace.manifest import manifest_path
from harness.trace.planned import write_planned
from harness.trace.store import read_store
from tests.support.bundles import bundle_text, sha256
from tests.support.paths import ROOT
from tests.support.stored_cells import store

PLAN = '{"night": "2026-01-01", "started": "2026-01-01T03:00:00Z", "config": ""}'
ORACLE = NightCheck(name="oracle", command="harness oracle", status="PASS", exit_code=0, line="all agree")


def a_night(folder: Path, host: str = "host a") -> Path:
    """Cells of every kind, and what lies beside them."""
    cells = folder / "traces"
    store(cells, "phase2", host=host)
    store(cells, "phase3", host=host)
    store(cells, "phase3", host=host, dtype="f64", evidence=True)
    store(cells, "phase2", (2.5,), host=host, model="crashed_cnn", status="crashed", reason="segmentation fault")
    store(cells, "phase2", (), host=host, backend="cuda", status="refused", absent=True, reason="no CUDA device")
    (folder / "checks").mkdir()
    write_check(folder / "checks" / "oracle.json", ORACLE)
    (folder / "night.json").write_text(PLAN)
    (folder / "findings.json").write_text('{"ab": {"culprit": "pool1"}}')
    (folder / "problems.json").write_text('["nothing could be run"]')
    (folder / "verdict.json").write_text("made of the others")
    (folder / "report.html").write_text("made of the others")
    return folder


def export(path: Path, *sources: Path) -> Path:
    write_bundle(path, gather(sources))
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def everything(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises((BundleError, TraceError)) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_night_arrives_as_it_was(tmp_path: Path) -> None:
    night = a_night(tmp_path / "2026-01-01")
    bundle = export(tmp_path / "a.tar.gz", night)
    landed = import_bundle(bundle, tmp_path / "in")
    assert (landed.host, landed.new, landed.there) == ("host a", 5, 0)
    expected = everything(night)
    del expected["report.html"], expected["verdict.json"]
    assert landed.folder is not None
    assert everything(landed.folder) == expected
    assert [path.name for path in (tmp_path / "in").iterdir()] == [landed.folder.parent.name]


def test_a_bundle_is_what_the_page_says(tmp_path: Path) -> None:
    bundle = export(tmp_path / "a.tar.gz", a_night(tmp_path / "n"))
    members = bundle_text(bundle)
    assert next(iter(members)) == "bundle.json"
    contents = json.loads(members.pop("bundle.json"))
    assert (contents["bundle_version"], contents["host"]) == (1, "host a")
    assert contents["members"] == [
        {"name": name, "size": len(content), "sha256": sha256(content)} for name, content in members.items()
    ]
    assert list(members) == sorted(members)


def test_the_same_cells_give_the_same_bytes_whenever_they_were_written(tmp_path: Path) -> None:
    first = export(tmp_path / "a.tar.gz", a_night(tmp_path / "a"))
    again = a_night(tmp_path / "b")
    for path in again.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o700)
    assert export(tmp_path / "other name.tar.gz", again).read_bytes() == first.read_bytes()


CELLS = st.lists(
    st.tuples(
        st.sampled_from(["phase2", "phase3", "phase3-xla"]),
        st.sampled_from(["cpu", "cuda", "rocm"]),
        st.sampled_from(["mnist_mlp", "größe", "a b"]),
        st.booleans(),  # evidence
        st.booleans(),  # ran to its end
        st.booleans(),  # compressed
        st.lists(st.floats(), max_size=5),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda cell: cell[:4],
)


@settings(max_examples=20)
@given(CELLS, st.dictionaries(st.sampled_from(["oracle", "power", "fuzz"]), st.text()))
def test_what_is_exported_arrives_and_can_be_exported_again(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple], checks: dict[str, str]
) -> None:
    folder = tmp_path_factory.mktemp("cells")
    source = folder / "source"
    for pipeline, backend, model, evidence, ended, compressed, losses in cells:
        cell = store(
            source,
            pipeline,
            losses,
            backend=backend,
            model=model,
            evidence=evidence,
            status="complete" if ended and losses else "crashed",
        )
        if compressed and ended and losses:
            cell.trace.with_name(cell.trace.name + ".gz").write_bytes(gzip.compress(cell.trace.read_bytes()))
            cell.trace.unlink()
    if checks:
        (source / "night.json").write_text(PLAN)
    for name, line in checks.items():
        write_check(source / "checks" / f"{name}.json", msgspec.structs.replace(ORACLE, name=name, line=line))
    bundle = export(folder / "a.tar.gz", source)
    landed = import_bundle(bundle, folder / "in")
    assert landed.new == len(cells)
    assert landed.folder is not None
    sent, arrived = read_store([source]), read_store([folder / "in"])
    assert [(c.name, c.facts, c.manifest) for c in sent.cells] == [(c.name, c.facts, c.manifest) for c in arrived.cells]
    assert sent.problems == arrived.problems == ()
    assert export(folder / "b.tar.gz", landed.folder).read_bytes() == bundle.read_bytes()
    again = import_bundle(bundle, folder / "in")
    assert (again.new, again.there, again.folder) == (0, len(cells), None)


def test_cells_are_named_by_any_of_their_files(tmp_path: Path) -> None:
    cell = store(tmp_path, "phase2")
    f64_cell = store(tmp_path, "phase2", dtype="f64", evidence=True)
    expected = gather([tmp_path]).files
    assert list(expected) == [
        "evidence/some_mlp.phase2-noshuf-cpu.f64.jsonl",
        "evidence/some_mlp.phase2-noshuf-cpu.f64.manifest.json",
        "some_mlp.phase2-noshuf-cpu.jsonl",
        "some_mlp.phase2-noshuf-cpu.manifest.json",
    ]
    for first in (cell.trace, manifest_path(cell.trace)):
        for second in (f64_cell.trace, manifest_path(f64_cell.trace)):
            assert gather([first, second, first]).files == expected
    assert gather([tmp_path, tmp_path / "evidence", cell.trace]).files == expected
    manifest_path(cell.trace).rename(tmp_path / "a.partial.manifest.json")
    cell.trace.rename(tmp_path / "a.partial.jsonl")
    assert "no name for a manifest" in refusal(lambda: gather([tmp_path]))


def test_a_damaged_cell_is_not_exported(tmp_path: Path) -> None:
    cell = store(tmp_path, "phase2")
    whole = cell.trace.read_bytes()
    cell.trace.write_bytes(whole.replace(b'"loss":2.0', b'"loss":2.5'))
    assert f"{cell.trace}: SHA-256 " in refusal(lambda: gather([tmp_path]))
    cell.trace.write_bytes(whole[:-1])
    assert "the file is truncated" in refusal(lambda: gather([cell.trace]))
    cell.trace.unlink()
    assert f"{cell.trace}: is not there" in refusal(lambda: gather([manifest_path(cell.trace)]))
    cell.trace.with_name(cell.trace.name.replace(".jsonl", ".partial.jsonl")).write_bytes(whole)
    assert "the rest of a run" in refusal(lambda: gather([tmp_path]))
    manifest_path(cell.trace).write_text("{")
    assert "not a manifest" in refusal(lambda: gather([tmp_path]))


def test_what_is_no_cell_is_not_exported(tmp_path: Path) -> None:
    assert "no such file or folder" in refusal(lambda: gather([tmp_path / "nothing"]))
    assert "no cell there" in refusal(lambda: gather([tmp_path]))
    (tmp_path / "a.txt").write_text("a")
    assert "expected a trace" in refusal(lambda: gather([tmp_path / "a.txt"]))
    (tmp_path / "a.jsonl").write_text("a")
    assert "no manifest beside it" in refusal(lambda: gather([tmp_path / "a.jsonl"]))
    store(tmp_path, "phase2")
    (tmp_path / "night.json").write_text("[]")
    assert "not the plan of a night" in refusal(lambda: gather([tmp_path]))
    (tmp_path / "night.json").write_text("[")
    assert "night.json: not JSON" in refusal(lambda: gather([tmp_path]))


def test_two_files_with_one_name_are_not_exported_together(tmp_path: Path) -> None:
    store(tmp_path / "a", "phase2")
    store(tmp_path / "b", "phase2", (3.0,))
    assert "would have one name" in refusal(lambda: gather([tmp_path / "a", tmp_path / "b"]))
    assert gather([tmp_path]).cells == 2


def test_a_bundle_is_of_one_host(tmp_path: Path) -> None:
    store(tmp_path, "phase2", host="a")
    store(tmp_path, "phase3", host="b")
    assert "is of host 'a', and" in refusal(lambda: gather([tmp_path]))


def test_a_run_that_is_not_over_is_left_out_and_said(tmp_path: Path) -> None:
    store(tmp_path / "cells", "phase2")
    (tmp_path / "cells" / "b.partial.jsonl").write_text("")
    store(tmp_path / "cells" / ".hidden", "phase3")
    result = run("export", tmp_path / "cells", "-o", tmp_path / "a.tar.gz")
    assert result.exit_code == 0, result.stderr
    assert "left out" in result.stderr
    assert "b.partial.jsonl has no manifest" in result.stderr
    assert set(bundle_text(tmp_path / "a.tar.gz")) == {
        "bundle.json",
        "some_mlp.phase2-noshuf-cpu.jsonl",
        "some_mlp.phase2-noshuf-cpu.manifest.json",
    }


def test_a_name_that_no_bundle_holds_is_not_exported(tmp_path: Path) -> None:
    store(tmp_path / "a", "phase2", model="m" * 120)
    result = run("export", tmp_path / "a", "-o", tmp_path / "a.tar.gz")
    assert (result.exit_code, "cannot be a member of a bundle" in result.stderr) == (2, True)
    store(tmp_path / "b", "phase2", model="<b>")
    assert "no name for a file of a bundle" in refusal(lambda: gather([tmp_path / "b"]))
    assert not (tmp_path / "a.tar.gz").exists()


def test_a_trace_that_grows_or_shrinks_meanwhile_is_not_exported(tmp_path: Path) -> None:
    cell = store(tmp_path, "phase2")
    whole = cell.trace.read_bytes()
    for other in (whole[:-1], whole.replace(b"2.0", b"3.0")):

        class Changing(dict):
            reads = 0

            def __getitem__(self, name: str, other: bytes = other) -> Path:
                cell.trace.write_bytes(other)
                return super().__getitem__(name)

        cell.trace.write_bytes(whole)
        gathered = gather([tmp_path])
        object.__setattr__(gathered, "files", Changing(gathered.files))
        assert "changed while it was exported" in refusal(lambda g=gathered: write_bundle(tmp_path / "a.tar.gz", g))
        assert not (tmp_path / "a.tar.gz").exists()


def test_cells_that_are_too_large_are_not_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(tmp_path, "phase2", [2.0] * 2000)
    monkeypatch.setattr(bundle_format, "FREE_BYTES", 4096)
    monkeypatch.setattr(bundle_format, "MOST_RATIO", 2)
    assert "Export fewer cells" in refusal(lambda: export(tmp_path / "a.tar.gz", tmp_path))
    monkeypatch.setattr(bundle_format, "MOST_TRACE", 1000)
    assert "such a file has at most 1,000" in refusal(lambda: export(tmp_path / "a.tar.gz", tmp_path))
    assert not (tmp_path / "a.tar.gz").exists()


def test_cells_of_one_name_from_two_hosts_lie_beside_each_other(tmp_path: Path) -> None:
    for host in ("host a", "host-b"):
        import_bundle(export(tmp_path / f"{host}.tar.gz", a_night(tmp_path / host, host)), tmp_path / "in")
    stored = read_store([tmp_path / "in"])
    assert sorted({(cell.host, len([c for c in stored.cells if c.host == cell.host])) for cell in stored.cells}) == [
        ("host a", 5),
        ("host-b", 5),
    ]
    assert (tmp_path / "in" / "host-b" / "1" / "night.json").is_file()


def test_what_is_there_already_stays_and_what_is_new_comes(tmp_path: Path) -> None:
    first = store(tmp_path / "a", "phase2")
    into = tmp_path / "in"
    import_bundle(export(tmp_path / "1.tar.gz", tmp_path / "a"), into)
    before = everything(into)
    store(tmp_path / "a", "phase3")
    landed = import_bundle(export(tmp_path / "2.tar.gz", tmp_path / "a"), into)
    assert (landed.new, landed.there) == (1, 1)
    after = everything(into)
    assert before.items() < after.items()
    assert len(after) == 4
    assert sorted(cell.facts.pipeline for cell in read_store([into]).cells) == ["phase2", "phase3"]
    assert first.name in {cell.name for cell in read_store([into]).cells}


def test_another_cell_of_the_same_name_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    into = tmp_path / "in"
    import_bundle(export(tmp_path / "1.tar.gz", a_night(tmp_path / "a")), into)
    before = everything(into)
    store(tmp_path / "b" / "traces", "phase2", (2.0, 1.5, 1.0))
    store(tmp_path / "b" / "traces", "phase3-xla")
    bundle = export(tmp_path / "2.tar.gz", tmp_path / "b")
    what = refusal(lambda: import_bundle(bundle, into))
    assert f"{bundle}: traces/some_mlp.phase2-noshuf-cpu.manifest.json: " in what
    assert "already in" in what
    assert everything(into) == before
    assert import_bundle(bundle, tmp_path / "other").new == 2


def test_a_host_has_a_folder_of_its_own() -> None:
    assert host_folder("cuda-1") == "cuda-1"
    names = ["cuda-1", "Cuda-1", "cuda 1", "cuda_1", "../cuda-1", "", "..", "/", "Größe", "x" * 300, "x" * 301]
    folders = [host_folder(name) for name in names]
    assert len(set(folders)) == len(names)
    assert all(
        folder.strip("-") == folder and set(folder) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
        for folder in folders
    )
    assert max(map(len, folders)) < 80


def test_export_and_import_tell_in_one_line_what_they_moved(tmp_path: Path) -> None:
    night = a_night(tmp_path / "n")
    bundle = tmp_path / "a.tar.gz"
    result = run("export", night, "-o", bundle)
    assert result.output == f"{bundle}: 5 cells of host a, 13 files, {bundle.stat().st_size:,} bytes\n"
    result = run("import", bundle, "--into", tmp_path / "in")
    assert result.output == f"{bundle}: 5 new cells of host a in {tmp_path}/in/{host_folder('host a')}/1\n"
    assert result.exit_code == 0
    assert (
        run("import", bundle, "--into", tmp_path / "in").output == f"{bundle}: 0 new cells of host a, 5 already there\n"
    )
    result = run("import", tmp_path / "nothing", "--into", tmp_path / "in")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "no such file; expected a bundle" in result.stderr


# It forks, which a process of tests must not: others of them may have started the threads of JAX in it.
IMPORTER = """
import os, signal, sys
from pathlib import Path
from harness.night.bundle.land import import_bundle

for line in sys.stdin:
    left, bundle, into = int(line.split()[0]), *map(Path, line.split()[1:])
    child = os.fork()
    if child == 0:
        def count(name, arguments):
            global left
            if name.startswith(("open", "os.", "shutil.")):
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        code = 1
        try:
            import_bundle(bundle, into)
            code = 0
        finally:
            os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture
def importer() -> Iterator[subprocess.Popen[str]]:
    """A process that imports bundles in children, each of which kills itself at the event that it is told."""
    command = [sys.executable, "-c", IMPORTER]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.communicate()


def lives_until(importer: subprocess.Popen[str], event: int, bundle: Path, into: Path) -> bool:
    """Import in a process that kills itself at its `event`-th event, and say whether it lived."""
    assert importer.stdin is not None and importer.stdout is not None
    importer.stdin.write(f"{event} {bundle} {into}\n")
    importer.stdin.flush()
    code = int(importer.stdout.readline())
    assert code in (0, -signal.SIGKILL)
    return code == 0


def visible(folder: Path) -> dict[str, bytes]:
    return {name: content for name, content in everything(folder).items() if not name.startswith(".")}


def test_killed_anywhere_an_import_shows_all_or_nothing(tmp_path: Path, importer: subprocess.Popen[str]) -> None:
    store(tmp_path / "a", "phase2")
    first = export(tmp_path / "1.tar.gz", tmp_path / "a")
    store(tmp_path / "a", "phase3", evidence=True)
    second = export(tmp_path / "2.tar.gz", tmp_path / "a")
    import_bundle(first, tmp_path / "start")
    import_bundle(first, tmp_path / "end")
    import_bundle(second, tmp_path / "end")
    start, end = everything(tmp_path / "start"), everything(tmp_path / "end")
    assert len(end) == len(start) + 2
    into = tmp_path / "start"
    killed = 0
    while True:
        lived = lives_until(importer, killed + 1, second, into)
        now = visible(into)
        assert now in (start, end)
        assert [cell for cell in read_store([into]).cells if "/.importing/" in str(cell.trace)] == []
        if now == end:
            break
        assert not lived
        killed += 1
    assert killed > 30
    import_bundle(second, into)
    assert everything(into) == end


def test_cells_of_an_earlier_run_stay_behind(tmp_path: Path) -> None:
    cells = [store(tmp_path / "in", pipeline) for pipeline in ("phase2", "phase3", "lean")]
    write_planned(tmp_path / "in", "some_mlp", [cell.facts for cell in cells[:2]])
    found = gather([tmp_path / "in"])
    assert found.cells == 2
    assert (found.left_out, found.earlier) == ((), (cells[2].trace,))
