"""Traces and logs as they were committed: read from revisions of the git repository that holds them."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.errors import RevisionError, TraceError
from harness.system.git import Entry, Repository, find_repository
from harness.system.scratch import scratch
from harness.trace.format import one_line
from harness.trace.logs.keys import LogKeys
from harness.trace.manifest import manifest_path
from harness.trace.recording import Recording, read_recordings

_LARGEST = 1 << 30  # bytes of a committed file
_POINTER_BYTES = 1024  # at most, of a file that stands for one kept elsewhere
_LFS = b"version https://git-lfs.github.com/spec/"
_ANNEX = b"/annex/objects/"
_LFS_HELP = "Check that revision out with Git LFS, and compare the files."
_ANNEX_HELP = "Get the file with `git annex get` in a checkout of that revision, and compare the files."


@dataclass(frozen=True)
class _Side:
    """A file in a revision, or in the working tree. `file`: where it can be read; none with an `error`.

    `folder`: of what was written of the revision, and `shown`, what stands for it in the names of files.
    """

    path: str
    file: str
    folder: str = ""
    shown: str = ""
    error: TraceError | None = None


def read_at_revisions(
    paths: Sequence[str], revisions: Sequence[str], keys: Sequence[LogKeys]
) -> list[tuple[Recording | TraceError, Recording | TraceError]]:
    """Read each file in two revisions, or in one and in the working tree, with its manifest, as `read_recordings` does.

    A side is called `REV:path`, the path from the root of the repository, as git calls it.

    Raises: RevisionError without git, outside of a repository, and for a revision that is not there; OSError.
    """
    reader = _Committed(tuple(paths))
    with scratch() as folder:
        sides = [
            side
            for number, path in enumerate(paths)
            for side in (
                *(reader.side(path, revision, folder / f"{number}.{k}") for k, revision in enumerate(revisions)),
                *([_Side(path, path)] if len(revisions) == 1 else []),
            )
        ]
        there = [(side, keys[number // 2]) for number, side in enumerate(sides) if side.error is None]
        read = iter(read_recordings([side.file for side, _ in there], [told for _, told in there]))
        found = [side.error or _renamed(side, next(read)) for side in sides]
    return list(zip(found[::2], found[1::2], strict=True))


def _renamed(side: _Side, found: Recording | TraceError) -> Recording | TraceError:
    """What was read, under the name of its side."""
    if not side.folder:
        return found
    if isinstance(found, TraceError):
        return TraceError(str(found).replace(one_line(f"{side.folder}/"), one_line(f"{side.shown}:")))
    return replace(found, trace=replace(found.trace, path=side.path))


@dataclass
class _Committed:
    """Writes committed files where they can be read. `paths`: all that were asked for."""

    paths: tuple[str, ...]
    _commits: dict[tuple[Path, str], str] = field(default_factory=dict)

    def side(self, path: str, revision: str, folder: Path) -> _Side:
        repository, inside = _locate(path)
        if (repository.root, revision) not in self._commits:
            self._commits[repository.root, revision] = repository.commit(revision)
        commit = self._commits[repository.root, revision]
        shown = f"{revision}:{inside}"
        try:
            self._write(repository, commit, inside, folder)
        except (RevisionError, TraceError) as error:
            hint = self._hint(repository, path) if isinstance(error, TraceError) else ""
            return _Side(shown, "", error=TraceError(f"{one_line(shown)}: {error}{hint}"))
        return _Side(shown, str(folder / inside), str(folder), revision)

    def _write(self, repository: Repository, commit: str, inside: str, folder: Path) -> None:
        manifest = str(manifest_path(inside))
        partial = f"{manifest.removesuffix('.manifest.json')}.partial.jsonl"
        found = repository.entries(commit, [inside, manifest, partial, f"{inside}.dvc"])
        if inside not in found:
            raise TraceError(_why_absent(repository, commit, inside, f"{inside}.dvc" in found))
        for path in (inside, manifest):
            if path in found:
                _write_file(repository, found[path], folder / path, "" if path == inside else f"{Path(path).name} is ")
        if partial in found and partial != inside:  # that it is there says something about the trace
            (folder / partial).touch()

    def _hint(self, repository: Repository, path: str) -> str:
        """What a revision that was given as a file is told."""
        if len(self.paths) < 2 or os.path.lexists(path):
            return ""
        try:
            repository.commit(path)
        except RevisionError:
            return ""
        return f" It is a revision, though: give each of two its own --rev, `--rev … --rev {one_line(path)}`."


def _why_absent(repository: Repository, commit: str, inside: str, in_dvc: bool) -> str:
    if in_dvc:
        return f"no such file in this revision, and {Path(inside).name}.dvc is: get the trace with `dvc get --rev`."
    for place in map(str, Path(inside).parents[:-1]):
        entry = repository.entries(commit, [place]).get(place)
        if entry is not None and entry.kind == "submodule":
            return f"no such file in this revision: {place} is a submodule. Name the file in a checkout of that."
        if entry is not None and entry.kind == "link":
            return f"no such file in this revision: {place} is a symbolic link. Name the file where it lies."
    return "no such file in this revision."


def _write_file(repository: Repository, entry: Entry, path: Path, which: str) -> None:
    """Write a committed file. Raises: TraceError for what is no file that git itself holds, RevisionError, OSError."""
    if entry.kind == "folder":
        raise TraceError(f"{which}a directory; expected a trace or a log.")
    if entry.kind == "submodule":
        raise TraceError(f"{which}a submodule; expected a trace or a log. Name the file in it.")
    if entry.size > _LARGEST:
        raise TraceError(f"{which}{entry.size:,} bytes; expected at most a GiB. Check it out, and compare the files.")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        repository.write(entry, file)
    content = path.read_bytes() if entry.size <= _POINTER_BYTES else b""
    if entry.kind == "link" and _ANNEX in content:
        raise TraceError(f"{which}a link into git-annex, which keeps the content elsewhere. {_ANNEX_HELP}")
    if entry.kind == "link":
        raise TraceError(f"{which}a symbolic link; expected a trace or a log. Name the file that it leads to.")
    if content.startswith(_LFS):
        raise TraceError(f"{which}a pointer of Git LFS, which keeps the content elsewhere. {_LFS_HELP}")
    if content.startswith(_ANNEX):
        raise TraceError(f"{which}a pointer of git-annex, which keeps the content elsewhere. {_ANNEX_HELP}")


def _locate(path: str) -> tuple[Repository, str]:
    """The repository that holds a file, and the file's path in it; it need not be in the working tree.

    Raises: RevisionError.
    """
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - without following the last part, which may be a link
    real = Path(os.path.realpath(absolute.parent), absolute.name)
    repository = find_repository(real.parent)
    try:
        return repository, real.relative_to(os.path.realpath(repository.root)).as_posix()
    except ValueError:
        raise RevisionError(f"{one_line(path)}: not below {repository.root}, the repository of its folder.") from None
