"""How commands end: each end has one line and a code of its own, and 1 is a result and nothing else."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.commands.usage import CRASHED, INTERRUPTED, NO_OUTPUT, USAGE, OneLineCommand
from tests.support.paths import ROOT
from tests.support.processes import start
from tests.support.sample_traces import write

DIFF = (sys.executable, "-m", "harness.diff")


@pytest.fixture
def short_trace(tmp_path: Path) -> str:
    return str(write(tmp_path / "a.jsonl", [2.0, 1.0]))


def ends(*command: str, **streams: object) -> tuple[int, str]:
    done = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, timeout=60, check=False, **streams)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    "verb", [(*DIFF, "{short_trace}", "{short_trace}"), (sys.executable, "-m", "harness", "models")]
)
def test_a_full_disk_behind_standard_output_is_one_line(short_trace: str, verb: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        code, said = ends(*(word.format(short_trace=short_trace) for word in verb), stdout=full)
    assert (code, said) == (NO_OUTPUT, "harness: standard output cannot be written: No space left on device.\n")


def test_a_reader_that_has_gone_is_one_line(short_trace: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        code, said = ends(*DIFF, short_trace, short_trace, stdout=writer)
    finally:
        os.close(writer)
    assert (code, said) == (NO_OUTPUT, "harness: standard output cannot be written: Broken pipe.\n")


def test_a_standard_output_that_is_closed_is_one_line(short_trace: str) -> None:
    code, said = ends("sh", "-c", 'exec "$@" >&-', "sh", *DIFF, short_trace, short_trace)
    assert (code, said.count("\n")) == (NO_OUTPUT, 1)


@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_what_has_no_end_is_no_trace(tmp_path: Path, short_trace: str, kind: str) -> None:
    path = tmp_path / "fifo" if kind == "fifo" else Path("/dev/zero")
    if kind == "fifo":
        os.mkfifo(path)
    code, said = ends(*DIFF, short_trace, str(path), stdout=subprocess.DEVNULL)
    assert (code, said) == (USAGE, f"{path}:1: not a regular file; expected a trace file.\n")


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "0", "soon"])
def test_a_time_limit_is_a_number_of_seconds(value: str) -> None:
    found = CliRunner().invoke(main, ["run", "mnist_mlp", "--pipeline", "phase2", f"--timeout={value}"])
    assert (found.exit_code, found.output.count("\n")) == (USAGE, 1)


def test_a_fault_of_the_harness_is_no_difference() -> None:
    @click.command(cls=OneLineCommand)
    def broken() -> None:
        raise AssertionError("two and two are five")

    found = CliRunner().invoke(broken, [])
    assert found.exit_code == CRASHED
    assert "two and two are five" in found.output
    assert found.output.endswith("AssertionError. Please report it with the lines above.\n")


def test_an_interrupted_comparison_is_no_difference(tmp_path: Path) -> None:
    waiting = (
        "import harness.trace.recording as r, time\n"
        "r.read_recordings = lambda paths: (print('reading', flush=True), time.sleep(60))\n"
        "from harness.diff import main\nmain(['a', 'b'])\n"
    )
    child = start([sys.executable, "-c", waiting], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    with child:
        assert child.stdout is not None and child.stderr is not None
        assert child.stdout.readline() == "reading\n"
        time.sleep(0.1)
        child.send_signal(signal.SIGINT)
        assert child.wait(30) == INTERRUPTED
        assert child.stderr.read() == "harness: interrupted.\n"
