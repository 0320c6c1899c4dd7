"""Training the right runs of many networks, a process for each network and surroundings."""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from harness.run.backends import BACKENDS
from harness.system.jobs import Job, run_jobs
from harness.system.process import run_module
from harness.validation.rounding.runs import SURROUNDINGS, RunOrder


def train_all(
    networks: Sequence[str],
    seeds: tuple[int, ...],
    folder: Path,
    processes: int,
    timeout_s: float,
    on_change: Callable[[int, Sequence[str]], None],
) -> list[str]:
    """Train what the folder lacks; a line for each process that did not finish."""
    backend = BACKENDS["cpu"]
    usual = {**backend.jax_environment(), **backend.iree_environment()}
    jobs = []
    for network in networks:
        for name, surroundings in SURROUNDINGS.items():
            order = msgspec.json.encode(RunOrder(network, name, seeds, str(folder.absolute()))).decode()
            command = (*run_module("harness.validation.rounding.runs"), order)
            jobs.append(Job(f"{network}, {name}", command, {**usual, **surroundings.environment}))
    outcomes = run_jobs(jobs, processes, timeout_s, on_change)
    return [f"{outcome.job.name}: {outcome.trouble}" for outcome in outcomes if outcome.trouble]
