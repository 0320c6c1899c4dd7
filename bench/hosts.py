"""Many short parts on hosts of unlike backends: what the engine adds to each, and the share of the ideal makespan.

    python -m bench.hosts [--parts 1000] [--seconds 1] [--out FOLDER]

Eight simulated hosts, four with `cpu` alone, two with `cuda` and two with `rocm` beside it; half of the parts ask for
`cpu` and a quarter for each of the others, so that every host is busy all the time in the best of cases.
"""

import argparse
import contextlib
import datetime
import os
import shutil
import sys
import time
from pathlib import Path

from harness.night.folder import NightFolder, begin
from harness.night.run import Budget
from harness.night.spread.ray_engine import RayEngine
from harness.night.spread.run import run_spread
from harness.validation.hosts.nodes import NodeSpec, cluster, descendants

HOSTS = {f"h{k}": ("cpu", *((("cuda",), ("rocm",))[k % 2] if k >= 4 else ())) for k in range(8)}
ASKED = ("cpu", "cuda", "cpu", "rocm")


def cpu_seconds() -> float:
    """Seconds of processor time that this process and all below it have used, and those that they have waited for."""
    ticks = 0
    for pid in (os.getpid(), *descendants(os.getpid())):
        with contextlib.suppress(OSError):
            ticks += sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--parts", type=int, default=1000)
    options.add_argument("--seconds", type=float, default=1.0)
    options.add_argument("--out", type=Path, default=Path("build/bench-hosts"))
    asked = options.parse_args()
    folder = asked.out.absolute()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    text = "\n".join(
        f'[[check]]\nname = "c{k:04}"\nbackend = "{ASKED[k % 4]}"\ncommand = ["python"]\n' for k in range(asked.parts)
    )
    light = str(Path(__file__).with_name("light_part.py"))
    specs = [
        NodeSpec(
            name,
            tuple(f"backend:{backend}" for backend in backends),
            variables={"BENCH_SECONDS": str(asked.seconds)},
            command=(sys.executable, "-I", "-S", light),
        )
        for name, backends in HOSTS.items()
    ]
    night = NightFolder(folder / "night")
    night.path.mkdir()
    said: list[tuple[float, str]] = []
    with cluster(folder, specs) as started:
        for name, value in started.environment.items():
            if name.startswith("RAY_"):
                os.environ[name] = value
        plan = begin(night, text, datetime.datetime.now(datetime.UTC).replace(microsecond=0), spread=True)
        began, used = time.monotonic(), cpu_seconds()
        run_spread(
            night,
            plan,
            RayEngine(started.address),
            Budget(None),
            lambda line: said.append((time.monotonic() - began, line)),
            folder,
        )
        whole, used = time.monotonic() - began, cpu_seconds() - used
    landed = [when for when, line in said if line.startswith("part ")]
    ideal = asked.seconds * asked.parts / len(HOSTS)
    busy = landed[-1] - (landed[0] - asked.seconds)  # from when the first began to work
    print(f"{len(landed)} of {asked.parts} parts of {asked.seconds:g} s on {len(HOSTS)} hosts, one each at a time")
    print(f"first result after {landed[0]:.1f} s, last after {landed[-1]:.1f} s, put together after {whole:.1f} s")
    print(f"makespan {busy:.1f} s, ideal {ideal:.1f} s: {ideal / busy:.0%} of the ideal")
    print(f"overhead {1000 * (busy * len(HOSTS) / asked.parts - asked.seconds):.0f} ms a part on its host")
    print(f"processor time {1000 * used / asked.parts:.0f} ms a part: hosts, parts, engine and landing")
    print(f"on {os.cpu_count()} cores with a load of {os.getloadavg()[1]:.1f}, of which this is a part")
    return 0 if len(landed) == asked.parts else 1


if __name__ == "__main__":
    sys.exit(main())
