"""The bare machine's half of an installation: no network, no pip, nothing outside one folder.

An environment is made beside the Python that has JAX. It sees that Python's packages behind its own, so that JAX and
its drivers are the machine's, whether that Python is the system's or is itself in an environment.
"""

import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

from contents import DATA, FOLDER, MODULES, WHEELS, PackageError, extract


def unpack(package: Path, work: Path) -> Path:
    """The folder of a package, unpacked where it is a tar file. Raises: PackageError, OSError."""
    if not package.is_file():
        return package
    shutil.rmtree(work / FOLDER, ignore_errors=True)  # of an earlier package, whose wheels would be found as well
    try:
        with tarfile.open(package, "r:") as packed:
            extract(packed, work)
    except (tarfile.TarError, EOFError) as error:
        raise PackageError(f"{package}: no tar file, or a damaged one ({error}). Copy the package again.") from None
    return work / FOLDER


def unpack_cache(package: Path, cache: Path) -> None:
    """Modules and data, where the harness looks for them. Raises: PackageError, OSError."""
    for name in (MODULES, DATA):
        with tarfile.open(package / name, "r:gz") as packed:
            extract(packed, cache)


def make_environment(package: Path, folder: Path) -> Path:
    """An environment with the wheels of a package; its interpreter. Raises: PackageError, OSError."""
    behind = [place for place in sys.path if Path(place).name in ("site-packages", "dist-packages")]
    venv.EnvBuilder(symlinks=True, clear=True).create(folder)
    python = folder / "bin" / "python"
    site = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    site.mkdir(parents=True, exist_ok=True)
    for wheel in sorted((package / WHEELS).glob("*.whl")):
        _unpack_wheel(wheel, site)
    # Not the bare paths: a folder of packages may have files of this kind itself, which are read so as well.
    lines = [f"import site; site.addsitedir({place!r})" for place in behind]
    (site / "machine.pth").write_text("\n".join(lines) + "\n")
    return python


def chip_line(there: str | None, prepared: str) -> str:
    """What the chip of the machine means for modules of the one that was prepared for, `sm_90`.

    They hold PTX: the driver of a newer chip translates it, and that of an older one refuses it.
    """
    if there is None:
        return f"the chip is not known; the modules are for {prepared}"
    if there == prepared:
        return f"the chip is {there}, as the modules are"
    old, new = (int("".join(filter(str.isdigit, chip)) or "0") for chip in (prepared, there))
    if new > old:
        return f"the chip is {there}: its driver translates the modules, which are for {prepared}"
    return (
        f"THE CHIP IS {there}, and the modules are for {prepared}, which is newer: IREE's runs will be refused. "
        f"Prepare again with --chip {there}."
    )


# By backend, what IREE's driver asks the system for, and what a machine may have in its place.
LIBRARIES = {"cuda": ("libcuda.so", "libcuda.so.1")}
_LOAD = "import ctypes, sys; ctypes.CDLL(sys.argv[1]); print(open('/proc/self/maps').read())"


def library_folder(wanted: str, there: str, folder: Path) -> Path | None:
    """A folder with a link by the name that is wanted; None where that is found, or the other is not either.

    The name without a number comes with packages for developers; a machine that only runs programs lacks it.
    """
    if _loaded(wanted) is not None or (path := _loaded(there)) is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / wanted
    link.unlink(missing_ok=True)
    link.symlink_to(path)
    return folder


def _loaded(name: str) -> str | None:
    """Path of a library as the system finds it, by a process that loads it; None where there is none."""
    done = subprocess.run([sys.executable, "-c", _LOAD, name], capture_output=True, text=True, check=False)
    paths = [line.split(maxsplit=5)[-1] for line in done.stdout.splitlines() if "/" in line]
    start = name.partition(".so")[0] + ".so"  # the file behind the name has a longer number
    return next((path for path in paths if Path(path).name.startswith(start)), None)


def _unpack_wheel(wheel: Path, site: Path) -> None:
    """The modules of a wheel; not its scripts, which are called as modules."""
    with zipfile.ZipFile(wheel) as packed:
        for member in packed.infolist():
            first, _, rest = member.filename.partition("/")
            if first.endswith(".data"):
                kind, _, name = rest.partition("/")
                if kind not in ("purelib", "platlib") or not name:
                    continue
                member.filename = name
            packed.extract(member, site)
