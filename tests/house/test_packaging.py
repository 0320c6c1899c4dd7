"""Contents of a wheel in site-packages."""

import subprocess
import sys
import zipfile

import pytest

from tests.support.paths import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    # Built from a copy: building leaves folders beside the sources.
    source = folder / "source"
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, files.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_only_the_package_is_at_the_top(wheel: zipfile.ZipFile) -> None:
    assert {name.partition("/")[0].partition("-")[0] for name in wheel.namelist()} == {
        "harness",
        "training_trace_harness",
    }


def test_every_module_the_specs_and_the_schemas_are_in_it(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "harness").rglob("*.py")}
    specs = {f"harness/specs/{path.name}" for path in (ROOT / "specs").glob("*.py")}
    schemas = {str(path.relative_to(ROOT)) for path in (ROOT / "harness").rglob("*.schema.json")}
    assert schemas
    assert modules | specs | schemas <= names


def test_it_brings_the_command_the_plugin_and_the_licence(wheel: zipfile.ZipFile) -> None:
    info = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert "harness = harness.cli:main" in wheel.read(info).decode()
    assert "[pytest11]\nharness = harness.pytest_plugin" in wheel.read(info).decode()
    assert any(name.endswith("LICENSE") for name in wheel.namelist())


def test_it_brings_the_envelopes_and_their_margin(wheel: zipfile.ZipFile) -> None:
    shipped = {str(path.relative_to(ROOT)) for path in (ROOT / "harness" / "verdict" / "envelope").rglob("*.json")}
    assert len(shipped) >= 3
    assert shipped <= set(wheel.namelist())
