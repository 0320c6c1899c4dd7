"""Logs that `harness convert` writes, read back, and traces that it makes of logs."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from harness.cli import main
from harness.trace.format import Trace, TraceFile
from harness.trace.recording import read_foreign
from tests.support.sample_logs import LOGS, falling, write_log
from tests.support.sample_traces import header

LOSSES = falling(40)
DIGEST = "ab" * 32


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


def rich(path: Path, factor: float = 1.0) -> Path:
    """A trace with channels of every kind."""
    with TraceFile(path, header(init_sha256=DIGEST, params=["w", "b"], dtype="f32", backend="cpu")) as writer:
        for step, loss in enumerate(LOSSES, 1):
            norms = {"w": 2.0 / step, "b": 0.5 * factor}
            writer.write_step(
                step, (step - 1) // 20, loss, 0.001, grad_norm=1.5, grad_norms=norms, batch_sha256=DIGEST, wall_ms=2.0
            )
    return path


def converted(trace: Path, form: str) -> Path:
    done = run("convert", trace, "--to", form, "-o", trace.parent / form)
    assert done.exit_code == 0
    return Path(done.output.strip())


@pytest.mark.parametrize("form", ["mllog", "tensorboard"])
def test_what_was_written_is_read_back(tmp_path, form):
    trace = rich(tmp_path / "a.jsonl")
    found, plain = read_foreign(converted(trace, form)).trace, read_foreign(trace).trace
    assert found.header == plain.header
    for column in ("loss", "epoch", "step"):
        np.testing.assert_array_equal(getattr(found, column), getattr(plain, column))
    np.testing.assert_allclose(found.lr, plain.lr, rtol=1e-7)
    assert found.lines[7].grad_norms == pytest.approx(plain.lines[7].grad_norms, rel=1e-7)
    assert found.digests == (plain.digests if form == "mllog" else {})


@pytest.mark.parametrize("form", ["mllog", "tensorboard"])
def test_what_was_written_stands_against_a_trace(tmp_path, form):
    log = converted(rich(tmp_path / "a.jsonl"), form)
    found = json.loads(run("diff", tmp_path / "a.jsonl", log, "--format", "json").stdout)["pairs"][0]
    assert found["verdict"]["status"] == "PASS"
    assert [gate["outcome"] for gate in found["gates"] if gate["gate"] == "contract"] == ["pass"]
    assert run("diff", rich(tmp_path / "b.jsonl", 8.0), log).exit_code == 1


@pytest.mark.parametrize("form", ["mllog", "tensorboard"])
def test_a_log_of_a_trace_that_does_not_fit_it_is_no_log(tmp_path, form):
    path = converted(rich(tmp_path / "a.jsonl"), form)
    content = path.read_bytes()
    if form == "mllog":
        path.write_bytes(content.replace(b'"step_num": 7', b'"step_num": 6'))
        found = run("diff", path, path)
        assert found.exit_code == 2
        assert found.stderr.splitlines()[0].endswith(": step 6 follows step 6.")
        path.write_bytes(content.replace(b'"step_num": 7', b'"step_num": "seven"'))
    else:
        path.write_bytes(content[: len(content) // 2])
        assert 0 < read_foreign(path).trace.steps < 40
        return
    found = run("diff", path, path)
    assert (found.exit_code, "but not a trace: Expected `int`, got `str`" in found.stderr) == (2, True)


def read(path: Path) -> Trace:
    return read_foreign(path).trace


@pytest.mark.parametrize("source", ["auto", "named"])
@pytest.mark.parametrize("name", LOGS)
def test_a_log_becomes_a_trace_that_says_the_same(tmp_path, name, source):
    log = write_log(tmp_path / "logs", name, LOSSES)
    done = run("convert", "--from", name if source == "named" else "auto", log, "-o", tmp_path / "out")
    assert done.exit_code == 0
    path = tmp_path / "out" / f"{log.name.partition('.')[0]}.jsonl"
    assert str(path) in done.stdout
    assert f"({LOGS[name][2]}, " in done.stderr
    found, plain = read(path), read(log)
    assert found.header == plain.header
    for column in ("loss", "lr", "epoch", "step"):
        np.testing.assert_array_equal(getattr(found, column), getattr(plain, column))
    assert found.lines == plain.lines
    assert run("diff", path, log).exit_code == run("diff", log, log).exit_code


def test_a_log_becomes_the_log_of_another_tool(tmp_path):
    log = write_log(tmp_path, "lightning", LOSSES)
    for form, name in (("mllog", "metrics.log"), ("tensorboard", "metrics/events.out.tfevents.trace")):
        assert run("convert", "--from=auto", "--to", form, log, "-o", tmp_path / "out").exit_code == 0
        found = read(tmp_path / "out" / name)
        assert (found.step.tolist(), found.header) == ([10, 20, 30, 40], read(log).header)


def test_columns_are_named_to_convert_as_to_compare(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("n,loss_a,loss_b\n1,2.0,3.0\n2,1.9,2.9\n")
    found = run("convert", "--from=csv", path, "-o", tmp_path)
    assert (found.exit_code, "Name one with --loss-key." in found.stderr) == (2, True)
    assert run("convert", "--from=csv", path, "--loss-key=loss_b", "--step-key=n", "-o", tmp_path).exit_code == 0
    assert read(tmp_path / "a.jsonl").loss.tolist() == [3.0, 2.9]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--from=lightening"], "harness: unknown format 'lightening'; did you mean 'lightning'?"),
        ([], "harness: say what the files are converted to with --to, or what they are with --from."),
    ],
)
def test_wrong_uses_are_one_line(tmp_path, options, message):
    found = run("convert", *options, write_log(tmp_path, "csv", LOSSES), "-o", tmp_path)
    assert (found.exit_code, found.stderr.startswith(message), found.stderr.count("\n")) == (2, True, 1)


def test_a_trace_with_gaps_becomes_one_of_the_letter_or_a_log(tmp_path):
    path = tmp_path / "a.jsonl"
    lines = rich(path).read_bytes().splitlines()
    path.write_bytes(b"\xef\xbb\xbf" + b"\r\n".join([*lines[:2], *lines[10::10]]))
    for form, name in (("trace", "a.jsonl"), ("mllog", "a.log"), ("tensorboard", "a/events.out.tfevents.trace")):
        assert run("convert", "--from=auto", "--to", form, path, "-o", tmp_path / "out").exit_code == 0
        found = read(tmp_path / "out" / name)
        assert (found.step.tolist(), found.header) == ([1, 10, 20, 30, 40], read(path).header)
        assert found.lines[30].grad_norms == pytest.approx(read(path).lines[30].grad_norms)
