"""The whole way on real MNIST, as a user goes it: the command, its table, its files, its exit codes."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.trace.reader import read_trace
from tests.support.processes import start
from tests.support.schemas import violation

MLP_F64 = [2.41993885971, 2.01534641946, 1.76574946071, 1.51212747916]
MLP_F64 += [1.45999264743, 1.19568512148, 1.02338827419, 0.96667922760]
PUBLISHED = {
    "phase2": [2.419939, 2.015322, 1.765596, 1.512008, 1.460163, 1.196370, 1.023860, 0.966852],
    "phase3": [2.419939, 2.015347, 1.765753, 1.512131, 1.459996, 1.195688, 1.023391, 0.966629],
}


pytestmark = pytest.mark.usefixtures("mnist")


def harness(*arguments: object, **changes: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **changes}, check=False)


def verify(out: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return harness("verify", "--no-wide", "--states", 0, *arguments, "--out", out, "--backends", "cpu")


def losses(out: Path, name: str) -> list[float]:
    return read_trace(out / "traces" / f"{name}.jsonl").loss.tolist()


def largest_difference(a: list[float], b: list[float]) -> float:
    return max(abs(x - y) for x, y in zip(a, b, strict=True))


def test_mlp_agrees_reuses_its_modules_and_repeats_itself(tmp_path: Path) -> None:
    done = verify(tmp_path, "mnist_mlp", "--steps", 20, "--wide", "--states", 16)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "MNIST-MLP: 1 of 1 pairs agree." in done.stdout
    a, b = (losses(tmp_path, f"mnist_mlp.{p}-noshuf-cpu") for p in ("phase2", "phase3"))
    assert round(a[0], 6) == round(b[0], 6) == 2.419939
    assert abs(a[0] - b[0]) <= 5e-7
    assert largest_difference(a[1:8], b[1:8]) <= 5e-6
    report = json.loads((tmp_path / "reports" / "mnist_mlp.json").read_text())
    assert report["exit_code"] == 0
    assert report["dataset"] == "mnist"
    assert [cell["steps_written"] for cell in report["cells"]] == [20, 20]
    # The follower, the f64 cross-check, a step from the stressed start in both precisions, wide arithmetic, and parts
    # from three states.
    assert [cell["steps_written"] for cell in report["evidence"]] == [20, 4, 4, 1, 1, 1, 1, 20, 20, 12, 12]
    (pair,) = report["pairs"]
    (wide,) = (line for line in pair["gates"] if line["gate"] == "wide")
    assert wide["line"].startswith("all words of 669,706 parameters are equal after each of 20 steps")
    assert pair["verdict"]["coverage"] == {"judged": 20, "planned": 20, "by": "lockstep"}
    assert violation(report, "verify") is None
    assert "| phase2-cpu vs phase3-cpu" in (tmp_path / "reports" / "mnist_mlp.md").read_text()

    first = {path.name: without_times(path) for path in sorted((tmp_path / "traces").glob("*.jsonl"))}
    again = verify(tmp_path, "mnist_mlp", "--steps", 20, "--no-ladder")
    assert again.returncode == 0
    assert {path.name: without_times(path) for path in sorted((tmp_path / "traces").glob("*.jsonl"))} == first
    manifest = json.loads((tmp_path / "traces" / "mnist_mlp.phase3-noshuf-cpu.manifest.json").read_text())
    assert manifest["provenance"]["compile_cached"] is True


def without_times(path: Path) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "wall_ms"} for line in lines]


def test_mlp_in_f64_gives_the_reference_losses(tmp_path: Path) -> None:
    done = verify(tmp_path, "mnist_mlp", "--steps", 8, "--dtype", "f64")
    assert done.returncode == 0, done.stdout + done.stderr
    for pipeline in ("phase2", "phase3"):
        found = losses(tmp_path, f"mnist_mlp.{pipeline}-noshuf-cpu.f64")
        assert largest_difference(found, MLP_F64) <= 1e-9


def test_published_profile_gives_the_published_losses(tmp_path: Path) -> None:
    done = verify(tmp_path, "mnist_mlp", "--steps", 8, "--profile", "published", "--no-stress")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "phase2-cpu vs phase3-cpu: FAIL (optimizer)" in done.stdout
    assert "with B = phase2-cpu in f64: phase 2 with coupled weight decay on all parameters reproduces B" in done.stdout
    assert "with B = phase3-cpu in f64: phase 2 with the default conventions reproduces B" in done.stdout
    for pipeline, published in PUBLISHED.items():
        found = losses(tmp_path, f"mnist_mlp.{pipeline}-noshuf-cpu.published")
        assert largest_difference(found, published) <= 2e-6
    assert "conventions" in (tmp_path / "reports" / "mnist_mlp.published.md").read_text()
    report = json.loads((tmp_path / "reports" / "mnist_mlp.published.json").read_text())
    verdict = report["pairs"][0]["verdict"]
    assert (verdict["gate"], verdict["fault"]) == ("ladder", "optimizer")
    assert violation(report, "verify") is None


def test_cnn_agrees_in_both_precisions(tmp_path: Path) -> None:
    """The f64 check runs the same steps in f64."""
    done = verify(tmp_path, "mnist_cnn", "--steps", 4, "--no-stress")
    assert done.returncode == 0, done.stdout + done.stderr
    a, b = (losses(tmp_path, f"mnist_cnn.{p}-noshuf-cpu") for p in ("phase2", "phase3"))
    assert round(a[0], 6) == round(b[0], 6) == 2.626555
    assert abs(a[0] - b[0]) <= 5e-6
    assert abs(a[1] - b[1]) <= 5e-3
    a, b = (losses(tmp_path, f"evidence/mnist_cnn.{p}-noshuf-cpu.f64") for p in ("phase2", "phase3"))
    assert len(a) == 4
    assert largest_difference(a, b) <= 1e-10


EXTERNAL = """
import json, os, subprocess, sys
# Somebody else's program: it knows nothing of the step limit, and it copies what a real one did.
rows = open(sys.argv[1]).read().splitlines()
with open(os.environ["LEAN_MLIR_TRACE_OUT"], "w", buffering=1) as trace:
    header = json.loads(rows[0])
    del header["planned_steps"]
    print(json.dumps(header), file=trace)
    for row in rows[1:]:
        print(row, file=trace)
    assert os.path.isdir(sys.argv[2])
    import time
    time.sleep(60 if len(rows) > 10 else 0)
