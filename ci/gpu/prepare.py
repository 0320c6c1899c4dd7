#!/usr/bin/env python3
"""Packs what a GPU check needs on a machine that has a GPU, Python and JAX, and no network.

Those are: the modules of all its runs, compiled for the machine's chip; wheels of this package and of what it needs for
the machine's Python, but none of what comes with JAX; the data; and the scripts that run it. Whoever can change a
package can run code on the machine: the wheels are code, and the cache of modules travels with the secret that vouches
for them, which was made for this package alone.
"""

import argparse
import datetime
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

import iree.runtime as rt
from contents import DATA, FOLDER, MANIFEST, MIB, MODULES, WHEELS, Parser, sha256
from plan import DATASET, night_text

from harness import __version__
from harness.data.fetch import fetch
from harness.errors import HarnessError
from harness.night.config import parse_config
from harness.run.backends import BACKENDS, DEFAULT_BACKENDS
from harness.run.compile import compiler_version
from harness.run.pipelines import PIPELINES
from harness.run.programs import prepare
from harness.run.provenance import package_version

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
MOST_MIB = 60
CHIPS = {"cuda": "sm_90"}  # where another than that of the table is what is rented
OF_THE_MACHINE = ("numpy", "ml_dtypes")  # wheels that JAX brings along, in the versions that it was built for
PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in (28, 27, 24, 17)] + ["manylinux2014_x86_64"]


def main() -> int:
    """Command line."""
    given = _parser().parse_args()
    started = time.monotonic()
    row = BACKENDS[given.backend]
    chip = given.chip or CHIPS.get(given.backend, row.chip)
    out: Path = given.out
    if out.exists() and not (out.suffix == ".tar" and out.is_file()):
        return _refused(f"{out}: is in the way. Remove it, or choose another -o.")
    if not chip.startswith(row.chip_prefix):
        return _refused(f"--chip is {chip!r}, and those of {given.backend} start with {row.chip_prefix}.")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(out.parent, os.W_OK):
            return _refused(f"{out.parent}: cannot be written to. Choose another -o.")
        os.environ[row.chip_variable] = chip
        flags = row.compile_flags()
        with tempfile.TemporaryDirectory() as folder:
            stage = Path(folder, FOLDER)
            (stage / WHEELS).mkdir(parents=True)
            _collect_wheels(stage / WHEELS, given.python)
            _pack_data(stage / DATA)
            _compile_modules(stage / MODULES, given.backend)
            scripts = [ROOT / "ci" / "gpu_check.sh", *sorted(HERE.glob("*.py"))]
            for script in scripts:
                place = stage / script.relative_to(ROOT / "ci")
                place.parent.mkdir(exist_ok=True)
                shutil.copy2(script, place)
            told = {
                "harness_version": __version__,
                "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                "python": given.python,
                "backend": given.backend,
                "chip": chip,
                "chip_variable": row.chip_variable,
                "compiler": f"iree-compile {compiler_version()}",
                "compiler_flags": list(flags),
            }
            size = _finish(stage, told)
            if size > MOST_MIB * MIB:
                return _refused(
                    f"the package has {size / MIB:.1f} MiB, and {MOST_MIB} is the most; nothing is written."
                )
            _deliver(stage, out)
    except HarnessError as error:
        return _refused(str(error))
    except subprocess.CalledProcessError as error:
        last = (error.stderr or "").strip().splitlines()[-1:] or [f"exit code {error.returncode}"]
        return _refused(f"{' '.join(map(str, error.cmd[1:5]))} …: {last[0]}")
    except OSError as error:
        return _refused(f"{error.filename or out}: {error.strerror or error}")
    print(f"{out}: {size / MIB:.1f} MiB in {(time.monotonic() - started) / 60:.1f} min, for {given.backend} {chip}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="gpu_check.sh prepare", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("-o", "--out", type=Path, required=True, help="a file NAME.tar, or a new folder")
    parser.add_argument("--chip", help="what the machine has, such as sm_90 (an H100 or H200), sm_89, sm_80, gfx942")
    parser.add_argument("--python", default="3.12", help="version of the machine's Python; 3.12 unless given")
    parser.add_argument("--backend", choices=DEFAULT_BACKENDS, default="cuda", help="cpu: a rehearsal on this host")
    return parser


def _refused(why: str) -> int:
    print(f"gpu_check.sh prepare: {why}", file=sys.stderr)
    return 2


def _collect_wheels(folder: Path, python: str) -> None:
    """This package's wheel, built from a copy so that nothing is left in the tree, and those that it needs."""
    with tempfile.TemporaryDirectory() as copy:
        for name in ("harness", "specs"):
            shutil.copytree(ROOT / name, Path(copy, name), ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, copy)
        _pip("wheel", "--no-deps", "-w", folder, copy)
    platforms = [word for platform in PLATFORMS for word in ("--platform", platform)]
    target = ["--only-binary=:all:", "--implementation", "cp", "--python-version", python, *platforms]
    runtime = f"iree-base-runtime=={package_version('iree-base-runtime')}"
    _pip("download", *target, "-c", ROOT / "constraints.txt", "-d", folder, *folder.glob("*.whl"), runtime)
    for wheel in folder.glob("*.whl"):
        if wheel.name.partition("-")[0] in OF_THE_MACHINE:
            wheel.unlink()


def _pip(*words: object) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *map(str, words)]
    subprocess.run(command, check=True, capture_output=True, text=True)


