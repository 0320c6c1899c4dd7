"""Git repositories, read through the program `git`: revisions, and the files in them as they were committed."""

import os
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from platform import python_version
from typing import IO, Literal

from harness.errors import RevisionError

_TIMEOUT_S = 120.0
_SHORT = 7  # hexadecimal digits of a commit, at least, where people read it
# Set in hooks and by wrappers; they would name another repository than the one that holds the files.
_LOCAL = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_PREFIX",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_SHALLOW_FILE",
    "GIT_GRAFT_FILE",
)
# No prompt, no lock, nothing fetched behind the user's back, and a path is a path, whatever characters it has.
_QUIET = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1", "GIT_LITERAL_PATHSPECS": "1"}
Kind = Literal["file", "link", "folder", "submodule"]
_KINDS: dict[str, Kind] = {"100644": "file", "100664": "file", "100755": "file", "120000": "link", "040000": "folder"}


@dataclass(frozen=True)
class Entry:
    """What lies at a path of a commit. Units: size in bytes, 0 of what is no file or link."""

    kind: Kind
    object_id: str
    size: int


@dataclass(frozen=True)
class Repository:
    """A repository by the root of its working tree. It is only read, and what is read is what was committed.

    No filter, text conversion, hook or pager of the repository's configuration runs, but for what `extract` says.
    """

    root: Path

    def commit(self, revision: str) -> str:
        """The full name of the commit that a revision stands for, whatever git takes for one.

        Raises: RevisionError when there is none.
        """
        if not revision.strip() or revision.startswith("-") or "\0" in revision:
            raise RevisionError(f"{revision!r}: no revision; expected a commit, a branch or a tag of {self.root}.")
        done = self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        # Git before 2.30 repeats the words that it does not know.
        name = done.stdout.decode(errors="replace").strip().rpartition("\n")[2]
        if done.returncode == 0 and name:
            return name
        told = f"{revision!r}: no such revision in {self.root}"
        if self._git("rev-parse", "--is-shallow-repository").stdout.strip() == b"true":
            raise RevisionError(
                f"{told}, a shallow clone, which lacks older ones. `git fetch --unshallow` fetches them."
            )
        raise RevisionError(f"{told}. `git log` lists commits, `git tag` and `git branch -a` names.")

    def short(self, commit: str) -> str:
        """As many digits of a commit as tell it apart, at least seven."""
        done = self._git("rev-parse", f"--short={_SHORT}", commit)
        return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else commit[:12]

    def entries(self, commit: str, paths: Sequence[str]) -> Mapping[str, Entry]:
        """What lies at paths, which are relative to the root, in a commit; nothing for a path that it does not have.

        No path may lie in another: git then looks into that one and does not tell of it.

        Raises: RevisionError.
        """
        done = self._git("ls-tree", "-z", "-l", "--full-tree", commit, "--", *paths)
        if done.returncode != 0:
            raise RevisionError(f"{self.root}: git does not list {commit[:12]}: {_complaint(done)}.")
        found = {}
        for line in filter(None, done.stdout.split(b"\0")):
            facts, _, path = line.partition(b"\t")
            mode, _, object_id, size = facts.decode().split()
            kind = _KINDS.get(mode, "submodule")
            found[os.fsdecode(path)] = Entry(kind, object_id, int(size) if size.isdecimal() else 0)
        return {path: found[path] for path in paths if path in found}

    def write(self, entry: Entry, file: IO[bytes]) -> None:
        """Write the bytes of a file, or the target of a link, as committed. Raises: RevisionError, OSError."""
        done = self._git("cat-file", "blob", entry.object_id, stdout=file)
        if done.returncode != 0:
            raise RevisionError(f"{self.root}: git does not have {entry.object_id[:12]}: {_complaint(done)}.")

    def extract(self, commit: str, folders: Sequence[str], into: Path) -> None:
        """Write folders of a commit below `into`, as `git archive` packs them, which heeds the repository's attributes.

        Raises: RevisionError, OSError.
        """
        if not hasattr(tarfile, "data_filter"):
            raise RevisionError(f"{self.root}: a commit is unpacked by Python 3.11.4 or newer, not {python_version()}.")
        packed = into / ".archive.tar"
        with packed.open("xb") as file:
            done = self._git("archive", "--format=tar", commit, "--", *folders, stdout=file)
        if done.returncode != 0:
            raise RevisionError(f"{self.root}: git does not archive {commit[:12]}: {_complaint(done)}.")
        try:
            with tarfile.open(packed) as archive:
                archive.extractall(into, filter="data")
        except tarfile.TarError as error:
            raise RevisionError(f"{self.root}: the archive of {commit[:12]} is refused: {error}.") from None
        packed.unlink()

    def _git(self, *words: str, stdout: IO[bytes] | int = subprocess.PIPE) -> "subprocess.CompletedProcess[bytes]":
        return _run(self.root, words, stdout)


def find_repository(folder: Path) -> Repository:
    """The repository whose working tree holds a folder, or would if the folder were there. Raises: RevisionError."""
    there = next(place for place in (folder, *folder.parents) if place.is_dir())
    done = _run(there, ("rev-parse", "--show-toplevel"))
    root = os.fsdecode(done.stdout.removesuffix(b"\n"))
    if done.returncode != 0 or not root:
        raise RevisionError(f"{there}: not in the working tree of a git repository ({_complaint(done)}).")
    return Repository(Path(root))


def _run(
    folder: Path, words: Sequence[str], stdout: IO[bytes] | int = subprocess.PIPE
) -> "subprocess.CompletedProcess[bytes]":
    environment = {name: value for name, value in os.environ.items() if name not in _LOCAL} | _QUIET
    command = ["git", "--no-pager", "-C", str(folder), *words]
    try:
        return subprocess.run(
            command,
            env=environment | {"LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError:
        raise RevisionError("git is not installed, or not on PATH; revisions are read through it.") from None
    except subprocess.TimeoutExpired:
        raise RevisionError(f"{folder}: `git {words[0]}` did not end within {_TIMEOUT_S:.0f} seconds.") from None


def _complaint(done: "subprocess.CompletedProcess[bytes]") -> str:
    """The line by which git says why it failed."""
    said = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"]
    line = next((line for line in said if line.startswith("fatal: ")), said[-1]).removeprefix("fatal: ").rstrip(".")
    return "".join(c if c.isprintable() else "?" for c in line)
