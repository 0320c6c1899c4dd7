"""Two programs' logits of the same test images by the same states, as figures.

`STEM.logits.json` lies beside the trace of the side that is held to the other. Source: traces/README.md, Logits.
"""

from collections.abc import Iterable
from pathlib import Path

import msgspec
import numpy as np

from harness.errors import TraceError
from harness.trace.format import one_line
from harness.trace.manifest import manifest_path
from harness.trace.state import Array

_SUFFIX = ".logits.json"


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """The logits by the state before a step.

    `apart`: the largest difference, relative to `size`, the root mean square of the first side's; -1 for no finite
    number. `labels_differ`: images of which the two sides have other labels. `right`: images that each classifies
    rightly by its own labels.
    """

    step: int
    images: int
    apart: float
    size: float
    labels_differ: int
    right: tuple[int, int]


class Evaluations(msgspec.Struct, frozen=True, kw_only=True):
    """All evaluations of a pair. `held_to`: the first side's pipeline."""

    logits_version: int = 1
    held_to: str
    states: list[Evaluation]


def evaluate(step: int, a: tuple[Array, Array], b: tuple[Array, Array]) -> Evaluation | None:
    """The figures of two sides' logits and labels; None where they are not of as many images and classes.

    Shapes: logits (N, classes), labels (N,).
    """
    (ours, labels), (theirs, other_labels) = a, b
    if ours.shape != theirs.shape or not len(ours):
        return None
    with np.errstate(all="ignore"):
        size = float(np.sqrt(np.mean(np.square(ours, dtype=np.float64))))
        difference = float(np.max(np.abs(ours.astype(np.float64) - theirs)))
    apart = 0.0 if difference == 0 else difference / size if size > 0 else -1.0
    return Evaluation(
        step=step,
        images=len(ours),
        apart=apart if np.isfinite(apart) and np.isfinite(size) else -1.0,
        size=size if np.isfinite(size) else -1.0,
        labels_differ=int(np.count_nonzero(labels != other_labels)),
        right=(_right(ours, labels), _right(theirs, other_labels)),
    )


def evaluations_path(trace: Path) -> Path:
    """The path of the evaluations of a side by its trace."""
    stem = manifest_path(trace).name.removesuffix(".manifest.json")
    return trace.parent / f"{stem}{_SUFFIX}"


def read_evaluations(path: Path) -> Evaluations:
    """The evaluations of a file. Raises: TraceError for one that holds none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Evaluations)
    except OSError as error:
        raise TraceError(f"{one_line(path.name)}: cannot be read: {error.strerror or error}.") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise TraceError(f"{one_line(path.name)}: no evaluations of states: {one_line(error)}.") from None


def write_evaluations(path: Path, held_to: str, states: Iterable[Evaluation]) -> None:
    """Write evaluations, so that the path only ever holds all of them. Raises: OSError."""
    from harness.system.files import write_json  # here, because a differ only reads and has to start fast

    write_json(path, Evaluations(held_to=held_to, states=list(states)))


def _right(logits: Array, labels: Array) -> int:
    return int(np.count_nonzero(np.argmax(logits, axis=-1) == labels))
