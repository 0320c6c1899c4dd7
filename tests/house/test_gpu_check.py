"""The GPU check: its scripts, what it refuses, and a check on a machine that has neither a GPU nor a compiler."""

import datetime
import hashlib
import importlib.metadata
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.night.config import parse_config
from harness.run.programs import prepare
from harness.run.saved_states import state_wishes
from tests.support.compilers import use_compiler
from tests.support.paths import ROOT

SCRIPT = ROOT / "ci" / "gpu_check.sh"
SCRIPTS = sorted((ROOT / "ci").glob("*.sh"))
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_finds_nothing(script: Path) -> None:
    shellcheck = Path(sys.executable).parent / "shellcheck"
    done = subprocess.run([shellcheck, script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def listed(folder: Path) -> dict[str, Any]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    digests = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    return {path.relative_to(folder).as_posix(): {"size": 0, "sha256": digest} for path, digest in digests.items()}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory, mnist: Path) -> Path:
    """A package for CUDA, without modules; its wheel is this tree's, and this environment plays the machine's."""
    folder = tmp_path_factory.mktemp("package")
    (folder / "wheels").mkdir()
    with zipfile.ZipFile(folder / "wheels" / "harness-0-py3-none-any.whl", "w") as wheel:
        for top, name in (("harness", "harness"), ("specs", "harness/specs")):
            for path in sorted((ROOT / top).rglob("*")):
                if path.is_file() and "__pycache__" not in path.parts:
                    wheel.write(path, f"{name}/{path.relative_to(ROOT / top).as_posix()}")
    for script in (SCRIPT, *(ROOT / "ci" / "gpu").glob("*.py")):
        place = folder / script.relative_to(ROOT / "ci")
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(script.read_bytes())
        place.chmod(0o755)
    for name, content, inside in (("modules", tmp_path_factory.mktemp("none"), "iree"), ("data", mnist, "data/mnist")):
        with tarfile.open(folder / f"{name}.tar.gz", "w:gz", compresslevel=0) as packed:
            packed.add(content, inside)
    told = {"harness_version": "0", "made": "today", "python": HERE, "backend": "cuda", "chip": "sm_90"}
    told |= {"chip_variable": "IREE_CHIP", "compiler": "iree-compile 3.13.0"}
    (folder / "package.json").write_text(json.dumps(told | {"files": listed(folder)}))
    return folder


def check(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """The script as a bare machine has it: an empty home, and no variable but where programs are."""
    given = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHON": sys.executable, **environment}
    command = [str(word) for word in words]
    return subprocess.run(command, env=given, capture_output=True, text=True, timeout=600, check=False)


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 2
    assert done.stderr.startswith("gpu_check.sh") and done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_what_is_no_half_of_it_or_no_python_is_refused_in_a_line(package: Path) -> None:
    assert "expected prepare or run, found ''" in refusal(check(SCRIPT))
    assert "found 'go'" in refusal(check(SCRIPT, "go"))
    assert "expected a number of steps or full, found 'few'" in refusal(check(SCRIPT, "run", "--mlp-steps", "few"))
    assert "expected 1 to 10000 minutes, found 'few'" in refusal(check(SCRIPT, "run", "--minutes", "few"))
    assert "required: -o/--out" in refusal(check(SCRIPT, "run", package))
    assert "no Python of 3.11" in refusal(check(SCRIPT, "run", package, PYTHON="/usr/bin/false"))


def test_nothing_is_overwritten_by_a_package(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    for there in (tmp_path, tmp_path / "mine"):
        assert "is in the way" in refusal(check(SCRIPT, "prepare", "-o", there))
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_package_that_is_damaged_or_for_another_python_is_refused(package: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert "not a package" in refusal(check(SCRIPT, "run", tmp_path, "-o", out))
    (tmp_path / "no.tar").write_bytes(b"no")
    assert "no tar file" in refusal(check(SCRIPT, "run", tmp_path / "no.tar", "-o", out))
    told = json.loads((package / "package.json").read_text())
    whole = shutil.copytree(package, tmp_path / "whole")
    for changed, reason in (
        ({"python": "3.5"}, "is for Python 3.5, and"),
        ({"files": {"x": {}}}, "absent or damaged"),
        ({"files": {"x": None}}, "no package.json of one"),
        ({"files": []}, "no package.json of one"),
        ({"files": {}}, "modules.tar.gz: package.json does not have it"),
    ):
        (whole / "package.json").write_text(json.dumps(told | changed))
        assert reason in refusal(check(SCRIPT, "run", whole, "-o", out))
    (whole / "package.json").write_text(json.dumps({"files": {}}))
    assert "no package.json of one" in refusal(check(SCRIPT, "run", whole, "-o", out))


@pytest.mark.parametrize("name", ["../evil", "/evil", "link"])
def test_a_package_that_reaches_outside_is_refused(name: str, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "gpu.tar", "w") as packed:
        member = tarfile.TarInfo(name)
        if name == "link":
            member.type, member.linkname = tarfile.SYMTYPE, "/"
        packed.addfile(member)
    assert "is no file or folder below it" in refusal(check(SCRIPT, "run", tmp_path / "gpu.tar", "-o", tmp_path / "o"))


def test_the_results_of_another_check_are_not_taken_for_these(package: Path, tmp_path: Path) -> None:
    (tmp_path / "cells.tar.gz").write_bytes(b"others")
    assert "of another check" in refusal(check(SCRIPT, "run", package, "-o", tmp_path))
    assert (tmp_path / "cells.tar.gz").read_bytes() == b"others"


def test_what_cannot_become_a_package_is_refused_before_anything_is_compiled(tmp_path: Path) -> None:
    out = tmp_path / "gpu.tar"
    assert "--chip is 'gfx942', and those of cuda start with sm_" in refusal(
        check(SCRIPT, "prepare", "--chip", "gfx942", "-o", out)
    )
    assert "invalid choice: 'vulkan'" in refusal(check(SCRIPT, "prepare", "--backend", "vulkan", "-o", out))
    assert "/proc" in refusal(check(SCRIPT, "prepare", "-o", "/proc/none/gpu.tar"))


@pytest.mark.skipif(any(Path("/dev").glob("nvidia*")), reason="this machine has a GPU")
def test_a_machine_without_a_gpu_brings_back_what_it_refused(package: Path, tmp_path: Path) -> None:
    """Each run is refused by itself, all of them are packed, and the report of the bundle says why."""
    out, temporary = tmp_path / "out", tmp_path / "tmp"
    temporary.mkdir(mode=0o700)
    done = check(package / "gpu_check.sh", "run", package, "-o", out, TMPDIR=str(temporary))
    assert done.returncode == 3, done.stdout + done.stderr
    assert {path.name for path in out.iterdir()} == {"cells.tar.gz", "summary.txt"}
    assert not list(temporary.glob("gpu-check-*"))
    summary = (out / "summary.txt").read_text()
    assert "phase3 by IREE: absent: no CUDA device" in summary
    assert "the chip is not known; the modules are for sm_90" in summary
    assert "4 inconclusive" in summary
    with pytest.raises(SystemExit) as ended:
        main(["import", str(out / "cells.tar.gz"), "--into", str(tmp_path / "hosts")])
    assert not ended.value.code
    manifests = list((tmp_path / "hosts").rglob("*.manifest.json"))
    assert {json.loads(path.read_text())["status"] for path in manifests} == {"refused"}
    assert len(manifests) == 8  # both pipelines, of two networks in two precisions


def test_a_check_that_is_ended_from_outside_says_so(package: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHON": sys.executable}
    command = [package / "gpu_check.sh", "run", package, "-o", tmp_path / "out"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert "modules for sm_90" in running.stdout.readline()
        running.send_signal(signal.SIGTERM)
        told = running.stdout.read()
    assert running.returncode == 3
    assert "SIGTERM: what runs is stopped" in told


def test_the_night_of_a_check_is_a_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "ci" / "gpu")
    from plan import night_text

    night = parse_config(night_text("cuda", 8.0, "full", "200"), "the night")
    assert [(part.models, part.dtypes, part.steps) for part in night.verify] == [
        (["mnist_mlp"], ["f64"], 4),
        (["mnist_cnn"], ["f64"], 4),
        (["mnist_mlp"], ["f32"], "full"),
        (["mnist_cnn"], ["f32"], 200),
    ]


def test_states_are_kept_of_phase_3_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "ci" / "gpu")
    from plan import night_text

    night = parse_config(night_text("cuda", 8.0, "full", "200"), "the night")
    (*_, asked) = night.verifications(datetime.date.today(), tmp_path)
    with state_wishes(asked, 60_000, ()) as wishes:
        kept = {pipeline: wishes.of(asked.cell(pipeline, "cuda")) for pipeline in ("phase2", "phase3")}
        assert kept["phase2"] is None
        assert kept["phase3"] is not None and list(kept["phase3"].kept) == [193, 201]


def test_modules_are_found_where_the_compiler_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys of what was compiled here are those of what is looked for there."""
    monkeypatch.syspath_prepend(ROOT / "ci" / "gpu")
    import prepare as half
    from plan import night_text

    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "ours"))
    monkeypatch.setenv("IREE_CHIP", "sm_89")
    use_compiler(tmp_path, monkeypatch)
    monkeypatch.setattr(half, "_functions", lambda module: ["f"])  # the compiler here is one that copies
    half._compile_modules(tmp_path / "modules.tar.gz", "cuda")
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o700)
    with tarfile.open(tmp_path / "modules.tar.gz") as packed:
        packed.extractall(theirs, filter="data")
    monkeypatch.setenv("HARNESS_CACHE", str(theirs))
    monkeypatch.setattr("harness.run.compile.package_version", lambda name: None)
    monkeypatch.setattr("harness.run.compile.find_tool", lambda name: pytest.fail("compiled again"))
    night = parse_config(night_text("cuda", 8.0), "the night")
    for verification in night.verifications(datetime.date.today(), tmp_path):
        program = prepare(verification.cell("phase3", "cuda"), tmp_path)
        assert program.provenance["compile_cached"]
        assert program.provenance["compiler"] == f"iree-compile {importlib.metadata.version('iree-base-compiler')}"


def test_a_driver_without_its_plain_name_gets_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """IREE asks for `libcuda.so`, which comes with packages for developers; a driver alone has `libcuda.so.1`."""
    monkeypatch.syspath_prepend(ROOT / "ci" / "gpu")
    from machine import _loaded, library_folder

    library = _loaded("libm.so.6")
    assert library is not None
    (tmp_path / "there").mkdir()
    shutil.copy(library, tmp_path / "there" / "libdriver.so.1")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path / "there"))
    assert library_folder("libnothing.so", "libnothing.so.1", tmp_path / "links") is None
    assert library_folder("libdriver.so", "libdriver.so.1", tmp_path / "links") == tmp_path / "links"
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path / "links"))
    assert _loaded("libdriver.so") is not None
    assert library_folder("libdriver.so", "libdriver.so.1", tmp_path / "more") is None


@pytest.mark.parametrize(
    ("there", "line"),
    [
        ("sm_89", "the chip is sm_89, as the modules are"),
        ("sm_90", "the chip is sm_90: its driver translates the modules, which are for sm_89"),
        ("sm_120", "the chip is sm_120: its driver translates"),
        ("sm_80", "THE CHIP IS sm_80, and the modules are for sm_89, which is newer: IREE's runs will be refused."),
        (None, "the chip is not known; the modules are for sm_89"),
    ],
)
def test_another_chip_is_told_in_a_line(there: str | None, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "ci" / "gpu")
    from machine import chip_line

    assert chip_line(there, "sm_89").startswith(line)