"""


@pytest.fixture(scope="module")
def ten_steps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trace of a run of phase 2."""
    out = tmp_path_factory.mktemp("ten")
    done = harness("run", "mnist_mlp", "--pipeline", "phase2", "--steps", 10, "--out", out)
    assert done.returncode == 0, done.stderr
    return out / "traces" / "mnist_mlp.phase2-noshuf-cpu.jsonl"


def external(folder: Path, trace: Path) -> str:
    """The command of a program that copies a trace."""
    program = folder / "external.py"
    program.write_text(EXTERNAL)
    return f"lean={sys.executable} {program} {trace}"


@pytest.mark.xdist_group("ten_steps")
def test_an_external_command_is_a_pipeline_and_is_stopped_after_its_steps(ten_steps: Path, tmp_path: Path) -> None:
    command, out = external(tmp_path, ten_steps), tmp_path / "out"
    started = time.monotonic()
    done = verify(out, "mnist_mlp", "--steps", 6, "--pipeline-cmd", command, "--no-ladder")
    assert done.returncode == 0, done.stdout + done.stderr
    assert time.monotonic() - started < 55
    assert len(losses(out, "mnist_mlp.lean-noshuf-cpu")) == 6
    assert "phase3-cpu vs lean-cpu" in done.stdout
    assert "3 of 3 pairs agree" in done.stdout


@pytest.mark.xdist_group("ten_steps")
def test_a_different_run_is_a_failure(ten_steps: Path, tmp_path: Path) -> None:
    """The copy of a trace with another loss must be told from the real one; its cause is looked for."""
    lines = [json.loads(line) for line in ten_steps.read_text().splitlines()[:4]]
    lines[1]["loss"] *= 1.2
    changed = tmp_path / "changed.jsonl"
    changed.write_text("".join(json.dumps(line) + "\n" for line in lines))
    command = external(tmp_path, changed)
    done = verify(tmp_path / "out", "mnist_mlp", "--steps", 3, "--pipeline-cmd", command, "--no-ladder")
    assert done.returncode == 1
    assert "phase2-cpu vs lean-cpu: FAIL" in done.stdout
    assert "with B = lean-cpu in f32: " in done.stdout


