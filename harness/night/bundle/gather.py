"""Contents of a bundle: of files and folders the whole cells, each verified, and a night's other documents."""

import gzip
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from harness.errors import BundleError, HarnessError
from harness.night.bundle.format import UNKNOWN_HOST, check_name, check_size
from harness.night.checks import read_check
from harness.night.findings import read_findings
from harness.night.folder import PLAN, NightFolder
from harness.trace.evaluations import evaluations_path
from harness.trace.format import one_line
from harness.trace.kept_states import verified_state
from harness.trace.manifest import manifest_path
from harness.trace.planned import hold_to_plans
from harness.trace.segments import segments_path
from harness.trace.store import MANIFEST_SUFFIX, TRACE_SUFFIXES, StoredCell, verified_cells, visible


@dataclass(frozen=True)
class Gathered:
    """Files by their names in a bundle, and the host whose they are. `cells`: the number of manifests among the files.

    `left_out`: traces without a manifest, which are of no finished run. `earlier`: those of runs whose place a newer
    one has taken.
    """

    host: str
    files: dict[str, Path]
    left_out: tuple[Path, ...]
    earlier: tuple[Path, ...] = ()

    @property
    def cells(self) -> int:
        """Number of cells in the files."""
        return sum(name.endswith(MANIFEST_SUFFIX) for name in self.files)


def gather(paths: Sequence[Path]) -> Gathered:
    """Find and check every cell of `paths`: traces, manifests, or folders with anything below them.

    A night that was run may have left checks or problems only.

    Raises: TraceError, BundleError; nothing that is not whole is left out without a word.
    """
    files: dict[str, Path] = {}
    folders = [path for path in paths if path.is_dir()]
    plans = [NightFolder(plan.parent) for folder in folders for plan in visible(folder, PLAN)]
    was_run = any(night.problems.is_file() or any(night.checks.glob("*.json")) for night in plans)
    current = hold_to_plans(verified_cells(paths, required=not was_run), folders)
    left_out: list[Path] = []
    for cell in current.cells:
        beside = segments_path(cell.trace), evaluations_path(cell.trace)
        for file in filter(Path.is_file, (manifest_path(cell.trace), cell.trace, *beside)):
            _add(files, cell.root, file)
        for state in cell.manifest.states:
            _add(files, cell.root, verified_state(cell.trace, state))
    for folder in folders:
        for document in _documents(folder):
            _add(files, folder, document)
        left_out += _strays(folder)
    earlier = tuple(cell.trace for cell in current.earlier)
    return Gathered(_one_host(current.cells), dict(sorted(files.items())), tuple(left_out), earlier)


def open_member(path: Path) -> BinaryIO:
    """The bytes of a file as a bundle holds them: a compressed trace travels as what it was before."""
    return cast(BinaryIO, gzip.open(path)) if path.name.endswith(".gz") else path.open("rb")


def _one_host(cells: Iterable[StoredCell]) -> str:
    """The host that all manifests name which name any."""
    named = {cell.host: cell for cell in cells if cell.host}
    if len(named) > 1:
        (host, cell), (other, another) = list(named.items())[:2]
        raise BundleError(
            f"{one_line(cell.trace)} is of host {one_line(host)!r}, and {one_line(another.trace)} is of "
            f"{one_line(other)!r}; a bundle holds the cells of one host. Export each host's by themselves."
        )
    return next(iter(named), UNKNOWN_HOST)


def _documents(folder: Path) -> Iterator[Path]:
    """Documents that nights keep beside their cells, read as a report will read them."""
    for plan in visible(folder, PLAN):
        night = NightFolder(plan.parent)
        checks = sorted(night.checks.glob("*.json"))
        documents = [path for path in (plan, *checks, night.findings, night.problems) if path.is_file()]
        for document in documents:
            _check_json(document)
        try:
            night.read()
            read_findings(night.findings)
            for check in checks:
                read_check(check)
        except HarnessError as error:
            raise BundleError(f"{one_line(plan.parent)}: a night that no report can be made of: {error}") from None
        yield from documents


def _check_json(path: Path) -> None:
    check_size(path.name, path.stat().st_size)
    try:
        text = path.read_bytes()
        text.decode()
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError(f"{one_line(path)}: not JSON: {one_line(error)}.") from None


def _strays(folder: Path) -> list[Path]:
    traces = {path for suffix in TRACE_SUFFIXES for path in visible(folder, f"*{suffix}")}
    return sorted(path for path in traces if not manifest_path(path).is_file())


def _add(files: dict[str, Path], root: Path, path: Path) -> None:
    name = path.relative_to(root).as_posix().removesuffix(".gz")
    check_name(name)
    if files.setdefault(name, path).resolve() != path.resolve():
        raise BundleError(
            f"{one_line(path)} and {one_line(files[name])} would have one name in the bundle, {one_line(name)}; "
            "export them into two, or the folder that holds both."
        )
