"""Cells that misbehave: each leaves the right status, the right reason and the right files."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.errors import TraceError
from harness.run.cell_plan import CellPlan
from harness.run.execute import read_accuracy, refuse, run_cell
from harness.trace.manifest import CellFacts, Manifest, read_manifest
from harness.trace.reader import read_trace
from tests.support.misbehaving_cells import NAME, plan_of
from tests.support.processes import dies, is_alive, start


def run(folder: Path, code: str, **options: Any) -> Manifest:
    plan = plan_of(folder, code, **options)
    manifest = run_cell(plan)
    assert read_manifest(plan.manifest) == manifest, "what is returned is what is written"
    return manifest


def files(folder: Path) -> set[str]:
    return {path.name.removeprefix(NAME) for path in (folder / "traces").iterdir()}


def partial_steps(folder: Path) -> int:
    """Steps of the readable prefix; the strict reader must take it."""
    return read_trace(folder / "traces" / f"{NAME}.partial.jsonl").steps


KEPT = {".jsonl", ".manifest.json"}
LEFT = {".partial.jsonl", ".manifest.json"}
WHOLE = """
header(3)
for k in (1, 2, 3): step(k)
"""


def test_a_run_that_goes_well(tmp_path: Path) -> None:
    manifest = run(tmp_path, WHOLE + "print('test accuracy: 0.9843 (9843/10000)')\nprint('good day', file=sys.stderr)")
    assert (manifest.status, manifest.reason, manifest.steps_written) == ("complete", None, 3)
    assert (manifest.exit_code, manifest.signal) == (0, None)
    assert (manifest.test_accuracy, manifest.test_correct, manifest.test_total) == (0.9843, 9843, 10000)
    assert manifest.stderr_tail == "good day\n"
    assert files(tmp_path) == KEPT
    trace = read_trace(tmp_path / "traces" / f"{NAME}.jsonl", with_digest=True)
    assert trace.steps == 3
    assert trace.sha256 == manifest.trace_sha256


def test_without_a_plan_the_header_says_how_many_steps(tmp_path: Path) -> None:
    assert run(tmp_path, WHOLE, planned_steps=None).status == "complete"
    manifest = run(tmp_path, "header(4)\nstep(1)", planned_steps=None)
    assert manifest.reason == "exited 0 after 1 of 4 planned steps"
    assert run(tmp_path, "header()\nstep(1)", planned_steps=None).status == "complete"
    assert run(tmp_path, "header()", planned_steps=None).reason == "exited 0 after 0 steps"


def test_exit_0_with_too_few_or_too_many_steps_is_a_crash(tmp_path: Path) -> None:
    manifest = run(tmp_path, "header(200)\nstep(1)\nstep(2)\nstep(3)", planned_steps=200)
    assert (manifest.status, manifest.exit_code) == ("crashed", 0)
    assert manifest.reason == "exited 0 after 3 of 200 planned steps"
    assert files(tmp_path) == LEFT
    manifest = run(tmp_path, WHOLE, planned_steps=2)
    assert (manifest.status, manifest.reason) == ("crashed", "exited 0 after 3 of 2 planned steps")


def test_exit_0_without_a_trace_is_a_crash(tmp_path: Path) -> None:
    manifest = run(tmp_path, "os.remove(trace.name)")
    assert (manifest.status, manifest.reason, manifest.steps_written) == ("crashed", "exited 0 without a trace", 0)
    assert files(tmp_path) == {".manifest.json"}
    assert run(tmp_path, "pass").reason == "exited 0 without a trace"
    assert files(tmp_path) == {".manifest.json"}, "an empty file is no trace"


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGKILL", "SIGBUS"])
def test_a_program_that_a_signal_kills(tmp_path: Path, name: str) -> None:
    code = f"header(3)\nstep(1)\nstep(2)\nprint('last words', file=sys.stderr, flush=True)\nos.kill(0, signal.{name})"
    manifest = run(tmp_path, code)
    assert (manifest.status, manifest.signal, manifest.exit_code) == ("crashed", name, None)
    assert manifest.reason is not None
    assert manifest.reason.startswith(f"killed by {name}")
    assert manifest.stderr_tail.startswith("last words\n")
    assert manifest.steps_written == partial_steps(tmp_path) == 2
    assert files(tmp_path) == LEFT


def test_a_segfault_says_where_it_was(tmp_path: Path) -> None:
    manifest = run(tmp_path, "def guilty(): os.kill(os.getpid(), signal.SIGSEGV)\nguilty()")
    assert "in guilty" in manifest.stderr_tail
    assert str(tmp_path) not in manifest.stderr_tail


def test_a_signal_reported_by_a_shell(tmp_path: Path) -> None:
    manifest = run(tmp_path, "raise SystemExit(139)")
    assert (manifest.exit_code, manifest.signal, manifest.reason) == (139, "SIGSEGV", "exit code 139 (SIGSEGV)")


def test_a_crash_after_all_steps_is_a_crash(tmp_path: Path) -> None:
    manifest = run(tmp_path, WHOLE + "raise SystemExit(7)")
    assert (manifest.status, manifest.exit_code) == ("crashed", 7)
    assert manifest.reason == "exit code 7, after the last of 3 planned steps"
    assert manifest.steps_written == 3
    assert files(tmp_path) == LEFT
    manifest = run(tmp_path, WHOLE + "os.abort()", obeys_step_limit=False)
    assert (manifest.status, manifest.signal) == ("crashed", "SIGABRT")
    assert manifest.reason == "killed by SIGABRT, after the last of 3 planned steps"


def test_a_traceback_is_kept(tmp_path: Path) -> None:
    manifest = run(tmp_path, "header(3)\n1 / 0")
    assert manifest.exit_code == 1
    assert manifest.stderr_tail.endswith("ZeroDivisionError: division by zero\n")


def test_a_program_that_hangs_is_timed_out_with_its_prefix(tmp_path: Path) -> None:
    started = time.monotonic()
    manifest = run(tmp_path, "header(3)\nstep(1)\ntime.sleep(60)", timeout_s=1.5)
    assert time.monotonic() - started < 8
    assert (manifest.status, manifest.reason) == ("timed-out", "no end after 1.5 s, at step 1")
    assert manifest.steps_written == partial_steps(tmp_path) == 1
    assert files(tmp_path) == LEFT


def test_a_program_that_makes_no_progress(tmp_path: Path) -> None:
    manifest = run(tmp_path, "header(3)\nstep(1)\ntime.sleep(60)", stall_s=1.5)
    assert (manifest.status, manifest.reason) == ("timed-out", "no new step for 1.5 s, at step 1")
    slow = "header(3)\nfor k in (1, 2, 3):\n    step(k)\n    time.sleep(0.8)"
    assert run(tmp_path, slow, stall_s=1.6).status == "complete", "slow is not stalled"


def test_a_program_that_ignores_being_asked_to_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.system.process.Child.stop.__defaults__", (0.3, lambda: False))
    code = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nheader(3)\nstep(1)\ntime.sleep(60)"
    started = time.monotonic()
    assert run(tmp_path, code, timeout_s=1).status == "timed-out"
    assert time.monotonic() - started < 6


@pytest.mark.parametrize(
    ("code", "line", "steps"),
    [
        ("trace.write('Segmentation fault\\n')", 1, None),
        ("header(3)\nstep(1)\ntrace.write('garbage\\n')\nstep(2)", 3, 1),
        ('header(3)\nstep(1)\ntrace.write(\'{"kind": "step", "step": 2, "epoch": 0, "loss": NaN}\\n\')', 3, 1),
        ("header(3)\nstep(1)\nstep(3)", 3, 1),
        ("header(3)\nstep(1)\nstep(1)", 3, 1),
        ("step(1)\nstep(2)", 1, None),
        ("header(3)\nstep(1)\ntrace.flush(); os.write(trace.fileno(), b'\\xff\\0\\n')", 3, 1),
    ],
)
def test_garbage_in_the_trace_is_a_crash_at_its_line(tmp_path: Path, code: str, line: int, steps: int | None) -> None:
    manifest = run(tmp_path, code)
    assert manifest.status == "crashed"
    assert manifest.reason is not None
    assert manifest.reason.startswith(f"the trace cannot be read: .../{NAME}.partial.jsonl:{line}: ")
    assert manifest.steps_written == (steps or 0)
    if steps is None:
        assert files(tmp_path) == {".manifest.json"}, "nothing readable is left, so nothing is left"
    else:
        assert files(tmp_path) == LEFT
        assert partial_steps(tmp_path) == steps


def test_garbage_is_told_even_when_the_program_also_crashes(tmp_path: Path) -> None:
    manifest = run(tmp_path, "header(3)\nstep(1)\ntrace.write('?\\n')\nraise SystemExit(4)")
    assert manifest.reason is not None
    assert manifest.reason.startswith(f"exit code 4; the trace cannot be read: .../{NAME}.partial.jsonl:3: ")


def test_half_a_line_is_cut_off(tmp_path: Path) -> None:
    manifest = run(tmp_path, 'header(3)\nstep(1)\ntrace.write(\'{"kind": "st\')\ntrace.flush()\nos.abort()')
    assert (manifest.status, manifest.signal, manifest.reason) == ("crashed", "SIGABRT", "killed by SIGABRT")
    assert manifest.steps_written == partial_steps(tmp_path) == 1


def test_all_steps_and_then_half_a_line_is_complete_only_for_who_may_go_on(tmp_path: Path) -> None:
    code = WHOLE + "trace.write('{\"kind\"')"
    assert run(tmp_path, code).status == "complete"
    assert read_trace(tmp_path / "traces" / f"{NAME}.jsonl").steps == 3, "the half line is gone"


def test_a_trace_that_is_one_endless_line(tmp_path: Path) -> None:
    manifest = run(tmp_path, "header(3)\nstep(1)\nfor _ in range(3000): trace.write('x' * 10000)")
    assert manifest.status == "crashed"
    assert manifest.reason == "exited 0 after 1 of 3 planned steps"
    assert partial_steps(tmp_path) == 1


def test_a_flood_on_both_pipes(tmp_path: Path) -> None:
    flood = "for i in range(40000): print('o' * 200); print('e' * 200, file=sys.stderr)"
    manifest = run(tmp_path, f"print('test accuracy: 0.5 (1/2)')\n{flood}\n{WHOLE}\nprint('the end', file=sys.stderr)")
    assert manifest.status == "complete"
    assert manifest.test_accuracy == 0.5
    assert len(manifest.stderr_tail.encode()) == 4096
    assert manifest.stderr_tail.endswith("the end\n")


LIMITLESS = """
header()
for k in range(1, 10**9):
    step(k)
    time.sleep(0.01)
