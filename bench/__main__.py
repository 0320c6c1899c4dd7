"""`python -m bench`: every measurement, each in a process of its own with the environment that cells have."""

import os
import subprocess
import sys

from harness.run.backends import BACKENDS

PROGRAMS = ("bench.steps", "bench.diff_speed", "bench.page", "bench.writer", "bench.scale")


def main() -> int:
    """Run the programs one after another; the exit code of the worst."""
    environment = {**os.environ, **BACKENDS["cpu"].environment, "JAX_PLATFORMS": "cpu"}
    codes = [subprocess.run([sys.executable, "-m", name], env=environment, check=False).returncode for name in PROGRAMS]
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
