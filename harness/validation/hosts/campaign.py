"""A night on unlike hosts, undisturbed and with kills: what was lost, what ran twice, and what both nights say.

python -m harness.validation.hosts.campaign [--kills 24] [--seeds 12] [--seconds 1.5] [--out FOLDER]
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.night.spread.courier import REQUEST
from harness.system.process import interruptible, run_module, with_parent
from harness.validation.hosts.kills import MIX, Killer
from harness.validation.hosts.nodes import NodeSpec, SimulatedCluster, cluster
from harness.validation.hosts.stand_in import LOG, REAL, SECONDS

BACKENDS = ("cpu", "cuda", "rocm")
_FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")  # of Debian's package libfaketime
_OF_A_RUN = ("seconds", "trace_sha256", "host", "hosts", "python", "versions", "wall_s")
_FULL_BYTES = 1 << 20
_LONGEST_S = 1800.0


@dataclass(frozen=True)
class Ran:
    """A night that has come to its end. `restarts`: how often `harness nightly` was started again."""

    verdict: Any
    begun: Counter[str]
    ended: Counter[str]
    seconds: float
    restarts: int
    kills: Counter[str]
    log: str

    @property
    def twice(self) -> list[str]:
        """Cells that ended more than once."""
        return sorted(name for name, times in self.ended.items() if times > 1)


def night_text(seeds: int, real: bool) -> str:
    """The night: networks by seed, each on three backends, a check, and a part that is trained for real."""
    rows = [f'[[verify]]\nmodels = ["mnist_mlp"]\nsteps = 20\nseed = {100 + k}\n' + PLAIN for k in range(seeds)]
    if real:
        rows.append('[[verify]]\nmodels = ["mnist_mlp"]\nsteps = 2\ndata = "synthetic"\n' + PLAIN)
    checks = [
        f'[[check]]\nname = "check {k}"\nbackend = "{BACKENDS[k % 3]}"\ncommand = ["python", "-c", "print({k})"]\n'
        for k in range(3)
    ]
    return "\n".join([f"backends = {json.dumps(BACKENDS)}\n", *rows, *checks])


PLAIN = "ladder = false\nlockstep = false\nstates = 0\n"


def hosts(folder: Path, seconds: float, full: Path | None) -> list[NodeSpec]:
    """Three hosts of unlike backends, compilers and clocks, and one whose disk is full where there is such a disk."""
    work = {LOG: str(folder / "cells.log"), SECONDS: str(seconds)}
    ahead, behind = (_clock(folder, shift) for shift in ("+1h", "-1h"))
    found = [
        NodeSpec("a", ("backend:cpu",), 2, {**work, **ahead}),
        NodeSpec("b", ("backend:cpu", "backend:cuda"), 2, {**work, "PYTHONPATH": _other_jax(folder)}),
        NodeSpec("c", ("backend:cuda", "backend:rocm"), 2, {**work, **behind}),
        NodeSpec("d", ("backend:rocm",), 2, work),
    ]
    if full is not None:
        needs = tuple(f"backend:{name}" for name in BACKENDS)
        found.append(NodeSpec("full", needs, 1, {**work, "HARNESS_HOST_FOLDER": str(full)}))
    return found


def run_night(
    started: SimulatedCluster,
    folder: Path,
    text: str,
    kills: int,
    seed: int,
    *,
    frozen: bool,
    mix: Sequence[str] = MIX,
) -> Ran:
    """Run a night to its end, killing on the way, and count what its cells did."""
    folder.mkdir(parents=True)
    config = folder / "night.toml"
    config.write_text(text)
    log = started.folder / "cells.log"
    log.unlink(missing_ok=True)
    began, restarts = time.monotonic(), 0
    current: list[subprocess.Popen[bytes]] = []
    words = [*run_module("harness"), "nightly", str(config), "--out", str(folder / "night")]
    words += ["--history", str(folder / "history.parquet"), "--engine", f"ray://{started.address}"]

    def night() -> int | None:
        return current[0].pid if current and current[0].poll() is None else None

    names = [name for name in started.nodes if name not in ("head", "full")]
    with (folder / "nightly.log").open("wb") as said:
        killer = Killer(started, names, kills, seed, night, (1.0, 4.0), frozen, mix)
        with killer:
            while True:
                child = subprocess.Popen(
                    with_parent(words), env=started.environment, stdout=said, stderr=said, start_new_session=True
                )
                current[:] = [child]
                code = child.wait(timeout=_LONGEST_S)
                if code != -signal.SIGKILL and (folder / "night" / "verdict.json").exists():
                    break
                restarts += 1
                if restarts > 3 * kills + 3:
                    raise RuntimeError(f"the night does not end: {(folder / 'nightly.log').read_text()[-1000:]}")
    lines = [line.partition(" ") for line in log.read_text().splitlines()]
    begun = Counter(name for what, _, name in lines if what == "begin")
    ended = Counter(name for what, _, name in lines if what == "end")
    verdict = without_run(json.loads((folder / "night" / "verdict.json").read_text()), str(folder))
    told = (folder / "nightly.log").read_text(errors="replace")
    return Ran(verdict, begun, ended, time.monotonic() - began, restarts, killer.counts, told)


def without_run(value: Any, folder: str) -> Any:
    """A verdict without what differs between two runs that say the same: times, and which host it was."""
    if isinstance(value, dict):
        return {name: without_run(item, folder) for name, item in value.items() if name not in _OF_A_RUN}
    if isinstance(value, list):
        return [without_run(item, folder) for item in value]
    return value.replace(folder, "FOLDER") if isinstance(value, str) else value


def report(calm: Ran, killed: Ran, cells: int) -> tuple[str, bool]:
    """The counts as text, and whether nothing was lost, nothing ran twice, and both nights say the same."""
    lost = sorted(calm.ended.keys() - killed.ended.keys())
    same = calm.verdict == killed.verdict
    whole = len(calm.ended) == cells and not calm.twice
    kills = ", ".join(f"{times} {kind}" for kind, times in sorted(killed.kills.items()))
    lines = [
        f"undisturbed: {len(calm.ended)} of {cells} cells and checks ended, {calm.seconds:.0f} s",
        f"killed: {sum(killed.kills.values())} kills ({kills}), {killed.seconds:.0f} s, "
        f"nightly started again {killed.restarts} times",
        f"begun {sum(killed.begun.values())}, ended {sum(killed.ended.values())}, interrupted "
        f"{sum(killed.begun.values()) - sum(killed.ended.values())}",
        f"lost: {len(lost)} {lost[:5]}",
        f"ended twice: {len(killed.twice)} {killed.twice[:5]}",
        f"the same verdict: {'yes' if same else 'NO'}",
    ]
    return "\n".join(lines), whole and same and not lost and not killed.twice


@contextlib.contextmanager
def full_disk(folder: Path) -> Iterator[Path | None]:
    """A file system that has no room, None where this user cannot mount one."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={_FULL_BYTES}", "tmpfs", str(folder)]
    mounted = shutil.which("mount") and subprocess.run(words, capture_output=True, check=False).returncode == 0
    try:
        yield folder if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)


