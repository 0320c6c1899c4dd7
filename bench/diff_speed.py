"""Times the differ as a whole process, its peak memory, and json.loads alone over the same lines, in turn.

python -m bench.diff_speed [--rounds N] [--steps N ...]
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.trace.format import TraceFile, TraceHeader

STEPS = (5616, 7020, 1_000_000)
ROUNDS = 5
EPOCH_STEPS = 468
_POLL_S = 0.005

HEADER = TraceHeader(
    kind="header",
    phase="phase3",
    netspec_name="MNIST-MLP",
    config={"lr": 0.001, "batch_size": 128, "epochs": 12, "use_adam": True},
    total_params=669706,
    dataset="mnist",
    emitter_version="1",
)


@dataclass(frozen=True)
class DiffSpeed:
    """One pair, measured. Medians of the rounds; `ratio` is the median of each round's own ratio.

    Units: seconds, and bytes for `memory` (the peaks of all its processes, added) and `size` (both files).
    """

    steps: int
    size: int
    diff_s: float
    json_s: float
    ratio: float
    memory: int


def write_trace(path: Path, steps: int, seed: int) -> None:
    """A trace whose losses fall like a real run's and are exact float32; seeds differ by rounding-sized noise."""
    noise = np.random.default_rng(seed).normal(0, 1e-6, steps)
    spread = np.random.default_rng(0).normal(1, 0.1, steps)
    losses = (2.4 * np.exp(-8 * np.arange(steps) / steps) * spread * (1 + noise)).astype(np.float32)
    with TraceFile(path, HEADER) as writer:
        for k, loss in enumerate(losses.tolist()):
            epoch = k // EPOCH_STEPS
            rate = float(np.float32(0.0005 * (1 + math.cos(math.pi * epoch * EPOCH_STEPS / steps))))
            writer.write_step(k + 1, epoch, loss, rate)


def time_json(paths: Sequence[Path]) -> float:
    """Seconds that json.loads alone takes over the lines of both files, without reading them."""
    total = 0.0
    for path in paths:
        lines = path.read_text().splitlines()
        start = time.perf_counter()
        for line in lines:
            json.loads(line)
        total += time.perf_counter() - start
    return total


def time_diff(paths: Sequence[Path]) -> float:
    """Wall time of one differ process, from its start to its end."""
    start = time.perf_counter()
    subprocess.run(_command(paths), stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def diff_memory(paths: Sequence[Path]) -> int:
    """The peak memories of all processes of one differ run, added, as if they came at one time."""
    process = subprocess.Popen(_command(paths), stdout=subprocess.DEVNULL)
    peaks: dict[int, int] = {}
    while process.poll() is None:
        for pid in _family(process.pid):
            peaks[pid] = max(peaks.get(pid, 0), _peak_memory(pid))
        time.sleep(_POLL_S)
    return sum(peaks.values())


def _command(paths: Sequence[Path]) -> list[str]:
    return [sys.executable, "-m", "harness.diff", *map(str, paths)]


def measure(steps: int, rounds: int, folder: Path) -> DiffSpeed:
    """Write a pair into `folder` and time differ and json.loads in turn."""
    paths = [folder / f"a{steps}.jsonl", folder / f"b{steps}.jsonl"]
    for seed, path in enumerate(paths, 1):
        write_trace(path, steps, seed)
    memory = diff_memory(paths)  # also reads the files and the program into the page cache
    diffs, jsons = [], []
    for _ in range(rounds):
        diffs.append(time_diff(paths))
        jsons.append(time_json(paths))
    size = sum(path.stat().st_size for path in paths)
    for path in paths:
        path.unlink()
    ratio = statistics.median(d / j for d, j in zip(diffs, jsons, strict=True))
    return DiffSpeed(steps, size, statistics.median(diffs), statistics.median(jsons), ratio, memory)


def _family(pid: int) -> list[int]:
    """A process and its children and theirs (Linux; elsewhere only the process)."""
    found = [pid]
    for parent in found:
        try:
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        except OSError:
            continue
        found += [int(child) for child in children]
    return found


def _peak_memory(pid: int) -> int:
    """Peak resident memory of a process so far; 0 when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:")), 0)


def main() -> None:
    """Print one line a pair."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--steps", type=int, nargs="+", default=STEPS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for steps in arguments.steps:
            found = measure(steps, arguments.rounds, Path(folder))
            print(
                f"diff of {steps} steps (2 x {found.size / 2e6:.1f} MB): {found.diff_s:.2f} s whole process, "
                f"json.loads alone {found.json_s:.2f} s, ratio {found.ratio:.3f}, "
                f"peak memory of all processes {found.memory / 1e6:.0f} MB",
                flush=True,
            )


if __name__ == "__main__":
    main()
