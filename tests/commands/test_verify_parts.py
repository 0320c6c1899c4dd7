"""The parts of verify, without training anything."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from harness import cli
from harness.commands import verify
from harness.data.dataset import DataChoice
from harness.errors import ContractError
from harness.report.verification import Outcome, for_markdown, for_terminal, write_reports
from harness.run import runner
from harness.run.cell import Cell
from harness.run.verification import Verification
from harness.spec.models import load_model
from harness.spec.run_config import RunConfig
from harness.system.lock import exclusive
from harness.trace.manifest import CellFacts, Manifest
from harness.trace.store import StoredCell
from harness.verdict.compare import Judging
from harness.verdict.pairs import judge_pairs
from harness.verdict.relation import relation
from tests.support.sample_traces import write

MODEL = load_model("mnist_mlp")


def cell(pipeline: str, backend: str = "cpu", **changes: bool) -> CellFacts:
    return CellFacts(model="mnist_mlp", pipeline=pipeline, backend=backend, **changes)


def outcome(out: Path, *results: StoredCell) -> Outcome:
    return Outcome(
        verification=Verification(model=MODEL, out=out),
        judging=Judging(),
        data=DataChoice(Path("/data"), "mnist", "ab", 60000),
        init_sha256="cd",
        cells=results,
        evidence=(),
        rows=tuple(judge_pairs(results, Judging())),
    )


def result(folder: Path, pipeline: str, **manifest: object) -> StoredCell:
    trace = folder / f"{Cell(MODEL, pipeline, 'cpu').name}.jsonl"
    return StoredCell(cell(pipeline), Manifest(**{"status": "complete", **manifest}), trace, folder.parent)


def test_a_pair_is_named_by_the_one_thing_that_differs() -> None:
    eager = cell("phase2", eager=True)
    assert relation(cell("phase2"), cell("phase3")) == "cross-compiler"
    assert relation(eager, cell("phase3")) == "cross-compiler"
    assert relation(eager, cell("phase2")) == "cross-mode"
    assert relation(eager, cell("phase2", "cuda")) is None
    assert relation(cell("phase2"), cell("phase2", "cuda")) == "cross-platform"
    assert relation(cell("phase3"), cell("phase3", "rocm")) == "cross-vendor"
    assert relation(cell("phase2"), cell("phase3", "cuda")) is None


def test_a_shuffled_run_has_a_report_of_its_own(tmp_path: Path) -> None:
    runs = [RunConfig(shuffle=shuffle, eager=eager) for shuffle, eager in SWITCHES]
    names = {Verification(model=MODEL, out=tmp_path, run=run).stem for run in runs}
    assert names == {"mnist_mlp", "mnist_mlp.shuf", "mnist_mlp.eager", "mnist_mlp.shuf.eager"}


SWITCHES = [(False, False), (True, False), (False, True), (True, True)]


def test_reports_name_no_absolute_path(tmp_path: Path) -> None:
    traces = tmp_path / "traces"
    traces.mkdir()
    results = [result(traces, name) for name in ("phase2", "phase3")]
    for one in results:
        write(one.trace, [2.0, 1.0])
    for path in write_reports(outcome(tmp_path, *results)):
        assert str(tmp_path) not in path.read_text()
        assert "traces/mnist" in path.read_text()


def test_what_a_program_says_stays_in_its_cell(tmp_path: Path) -> None:
    said = "Traceback\nValueError: <script>alert(1)</script> | \x1b[31mred\n"
    found = outcome(
        tmp_path, result(tmp_path, "x", status="crashed", reason="exit code 1", exit_code=1, stderr_tail=said)
    )
    assert "crashed: exit code 1 (ValueError: <script>" in found.cells[0].note
    assert "\x1b" not in str(for_terminal(found))
    (line,) = (line for line in for_markdown(found).splitlines() if "script" in line)
    assert "<script>" not in line.replace("\\<", "")
    assert line.replace("\\|", "").count("|") == 7


def test_two_in_one_folder_do_not_mix(tmp_path: Path) -> None:
    with (
        exclusive(tmp_path, "x"),
        pytest.raises(ContractError, match="it is taken"),
        exclusive(tmp_path, "it is taken"),
    ):
        pass
    with exclusive(tmp_path, "x"):
        pass


def test_a_run_that_is_cut_short_leaves_no_older_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one_step = Verification(model=MODEL, out=tmp_path, run=RunConfig(steps=1))
    for path in one_step.reports:
        path.parent.mkdir(exist_ok=True)
        path.write_text("1 of 1 pairs agree")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "resolve_data", lambda *_: DataChoice(tmp_path, "mnist", "ab", 60000))
    monkeypatch.setattr(runner, "run_cell", interrupted)
    with pytest.raises(KeyboardInterrupt):
        verify.verify(one_step, Judging())
    assert [path for path in one_step.reports if path.exists()] == []


@pytest.mark.parametrize("verb", ["verify", "emit"])
def test_a_folder_that_cannot_be_written_is_one_line_and_no_disagreement(tmp_path: Path, verb: str) -> None:
    (tmp_path / "file").touch()
    found = CliRunner().invoke(
        cli.main, [verb, "mnist_mlp", "--out", str(tmp_path / "file" / "x"), *DATA[verb](tmp_path)]
    )
    assert found.exit_code == 2, found.output
    assert found.output.startswith(f"harness: {tmp_path / 'file'}/x")
    assert found.output.count("\n") == 1


def small_data(folder: Path) -> list[str]:
    """Arguments for a folder of data that is enough for one batch."""
    from harness.data.synthetic import write_synthetic

    names = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]
    write_synthetic(folder / "data", names, train=128, test=1)
    return ["--data", str(folder / "data")]


DATA = {"verify": small_data, "emit": lambda _: []}


@pytest.mark.parametrize("steps", ["0", "-1", "1.5", "", "٣", "9" * 5000])
def test_steps_are_a_whole_number_or_full(steps: str) -> None:
    found = CliRunner().invoke(cli.main, ["verify", "mnist_mlp", "--steps", steps, "--data", "/nowhere"])
    assert found.exit_code == 2
    assert "is neither a whole number of at least 1 nor `full`" in found.output