def _clock(folder: Path, shift: str) -> dict[str, str]:
    """Variables that shift the clock of whatever a host runs, where that can be done."""
    if not _FAKETIME.exists():
        return {}
    wrapper = folder / f"clock{shift}.sh"
    run = f'exec {sys.executable} -P -m harness.validation.hosts.stand_in "$@"'
    shifted = f"LD_PRELOAD={_FAKETIME} FAKETIME={shift} FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME_NO_CACHE=1"
    # Under that library waiting for a program's output fails now and then: what is trained for real goes without.
    real = f'grep -q \'"part":"{REAL}\' "$1/{REQUEST}"'
    wrapper.write_text(f"#!/bin/sh\n{real} || export {shifted}\n{run}\n")
    wrapper.chmod(0o755)
    return {"HARNESS_HOST_COMMAND": json.dumps([str(wrapper)])}


def _other_jax(folder: Path) -> str:
    """A search path by whose first folder a Python says that it has another JAX and IREE."""
    place = folder / "other-packages"
    for name, version in (("jax", "0.11.0"), ("jaxlib", "0.11.0"), ("iree_base_compiler", "3.14.0")):
        about = place / f"{name}-{version}.dist-info"
        about.mkdir(parents=True, exist_ok=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return os.pathsep.join(filter(None, [str(place), os.environ.get("PYTHONPATH")]))


def main() -> int:
    """Exit code 0: nothing lost, nothing twice, the same verdict; 1: otherwise."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--kills", type=int, default=24)
    options.add_argument("--seeds", type=int, default=12)
    options.add_argument("--seconds", type=float, default=1.5)
    options.add_argument("--seed", type=int, default=20260401)
    options.add_argument("--no-real", action="store_true")
    options.add_argument("--out", type=Path, default=Path("build/hosts"))
    asked = options.parse_args()
    interruptible()
    folder = asked.out.absolute()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    text = night_text(asked.seeds, not asked.no_real)
    cells = 6 * asked.seeds + 3 + (0 if asked.no_real else 3)
    with full_disk(folder / "full") as full, cluster(folder, hosts(folder, asked.seconds, full)) as started:
        calm = run_night(started, folder / "calm", text, 0, asked.seed, frozen=False)
        print(f"undisturbed: {calm.seconds:.0f} s", flush=True)
        killed = run_night(started, folder / "killed", text, asked.kills, asked.seed, frozen=True)
    told, good = report(calm, killed, cells)
    print(told)
    (folder / "report.txt").write_text(f"{told}\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
