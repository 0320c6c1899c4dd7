"""The report of 1,000 made-up cells of 20 hosts, 10,000 pairs; the differ over all 19,900 pairs of 200 traces.

python -m bench.scale [--hosts N] [--networks N] [--traces N] [--steps N] [--out FOLDER]

Each is started as a user starts it: wall and processor time, the peak memory of its largest process, sizes of what it
writes. `--hosts 0 --traces 1000` takes about 20 minutes of a processor.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.page import write_cell

HOSTS, NETWORKS, STEPS, TRACES = 20, 25, 1000, 200
LIMIT_PAGE, LIMIT_MEMORY = 6_000_000, 600_000_000  # bytes
WRONG = 3  # networks that one pipeline of one host gets wrong
WRONG_BY = 0.5  # nats, from step 2 on


@dataclass(frozen=True)
class Spent:
    """What a process and its children took. Units: seconds; bytes, the peak of the largest."""

    wall_s: float
    cpu_s: float
    memory: int
    code: int


def write_hosts(folder: Path, hosts: int, networks: int, steps: int) -> int:
    """Cells of every network by both pipelines on every host, apart as rounding makes them. Returns how many pairs."""
    for host in range(hosts):
        below = folder / f"host-{host:02d}"
        below.mkdir(parents=True)
        for network in range(networks):
            for number, pipeline in enumerate(("phase2", "phase3")):
                wrong = WRONG_BY if network < WRONG and (host, pipeline) == (network + 1, "phase3") else 0.0
                seed = (host * networks + network) * 2 + number
                write_cell(below, f"network_{network:02d}", pipeline, "cpu", steps, seed, wrong, f"host {host:02d}")
    return networks * (hosts + hosts * (hosts - 1))


def write_traces(folder: Path, traces: int, steps: int) -> list[Path]:
    """Traces of one network, apart as rounding makes them; the last is wrong."""
    for number in range(traces):
        wrong = WRONG_BY if number == traces - 1 else 0.0
        write_cell(folder, "network", f"p{number:04d}", "cpu", steps, number, wrong, "a host")
    return sorted(folder.glob("*.jsonl"))


def spend(command: Sequence[str], stdout: Path) -> Spent:
    """Run a command to its end."""
    start = time.perf_counter()
    with stdout.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)  # it was waited for here, for the sake of `usage`
    wall = time.perf_counter() - start
    return Spent(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, process.returncode)


def measure_report(folder: Path, hosts: int, networks: int, steps: int) -> bool:
    """Write the cells, make their report, print what it took; whether that is within the limits."""
    pairs = write_hosts(folder / "hosts", hosts, networks, steps)
    out = folder / "report"
    folders = [str(path) for path in sorted((folder / "hosts").iterdir())]
    spent = spend([sys.executable, "-m", "harness", "report", *folders, "-o", str(out)], folder / "report.out")
    _print(f"report of {2 * hosts * networks} cells of {hosts} hosts with {steps} steps, {pairs} pairs", spent, pairs)
    for path in sorted(out.glob("*.*")):
        print(f"  {path.name:13} {path.stat().st_size / 1e6:.2f} MB")
    return _is_good(spent) and (out / "report.html").stat().st_size <= LIMIT_PAGE


def measure_diff(folder: Path, traces: int, steps: int) -> bool:
    """Write the traces, compare them all, print what it took; whether that is within the limits."""
    (folder / "traces").mkdir(parents=True)
    paths = write_traces(folder / "traces", traces, steps)
    pairs = traces * (traces - 1) // 2
    spent = spend([sys.executable, "-m", "harness.diff", *map(str, paths)], folder / "diff.out")
    _print(f"diff of {traces} traces with {steps} steps, {pairs} pairs", spent, pairs)
    print(f"  text          {(folder / 'diff.out').stat().st_size / 1e6:.2f} MB")
    return _is_good(spent)


def _is_good(spent: Spent) -> bool:
    """Whether it told that something differs, in the memory that it may take."""
    return spent.code == 1 and spent.memory <= LIMIT_MEMORY


def _print(title: str, spent: Spent, pairs: int) -> None:
    print(title)
    each = 1000 * spent.wall_s / pairs
    print(f"  wall          {spent.wall_s:.1f} s, processor {spent.cpu_s:.1f} s, {each:.2f} ms a pair")
    print(f"  peak memory   {spent.memory / 1e6:.0f} MB, exit code {spent.code}", flush=True)


def main() -> int:
    """Measure both and print; 1 where the page or the memory is larger than it may be, or a process failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=HOSTS)
    parser.add_argument("--networks", type=int, default=NETWORKS)
    parser.add_argument("--traces", type=int, default=TRACES)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--out", type=Path, help="keep everything here; default: a temporary folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder, good = options.out or Path(temporary), []
        if options.hosts and options.networks:
            good.append(measure_report(folder, options.hosts, options.networks, options.steps))
        if options.traces:
            good.append(measure_diff(folder, options.traces, options.steps))
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
