"""The manifest of a cell: how its run ended, and everything that could explain a difference."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from harness.errors import TraceError
from harness.spec.run_config import Count, RunConfig, cell_name, size_suffix
from harness.trace.format import one_line

Status = Literal["complete", "crashed", "timed-out", "interrupted", "refused"]
Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_TRACE_SUFFIXES = (".jsonl.gz", ".jsonl")


class CellFacts(RunConfig, kw_only=True, frozen=True):
    """Identity of a run: the facts that reports group, pair and name cells by.

    `network_file`: the path of the network's own file, for people; None for a network of this package. It is shown and
    never loaded: a manifest may be anybody's.
    `batch_size`, `image_size`: None for the network's own. `command`: one that runs
    the cell again. `evidence`: it was run for the sake of others. `absent`: its backend is not on the host, and `asked`
    says whether it was wanted by name.

    Units: image_size pixels a side.
    """

    model: str
    pipeline: str
    backend: str
    network_file: str | None = None
    batch_size: Count | None = None
    image_size: Count | None = None
    command: str = ""
    evidence: bool = False
    absent: bool = False
    asked: bool = True

    @property
    def start_options(self) -> list[str]:
        """Seed and sizes that differ from the defaults, as options of the verbs that look at a network."""
        sizes = (("--batch", self.batch_size), ("--image-size", self.image_size))
        return ["--seed", str(self.init_seed), *(w for name, n in sizes if n is not None for w in (name, str(n)))]

    @property
    def name(self) -> str:
        """Stem of the files that the run leaves."""
        return cell_name(self.model, self.pipeline, self.backend, self, size_suffix(self.batch_size, self.image_size))

    @property
    def short_name(self) -> str:
        """Name among the cells of one network: `phase3-rocm`."""
        return f"{self.pipeline}-{self.backend}{'.eager' if self.eager else ''}"


class KeptState(msgspec.Struct, frozen=True):
    """The state before a step, in a file that is kept with the cell. Units: size in bytes."""

    step: Annotated[int, msgspec.Meta(ge=1, le=2**53)]
    size: Count
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class Manifest(msgspec.Struct, kw_only=True, frozen=True):
    """Record of a run besides its trace. `reason`: why it is not complete, in one line.

    `cell`: its identity. `trace_sha256`: of the uncompressed trace. `known_trouble`: id of the known issue that
    explains the end. `states`: those that are kept beside the trace, see `harness.trace.kept_states`.
    `provenance`: versions, digests, flags, device, environment; no host names, user names or absolute paths.

    Units: test_accuracy a fraction, wall_s seconds.
    """

    manifest_version: Literal[1] = 1
    status: Status
    reason: str | None = None
    cell: CellFacts | None = None
    steps_written: Count = 0
    trace_sha256: str | None = None
    test_accuracy: Fraction | None = None
    test_correct: Count | None = None
    test_total: Count | None = None
    wall_s: float | None = None
    exit_code: int | None = None
    signal: str | None = None
    stderr_tail: str = ""
    known_trouble: str | None = None
    states: tuple[KeptState, ...] = ()
    provenance: dict[str, Any] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.test_correct is not None and self.test_total is not None and self.test_correct > self.test_total:
            raise ValueError(f"test_correct is {self.test_correct} of test_total {self.test_total}")

    @property
    def contradictions(self) -> tuple[str, ...]:
        """A line for each thing that cannot be true of the complete run that it tells of; none for other runs.

        A manifest that somebody wrote by hand, without facts about a cell, need not know the trace's digest.
        """
        if self.status != "complete":
            return ()
        found = [] if self.exit_code in (None, 0) else [f"exit_code is {self.exit_code}"]
        if self.signal is not None:
            found.append(f"signal is {one_line(self.signal)}")
        if self.trace_sha256 is None and self.cell is not None:
            found.append("it does not say which trace it describes: it has no trace_sha256")
        if self.trace_sha256 is not None and not _SHA256.fullmatch(self.trace_sha256):
            found.append(f"trace_sha256 is {one_line(self.trace_sha256)!r}, no SHA-256")
        return tuple(found)


def manifest_path(trace: str | Path) -> Path:
    """Path of the manifest of a trace: NAME.manifest.json beside NAME.jsonl, .jsonl.gz or .partial.jsonl."""
    path = Path(trace)
    name = path.name
    for suffix in _TRACE_SUFFIXES:
        if name.endswith(suffix):
            name = name.removesuffix(suffix)
            break
    return path.parent / (name.removesuffix(".partial") + ".manifest.json")  # a folder such as `.` has no name


def read_manifest(path: str | Path) -> Manifest:
    """Read and check a manifest. Raises: TraceError `file:line: what`."""
    try:
        text = Path(path).read_bytes()
        text.decode()
        return msgspec.json.decode(text, type=Manifest)
    except OSError as error:
        what = f"cannot be read: {error.strerror or error}"
    except UnicodeDecodeError:
        what = "not UTF-8; expected a manifest as JSON"
    except (msgspec.MsgspecError, RecursionError) as error:
        what = f"not a manifest: {one_line(error)}. Remove it to do without"
    raise TraceError(f"{one_line(path)}:1: {what}.")


def write_manifest(path: str | Path, manifest: Manifest) -> None:
    """Write a manifest so that its name only ever holds the whole of it. Raises: OSError."""
    from harness.system.files import write_json  # here, because a differ only reads and has to start fast

    write_json(Path(path), manifest, indent=2)
