"""Training the right runs of many networks, a process for each network and surroundings."""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from harness.run.backends import BACKENDS
from harness.system.jobs import Job, run_jobs
from harness.system.process import run_module
from harness.validation.rounding.lockstep_runs import LOCKSTEP_NETWORKS, LockstepOrder
from harness.validation.rounding.long_runs import LONG_NETWORKS, LongOrder
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
    usual = _usual()
    jobs = []
    for network in networks:
        for name, surroundings in SURROUNDINGS.items():
            order = msgspec.json.encode(RunOrder(network, name, seeds, str(folder.absolute()))).decode()
            command = (*run_module("harness.validation.rounding.runs"), order)
            jobs.append(Job(f"{network}, {name}", command, {**usual, **surroundings.environment}))
    return _run(jobs, processes, timeout_s, on_change)


def train_all_long(
    folder: Path, processes: int, timeout_s: float, on_change: Callable[[int, Sequence[str]], None]
) -> list[str]:
    """The same of the long runs."""
    jobs = []
    for network in LONG_NETWORKS:
        order = msgspec.json.encode(LongOrder(network, str(folder.absolute()))).decode()
        jobs.append(Job(f"{network}, long", (*run_module("harness.validation.rounding.long_runs"), order), _usual()))
    return _run(jobs, processes, timeout_s, on_change)


def train_all_in_lockstep(
    folder: Path, processes: int, timeout_s: float, on_change: Callable[[int, Sequence[str]], None]
) -> list[str]:
    """The same of the pairs in lockstep."""
    jobs = []
    for network in LOCKSTEP_NETWORKS:
        order = msgspec.json.encode(LockstepOrder(network, str(folder.absolute()))).decode()
        command = (*run_module("harness.validation.rounding.lockstep_runs"), order)
        jobs.append(Job(f"{network}, in lockstep", command, _usual()))
    return _run(jobs, processes, timeout_s, on_change)


def _usual() -> dict[str, str]:
    backend = BACKENDS["cpu"]
    return {**backend.jax_environment(), **backend.iree_environment()}


def _run(
    jobs: Sequence[Job], processes: int, timeout_s: float, on_change: Callable[[int, Sequence[str]], None]
) -> list[str]:
    outcomes = run_jobs(jobs, processes, timeout_s, on_change)
    return [f"{outcome.job.name}: {outcome.trouble}" for outcome in outcomes if outcome.trouble]