def _pack_data(archive: Path) -> None:
    """The raw files of the data set, as the cache has them."""
    folder = fetch(DATASET)
    _pack(archive, folder, f"data/{folder.name}")


def _compile_modules(archive: Path, backend: str) -> None:
    """The cache with the modules of all runs, compiled by the very code that looks for them there."""
    with tempfile.TemporaryDirectory() as place:
        cache, build = Path(place, "cache"), Path(place, "build")
        build.mkdir()
        os.environ["HARNESS_CACHE"] = str(cache)
        night = parse_config(night_text(backend, 1.0), "the night")
        for verification in night.verifications(datetime.date.today(), build):
            for cell, _ in verification.planned_cells():
                if PIPELINES[cell.pipeline].compiler == "IREE":
                    print(f"compiling {cell.name}", file=sys.stderr, flush=True)
                    prepare(cell, build)
        modules = sorted(cache.glob("iree/*/*.vmfb"))
        functions = [name for path in modules for name in _functions(path)]
        print(f"{len(modules)} modules, which load and have {', '.join(sorted(set(functions)))}")
        _pack(archive, cache, ".")


def _functions(module: Path) -> list[str]:
    """The functions of a compiled module, which is loaded and not run: no device is needed for that."""
    loaded = rt.VmModule.mmap(rt.VmInstance(), str(module))
    return [name for name in loaded.function_names if not name.startswith("__")]


def _pack(archive: Path, folder: Path, name: str) -> None:
    """A compressed archive of a folder under a name, without owners and times."""

    def bare(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mtime = 0
        return member

    with tarfile.open(archive, "w:gz", compresslevel=6) as packed:
        packed.add(folder, name, filter=bare)


def _finish(stage: Path, told: dict[str, Any]) -> int:
    """Write the manifest and print the parts; the bytes of the whole."""
    files = sorted(path for path in stage.rglob("*") if path.is_file())
    listed: dict[str, Any] = {
        path.relative_to(stage).as_posix(): {"size": path.stat().st_size, "sha256": sha256(path)} for path in files
    }
    (stage / MANIFEST).write_text(json.dumps(told | {"files": listed}, indent=1) + "\n")
    print(f"{'MiB':>8}  {'SHA-256':16}  file")
    for name, file in listed.items():
        print(f"{file['size'] / MIB:8.2f}  {file['sha256'][:16]}  {name}")
    groups = {"wheels": f"{WHEELS}/", "modules": MODULES, "data": DATA, "scripts": "gpu"}
    sizes = {
        group: sum(file["size"] for name, file in listed.items() if name.startswith(prefix))
        for group, prefix in groups.items()
    }
    print(", ".join(f"{group} {size / MIB:.1f} MiB" for group, size in sizes.items()))
    return sum(file["size"] for file in listed.values())


def _deliver(stage: Path, out: Path) -> None:
    """Put the package to its place: a tar file, whole or not at all, or a folder."""
    if out.suffix != ".tar":
        shutil.copytree(stage, out)
        return
    part = out.with_name(f".{out.name}.part")
    with tarfile.open(part, "w") as packed:
        packed.add(stage, FOLDER)
    part.replace(out)


if __name__ == "__main__":
    sys.exit(main())
