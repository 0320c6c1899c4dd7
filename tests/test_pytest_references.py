"""References beside somebody's tests: compared with, refreshed for a reason, and never half of one."""

import gzip
import json
import re
from pathlib import Path

import pytest

from harness.errors import ReferenceTraceError, TraceError
from harness.night.references import beside_tests
from harness.night.references.beside_tests import ReferenceBeside
from harness.pytest_plugin import assert_traces_agree
from harness.trace.manifest import Manifest, write_manifest
from tests.support.paths import ROOT
from tests.support.sample_traces import write

pytest_plugins = ["pytester"]
FALLING = [2.0 / (k + 1) for k in range(20)]
FAR = [FALLING[0], *(x + 0.5 for x in FALLING[1:])]
SUITE = """
    from pathlib import Path

    TRACE = Path({trace!r})

    def test_one(trace_reference):
        assert trace_reference(TRACE, name="mlp", mode="strict").status == "PASS"
"""


@pytest.fixture
def trace_path(tmp_path: Path) -> Path:
    return write(tmp_path / "mine.jsonl", FALLING)


@pytest.fixture
def suite(pytester: pytest.Pytester, trace_path: Path) -> Path:
    """The folder of the references of a test module that holds one trace to one."""
    pytester.makepyfile(test_generator=SUITE.format(trace=str(trace_path)))
    return pytester.path / "references" / "test_generator"


@pytest.fixture
def beside(tmp_path: Path) -> ReferenceBeside:
    return ReferenceBeside(tmp_path / "test_x.py", "mlp")


def record(folder: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads((folder / "mlp.refreshed.json").read_text())["refreshments"]
    return found


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return pytester.runpytest_subprocess("-W", "error", *arguments)


def errors(found: pytest.RunResult) -> list[str]:
    """What pytest prints of what was raised; not one line of it is code of ours."""
    assert not any(str(ROOT / "harness") in line for line in found.outlines)
    return [line for line in found.outlines if line.startswith("E ")]


def test_without_a_reference_one_line_says_how_to_make_it(pytester: pytest.Pytester, suite: Path) -> None:
    found = run(pytester)
    found.assert_outcomes(failed=1)
    (line,) = errors(found)
    assert line.endswith("mlp.jsonl.gz: no reference yet; run pytest --refresh-references 'why' to make it.")
    found.stdout.fnmatch_lines(['> * trace_reference(TRACE, name="mlp", mode="strict")*'])
    assert not suite.exists()


def test_a_reference_is_made_held_to_and_refreshed(pytester: pytest.Pytester, suite: Path, trace_path: Path) -> None:
    run(pytester, "--refresh-references", "the first  of all").assert_outcomes(passed=1)
    assert sorted(path.name for path in suite.iterdir()) == ["mlp.jsonl.gz", "mlp.refreshed.json"]
    assert gzip.decompress((suite / "mlp.jsonl.gz").read_bytes()) == trace_path.read_bytes()
    run(pytester).assert_outcomes(passed=1)

    write(trace_path, FAR)
    found = run(pytester)
    found.assert_outcomes(failed=1)
    assert "AssertionError: reference mlp vs mine: FAIL (backward): " in errors(found)[0]

    run(pytester, "--refresh-references", "another optimizer").assert_outcomes(passed=1)
    first, second = record(suite)
    assert (first["why"], first["old"], second["why"]) == ("the first of all", None, "another optimizer")
    assert second["old"] == first["new"] != second["new"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", str(second["when"]))
    assert set(second) == {"who", "when", "why", "old", "new"}


def test_what_is_equal_bit_for_bit_is_not_written_again(beside: ReferenceBeside, trace_path: Path) -> None:
    beside.refresh(trace_path, "first")
    before = beside.trace.stat().st_mtime_ns
    beside.refresh(write(trace_path.with_name("again.jsonl"), FALLING), "again")
    assert (beside.trace.stat().st_mtime_ns, len(record(beside.folder))) == (before, 1)
    beside.refresh(write(trace_path, [*FALLING[:-1], FALLING[-1] + 1e-15]), "an ulp")
    assert len(record(beside.folder)) == 2


def test_the_manifest_comes_and_goes_with_the_trace(beside: ReferenceBeside, trace_path: Path) -> None:
    manifest = trace_path.with_name("mine.manifest.json")
    write_manifest(manifest, Manifest(status="complete", steps_written=20, test_accuracy=0.5))
    beside.refresh(trace_path, "with it")
    read = beside.read().manifest
    assert read is not None
    assert read.test_accuracy == 0.5
    manifest.unlink()
    beside.refresh(trace_path, "without it")
    assert beside.read().manifest is None


def test_it_takes_compressed_traces(beside: ReferenceBeside, trace_path: Path) -> None:
    packed = trace_path.with_name("packed.jsonl.gz")
    packed.write_bytes(gzip.compress(trace_path.read_bytes()))
    beside.refresh(packed, "packed")
    assert beside.read().trace.loss.tolist() == FALLING


@pytest.mark.parametrize("workers", ["0", "2"])
def test_several_processes_refresh_at_once(pytester: pytest.Pytester, trace_path: Path, workers: str) -> None:
    pytester.makepyfile(
        test_generator=f"""
        import pytest

        @pytest.mark.parametrize("k", range(8))
        def test_it(trace_reference, k):
            trace_reference({str(trace_path)!r}, f"mlp.{{k}}")
        """
    )
    run(pytester, "-n", workers, "--refresh-references", "why not").assert_outcomes(passed=8)
    names = sorted(path.name for path in (pytester.path / "references" / "test_generator").iterdir())
    assert names == sorted(f"mlp.{k}{end}" for k in range(8) for end in (".jsonl.gz", ".refreshed.json"))
    run(pytester, "-n", workers).assert_outcomes(passed=8)


@pytest.mark.parametrize(
    ("why", "told"),
    [
        ("", "--refresh-references is empty; expected words that say why the references change."),
        (" ", "--refresh-references is empty; expected words that say why the references change."),
        ("test_generator.py", "--refresh-references test_generator.py: that is a path; expected words"),
        ("test_generator.py::test_one", "--refresh-references test_generator.py::test_one: that is a path; expected"),
    ],
)
def test_a_reason_is_words(pytester: pytest.Pytester, suite: Path, why: str, told: str) -> None:
    found = run(pytester, f"--refresh-references={why}")
    assert found.ret == pytest.ExitCode.USAGE_ERROR
    assert next(filter(None, found.errlines)).startswith(f"ERROR: {told}")
    assert not suite.exists()


def test_a_reason_is_no_book(pytester: pytest.Pytester, suite: Path) -> None:
    found = run(pytester, "--refresh-references", "word " * 500)
    (line,) = errors(found)
    assert "--refresh-references has 2499 characters; expected 1 to 2000 that say why." in line
    assert not suite.exists()


@pytest.mark.parametrize(
    ("losses", "keys", "told"),
    [
        ([], {}, "it has no step"),
        ([1.0, float("nan")], {}, "its step 2 is not finite"),
        ([1.0], {"planned_steps": 2}, "the trace has 1 of 2 planned steps"),
    ],
)
def test_a_run_that_did_not_end_well_becomes_none(
    beside: ReferenceBeside, trace_path: Path, losses: list[float], keys: dict[str, object], told: str
) -> None:
    write(trace_path, losses, **keys)
    with pytest.raises(ReferenceTraceError, match=rf"mine\.jsonl: cannot become a reference: {told}"):
        beside.refresh(trace_path, "why")
    assert not beside.folder.exists()


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda f: (f / "mlp.refreshed.json").unlink(), "mlp.refreshed.json: cannot be read: No such file"),
        (lambda f: (f / "mlp.refreshed.json").write_text("{}"), "mlp.refreshed.json: not a record of refreshments"),
        (
            lambda f: (f / "mlp.jsonl.gz").write_bytes(gzip.compress((f.parents[1] / "far.jsonl").read_bytes())),
            "mlp.jsonl.gz: not the trace that mlp.refreshed.json tells of. Restore the files",
        ),
    ],
    ids=["no record", "odd record", "another trace"],
)
def test_a_damaged_reference_is_told_and_mended(
    beside: ReferenceBeside, trace_path: Path, damage: object, told: str
) -> None:
    write(trace_path.with_name("far.jsonl"), FAR)
    beside.refresh(trace_path, "first")
    damage(beside.folder)  # type: ignore[operator]
    with pytest.raises(ReferenceTraceError, match=re.escape(told)):
        beside.read()
    beside.refresh(trace_path, "mended")
    assert beside.read().trace.loss.tolist() == FALLING


