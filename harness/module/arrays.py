"""Arrays in an .npz, also of bf16, which numpy has no name for: they lie there as 16 bits, marked by their names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
_MARK = ":bf16"


def write_arrays(path: Path | str, arrays: Mapping[str, Array]) -> None:
    """Write arrays by name."""
    held: Any = {
        **{name: array for name, array in arrays.items() if array.dtype != ml_dtypes.bfloat16},
        **{name + _MARK: array.view(np.uint16) for name, array in arrays.items() if array.dtype == ml_dtypes.bfloat16},
    }
    np.savez(path, **held)


def read_arrays(path: Path | str) -> dict[str, Array]:
    """What `write_arrays` has written."""
    with np.load(path) as file:
        return {
            name.removesuffix(_MARK): file[name].view(ml_dtypes.bfloat16) if name.endswith(_MARK) else file[name]
            for name in file.files
        }
