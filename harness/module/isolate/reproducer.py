"""A folder that shows a fault without this project: the module, what it is fed, what it should give, and a script."""

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from ml_dtypes import bfloat16

from harness.module.executors import EXECUTORS, ModuleExecutor
from harness.module.isolate.search import IsolatedFault, Isolation
from harness.module.words import DOUBT
from harness.system.process import capture

_BESIDE = ("xla", "iree", "interpreter")  # what every script can run

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class ModuleReproducer:
    """What a folder was seen to do. `shows`: its script exits with 1 on the executor; `right_on`: with 0 on another."""

    folder: Path
    shows: bool
    right_on: str

    def __str__(self) -> str:
        shown = "shows it" if self.shows else "does not show it"
        return f"{self.folder}: run.sh {shown}" + (f", and not on {self.right_on}" if self.right_on else "")


def write_reproducers(isolation: Isolation, folder: Path, timeout_s: float) -> list[ModuleReproducer]:
    """A folder for each fault below `folder`, named by module, executor and number. Raises: OSError."""
    name = f"{isolation.module.path.stem}-{isolation.executor.name}"
    return [
        write_reproducer(fault, isolation.executor, folder / f"{name}-{number}", timeout_s)
        for number, fault in enumerate(isolation.wrong, start=1)
    ]


def write_reproducer(
    fault: IsolatedFault, executor: ModuleExecutor, folder: Path, timeout_s: float
) -> ModuleReproducer:
    """Write the folder and run its script. Raises: OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*.npy"):  # of an earlier fault with more inputs
        stale.unlink()
    (folder / "min.mlir").write_text(fault.text)
    # What is compared has a type that numpy can read again.
    expected = [array.astype(np.float32) if array.dtype == bfloat16 else array for array in fault.expected]
    for kind, arrays in (("in", fault.inputs), ("expected", expected)):
        for number, array in enumerate(arrays):
            np.save(folder / f"{kind}{number}.npy", array)
    np.save(folder / "allowed.npy", DOUBT * np.array([[bound.norm, bound.largest] for bound in fault.bounds]))
    shutil.copyfile(_HERE / "reproducer_compare.py", folder / "compare.py")
    shutil.copyfile(_HERE / "reproducer_jaxlib.py", folder / "run_jaxlib.py")
    rows = [executor, *(EXECUTORS[name] for name in _BESIDE if name != executor.name)]
    (folder / "run.sh").write_text(_script(rows, len(fault.inputs), len(fault.expected)))
    (folder / "run.sh").chmod(0o755)
    right = (row.name for row in rows[1:] if _exit_code(folder, row, timeout_s) == 0)
    done = ModuleReproducer(folder, _exit_code(folder, executor, timeout_s) == 1, next(right, ""))
    (folder / "README.md").write_text(_readme(fault, executor, done))
    return done


def _exit_code(folder: Path, row: ModuleExecutor, timeout_s: float) -> int | None:
    """Of the script, for an executor; None when it did not come to its end."""
    tools = str(Path(sys.executable).parent)
    environment = {**os.environ, **row.environment, "PYTHON": sys.executable}
    environment["PATH"] = os.pathsep.join([tools, os.environ.get("PATH", os.defpath)])
    done = capture(["sh", str(folder / "run.sh"), row.name], environment, timeout_s)
    return None if done is None else done.code


def _readme(fault: IsolatedFault, executor: ModuleExecutor, done: ModuleReproducer) -> str:
    held = fault.confirmation
    compiler = {"xla": "jax", "iree": "iree-base-compiler", "interpreter": "jaxlib"}[executor.driver]
    flags = f"\n\nFlags of the compiler:\n\n    {' '.join(executor.flags)}" if executor.flags else ""
    beside = f" `./run.sh {done.right_on}` runs it where it is right." if done.right_on else ""
    unseen = "" if done.shows else " In its last run the script did not show it."
    paragraph = (
        f"`min.mlir` is {' + '.join(map(str, fault.ops))} of a larger module. On {executor.meaning} "
        f"({compiler} {version(compiler)}), its result was wrong in {held.wrong} of {held.runs} runs, each in a fresh "
        f"process. The largest error is {held.error:.2g} of the largest element, {held.ratio:.3g} times what rounding "
        f"does at this input. Expected values were computed in f64 by XLA, CPU, and confirmed by {held.by}."
    )
    return f"""# {held.word}: {" + ".join(op.kind for op in fault.ops)} on {executor.name}

{paragraph}{flags}

    ./run.sh

exits with 1 where the fault is and with 0 where it is not.{beside}{unseen}
"""


def _script(rows: Sequence[ModuleExecutor], inputs: int, outputs: int) -> str:
    cases = "\n".join(f"{row.name})\n{_commands(row, inputs, outputs)}\n  ;;" for row in rows)
    return f"""#!/bin/sh
# ./run.sh [{"|".join(row.name for row in rows)}]
# Exit code 1 where the fault is, 0 where it is not, 2 where the module does not run. It needs numpy and
# iree-base-compiler {version("iree-base-compiler")} with iree-base-runtime, or jax {version("jax")}.
cd "$(dirname "$0")" || exit 2
rm -f out*.npy
case "${{1:-{rows[0].name}}}" in
{cases}
*) echo "no such executor: $1" >&2; exit 2 ;;
esac
"${{PYTHON:-python3}}" compare.py
"""


def _commands(row: ModuleExecutor, inputs: int, outputs: int) -> str:
    if row.driver != "iree":
        return f'  "${{PYTHON:-python3}}" run_jaxlib.py {row.driver} || exit 2'
    flags = " ".join(shlex.quote(flag) for flag in row.flags)
    given = " ".join(f"--input=@in{i}.npy" for i in range(inputs))
    made = " ".join(f"--output=@out{i}.npy" for i in range(outputs))
    return (
        f"  iree-compile min.mlir {flags} -o min.vmfb || exit 2\n"
        f"  iree-run-module --device={row.device} --module=min.vmfb --function=main {given} {made} || exit 2"
    )