def test_an_absent_backend_is_inconclusive_when_asked_for(tmp_path: Path) -> None:
    if Path("/dev/nvidia0").exists():
        pytest.skip("this machine has a CUDA device")
    done = harness(
        "verify",
        "mnist_mlp",
        "--steps",
        3,
        "--backends",
        "cpu,cuda",
        "--compile-all",
        "--no-ladder",
        "--no-wide",
        "--out",
        tmp_path,
    )
    assert done.returncode == 3
    assert "compiled, not run: no CUDA device" in done.stdout
    assert re.search(r"^phase2-cpu vs phase3-cpu .* PASS", done.stdout, re.MULTILINE)
    manifest = json.loads((tmp_path / "traces" / "mnist_mlp.phase3-noshuf-cuda.manifest.json").read_text())
    assert manifest["status"] == "refused"


def test_a_pipeline_that_dies_leaves_the_others_and_is_no_pass(tmp_path: Path) -> None:
    """On synthetic data, which are named and only used on request."""
    command = f"bad={sys.executable} -c 'import os; os.abort()'"
    words = ("--steps", 3, "--data", "synthetic", "--pipeline-cmd", command, "--no-ladder")
    done = verify(tmp_path, "mnist_mlp", *words)
    assert done.returncode == 3
    assert "crashed: killed by SIGABRT" in done.stdout
    assert re.search(r"^phase2-cpu vs phase3-cpu .* PASS", done.stdout, re.MULTILINE)
    for pipeline in ("phase2", "phase3"):
        header = (tmp_path / "traces" / f"mnist_mlp.{pipeline}-noshuf-cpu.jsonl").read_text().splitlines()[0]
        assert json.loads(header)["dataset"] == "mnist-synthetic"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("verify", "mnist_nope"), "harness: unknown model 'mnist_nope'; did you mean 'mnist_mlp'? Known are "),
        (
            ("verify", "mnist_mlp", "--backends", "tpu"),
            "harness: unknown backend 'tpu'; known are cpu, cuda, rocm, vulkan, vmvx.",
        ),
        (("verify", "mnist_mlp", "--data", "/nowhere"), "harness: /nowhere: no such folder."),
        (("verify", "mnist_mlp", "--pipeline-cmd", "x"), "harness: --pipeline-cmd 'x': expected NAME=COMMAND"),
        (("init", "mnist_mlp", "--out", "/nowhere/init.bin"), "harness: /nowhere/init.bin"),
    ],
)
def test_bad_input_gets_one_line(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    extra = ("--out", str(tmp_path)) if arguments[0] == "verify" else ()
    done = harness(*arguments, *extra)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1


def test_ctrl_c_leaves_a_prefix_and_says_so(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "harness", "verify", "mnist_mlp", "--backends", "cpu", "--out", str(tmp_path)]
    run = start(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    partial = tmp_path / "traces" / "mnist_mlp.phase2-noshuf-cpu.partial.jsonl"
    deadline = time.monotonic() + 120
    while not (partial.exists() and partial.read_bytes().count(b"\n") > 20):
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    _, stderr = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "Traceback" not in stderr
    assert "interrupted" in stderr
    assert not (tmp_path / "traces" / "mnist_mlp.phase2-noshuf-cpu.jsonl").exists()
    manifest = json.loads((tmp_path / "traces" / "mnist_mlp.phase2-noshuf-cpu.manifest.json").read_text())
    assert manifest["status"] == "interrupted"
    assert read_trace(partial).steps == manifest["steps_written"] >= 20


def test_init_prints_the_published_digests(tmp_path: Path) -> None:
    digests = {
        "mnist_mlp": "478e27f1c3d201eebe295c680f720720ef9590e61f92459f257363d1b805604d",
        "mnist_cnn": "6b6601532f656427f69e09e5bd659be8aaef6c537e0d69e8cd2cef96fc779ba5",
    }
    for model, digest in digests.items():
        assert harness("init", model, "--out", tmp_path / model).stdout.startswith(digest)
    other = harness("init", "mnist_mlp", "--seed", 43, "--out", tmp_path / "other")
    assert other.returncode == 0
    assert not other.stdout.startswith(digests["mnist_mlp"])


def test_models_and_doctor_list_what_there_is(tmp_path: Path) -> None:
    listed = harness("models").stdout
    assert "669,706" in listed
    assert "1,676,458" in listed
    assert "phase3" in harness("doctor").stdout
