"""The harness of another revision of its checkout, whose generator runs cells in processes of its own."""

import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

import harness
from harness.errors import RevisionError, TraceError
from harness.run.cell import Cell
from harness.run.cell_plan import DEFAULT_TIMEOUT_S
from harness.run.execute import unwritable
from harness.run.verification import Verification
from harness.system.files import replace_file
from harness.system.git import Repository, find_repository
from harness.system.process import Captured, capture, run_module
from harness.system.scratch import scratch
from harness.trace.format import one_line
from harness.trace.manifest import CellFacts, Manifest, write_manifest
from harness.trace.store import MANIFEST_SUFFIX, StoredCell, read_cell

_PACKAGE, _SPECS = "harness", "specs"
_ENDED = (0, 3)  # exit codes of `harness run` that leave a manifest: complete, and not complete
_QUESTION_S = 120.0
# The networks are a package of their own, which an installation puts into this one.
_WHERE = """
import harness, importlib.util
specs = importlib.util.find_spec("harness.specs")
print(harness.__file__, *(specs.submodule_search_locations if specs else ()), sep="\\n")
"""
_OPTION = re.compile(r"--[a-z][a-z0-9-]*")


@dataclass(frozen=True)
class OtherHarness:
    """The harness of a revision, unpacked. `tree`: where; `scratch`: for what it writes.

    Only processes that it starts import it: the package of the same name that is running is another.
    """

    revision: str
    commit: str
    short: str
    tree: Path
    scratch: Path

    def check(self, words: Sequence[str]) -> None:
        """Refuse a revision that is not what would run, or whose `run` does not know an option among the words.

        Raises: RevisionError.
        """
        found = self._ask(sys.executable, "-P", "-c", _WHERE)
        places = found.out.splitlines()
        if found.code != 0 or not all(Path(place).is_relative_to(self.tree) for place in places):
            raise RevisionError(f"{self._name}: its package cannot be imported: {_last_line(found)}.")
        found = self._ask(*run_module(_PACKAGE), "run", "--help")
        if found.code != 0:
            raise RevisionError(f"{self._name}: its harness has no verb `run`: {_last_line(found)}.")
        known = set(_OPTION.findall(found.out))
        asked = dict.fromkeys(word for word in words if _OPTION.fullmatch(word))
        if lacking := [word for word in asked if word not in known]:
            raise RevisionError(f"{self._name}: its `harness run` does not know {', '.join(lacking)}. Leave it out.")

    def run(self, verification: Verification, cell: Cell, data: Path) -> StoredCell:
        """Run a cell of a verification there, with the same data, and keep its trace as one of that revision.

        A run that fails is a result. Raises: RevisionError when the revision refuses to run it, TraceError when the
        folder of the traces cannot hold it.
        """
        out = self.scratch / cell.name
        words = [*self.words(verification, cell, data), "--out", str(out)]
        found = capture([*run_module(_PACKAGE), *words], self._environment(), 2 * verification.timeout_s + _QUESTION_S)
        if found is not None and found.code == 2:
            raise RevisionError(f"{self._name}: {_last_line(found).removeprefix('harness: ')}.")
        try:
            ran = self._left_in(out / "traces", found)
        except TraceError as error:
            why = str(error).replace(f"{out}{os.sep}", "")
            ran = StoredCell(verification.facts(cell), Manifest(status="crashed", reason=one_line(why)), out, out)
        return self._keep(verification, cell, ran)

    def words(self, verification: Verification, cell: Cell, data: Path) -> list[str]:
        """The words of its command line that run a cell, without the output directory."""
        model = cell.model.name if cell.model.file is None else str(Path(cell.model.file).absolute())
        words = ["run", model, *verification.run_options(cell, str(data))]
        if verification.timeout_s != DEFAULT_TIMEOUT_S:
            words += ["--timeout", f"{verification.timeout_s:g}"]
        return words

    def pipeline(self, cell: Cell) -> str:
        """The name of a cell's pipeline there, which no pipeline of this harness has."""
        return f"{cell.pipeline}@{self.short}"

    @property
    def _name(self) -> str:
        return f"revision {self.revision!r} ({self.short})"

    def _ask(self, *command: str) -> Captured:
        found = capture(command, self._environment(), _QUESTION_S)
        if found is None:
            raise RevisionError(f"{self._name}: its harness did not answer within {_QUESTION_S:.0f} seconds.")
        return found

    def _environment(self) -> dict[str, str]:
        """This process's, in which Python finds the package of the revision before the one that is installed.

        Nor does it look into the working folder, which may be the checkout: a revision that starts an interpreter
        without `-P` would run today's code in it.
        """
        path = os.pathsep.join(filter(None, (str(self.tree), os.environ.get("PYTHONPATH"))))
        return {**os.environ, "PYTHONPATH": path, "PYTHONSAFEPATH": "1"}

    def _left_in(self, folder: Path, found: Captured | None) -> StoredCell:
        """The cell that a run has left. Raises: TraceError when there is none."""
        manifests = sorted(folder.glob(f"*{MANIFEST_SUFFIX}"))
        if found is None or found.code not in _ENDED or len(manifests) != 1:
            why = "it did not end in time" if found is None else f"exit code {found.code}: {_last_line(found)}"
            raise TraceError(f"its `harness run` left no cell ({why})")
        return read_cell(manifests[0], folder)

    def _keep(self, verification: Verification, cell: Cell, ran: StoredCell) -> StoredCell:
        """Copy the files of a cell under the name of its revision, the manifest last."""
        facts: CellFacts = msgspec.structs.replace(
            ran.facts,
            pipeline=self.pipeline(cell),
            command=verification.command(cell, against=self.commit),
            asked=verification.backends is not None,
        )
        noted = {**ran.manifest.provenance, "revision": self.commit}
        manifest = msgspec.structs.replace(ran.manifest, cell=facts, states=(), provenance=noted)
        folder = verification.folder / f"at-{self.short}"
        suffix = ".jsonl" if manifest.status == "complete" else ".partial.jsonl"
        trace = folder / f"{facts.name}{suffix}"
        with unwritable(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for left in (MANIFEST_SUFFIX, ".jsonl", ".partial.jsonl"):
                (folder / f"{facts.name}{left}").unlink(missing_ok=True)
            if ran.trace.is_file():
                with ran.trace.open("rb") as source, replace_file(trace) as target:
                    shutil.copyfileobj(source, target)
            write_manifest(folder / f"{facts.name}{MANIFEST_SUFFIX}", manifest)
        return StoredCell(facts, manifest, trace, verification.out)


@contextmanager
def harness_at(revision: str) -> Iterator[OtherHarness]:
    """The harness of a revision, unpacked into a folder that is removed on leaving; git is told of nothing.

    Raises: RevisionError, OSError.
    """
    repository = find_checkout()
    commit = repository.commit(revision)
    there = repository.entries(commit, [f"{_PACKAGE}/cli.py", _SPECS])
    short = repository.short(commit)
    if f"{_PACKAGE}/cli.py" not in there:
        raise RevisionError(
            f"revision {revision!r} ({short}): no harness/cli.py in it; expected the harness's own code."
        )
    with scratch() as folder:
        tree = folder / "tree"
        tree.mkdir()
        repository.extract(commit, [_PACKAGE, *([_SPECS] if _SPECS in there else [])], tree)
        if _SPECS in there and not (tree / _PACKAGE / _SPECS).exists():
            (tree / _PACKAGE / _SPECS).symlink_to(tree / _SPECS)  # where an installation puts the networks
        for name in _editable_finders():
            # It would find in this checkout whatever that revision lacks.
            (tree / f"{name}.py").write_text("def install():\n    pass\n")
        yield OtherHarness(revision, commit, short, tree, folder)


def find_checkout() -> Repository:
    """The repository that the running harness is installed from, else that of the working folder if it has a harness.

    Raises: RevisionError when neither is one.
    """
    installed = Path(harness.__file__).resolve().parents[1]
    for place in (installed, Path.cwd()):
        try:
            repository = find_repository(place)
        except RevisionError:
            continue
        is_own = place != installed or repository.root.resolve() == installed  # and not one around an environment
        if is_own and (repository.root / _PACKAGE / "cli.py").is_file():
            return repository
    raise RevisionError(
        f"neither {installed}, where the harness is, nor the working folder is in a checkout of the harness's own "
        "repository. Run `harness` in one."
    )


def _editable_finders() -> Iterator[str]:
    """Names of the modules by which an editable installation finds this package."""
    for finder in sys.meta_path:
        module = sys.modules.get(getattr(finder, "__module__", ""))
        if _PACKAGE in getattr(module, "MAPPING", ()):
            yield module.__name__  # type: ignore[union-attr]  # it has the attribute, so it is a module


def _last_line(found: Captured) -> str:
    said = (found.err.strip() or found.out.strip()).splitlines() or ["it said nothing"]
    return one_line(said[-1]).rstrip(".")
