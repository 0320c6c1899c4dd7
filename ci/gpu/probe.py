"""Says what the machine has, as lines of JSON: `probe.py BACKEND`, by the environment that the harness is in."""

import json
import subprocess
import sys
from typing import Any

from harness.errors import HarnessError
from harness.run.backends import presence
from harness.run.pipelines import MAIN, PIPELINES

_SMI = ("nvidia-smi", "--query-gpu=name,driver_version,compute_cap,memory.total", "--format=csv,noheader,nounits")
_JAX = "import jax; print(jax.devices()[0].compute_capability)"


def cuda_chip() -> str | None:
    """The chip of the first device, `sm_90`: the driver's word, else JAX's; None where neither tells."""
    for command in (list(_SMI), [sys.executable, "-P", "-c", _JAX]):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0 and done.stdout.strip():
            fields = [field.strip() for field in done.stdout.splitlines()[0].split(",")]
            return f"sm_{fields[min(2, len(fields) - 1)].replace('.', '')}"
    return None


def main(backend: str) -> None:
    """A line for the chip, and one for each of the two pipelines."""
    print(json.dumps({"chip": cuda_chip() if backend == "cuda" else None}), flush=True)
    for pipeline in MAIN:
        found: dict[str, Any] = {"pipeline": pipeline, "compiler": PIPELINES[pipeline].compiler}
        try:
            there = presence(backend, pipeline)
            found |= {"device": there.device, "reason": there.reason, "driver": there.driver}
            found |= {"versions": dict(there.versions or {})}
        except HarnessError as error:
            found |= {"device": None, "reason": str(error)}
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
