"""Arrays of any framework as numpy's. None of the frameworks is imported: an array brings along what is called here."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.errors import TraceError
from harness.trace.format import one_line

Array = npt.NDArray[Any]
_ROW = 64  # elements that are added up in their own precision
_LEAST = 1e-24  # below this the squares of float32 may have lost digits, or be zero


def as_numpy(x: Any) -> Array:
    """An array of numpy, PyTorch, JAX, or of whatever else exports DLPack or `__array__`, as numpy's, on the host.

    The memory is shared where it can be. Narrower numbers than float32, such as bfloat16, are widened to that.

    Shapes: the result has that of x. Raises: TraceError for what is no array of numbers.
    """
    if isinstance(x, np.ndarray):
        found = np.asarray(x)  # of a subclass as well, such as masked arrays
    elif hasattr(x, "detach"):  # PyTorch: a tensor of the graph, and one on a device, has no numpy array
        found = _of_torch(x.detach())
    else:
        found = _of_protocol(x)
    if found.dtype.kind not in "fiub":
        if found.dtype.kind != "V" or found.dtype.names is not None:
            raise TraceError(f"an array of {found.dtype.name}, expected one of numbers.")
        found = found.astype(np.float32)  # the dtypes of the package ml_dtypes, which JAX has
    return found.astype(np.float32) if found.dtype == np.float16 else found


def _of_torch(tensor: Any) -> Array:
    try:
        if str(getattr(tensor, "layout", "torch.strided")) != "torch.strided":
            tensor = tensor.to_dense()  # gradients of sparse embeddings
        tensor = tensor.cpu()
        try:
            array: Array = tensor.numpy()
        except TypeError:  # bfloat16 and the 8-bit formats
            array = tensor.float().numpy()
    except RuntimeError as error:  # of the device `meta`, where tensors have no numbers
        raise TraceError(f"{type(tensor).__name__} is no array: {one_line(str(error)).rstrip('.')}.") from None
    return array


def _of_protocol(x: Any) -> Array:
    try:
        found = np.asarray(x) if hasattr(x, "__array__") or not hasattr(x, "__dlpack__") else np.from_dlpack(x)
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        told = str(error).partition("\n")[0].rstrip(".")
        raise TraceError(f"{type(x).__name__} is no array: {one_line(told)}.") from None
    if found.dtype == object:
        raise TraceError(f"{type(x).__name__} is no array, expected one of numpy, PyTorch, JAX or DLPack.")
    return found


def fill(x: Any, values: Array) -> None:
    """Put values into an array that can be changed: of numpy or PyTorch, on any device, in its own precision.

    Shapes: both the same. Raises: TraceError for an array that cannot be changed, as those of JAX.
    """
    if isinstance(x, np.ndarray):
        x[...] = values
    elif hasattr(x, "detach") and hasattr(x, "copy_"):
        held = x.detach()
        held.copy_(held.new_tensor(values))
    else:
        raise TraceError(f"{type(x).__name__} cannot be changed in place: give what puts the new values where they go.")


def norm(x: Array) -> float:
    """The Euclidean norm, also where squares are too large or too small for the numbers.

    Shapes: x any. Units: those of x.
    """
    square = inner(x, x)
    if not _LEAST < square < math.inf and x.size:
        largest = float(np.abs(x).max())
        if 0.0 < largest < math.inf:
            scaled = x.astype(np.float64) / largest
            return largest * math.sqrt(inner(scaled, scaled))
    return math.sqrt(square)


def inner(a: Array, b: Array) -> float:
    """The sum of all products of elements, added up in short rows in their own precision, and the rows in f64.

    Within 1e-7 of norm times norm in f32, at a tenth of the time that widening everything takes.

    Shapes: a and b of as many elements, in row-major order.
    """
    a, b = a.ravel(), b.ravel()
    whole = a.size - a.size % _ROW
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):  # a loop that diverges is one like any other
        rows = np.einsum("ij,ij->i", a[:whole].reshape(-1, _ROW), b[:whole].reshape(-1, _ROW))
        rest = np.multiply(a[whole:], b[whole:], dtype=np.float64)
        return float(rows.sum(dtype=np.float64) + rest.sum())


def batch_digest(arrays: Sequence[Any]) -> str:
    """The SHA-256 of what a step was fed, one array after another. Source: traces/README.md, Batch digests."""
    digest = hashlib.sha256()
    if isinstance(arrays, str | Mapping) or not hasattr(arrays, "__iter__"):
        raise TraceError(f"batch is of {type(arrays).__name__}, expected its arrays, inputs first: batch=(x, y).")
    arrays = [arrays] if hasattr(arrays, "shape") else list(arrays)
    for k, array in enumerate(map(as_numpy, arrays)):
        labels = k == len(arrays) - 1 and k > 0
        small = np.dtype(np.int32) if array.dtype.kind in "iu" and (labels or array.dtype.itemsize > 4) else array.dtype
        digest.update(np.ascontiguousarray(array, small.newbyteorder("<")).tobytes())
    return digest.hexdigest()
