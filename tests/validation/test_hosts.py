"""A slice of the campaign on hosts that are lost; all of it is `make hosts`."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.validation.hosts.campaign import PLAIN, run_night
from harness.validation.hosts.kills import COURIER, PROGRAM
from harness.validation.hosts.nodes import NodeSpec, cluster, descendants
from harness.validation.hosts.stand_in import LOG, SECONDS

LOOPBACK_IN_V6 = "0000000000000000FFFF00000100007F"
NIGHT = f"""
backends = ["cpu", "cuda", "rocm"]

[[verify]]
models = ["mnist_mlp"]
steps = 20
seed = 100
{PLAIN}
"""


def listening(pids: Sequence[int]) -> Iterator[str]:
    """The addresses on which processes wait for connections, as /proc has them."""
    inodes = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            inodes |= {str(link.readlink())[8:-1] for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and words[9] in inodes:
                yield words[1].partition(":")[0]


def test_kills_on_two_hosts_lose_nothing_and_run_nothing_twice(tmp_path: Path) -> None:
    work = {LOG: str(tmp_path / "cells.log"), SECONDS: "1"}
    unlike = [NodeSpec("a", ("backend:cpu",), variables=work), NodeSpec("b", ("backend:cuda",), variables=work)]
    with cluster(tmp_path, unlike) as started:
        pids = [pid for node in started.nodes.values() for pid in descendants(node.pid)]
        addresses = set(listening(pids))
        assert "0100007F" in addresses and addresses <= {"0100007F", LOOPBACK_IN_V6}
        ran = run_night(started, tmp_path / "night", NIGHT, 2, 1, frozen=False, mix=(COURIER, PROGRAM))
    assert len(ran.ended) == 4 and not ran.twice
    assert sum(ran.kills.values()) == 2 or not ran.begun - ran.ended
    assert "mnist_mlp.s100@rocm: no host of the cluster announces backend:rocm" in ran.log
    assert ran.verdict["headline"].startswith("4 pairs agree on 8 of 20 steps; 5 inconclusive")
