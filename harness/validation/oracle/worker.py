"""One case in one dtype, in a process: `python -m harness.validation.oracle.worker TASK`, TASK and answer in JSON.

A compiler that crashes or hangs takes this process with it and no other.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.errors import HarnessError
from harness.spec.netspec import DType
from harness.system.jobs import answer


@dataclass(frozen=True)
class OracleTask:
    """A case to examine in one dtype. `folder`: the data. `interpreter`: also run the reference interpreter."""

    case: str
    dtype: DType
    folder: str
    batch: int | None
    image_size: int | None
    interpreter: bool

    @property
    def name(self) -> str:
        """Name for people."""
        return f"{self.case} {self.dtype}"


def main() -> None:
    """Print the finding; a HarnessError ends it with one line and exit code 2."""
    from harness.nn.cases import find_case
    from harness.validation.oracle.examination import examine

    task = msgspec.json.decode(sys.argv[1], type=OracleTask)
    try:
        case = find_case(task.case, task.batch, task.image_size)
        finding = examine(case, task.dtype, Path(task.folder), task.interpreter)
    except HarnessError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    answer(msgspec.to_builtins(finding))


if __name__ == "__main__":
    main()
