"""Ends and freezes what a night on several hosts consists of, at random moments."""

import contextlib
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

from harness.validation.hosts.nodes import SimulatedCluster, descendants

# What is killed, and how often of each ten or so.
COURIER, PROGRAM, HOST, HEAD, NIGHT = "courier", "part's program", "host", "head", "nightly"
MIX = (COURIER,) * 4 + (PROGRAM,) * 3 + (HOST,) * 3 + (HEAD,) * 1 + (NIGHT,) * 2
FROZEN_S = 15.0  # longer than hosts are waited for
_TEXTS = {COURIER: "ray::carry", PROGRAM: "hosts.stand_in", HOST: "raylet/raylet", HEAD: "gcs_server"}


class Killer:
    """Kills one thing after another in a thread of its own, until it is left or has killed so many.

    `hosts`: names of those that it may touch; `night`: the process of `harness nightly` at the moment.
    """

    def __init__(
        self,
        cluster: SimulatedCluster,
        hosts: Sequence[str],
        kills: int,
        seed: int,
        night: Callable[[], int | None],
        pause_s: tuple[float, float],
        frozen: bool,
        mix: Sequence[str] = MIX,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._cluster, self._hosts, self._night, self._pause_s = cluster, list(hosts), night, pause_s
        self._random = random.Random(seed)
        self._ahead = list(mix) * (kills // len(mix))
        self._ahead += self._random.sample(list(mix), kills % len(mix))
        self._random.shuffle(self._ahead)
        self._frozen = frozen
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Killer":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        freeze_at = len(self._ahead) // 2 if self._frozen else -1
        for number, kind in enumerate(self._ahead):
            if number == freeze_at:
                self._freeze()
            if self._over.wait(self._random.uniform(*self._pause_s)):
                return
            while not self._kill(kind):
                if self._over.wait(0.05):
                    return
            self.counts[kind] += 1

    def _kill(self, kind: str) -> bool:
        """Kill one of them with SIGKILL; False where there is none at the moment."""
        if kind == NIGHT:
            pid = self._night()
            found = [] if pid is None else [pid]
        elif kind == HEAD:
            found = self._cluster.processes("head", _TEXTS[HEAD])
        else:
            found = [pid for host in self._hosts for pid in self._cluster.processes(host, _TEXTS[kind])]
        if not found:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._random.choice(found), signal.SIGKILL)
            return True
        return False

    def _freeze(self) -> None:
        """Stop every process of a host for longer than the others wait for it, then let them go on."""
        host = self._random.choice(self._hosts)
        top = self._cluster.nodes[host].pid
        stopped = [top, *descendants(top)]
        for pid in stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        began = time.monotonic()
        while time.monotonic() - began < FROZEN_S and not self._over.wait(0.2):
            pass
        for pid in stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self.counts["frozen host"] += 1
