"""Cells whose program is a few lines of Python, which may do to its trace what it likes."""

import sys
import textwrap
from pathlib import Path
from typing import Any

from harness.run.cell_plan import CellPlan

# What the programs begin with: `header(planned)` and `step(k)` write lines of a trace.
PREAMBLE = """
import json, os, signal, sys, time
trace = open(os.environ["LEAN_MLIR_TRACE_OUT"], "w", buffering=1)
def header(planned=None):
    config = {"lr": 0.001, "batch_size": 128, "epochs": 1}
    line = {"kind": "header", "phase": "other", "netspec_name": "N", "config": config, "total_params": 1}
    line |= {"dataset": "mnist", "emitter_version": "0"} | ({"planned_steps": planned} if planned else {})
    trace.write(json.dumps(line) + "\\n")
def step(k, loss=None):
    loss = 1 / k if loss is None else loss
    trace.write(json.dumps({"kind": "step", "step": k, "epoch": 0, "loss": loss, "lr": 0.001}) + "\\n")
"""
NAME = "net.other-noshuf-cpu"


def plan_of(folder: Path, code: str, **options: Any) -> CellPlan:
    """A plan for a program that is written beside the traces."""
    program = folder / "program.py"
    program.write_text(PREAMBLE + textwrap.dedent(code))
    options = {"planned_steps": 3} | options
    return CellPlan(NAME, (sys.executable, str(program)), folder / "traces", **options)
