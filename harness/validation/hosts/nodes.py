"""Hosts of a cluster that are processes of this machine, on loopback: each with resources, a folder and variables."""

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.night.spread.courier import COMMAND, FOLDER
from harness.night.spread.engine import SLOT
from harness.night.spread.host import TAKES_PART, HostPlan, take_part
from harness.system.process import interruptible, run_module, with_parent

# So that what is lost is noticed in seconds.
_QUICK = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "4",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "5",
    "RAY_ENABLE_AUTO_CONNECT": "0",
}
_STARTED_S = 120.0


@dataclass(frozen=True)
class NodeSpec:
    """A simulated host. `needs`: what it announces; `variables`: of whatever it runs."""

    name: str
    needs: tuple[str, ...] = ()
    slots: int = 1
    variables: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = run_module("harness.validation.hosts.stand_in")


class SimulatedCluster:
    """A head and hosts, in a folder. Everything ends with it. Raises: TimeoutError when a host does not start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.environment = {**os.environ, **_QUICK, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        self.nodes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, spec: NodeSpec, *, head: bool = False) -> None:
        """Start a host; it comes back by itself when its Ray ends."""
        work = self.folder / "hosts" / spec.name
        work.mkdir(parents=True, exist_ok=True)
        own = {"HARNESS_HOST": spec.name, FOLDER: str(work), COMMAND: json.dumps(spec.command), **spec.variables}
        has = {SLOT: spec.slots, **dict.fromkeys(spec.needs, spec.slots)} if spec.needs else {}
        words = [*run_module("harness.validation.hosts.nodes"), self.address, "head" if head else "host"]
        with (self.folder / f"{spec.name}.log").open("wb") as log:
            self.nodes[spec.name] = subprocess.Popen(
                with_parent([*words, str(self.port), json.dumps(has)]),
                env={**self.environment, **own},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def await_host(self, name: str) -> None:
        """Wait until a host takes part. Raises: TimeoutError."""
        log = self.folder / f"{name}.log"
        deadline = time.monotonic() + _STARTED_S
        while TAKES_PART not in log.read_text():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{name} did not start: {log.read_text()[-500:]}")
            time.sleep(0.1)

    def processes(self, name: str, text: str) -> list[int]:
        """Those below a host whose command line has the text."""
        return [pid for pid in descendants(self.nodes[name].pid) if text in command_line(pid)]

    def __enter__(self) -> "SimulatedCluster":
        return self

    def __exit__(self, *error: object) -> None:
        for process in self.nodes.values():
            below = descendants(process.pid)
            for number in (signal.SIGCONT, signal.SIGKILL):
                for pid in [process.pid, *below]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, number)
            process.wait()


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, and those that these have."""
    found: list[int] = []
    ahead = [pid]
    while ahead:
        one = ahead.pop()
        with contextlib.suppress(OSError):
            for thread in Path(f"/proc/{one}/task").iterdir():
                below = [int(word) for word in (thread / "children").read_text().split()]
                found += below
                ahead += below
    return found


def command_line(pid: int) -> str:
    """The words of a process, empty where it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


@contextlib.contextmanager
def cluster(folder: Path, specs: Sequence[NodeSpec]) -> Iterator[SimulatedCluster]:
    """A head without cells of its own, and the hosts."""
    with SimulatedCluster(folder) as started:
        started.start(NodeSpec("head"), head=True)
        started.await_host("head")
        for spec in specs:  # one after another: Ray tells hosts apart by their addresses while they start
            started.start(spec)
            started.await_host(spec.name)
        yield started


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def main(address: str, role: str, port: str, has: str) -> None:
    """Take part as a host, until it is stopped."""
    interruptible()
    head = None if role == "head" else address
    plan = HostPlan(head, port=int(port), has=json.loads(has))
    take_part(plan, lambda line: print(line, flush=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
