"""How commands end: each end has one line and a code of its own, and 1 is a result and nothing else."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.commands.usage import CRASHED, INTERRUPTED, NO_OUTPUT, USAGE, OneLineCommand
from harness.system.scratch import temporary_root
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


@contextmanager
def a_time_limit(seconds: int) -> Iterator[None]:
    """A wait that does not end fails; one for a pipe ends in no other way."""

    def overdue(number: int, frame: object) -> None:
        raise TimeoutError(f"no end after {seconds} s")

    before = signal.signal(signal.SIGALRM, overdue)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


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


@pytest.mark.parametrize("asked", [(), ("diff",), ("attest", "make")])
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_a_help_that_nobody_can_read_is_lost_output(asked: tuple[str, ...], option: str) -> None:
    if option == "--version" and asked:
        option = "-h"
    code, said = ends("sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-m", "harness", *asked, option)
    assert (code, said) == (NO_OUTPUT, "harness: standard output is closed.\n")


@pytest.mark.parametrize(
    "words",
    [
        "import {odd} --into {new}",
        "attest make {cell} -o {new} --key {odd}",
        "attest make {cell} -o {odd}",
        "attest verify {odd}",
        "attest verify {cell} --key {odd}",
        "accept {odd} --reason x --into {new}",
        "accept {cell} --reason x --into {odd}",
        "report {odd} -o {new}",
        "report {folder} -o {odd}",
        "report {folder} -o {new} --history {odd}",
        "report {folder} -o {new} --references {odd}",
        "convert {odd} --to mllog -o {new}",
        "convert {cell} --to mllog -o {odd}",
        "diff {odd} {cell}",
        "explain mnist_mlp --against {odd} --data synthetic",
        "explain mnist_mlp --out {odd}",
        "envelope mnist_mlp --out {odd}",
        "export {odd} -o {new}",
        "export {cell} -o {odd}",
        "init mnist_mlp --out {odd}",
        "emit mnist_mlp --out {odd}",
        "data synthetic {odd}",
        "nightly {odd} --out {new}",
        "power --out {odd}",
        "run mnist_mlp --pipeline phase2 --data {odd}",
    ],
)
@pytest.mark.parametrize("odd", ["fifo", "/dev/zero", "/dev/full"])
def test_no_verb_waits_for_what_has_no_end(tmp_path: Path, short_trace: str, words: str, odd: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    places = {"odd": tmp_path / odd, "cell": short_trace, "new": tmp_path / "new", "folder": tmp_path / "folder"}
    with a_time_limit(30):
        found = CliRunner().invoke(main, words.format(**places).split())
    assert (found.exit_code, found.stderr.count("\n")) == (USAGE, 1), found.output
    assert str(places["odd"]) in found.stderr
    assert "File exists" not in found.stderr


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


def test_a_fault_of_the_harness_is_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command(cls=OneLineCommand)
    def broken() -> None:
        raise AssertionError("two and two are five")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = CliRunner().invoke(broken, [])
    path = temporary_root() / "fault.txt"
    assert (found.exit_code, found.output) == (
        CRASHED,
        "harness: a fault of the harness itself: AssertionError: two and two are five. "
        f"Please report it with its traceback, which is in {path}.\n",
    )
    assert "in broken" in path.read_text()


def test_a_traceback_that_cannot_be_kept_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command(cls=OneLineCommand)
    def broken() -> None:
        raise AssertionError("two and two are five")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "no"))
    (tmp_path / "no").touch()
    found = CliRunner().invoke(broken, [])
    assert found.exit_code == CRASHED
    assert "in broken" in found.output
    assert found.output.endswith(": AssertionError: two and two are five. Please report it with the lines above.\n")


def test_an_interrupted_comparison_is_no_difference(tmp_path: Path) -> None:
    waiting = (
        "import harness.trace.recording as r, time\n"
        "r.read_recordings = lambda *_: (print('reading', flush=True), time.sleep(60))\n"
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
