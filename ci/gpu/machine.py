"""The bare machine's half of an installation: no network, no pip, nothing outside one folder.

An environment is made beside the Python that has JAX. It sees that Python's packages behind its own, so that JAX and
its drivers are the machine's, whether that Python is the system's or is itself in an environment.
"""

import sys
import tarfile
import venv
import zipfile
from pathlib import Path

from contents import DATA, FOLDER, MODULES, WHEELS, PackageError


def unpack(package: Path, work: Path) -> Path:
    """The folder of a package, unpacked where it is a tar file. Raises: PackageError, OSError."""
    if not package.is_file():
        return package
    try:
        with tarfile.open(package, "r:") as packed:
            packed.extractall(work, filter="data")
    except (tarfile.TarError, EOFError) as error:
        raise PackageError(f"{package}: no tar file, or a damaged one ({error}). Copy the package again.") from None
    return work / FOLDER


def unpack_cache(package: Path, cache: Path) -> None:
    """Modules and data, where the harness looks for them. Raises: OSError."""
    for name in (MODULES, DATA):
        with tarfile.open(package / name, "r:gz") as packed:
            packed.extractall(cache, filter="data")


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
