"""A module's step beside our pipelines: in lockstep and in f64 it passes, and with a fault the tensor is named."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from harness.data import MNIST
from harness.data.synthetic import write_synthetic
from harness.trace.reader import read_trace
from tests.support.processes import start
from tests.support.training_steps import CONV, MLP, MLP_STEP, SMALL, conv_step, small_step, write_step

STEPS = 200


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "mnist"
    write_synthetic(folder, [file.name for file in MNIST.files], train=32 * STEPS, test=64)
    return folder


def harness(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)


def verify(folder: Path, pictures: Path, *words: object) -> tuple[int, dict[str, Any]]:
    """The exit code, and the report."""
    alone = ("--backends", "cpu", "--no-wide", "--no-stress", "--states", 0, "--data", pictures)
    done = harness(folder, "verify", "./net.py", *alone, *words)
    assert done.returncode in (0, 1, 3), done.stdout + done.stderr
    return done.returncode, json.loads((folder / "reports" / "net.json").read_text())


def pairs(report: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(pair["a"]["pipeline"], pair["b"]["pipeline"]): pair for pair in report["pairs"]}


def test_a_hand_written_step_passes_on_two_executors_beside_our_pipelines(tmp_path: Path, pictures: Path) -> None:
    write_step(tmp_path, MLP, MLP_STEP)
    modules = ("--module", "mine=step.toml", "--module", "mine_iree=step.toml@iree")
    code, report = verify(tmp_path, pictures, "--steps", STEPS, *modules)
    found = pairs(report)
    assert (code, {pair["verdict"]["status"] for pair in found.values()}) == (0, {"PASS"})
    for name in ("mine", "mine_iree"):
        pair = found["phase2", name]
        assert pair["verdict"]["coverage"] == {"judged": STEPS, "planned": STEPS, "by": "lockstep"}
        outcomes = {gate["gate"]: gate["outcome"] for gate in pair["gates"]}
        assert (outcomes["data"], outcomes["ladder"], outcomes["rounding"]) == ("pass", "pass", "pass")
        (ladder,) = (gate["line"] for gate in pair["gates"] if gate["gate"] == "ladder")
        assert "of 34 channels" in ladder, "gradients of all six parameters among them"
    assert {cell["steps_written"] for cell in report["cells"]} == {STEPS}
    assert [cell["pipeline"] for cell in report["cells"]] == ["phase2", "phase3", "mine", "mine_iree"]


FAULTS = {
    # The gradient of one bias, 1 % too large.
    "dense2.b": (
        "%mb1 = stablehlo.multiply %lrb0, %db1 : tensor<512xf32>",
        "%more = stablehlo.constant dense<1.01> : tensor<512xf32>\n"
        "    %db1x = stablehlo.multiply %db1, %more : tensor<512xf32>\n"
        "    %mb1 = stablehlo.multiply %lrb0, %db1x : tensor<512xf32>",
    ),
    # The sum over the batch of what was not yet divided by its size.
    "dense3.b": ("%db2 = stablehlo.reduce(%dz init", "%db2 = stablehlo.reduce(%excess init"),
}


def test_a_fault_in_the_module_fails_and_its_tensor_is_named(tmp_path: Path, pictures: Path) -> None:
    """One run of both modules: it trains what they are held against once."""
    words: list[object] = ["--steps", 12]
    for tensor, (sound, faulty) in FAULTS.items():
        assert MLP_STEP.count(sound) == 1
        (tmp_path / tensor).mkdir()
        net, step = write_step(tmp_path / tensor, MLP, MLP_STEP.replace(sound, faulty))
        words += ["--module", f"{tensor.replace('.', '_')}={step}"]
    shutil.copy(net, tmp_path)
    code, report = verify(tmp_path, pictures, *words)
    verdicts = {pair: row["verdict"] for pair, row in pairs(report).items()}
    assert code == 1
    assert verdicts["phase2", "phase3"]["status"] == "PASS"
    for tensor in FAULTS:
        for ours in ("phase2", "phase3"):
            verdict = verdicts[ours, tensor.replace(".", "_")]
            assert (verdict["status"], verdict["fault"]) == ("FAIL", "backward")
            assert verdict["place"] == f"step 1, gradient of {tensor}"


def test_a_step_in_other_layouts_follows_and_keeps_statistics(tmp_path: Path, pictures: Path) -> None:
    write_step(tmp_path, CONV, conv_step())
    words = ("--pipeline", "mine", "--follow", "phase2", "--module", "mine=step.toml", "--data", pictures)
    done = harness(tmp_path, "run", "./net.py", *words)
    told = " ".join(done.stdout.split())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "12 of 12 steps are judged as closely as rounding allows, by lockstep" in told
    trace = read_trace(tmp_path / "traces" / "evidence" / "net.mine-noshuf-cpu.follows-phase2.jsonl", with_lines=True)
    assert sorted(trace.lines[1].stat_norms or {}) == ["conv1.mean", "conv1.var"]
    assert sorted(trace.lines[1].grad_norms or {}) == sorted(trace.header.params or ())


def test_a_step_is_traced_by_what_inspect_writes(tmp_path: Path, pictures: Path) -> None:
    write_step(tmp_path, SMALL, small_step())
    (tmp_path / "step.toml").unlink()
    assert harness(tmp_path, "module", "inspect", "step.mlir", "--toml", "step.toml").returncode == 0
    words = ("--model", "./net.py", "--steps", 12, "--data", pictures, "--seed", 7)
    for dtype, on in (("f32", "iree"), ("f64", "xla")):
        done = harness(tmp_path, "module", "trace", "step.toml", *words, "--dtype", dtype, "--on", on)
        assert done.returncode == 0, done.stderr
        assert done.stdout.endswith(": 12 steps\n")
    paths = [tmp_path / "traces" / f"net.step_{name}.s7.jsonl" for name in ("iree-noshuf-cpu", "xla-noshuf-cpu.f64")]
    in_f32, in_f64 = (read_trace(path) for path in paths)
    assert (in_f32.header.dtype, in_f64.header.dtype, in_f64.header.backend) == ("f32", "f64", "cpu")
    assert in_f32.loss == pytest.approx(in_f64.loss, rel=1e-6)
    assert in_f32.header.init_sha256 == in_f64.header.init_sha256 is not None
    manifest = json.loads((tmp_path / "traces" / "net.step_iree-noshuf-cpu.s7.manifest.json").read_text())
    assert manifest["cell"]["command"].endswith("--seed 7 --data FOLDER --module step_iree=step.toml@iree")


def test_a_step_file_that_exists_is_not_written_over(tmp_path: Path) -> None:
    write_step(tmp_path, SMALL, small_step(), "# corrected\n")
    done = harness(tmp_path, "module", "inspect", "step.mlir", "--toml", "step.toml")
    assert done.returncode == 2
    assert "'step.toml' exists, and may have corrections in it. Give another path." in done.stderr
    assert (tmp_path / "step.toml").read_text() == "# corrected\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--batch", 8), "harness: step.toml: the module takes 4 images a step, Small trains with 8. Give --batch 4."),
        (("--on", "gpu"), "harness: unknown executor 'gpu'; known are xla, "),
        (("--model", "mnist_mpl"), "harness: unknown model 'mnist_mpl'; did you mean 'mnist_mlp'? "),
        (("--on", "interpreter"), "harness: the executor interpreter keeps no state between steps. Take xla, "),
    ],
)
def test_what_does_not_fit_is_one_line_and_runs_nothing(
    tmp_path: Path, pictures: Path, words: tuple[object, ...], told: str
) -> None:
    write_step(tmp_path, SMALL, small_step())
    done = harness(tmp_path, "module", "trace", "step.toml", "--model", "./net.py", "--data", pictures, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(told)
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "traces").exists()


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("step.toml", "harness: --module 'step.toml': expected NAME=STEP.toml, NAME of letters, digits and "),
        ("phase2=step.toml", "harness: --module 'phase2=step.toml': phase2 is a pipeline of this harness. "),
        ("mine=none.toml", "harness: none.toml: No such file or directory. Expected a step file, STEP.toml."),
        ("mine=step.toml@gpu", "harness: unknown executor 'gpu'; "),
    ],
)
def test_a_module_of_verify_that_makes_no_sense_is_one_line(tmp_path: Path, option: str, told: str) -> None:
    write_step(tmp_path, SMALL, small_step())
    done = harness(tmp_path, "verify", "./net.py", "--module", option)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(told)
    assert done.stderr.count("\n") == 1


def test_a_module_that_a_compiler_refuses_is_a_refused_cell(tmp_path: Path, pictures: Path) -> None:
    write_step(tmp_path, CONV, conv_step(pooled=True))
    words = ("--model", "./net.py", "--steps", 2, "--data", pictures, "--on", "iree")
    done = harness(tmp_path, "module", "trace", "step.toml", *words)
    assert done.returncode == 3, done.stderr
    manifest = json.loads((tmp_path / "traces" / "net.step_iree-noshuf-cpu.manifest.json").read_text())
    assert manifest["status"] == "refused"
    assert "failed to legalize operation 'stablehlo.select_and_scatter'" in manifest["reason"]


def test_the_process_that_judges_parses_no_module(tmp_path: Path) -> None:
    net, step = write_step(tmp_path, SMALL, small_step())
    code = (
        "import sys; from harness.module.training.pipeline import module_pipeline; from harness.spec.models import *; "
        f"print(module_pipeline('mine={step}@iree', load_model({str(net)!r})).words[-4:], 'jax' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "('--on', 'iree', '--name', 'mine') False\n", done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_trace_leaves_its_prefix_and_says_so(
    tmp_path: Path, pictures: Path, number: signal.Signals
) -> None:
    write_step(tmp_path, SMALL.replace("epochs=1", "epochs=1000"), small_step())
    words = ["module", "trace", "step.toml", "--model", "./net.py", "--steps", "full", "--data", str(pictures)]
    run = start([sys.executable, "-m", "harness", *words], stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    partial = tmp_path / "traces" / "net.step_xla-noshuf-cpu.partial.jsonl"
    deadline = time.monotonic() + 120
    while not (partial.exists() and partial.read_bytes().count(b"\n") > 20):
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    run.send_signal(number)
    _, said = run.communicate(timeout=60)
    assert "Traceback" not in said
    assert run.returncode in (130, 143, -number)
    manifest = json.loads((tmp_path / "traces" / "net.step_xla-noshuf-cpu.manifest.json").read_text())
    assert (manifest["status"], manifest["reason"]) == ("interrupted", f"interrupted by {number.name}")
    assert read_trace(partial).steps == manifest["steps_written"] >= 20


def test_a_full_disk_ends_the_run_and_is_told(tmp_path: Path, pictures: Path) -> None:
    write_step(tmp_path, SMALL, small_step())
    words = ["-m", "harness", "module", "trace", "step.toml", "--model", "./net.py", "--steps", "full"]
    command = shlex.join([sys.executable, *words, "--data", str(pictures)])
    limited = f"ulimit -f 64 && exec {command}"  # units: KiB, of any file; the whole trace has more
    done = subprocess.run(["bash", "-c", limited], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    manifest = json.loads((tmp_path / "traces" / "net.step_xla-noshuf-cpu.manifest.json").read_text())
    assert (manifest["status"], manifest["reason"]) == ("crashed", "exit code 1: No space left on device")
    partial = tmp_path / "traces" / "net.step_xla-noshuf-cpu.partial.jsonl"
    assert manifest["stderr_tail"] == f"module step: ./traces/{partial.name}: No space left on device\n"
    assert read_trace(partial).steps == manifest["steps_written"] > 100


def test_a_trace_that_cannot_be_begun_is_one_line(tmp_path: Path, pictures: Path) -> None:
    net, step = write_step(tmp_path, SMALL, small_step())
    program = [sys.executable, "-P", "-m", "harness.module.training.program", str(step), "--model", str(net)]
    environment = os.environ | {"LEAN_MLIR_TRACE_OUT": "/dev/full"}
    words = [*program, str(pictures)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "module step: LEAN_MLIR_TRACE_OUT is '/dev/full': No space left on device.\n"
