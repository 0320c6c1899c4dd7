"""States that are kept with a cell, so that its run can be replayed from them: `STEM.states/STEP.safetensors`.

The manifest has their digests. Source: traces/README.md, Kept states.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path

from harness.errors import TraceError
from harness.system.files import digest_of
from harness.trace.format import one_line
from harness.trace.manifest import KeptState, manifest_path
from harness.trace.state import state_path

STATES_SUFFIX = ".states"


def states_folder(trace: Path) -> Path:
    """The folder of the states that are kept with a trace."""
    stem = manifest_path(trace).name.removesuffix(".manifest.json")
    return trace.parent / f"{stem}{STATES_SUFFIX}"


def keep_states(trace: Path, folder: Path, steps: Iterable[int]) -> tuple[KeptState, ...]:
    """Copy the states before those steps, as far as they are there, and tell them for the manifest. Raises: OSError."""
    there = [step for step in sorted(steps) if state_path(folder, step).is_file()]
    target = states_folder(trace)
    kept = []
    for step in there:
        target.mkdir(exist_ok=True)
        path = shutil.copyfile(state_path(folder, step), state_path(target, step))
        kept.append(KeptState(step, path.stat().st_size, digest_of(path)))
    return tuple(kept)


def verified_state(trace: Path, kept: KeptState) -> Path:
    """The file of a kept state, held to its digest. Raises: TraceError when it is not the one of the manifest."""
    path = state_path(states_folder(trace), kept.step)
    where = one_line(f"{path.parent.name}/{path.name}")
    try:
        size = path.stat().st_size if path.is_file() else None
        digest = digest_of(path) if size == kept.size else ""
    except OSError as error:
        raise TraceError(f"{where}: cannot be read: {error.strerror or error}.") from None
    if size is None:
        raise TraceError(f"{where}: is not there, and the manifest tells of it. Copy it from where the cell was run.")
    if size != kept.size:
        raise TraceError(
            f"{where}: {size:,} bytes; the manifest says {kept.size:,}. Copy it from where the cell was run."
        )
    if digest != kept.sha256:
        raise TraceError(
            f"{where}: SHA-256 {digest}; the manifest says {kept.sha256}. It is not the state of this run."
        )
    return path
