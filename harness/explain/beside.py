"""The search for conventions in a process of its own, for whoever has a trace of a run that must not end with it."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.run.backends import BACKENDS
from harness.system.process import capture
from harness.trace.format import one_line

TIMEOUT_S = 1800.0


def search_beside(model: str, trace: Path, options: Sequence[str]) -> str:
    """What `harness explain MODEL --against TRACE` finds, as a sentence; or why it found nothing.

    `options`: what tells the run from the usual one, such as `--seed 43`.
    """
    command = [sys.executable, "-m", "harness", "explain", model, "--against", str(trace), "--format", "json", *options]
    environment = {**os.environ, **BACKENDS["cpu"].jax_environment()}
    done = capture(command, environment, TIMEOUT_S)
    if done is None:
        return f"the search for conventions did not end within {TIMEOUT_S:g} s."
    try:
        return str(json.loads(done.out)["sentence"])
    except (ValueError, KeyError):
        last = (done.err.strip().splitlines() or [f"exit code {done.code}"])[-1]
        return f"the search for conventions failed: {one_line(last)}"