"""


def test_a_program_that_ignores_the_limit_is_stopped_and_cut(tmp_path: Path) -> None:
    manifest = run(tmp_path, LIMITLESS, obeys_step_limit=False, planned_steps=5)
    assert (manifest.status, manifest.reason) == ("complete", "stopped after the planned steps")
    assert manifest.steps_written == read_trace(tmp_path / "traces" / f"{NAME}.jsonl").steps == 5
    assert files(tmp_path) == KEPT


def test_far_beyond_the_limit_before_anybody_looked(tmp_path: Path) -> None:
    hasty = "header()\nfor k in range(1, 5000): step(k)\n"
    for ending, told in (
        ("", "; it had gone on: exit code 0"),
        ("os.abort()", "; it had gone on: killed by SIGABRT"),
        ("raise SystemExit(3)", "; it had gone on: exit code 3"),
        ("trace.write('half')", "; it had gone on: exit code 0"),
        ("time.sleep(60)", ""),
    ):
        manifest = run(tmp_path, hasty + ending, obeys_step_limit=False, planned_steps=5)
        assert manifest.reason in ("stopped after the planned steps" + told, "stopped after the planned steps")
        assert manifest.status == "complete", f"how fast we looked must not matter ({ending})"
        assert manifest.steps_written == 5
        assert files(tmp_path) == KEPT


def test_a_program_that_keeps_the_limit_may_measure_its_accuracy(tmp_path: Path) -> None:
    code = WHOLE + "time.sleep(0.8)\nprint('test accuracy: 0.25 (1/4)')"
    manifest = run(tmp_path, code, obeys_step_limit=False)
    assert (manifest.status, manifest.reason, manifest.test_accuracy) == ("complete", None, 0.25)


def test_a_program_that_stays_after_the_last_step_is_stopped(tmp_path: Path) -> None:
    manifest = run(tmp_path, WHOLE + "time.sleep(60)", obeys_step_limit=False, linger_s=0.5)
    assert (manifest.status, manifest.reason) == ("complete", "stopped after the planned steps")


def test_a_crash_before_the_limit_is_a_crash_for_them_too(tmp_path: Path) -> None:
    manifest = run(tmp_path, "header()\nstep(1)\nos.abort()", obeys_step_limit=False)
    assert (manifest.status, manifest.signal) == ("crashed", "SIGABRT")
    manifest = run(tmp_path, "header()\nstep(1)\nstep(9)\ntime.sleep(60)", obeys_step_limit=False)
    assert manifest.status == "crashed", "steps that are not there do not count"
    assert files(tmp_path) == LEFT


def test_a_full_disk_is_the_reason_of_a_crash(tmp_path: Path) -> None:
    manifest = run(tmp_path, "full = open('/dev/full', 'w')\nheader(3)\nstep(1)\nfull.write('x')\nfull.flush()")
    assert (manifest.status, manifest.exit_code) == ("crashed", 1)
    assert manifest.reason == "exit code 1: No space left on device"
    assert partial_steps(tmp_path) == 1


def test_a_full_disk_under_the_trace(tmp_path: Path) -> None:
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\nheader(99)\n"
    manifest = run(tmp_path, limit + "for k in range(1, 100): step(k)", planned_steps=99)
    assert manifest.status == "crashed"
    assert manifest.reason is not None
    assert manifest.reason.endswith(": File too large")
    assert manifest.steps_written == partial_steps(tmp_path) > 0
    assert files(tmp_path) == LEFT


def test_a_full_disk_for_the_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("harness.run.execute.write_manifest", full)
    manifest = run_cell(plan_of(tmp_path, WHOLE))
    assert (manifest.status, manifest.reason) == (
        "crashed",
        "the manifest cannot be written: No space left on device",
    )
    assert files(tmp_path) == {".partial.jsonl"}, "a trace without its manifest is not complete"


def test_a_trace_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[str, bool]] = []
    plan = plan_of(tmp_path, WHOLE)

    def fsync(number: int) -> None:
        name = Path(f"/proc/self/fd/{number}").readlink().name
        synced.append((name, plan.trace.exists()))

    monkeypatch.setattr("harness.system.files.os.fsync", fsync)
    assert run_cell(plan).status == "complete"
    assert synced[0][0].startswith(f".{NAME}.jsonl.")
    assert not synced[0][1]
    assert len(synced) == 2, "the trace, then the manifest"


def test_a_full_disk_for_keeping_the_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of(tmp_path, WHOLE)
    fsync = os.fsync

    def full(number: int) -> None:
        if Path(f"/proc/self/fd/{number}").readlink().name.startswith(f".{NAME}.jsonl."):
            raise OSError(28, "No space left on device")
        fsync(number)

    monkeypatch.setattr("harness.system.files.os.fsync", full)
    manifest = run_cell(plan)
    assert (manifest.status, manifest.reason) == ("crashed", "the trace cannot be kept: No space left on device")
    assert read_manifest(plan.manifest) == manifest
    assert files(tmp_path) == LEFT


def test_a_folder_that_cannot_be_one(tmp_path: Path) -> None:
    (tmp_path / "traces").write_text("")
    with pytest.raises(
        TraceError, match=r"File exists; traces cannot be written there\. Give another folder with --out\.$"
    ):
        run_cell(plan_of(tmp_path, WHOLE))


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (("./no-such-program",), "./no-such-program: No such file or directory"),
        (("no-such-program-anywhere",), "no-such-program-anywhere: No such file or directory"),
        (("/etc/passwd",), ".../passwd: Permission denied"),
        ((), "no command: expected a program"),
        (("a\0b",), "a\0b: embedded null byte"),
    ],
)
def test_what_cannot_be_started_is_refused(tmp_path: Path, command: tuple[str, ...], reason: str) -> None:
    plan = CellPlan(NAME, command, tmp_path / "traces")
    manifest = run_cell(plan)
    assert (manifest.status, manifest.reason) == ("refused", reason)
    assert read_manifest(plan.manifest) == manifest
    assert files(tmp_path) == {".manifest.json"}


def test_nothing_of_an_earlier_run_is_left(tmp_path: Path) -> None:
    assert run(tmp_path, WHOLE).status == "complete"
    assert run(tmp_path, "os.remove(trace.name)\nos.abort()").status == "crashed"
    assert files(tmp_path) == {".manifest.json"}
    assert run(tmp_path, WHOLE).status == "complete"
    plan = CellPlan(NAME, (), tmp_path / "traces", facts=CellFacts(model="net", pipeline="phase2", backend="cuda"))
    for before in (WHOLE, "header(3)\nstep(1)"):
        run(tmp_path, before)
        manifest = refuse(plan, "no CUDA device")
        assert files(tmp_path) == {".manifest.json"}
    assert (manifest.status, manifest.reason, manifest.known_trouble) == ("refused", "no CUDA device", None)
    assert read_manifest(plan.manifest) == manifest


def test_progress_is_told_as_it_happens(tmp_path: Path) -> None:
    heard: list[tuple[int, float, float]] = []
    code = "header(3)\nfor k in (1, 2):\n    step(k)\n    time.sleep(0.4)\nstep(3, 'NaN')"
    run_cell(plan_of(tmp_path, code), lambda *args: heard.append(args))
    assert [step for step, _, _ in heard] == [1, 2, 3]
    assert [loss for _, loss, _ in heard[:2]] == [1.0, 0.5]
    assert heard[2][1] != heard[2][1], "NaN is a loss too"
    assert 0 < heard[0][2] < heard[1][2] < heard[2][2]


def test_the_last_steps_are_told_however_late_they_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.run.execute.POLL_S", 5)
    heard: list[int] = []
    code = "os.close(1)\nos.close(2)\ntime.sleep(0.3)\n" + WHOLE
    run_cell(plan_of(tmp_path, code), lambda step, loss, seconds: heard.append(step))
    assert heard == [3]


def test_an_error_in_the_callback_leaves_no_program_behind(tmp_path: Path) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    plan = plan_of(tmp_path, "header(3)\nstep(1)\nprint(os.getpid(), file=sys.stderr)\ntime.sleep(60)")
    with pytest.raises(ZeroDivisionError):
        run_cell(plan, fail)
    manifest = read_manifest(plan.manifest)
    assert (manifest.status, manifest.reason) == ("interrupted", "interrupted by ZeroDivisionError")
    assert files(tmp_path) == LEFT


def test_the_environment_of_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LEAN_MLIR_MAX_STEPS", "LEAN_MLIR_NO_SHUFFLE", "LEAN_MLIR_INIT_DUMP", "HARNESS_TRACE_CHANNELS"):
        monkeypatch.setenv(name, "left over")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.chdir(tmp_path)
    code = WHOLE + "print(json.dumps(dict(os.environ)), file=open(os.environ['COPY'], 'w'))"
    plan = plan_of(tmp_path, code, environment={"COPY": str(tmp_path / "copy"), "LEAN_MLIR_INIT_LOAD": "init.bin"})
    assert run_cell(plan).status == "complete"
    seen = json.loads((tmp_path / "copy").read_text())
    assert seen["LEAN_MLIR_TRACE_OUT"] == str(plan.partial.absolute())
    assert seen["LEAN_MLIR_INIT_LOAD"] == str(tmp_path / "init.bin")
    assert seen["CUDA_VISIBLE_DEVICES"] == "1"
    for name in ("LEAN_MLIR_MAX_STEPS", "LEAN_MLIR_NO_SHUFFLE", "LEAN_MLIR_INIT_DUMP", "HARNESS_TRACE_CHANNELS"):
        assert name not in seen


def test_a_manifest_tells_nothing_about_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home" / "jo doe"
    here = tmp_path / "here"
    for folder in (home, here):
        folder.mkdir(parents=True)
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("LOGNAME", "jodoe77")
    monkeypatch.setattr("socket.gethostname", lambda: "secret-host")
    code = """
    print(f"{os.environ['HOME']}/lib/a.so /opt/vendor/lib/b.so: jodoe77@secret-host", file=sys.stderr)
    print(__file__, os.getcwd() + "/harness/x.py", file=sys.stderr)
    raise SystemExit(1)
    """
    given = {"environment": {"XLA_FLAGS": f"--xla_dump_to={home}/dump"}, "compiler_flags": ["-o", "/opt/x/y.vmfb"]}
    plan = plan_of(tmp_path, code, provenance=given)
    manifest = run_cell(plan)
    lines = manifest.stderr_tail.splitlines()
    assert lines[0] == "~/lib/a.so .../b.so: USER@HOST"
    assert lines[1] == ".../program.py ./harness/x.py"
    assert manifest.provenance["environment"]["XLA_FLAGS"] == "--xla_dump_to=~/dump"
    assert manifest.provenance["compiler_flags"] == ["-o", ".../y.vmfb"]
    written = plan.manifest.read_text()
    for secret in (str(tmp_path), "jo doe", "jodoe77", "secret-host", str(Path.cwd())):
        assert secret not in written


ON_ROCM = CellFacts(model="net", pipeline="phase2", backend="rocm")
ON_CUDA = CellFacts(model="net", pipeline="phase2", backend="cuda")


def test_known_trouble_is_named(tmp_path: Path) -> None:
    code = "header(3)\nprint('INTERNAL: LaunchGraph failed', file=sys.stderr, flush=True)\nos.abort()"
    versions = {"versions": {"jax-rocm7-plugin": "0.10.2"}}
    options: dict[str, Any] = {"facts": ON_ROCM, "provenance": versions}
    assert run(tmp_path, code, **options).known_trouble == "jax-rocm-launch-graph"
    assert run(tmp_path, code, **options | {"facts": ON_CUDA}).known_trouble is None
    assert run(tmp_path, WHOLE + code.splitlines()[1], **options).known_trouble is None, "it did not die"


def test_known_trouble_of_a_hang_and_of_a_compiler(tmp_path: Path) -> None:
    old = {"versions": {"jax": "0.9.1"}}
    options: dict[str, Any] = {"facts": ON_ROCM, "provenance": old, "timeout_s": 0.7}
    assert run(tmp_path, "time.sleep(60)", **options).known_trouble == "jax-rocm-mesh-hang"
    assert run(tmp_path, "header(3)\nstep(1)\ntime.sleep(60)", **options).known_trouble is None, "it did compile"
    plan = CellPlan(
        NAME,
        (),
        tmp_path / "traces",
        facts=CellFacts(model="net", pipeline="phase3", backend="rocm"),
        provenance={"versions": {"iree-base-compiler": "3.11.0"}},
    )
    assert refuse(plan, "error: 'func.func' op failed to distribute").known_trouble == "iree-hip-failed-to-distribute"
    assert read_manifest(plan.manifest).known_trouble == "iree-hip-failed-to-distribute"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"test accuracy: 0.9843 (9843/10000)", (0.9843, 9843, 10000)),
        (b"test accuracy: 1.0000 (4/4)\r", (1.0, 4, 4)),
        (b"test accuracy: 0.0 (0/0)", None),
        (b"test accuracy: 1.2 (5/4)", None),
        (b"test accuracy: nan (1/4)", None),
        (b"test accuracy: 0.5 (1/2) or so", None),
        (b"test accuracy: 0.5 (-1/2)", None),
        (b"test accuracy: 0.5 (" + b"1" * 5000 + b"/2)", None),
        (None, None),
    ],
)
def test_an_accuracy_is_read_only_from_a_consistent_line(
    line: bytes | None, expected: tuple[float, int, int] | None
) -> None:
    assert read_accuracy(line) == (expected or (None, None, None))


# A process that runs a cell, for signals that hit the harness itself.
PARENT = """
import json, sys
from pathlib import Path
from harness.run.cell_plan import CellPlan
from harness.run.execute import run_cell
program, folder, name = sys.argv[1:]
plan = CellPlan(name, (sys.executable, program), Path(folder), planned_steps=10**6)
try:
    run_cell(plan, lambda step, loss, seconds: print(step, flush=True))
