"""Logits of the first test images by a state, as files: what a trained network says, but for the luck of its training.

`STEP.logits.safetensors` has `logits` (N, classes) and `labels` (N,), those that the program would hold them against.
Source: traces/README.md, Logits.
"""

from pathlib import Path

from harness.errors import TraceError
from harness.spec.netspec import DType
from harness.trace.state import Array, read_tensors, write_tensors

MOST_IMAGES = 1024  # of a test set
_SUFFIX = ".logits.safetensors"


def logits_path(folder: Path, step: int) -> Path:
    """The file of the logits by the state before a step."""
    return folder / f"{step}{_SUFFIX}"


def write_logits(folder: Path, step: int, logits: Array, labels: Array, dtype: DType) -> None:
    """Write logits and labels, so that the name only ever holds all of them.

    `dtype`: of the program. Shapes: logits (N, classes), labels (N,). Raises: OSError.
    """
    write_tensors(logits_path(folder, step), step, {"logits": logits, "labels": labels}, dtype)


def read_logits(path: Path) -> tuple[Array, Array]:
    """Logits and labels of a file. Shapes: (N, classes), (N,). Raises: TraceError for a file that has none."""
    found = read_tensors(path, path.name.removesuffix(_SUFFIX), "logits")
    logits, labels = found.get("logits"), found.get("labels")
    if logits is None or labels is None or logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise TraceError(f"{path.name}: expected tensors `logits` of shape (N, classes) and `labels` of shape (N,).")
    return logits, labels