@pytest.mark.parametrize("name", ["", "a/b", "../mlp", ".mlp", "m" * 201, "\x1b"])
def test_a_name_is_one_for_a_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(ReferenceTraceError, match="expected a name of letters"):
        ReferenceBeside(tmp_path / "test_x.py", name)


def test_a_refreshing_that_is_killed_leaves_the_old_or_the_new(
    beside: ReferenceBeside, trace_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside.refresh(trace_path, "first")
    write(trace_path, FAR)
    moves = iter([True, False])

    def killed(path: Path, target: Path) -> Path:
        if next(moves):
            return real(path, target)
        raise KeyboardInterrupt

    real = Path.replace
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            beside.refresh(trace_path, "second")
    assert beside.read().trace.loss.tolist() == FAR  # it was decided, and the reader ends it
    with monkeypatch.context() as patched:
        patched.setattr(beside_tests, "publish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            beside.refresh(write(trace_path, FALLING), "third")
    assert beside.read().trace.loss.tolist() == FAR


def test_what_cannot_be_read_shows_the_test_and_one_line(pytester: pytest.Pytester, tmp_path: Path) -> None:
    pytester.makepyfile(
        f"""
        def test_pair(assert_traces_agree):
            assert_traces_agree({str(tmp_path / "none.jsonl")!r}, {str(tmp_path / "none.jsonl")!r})

        def test_reference(trace_reference):
            trace_reference({str(tmp_path / "none.jsonl")!r}, "mlp")

        def test_option(trace_reference):
            trace_reference({str(tmp_path / "none.jsonl")!r}, "mlp", mode="loose")
        """
    )
    found = run(pytester, "--refresh-references", "why")
    found.assert_outcomes(failed=3)
    first, second, third = errors(found)
    assert first.split(None, 1)[1] == second.split(None, 1)[1]
    assert "harness.errors.TraceError" in first
    assert first.endswith("none.jsonl:1: cannot be read: No such file or directory.")
    assert "unknown mode 'loose'" in third


def test_an_error_keeps_its_type_and_loses_its_frames(tmp_path: Path) -> None:
    with pytest.raises(TraceError) as caught:
        assert_traces_agree(tmp_path / "a.jsonl", tmp_path / "b.jsonl")
    assert len(caught.traceback) == 2  # this line, and the hidden frame that raised it
    assert caught.value.__suppress_context__


def test_a_folder_that_cannot_be_written_is_told(pytester: pytest.Pytester, suite: Path) -> None:
    suite.parent.write_text("in the way")
    found = run(pytester, "--refresh-references", "why")
    (line,) = errors(found)
    assert "NotADirectoryError" in line or "FileExistsError" in line
