"""Raw data files in a cache folder: every byte checked against the table, each file there as a whole or not at all."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from harness.data import DataSetFacts, RawFile, dataset_facts
from harness.data.progress import Reporter, reporting
from harness.data.sources import DataSource, SourceError, sources_of
from harness.errors import DataError
from harness.system.cache import cache_root
from harness.system.files import replace_file, sweep_parts
from harness.system.private import make_private


def cached_folder(name: str, cache: Path | None = None) -> Path:
    """Folder of the files of a data set of the table, whether or not they are there."""
    return (cache_root() if cache is None else cache) / "data" / dataset_facts(name).name


def is_cached(name: str, cache: Path | None = None) -> bool:
    """True if every file is in the cache, with the right bytes."""
    folder = cached_folder(name, cache)
    return all(_has_digest(folder / file.name, file) for file in dataset_facts(name).files)


def fetch(
    name: str, cache: Path | None = None, progress: bool = True, sources: Sequence[DataSource] | None = None
) -> Path:
    """Folder with the files of a data set, after fetching those that are not there. Running it again resumes.

    `cache` defaults to `cache_root()`, `sources` to those of the table. Several of these may run at the same time.

    Raises: DataError when no source delivers or the folder cannot be written.
    """
    facts = dataset_facts(name)
    return fetch_files(facts, cached_folder(name, cache), sources_of(facts) if sources is None else sources, progress)


def fetch_files(facts: DataSetFacts, folder: Path, sources: Sequence[DataSource], progress: bool) -> Path:
    """`fetch` into a folder of the caller's, from sources of the caller's."""
    with reporting(progress) as report:
        missing = list(_missing(facts, folder, report))
        if not missing:
            return folder
        make_folder(folder)
        failures: list[str] = []
        for source in sources:
            report.say(f"{facts.name}: asking {source.name}")
            try:
                for file in _store_all(source, missing, folder, report):
                    missing.remove(file)
                    report.say(f"{facts.name}: {file.name}: {file.size:,} bytes, SHA-256 as expected")
            except SourceError as error:
                failures.append(f"{source.name} ({error})")
                report.say(f"{facts.name}: {source.name} failed: {error}")
            if not missing:
                return folder
    raise DataError(
        f"{facts.name}: no source delivered {', '.join(file.name for file in missing)}: {'; '.join(failures)}. "
        f"Use --data DIR with files of your own, or --data synthetic, or try `harness data fetch {facts.name}` again."
    )


def _missing(facts: DataSetFacts, folder: Path, report: Reporter) -> Iterator[RawFile]:
    """The files that are absent or damaged; good ones are kept."""
    for file in facts.files:
        path = folder / file.name
        if not _has_digest(path, file):
            if path.exists():
                report.say(f"{facts.name}: {path} is damaged (size or SHA-256 differ); fetching it again")
            yield file


def _has_digest(path: Path, file: RawFile) -> bool:
    try:
        if path.stat().st_size != file.size:
            return False
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest() == file.sha256
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        what = error.strerror or error
        raise DataError(f"{path}: the file cannot be read: {what}. Remove it, and it is fetched again.") from None


def make_folder(folder: Path) -> None:
    """Make a folder of the cache, and remove what killed writers left in it.

    Raises: DataError.
    """
    try:
        make_private(folder)  # the cache's root may be made here, and modules lie in it as well
    except OSError as error:
        raise not_writable(folder, error) from None
    sweep_parts(folder)


def _store_all(source: DataSource, files: Sequence[RawFile], folder: Path, report: Reporter) -> Iterator[RawFile]:
    """Each file that the source delivered and that is now in the folder."""
    with closing(source.read(tuple(files))) as delivery:
        for file, chunks in delivery:
            _store(file, chunks, folder, report)
            yield file


def _store(file: RawFile, chunks: Iterator[bytes], folder: Path, report: Reporter) -> None:
    """Write under a temporary name, check, and only then rename.

    Raises: SourceError when the bytes are not the right ones, DataError when they cannot be written.
    """

    advance = report.start(file.name, file.size)
    digest = hashlib.sha256()
    size = 0
    try:
        with replace_file(folder / file.name) as out:
            for chunk in chunks:
                size += len(chunk)
                if size > file.size:
                    raise SourceError(f"{file.name} is longer than the expected {file.size} bytes")
                digest.update(chunk)
                out.write(chunk)
                advance(len(chunk))
            if size != file.size:
                raise SourceError(f"{file.name} has {size} bytes, expected {file.size}")
            if digest.hexdigest() != file.sha256:
                raise SourceError(f"{file.name} has SHA-256 {digest.hexdigest()}, expected {file.sha256}")
    except OSError as error:
        raise not_writable(folder, error) from None


def not_writable(folder: Path, error: OSError) -> DataError:
    """Error for a folder of the cache that cannot be written."""
    return DataError(
        f"{folder}: the cache cannot be written: {error.strerror or error}. "
        "Set HARNESS_CACHE to a folder that can, or use --data DIR."
    )