except KeyboardInterrupt:
    print("KeyboardInterrupt", flush=True)
    sys.exit(130)
"""
FOREVER = "Path = __import__('pathlib').Path\nPath(trace.name + '.pid').write_text(str(os.getpid()))\n" + LIMITLESS


def in_a_parent(tmp_path: Path, code: str, then: Callable[["subprocess.Popen[str]"], None]) -> tuple[int, str, int]:
    """Run the program under a parent, do `then` to the parent at step 3; its exit code, output and the program's id."""
    plan = plan_of(tmp_path, code)
    command = [sys.executable, "-c", PARENT, *plan.command[1:], str(plan.folder), NAME]
    with start(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        while int(parent.stdout.readline()) < 3:
            pass
        then(parent)
        out = parent.communicate(timeout=30)[0]
    pid_file = plan.folder / f"{NAME}.partial.jsonl.pid"
    pid = int(pid_file.read_text())
    pid_file.unlink()
    return parent.returncode, out, pid


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGHUP, -signal.SIGHUP)]
)
def test_an_interruption_leaves_a_prefix_and_says_so(tmp_path: Path, number: signal.Signals, code: int) -> None:
    returned, out, pid = in_a_parent(tmp_path, FOREVER, lambda parent: parent.send_signal(number))
    assert returned == code, "the signal takes its usual effect afterwards"
    assert out.endswith("KeyboardInterrupt\n") == (number == signal.SIGINT)
    manifest = read_manifest(tmp_path / "traces" / f"{NAME}.manifest.json")
    assert (manifest.status, manifest.reason) == ("interrupted", f"interrupted by {number.name}")
    assert files(tmp_path) == LEFT
    assert manifest.steps_written == partial_steps(tmp_path) >= 3
    assert not is_alive(pid)


