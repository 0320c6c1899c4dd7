"""A slice of the campaign on hosts that are lost; all of it is `make hosts`."""

from pathlib import Path

from harness.validation.hosts.campaign import PLAIN, run_night
from harness.validation.hosts.kills import COURIER, PROGRAM
from harness.validation.hosts.nodes import NodeSpec, cluster
from harness.validation.hosts.stand_in import LOG, SECONDS

NIGHT = f"""
backends = ["cpu", "cuda", "rocm"]

[[verify]]
models = ["mnist_mlp"]
steps = 20
seed = 100
{PLAIN}
"""


def test_kills_on_two_hosts_lose_nothing_and_run_nothing_twice(tmp_path: Path) -> None:
    work = {LOG: str(tmp_path / "cells.log"), SECONDS: "1"}
    unlike = [NodeSpec("a", ("backend:cpu",), variables=work), NodeSpec("b", ("backend:cuda",), variables=work)]
    with cluster(tmp_path, unlike) as started:
        ran = run_night(started, tmp_path / "night", NIGHT, 2, 1, frozen=False, mix=(COURIER, PROGRAM))
    assert len(ran.ended) == 4 and not ran.twice
    assert sum(ran.kills.values()) == 2 or not ran.begun - ran.ended
    assert "mnist_mlp.s100@rocm: no host of the cluster announces backend:rocm" in ran.log
    assert ran.verdict["headline"].startswith("4 pairs agree on 8 of 20 steps; 5 inconclusive")
