"""`python -m harness.validation.hosts.stand_in FOLDER`: in the place of what runs a part on a host.

Its cells train nothing: each works for a while, writes a trace that follows from its name, and appends to a log when it
begins and when it has ended. The parts of `REAL` run as they would anywhere; where a host has announced a device that
is not there, their cells are refused.
"""

import hashlib
import math
import os
import sys
import time
from pathlib import Path

import msgspec

from harness.night.checks import kept_check, run_check
from harness.night.folder import Night, NightFolder
from harness.night.run import Budget, Say, run_night
from harness.night.spread.courier import REQUEST
from harness.night.spread.parts import Request
from harness.night.spread.unit import main
from harness.run.cell_plan import CellPlan
from harness.run.kept import find_ended
from harness.run.provenance import provenance
from harness.system.files import digest_of
from harness.trace.manifest import CellFacts, Manifest, write_manifest
from harness.trace.writer import TraceWriter

LOG, SECONDS = "HARNESS_STAND_IN_LOG", "HARNESS_STAND_IN_SECONDS"
REAL = "mnist_mlp@"
_SLICE_S = 0.05


def run_stand_in(folder: NightFolder, night: Night, budget: Budget, say: Say, base: Path) -> None:
    """Run the cells of the night that have not ended, and its checks."""
    config = night.parsed_in(base)
    for verification in config.verifications(night.night, folder.path, []):
        for cell, _ in verification.planned_cells():
            facts = verification.facts(cell)
            plan = CellPlan(cell.name, (), verification.folder, facts=facts)
            if find_ended(plan) is None:
                record("begin", cell.name)
                work(float(os.environ[SECONDS]))
                write_cell(plan, facts)
                record("end", cell.name)
    for part, command in config.checks(night.night, str(folder.path / "build")):
        if kept_check(folder.check(part.name), part, command) is None:
            record("begin", part.name)
            run_check(folder.check(part.name), part, command)
            record("end", part.name)


def record(what: str, name: str) -> None:
    """Append a line to the log, whole whoever else appends."""
    number = os.open(os.environ[LOG], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(number, f"{what} {name}\n".encode())
    finally:
        os.close(number)


def work(seconds: float) -> None:
    """Take so long in small steps: a process that stands still makes no progress meanwhile, as a training would."""
    for _ in range(round(seconds / _SLICE_S)):
        time.sleep(_SLICE_S)


def write_cell(plan: CellPlan, facts: CellFacts) -> None:
    """Write a trace and its manifest. The losses follow from the network, and in the last digits from the cell."""
    plan.folder.mkdir(parents=True, exist_ok=True)
    steps = facts.steps or 1
    seed = int.from_bytes(hashlib.sha256(facts.name.encode()).digest()[:4]) / 2**32
    with TraceWriter(
        plan.trace,
        network=facts.model,
        config={"lr": 0.001},
        pipeline=facts.pipeline,
        backend=facts.backend,
        dtype="f32",
        planned_steps=steps,
        channels="none",
    ) as trace:
        for step in range(1, steps + 1):
            loss = (2.3 + 0.01 * facts.init_seed) * math.exp(-0.02 * step)
            trace.step(loss=loss * (1 + 1e-7 * seed), lr=0.001)
    manifest = Manifest(
        status="complete",
        cell=facts,
        steps_written=steps,
        trace_sha256=digest_of(plan.trace),
        wall_s=1.0,
        exit_code=0,
        provenance=provenance({}, facts.backend),
    )
    write_manifest(plan.manifest, manifest)


def run_either(folder: NightFolder, night: Night, budget: Budget, say: Say, base: Path) -> None:
    """As a stand-in, or for a part that is real as it would run anywhere."""
    request = msgspec.json.decode((base / REQUEST).read_bytes(), type=Request)
    if not request.part.startswith(REAL):
        run_stand_in(folder, night, budget, say, base)
        return
    record("begin", request.part)
    run_night(folder, night, budget, say, base)
    record("end", request.part)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), run_either))
