"""Takes a bundle in: what it brings becomes visible by one rename, after all of it was checked, or not at all."""

import contextlib
import fcntl
import filecmp
import itertools
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import BundleError, HarnessError
from harness.night.bundle.format import Contents, host_folder
from harness.night.bundle.gather import Gathered, gather
from harness.night.bundle.read import unpack
from harness.trace.format import one_line
from harness.trace.kept_states import states_folder
from harness.trace.store import MANIFEST_SUFFIX, read_cell

_ARRIVING = ".importing"  # hidden, and below the folder that it will be in, so that one rename moves it


@dataclass(frozen=True)
class Landed:
    """Result of an import. `folder`: the one of its new files, None when all were there already.

    `new` and `there`: cells.
    """

    host: str
    folder: Path | None
    new: int
    there: int


def import_bundle(bundle: Path, into: Path) -> Landed:
    """Check a bundle and put what is new of it into a folder of its own, `into`/HOST/N.

    Each import has a folder for itself because a rename of one is atomic, however much there is already.

    Raises: BundleError when the bundle is refused, or when a cell of that host is there with other contents; in both
    cases nothing has changed. OSError.
    """
    if not bundle.is_file():
        what = "not a regular file" if bundle.exists() else "no such file"
        raise BundleError(f"{one_line(bundle)}: {what}; expected a bundle of `harness export`.")
    into.mkdir(parents=True, exist_ok=True)
    with _arriving(into) as folder:
        with _told_of(bundle, folder):
            contents = unpack(bundle, folder)
            gathered = _whole(contents, folder)
            home = into / host_folder(contents.host)
            known = _known(gathered, home)
        there = sum(name.endswith(MANIFEST_SUFFIX) for name in known)
        _take_out(folder, known)
        place = None
        if len(known) < sum(name.endswith(".json") for name in gathered.files):
            home.mkdir(exist_ok=True)
            place = next(home / str(n) for n in itertools.count(1) if not (home / str(n)).exists())
            folder.rename(place)
        return Landed(contents.host, place, gathered.cells - there, there)


def unpack_into(bundle: Path, place: Path) -> None:
    """Check a bundle and make all of it visible as the folder `place`, in the place of what was there.

    Raises: BundleError when the bundle is refused, and nothing has changed then; OSError.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    with _arriving(place.parent) as folder, _told_of(bundle, folder):
        _whole(unpack(bundle, folder), folder)
        if place.exists():
            shutil.rmtree(place)
        folder.rename(place)


@contextlib.contextmanager
def _told_of(bundle: Path, folder: Path) -> Iterator[None]:
    try:
        yield
    except HarnessError as error:
        what = str(error).replace(f"{folder}{os.sep}", "").replace(str(folder), "the bundle")
        raise BundleError(f"{one_line(bundle)}: {what} Nothing of it was imported.") from None


@contextlib.contextmanager
def _arriving(into: Path) -> Iterator[Path]:
    """An empty folder that nobody sees, for one import at a time; what a killed one left is removed."""
    lock = os.open(into, os.O_RDONLY | os.O_DIRECTORY)
    folder = into / _ARRIVING
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)


def _whole(contents: Contents, folder: Path) -> Gathered:
    """The cells of an unpacked bundle, checked as they were for its export."""
    gathered = gather([folder])
    if strangers := {member.name for member in contents.members} - set(gathered.files):
        raise BundleError(f"{min(strangers)}: is of no cell with a manifest, and of no night.")
    if gathered.host != contents.host:
        raise BundleError(
            f"bundle.json names host {one_line(contents.host)!r}, and its manifests {one_line(gathered.host)!r}."
        )
    return gathered


def _known(gathered: Gathered, home: Path) -> list[str]:
    """The manifests and documents that an earlier import brought. A manifest vouches for its trace by the digest."""
    known: list[str] = []
    different: list[str] = []
    for name, file in gathered.files.items():
        earlier = list(home.glob(f"*/{name}")) if name.endswith(".json") else []
        if earlier:
            same = all(filecmp.cmp(path, file, shallow=False) for path in earlier)
            (known if same else different).append(name)
    if different:
        more = f" and {len(different) - 1} more" if len(different) > 1 else ""
        raise BundleError(
            f"{different[0]}{more}: already in {home}, with other contents. Import into another folder (--into), or "
            "give every host a name of its own (HARNESS_HOST)."
        )
    return known


def _take_out(folder: Path, known: Sequence[str]) -> None:
    """Remove what is there already, and the folders that get empty by it."""
    for name in known:
        if name.endswith(MANIFEST_SUFFIX):
            trace = read_cell(folder / name, folder).trace
            trace.unlink(missing_ok=True)
            shutil.rmtree(states_folder(trace), ignore_errors=True)
        (folder / name).unlink()
    for inner in sorted(folder.rglob("*"), reverse=True):
        if inner.is_dir() and not any(inner.iterdir()):
            inner.rmdir()
