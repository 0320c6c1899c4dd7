"""Traces of parts of a run: their steps keep their numbers, and nothing takes them for a whole run."""

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from harness import cli
from harness.errors import TraceError
from harness.trace.format import TraceFile
from harness.trace.parts import Part, StepNumbers, format_parts, parse_parts
from harness.trace.reader import read_trace
from harness.verdict.channels import shared_channels
from tests.support.sample_traces import header

PARTS = "9+2,11+0,11+1,40+3,50+0"
STEPS = [9, 10, 11, 40, 41, 42]


def write(path: Path, steps: list[int], run_steps: str = PARTS, losses: list[float] | None = None) -> Path:
    lines = [msgspec.to_builtins(header()) | {"run_steps": run_steps}]
    for place, step in enumerate(steps):
        loss = step / 7 if losses is None else losses[place]
        lines.append({"kind": "step", "step": step, "epoch": step // 20, "loss": loss, "lr": 0.1})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_parts_are_read_as_they_are_written() -> None:
    parts = parse_parts(PARTS)
    assert parts == (Part(9, 2), Part(11, 0), Part(11, 1), Part(40, 3), Part(50, 0))
    assert format_parts(parts) == PARTS
    assert [step for part in parts for step in part.steps] == STEPS
    numbers = StepNumbers(parts)
    assert numbers.of_rows(np.arange(8)).tolist() == [*STEPS, 0, 0]


@pytest.mark.parametrize("text", ["", "9", "9-12", "0+1", "9+2,10+1", "40+1,9+1", "9+2,", "9 + 2", "9+-1"])
def test_what_are_no_parts_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected parts|begins before"):
        parse_parts(text)


def test_a_trace_of_parts_is_looked_up_by_step(tmp_path: Path) -> None:
    a = read_trace(write(tmp_path / "a.jsonl", STEPS), allow_parts=True)
    b = read_trace(write(tmp_path / "b.jsonl", STEPS, losses=[2.0, 3.0, 5.0, 7.0, 11.0, 13.5]), allow_parts=True)
    assert a.steps == 6
    found = shared_channels(a, b, range(40, 43))
    assert found.steps == (40, 41, 42)
    assert found.a[:, 0].tolist() == [40 / 7, 41 / 7, 42 / 7]
    assert found.b[:, 0].tolist() == [7.0, 11.0, 13.5]


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ([9, 10, 11, 12], "a.jsonl:5: step 12 follows step 11; run_steps has 40 there."),
        ([9, 10, 40], "a.jsonl:4: step 40 follows step 10; steps must be consecutive."),
        ([1], "a.jsonl:2: step 1 follows step 0; run_steps has 9 there."),
        ([*STEPS, 43], "a.jsonl:8: step 43 follows step 42; run_steps has no other there."),
    ],
)
def test_steps_that_are_not_those_of_the_parts_are_refused(tmp_path: Path, steps: list[int], told: str) -> None:
    with pytest.raises(TraceError) as refused:
        read_trace(write(tmp_path / "a.jsonl", steps), allow_parts=True)
    assert str(refused.value).endswith(told)


def test_nothing_takes_parts_for_a_whole_run(tmp_path: Path) -> None:
    paths = [str(write(tmp_path / name, STEPS)) for name in ("a.jsonl", "b.jsonl")]
    with pytest.raises(TraceError, match="a trace of parts of a run"):
        read_trace(paths[0])
    found = CliRunner().invoke(cli.main, ["diff", *paths])
    assert found.exit_code == 2
    assert "a trace of parts of a run (run_steps 9+2,11+0,11+1,40+3,50+0)" in found.output
    with pytest.raises(TraceError, match=r"not a header: .*expected parts of a run"):
        read_trace(write(tmp_path / "c.jsonl", STEPS, run_steps="9-12"), allow_parts=True)


def test_a_writer_holds_to_the_parts(tmp_path: Path) -> None:
    with TraceFile(tmp_path / "a.jsonl", header(run_steps=PARTS)) as writer:
        for step in STEPS:
            writer.write_step(step, 0, 1.0, 0.1)
        with pytest.raises(TraceError, match="step 43 follows step 42; run_steps has no other there"):
            writer.write_step(43, 0, 1.0, 0.1)
    assert read_trace(tmp_path / "a.jsonl", allow_parts=True).steps == len(STEPS)