def test_a_second_interruption_hurries_and_loses_nothing(tmp_path: Path) -> None:
    def twice(parent: "subprocess.Popen[str]") -> None:
        parent.send_signal(signal.SIGINT)
        time.sleep(0.5)
        parent.send_signal(signal.SIGINT)

    started = time.monotonic()
    stubborn = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + FOREVER
    returned, _, pid = in_a_parent(tmp_path, stubborn, twice)
    assert time.monotonic() - started < 4.5, "less than the patience with the program"
    assert returned == 130
    assert read_manifest(tmp_path / "traces" / f"{NAME}.manifest.json").status == "interrupted"
    assert files(tmp_path) == LEFT
    assert not is_alive(pid)


def test_killing_the_harness_leaves_only_a_partial(tmp_path: Path) -> None:
    _, _, pid = in_a_parent(tmp_path, FOREVER, lambda parent: parent.kill())
    try:
        assert files(tmp_path) == {".partial.jsonl"}
        os.kill(pid, signal.SIGKILL)
        assert files(tmp_path) == {".partial.jsonl"}
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_a_program_that_prints_does_not_outlive_a_killed_harness(tmp_path: Path) -> None:
    chatty = FOREVER.replace("    step(k)\n", "    step(k)\n    print(k, flush=True)\n")
    _, _, pid = in_a_parent(tmp_path, chatty, lambda parent: parent.kill())
    assert dies(pid)


def test_a_trace_that_is_a_pipe_or_a_link_is_not_waited_for(tmp_path: Path) -> None:
    """A pipe that nobody writes to would be opened for ever; what a link leads to is not ours to cut."""
    victim = tmp_path / "victim"
    victim.write_text("not a trace")
    for number, code in enumerate(("os.mkfifo(out)", f"os.symlink({str(victim)!r}, out)")):
        program = f"import os\nout = os.environ['LEAN_MLIR_TRACE_OUT']\n{code}\n"
        folder = tmp_path / str(number)
        plan = CellPlan(NAME, (sys.executable, "-c", program), folder, planned_steps=3, timeout_s=20)
        manifest = run_cell(plan)
        assert (manifest.status, manifest.reason) == ("crashed", "the trace cannot be read: it is not a regular file")
        assert not os.path.lexists(plan.partial)
    assert victim.read_text() == "not a trace"


def test_a_reason_is_one_line(tmp_path: Path) -> None:
    manifest = run_cell(CellPlan(NAME, ("a\nb",), tmp_path / "traces"))
    assert manifest.reason == "a b: No such file or directory"
