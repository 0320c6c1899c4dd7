"""The example of a network in a file, from docs/extending.md, through the verbs, in processes of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.system.files import digest_of
from tests.support.own_network import DOUBLED, write

RIGHT, WRONG = 'h.mul(dy, 2.0, "dx")', 'h.mul(dy, 3.0, "dx")'


def harness(folder: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "harness", *arguments],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("LEAN_MLIR_")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def nets(tmp_path: Path) -> Path:
    (tmp_path / "nets").mkdir()
    write(tmp_path / "nets", "doubled", DOUBLED)
    assert DOUBLED.count(RIGHT) == 1
    write(tmp_path / "nets", "tripled", DOUBLED.replace(RIGHT, WRONG))
    return tmp_path


def test_the_example_passes_and_its_reports_name_the_file(nets: Path) -> None:
    options = ["--data", "synthetic", "--backends", "cpu", "--no-stress", "--no-wide", "--states", "0"]
    done = harness(nets, "verify", "nets/doubled.py", *options)
    assert "phase2-cpu vs phase3-cpu: PASS" in done.stdout
    assert f"file      nets/doubled.py, {digest_of(nets / 'nets' / 'doubled.py')}\n" in done.stdout
    report = json.loads((nets / "reports" / "doubled.json").read_text())
    assert (report["model"], report["exit_code"], report["planned_steps"]) == ("doubled", 0, 12)
    manifest = json.loads((nets / "traces" / "doubled.phase3-noshuf-cpu.manifest.json").read_text())
    assert manifest["cell"]["model"] == "doubled"
    assert manifest["cell"]["network_file"] == "nets/doubled.py"
    assert manifest["cell"]["command"].startswith("harness run nets/doubled.py --pipeline phase3 ")
    assert manifest["provenance"]["network_sha256"] == digest_of(nets / "nets" / "doubled.py")
    assert "python -m harness emit doubled.py --pipeline phase2" in (nets / "build" / "doubled.phase2.py").read_text()
    again = harness(nets, *manifest["cell"]["command"].split()[1:])
    assert "doubled.phase3-noshuf-cpu.jsonl: 12 steps" in again.stdout


def test_a_wrong_gradient_in_the_file_is_found_and_named(nets: Path) -> None:
    about = ("nets/tripled.py", "--dtype", "f64", "--data", "synthetic")
    done = harness(nets, "oracle", *about, "--no-interpreter", code=1)
    assert "nets/tripled.py f64: the gradient of dense1.w differs by 5.00e-01, 1e-09 allowed." in done.stdout
    options = ["--data", "synthetic", "--backends", "cpu", "--no-stress", "--no-wide", "--no-lockstep", "--states", "0"]
    done = harness(nets, "verify", "nets/tripled.py", "--steps", "4", *options, code=1)
    assert "phase2-cpu vs phase3-cpu: FAIL" in done.stdout
    assert "phase 2 with the default conventions reproduces B" in done.stdout, "explain has the file too"
    done = harness(nets, "explain", *about, code=1)
    assert "culprit: double2, backward, on the side of phase3." in done.stdout


def test_an_error_in_the_file_is_one_line_of_a_process_too(nets: Path) -> None:
    write(nets / "nets", "broken", DOUBLED + "\nundefined\n")
    line = DOUBLED.count("\n") + 2
    said = f"nets/broken.py:{line}: NameError: name 'undefined' is not defined. Correct the file.\n"
    for verb in ("verify", "oracle", "explain", "envelope"):
        done = harness(nets, verb, "nets/broken.py", code=2)
        assert (done.stdout, done.stderr) == ("", f"harness: {said}")


def test_a_file_in_the_working_folder_is_never_meant_by_a_bare_name(nets: Path) -> None:
    write(nets, "doubled", "raise SystemExit('run')\n")
    done = harness(nets, "emit", "doubled", code=2)
    assert done.stderr.startswith("harness: unknown model 'doubled'; known are ")
