"""The search for conventions in a process of its own, for whoever has a trace of a run that must not end with it."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.backends import BACKENDS
from harness.trace import one_line

TIMEOUT_S = 1800.0


def search_beside(model: str, trace: Path, options: Sequence[str]) -> str:
    """What `harness explain MODEL --against TRACE` finds, as a sentence; or why it found nothing.

    `options`: what tells the run from the usual one, such as `--seed 43`.
    """
    command = [sys.executable, "-m", "harness", "explain", model, "--against", str(trace), "--format", "json", *options]
    environment = {**os.environ, **BACKENDS["cpu"].jax_environment()}
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return f"the search for conventions did not end within {TIMEOUT_S:g} s."
    try:
        return str(json.loads(done.stdout)["sentence"])
    except (ValueError, KeyError):
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return f"the search for conventions failed: {one_line(last)}"
