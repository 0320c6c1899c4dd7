"""The way into a cluster, and the one line where there is none."""

import json
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness import cli
from harness.errors import ContractError
from harness.night.spread import cluster, engine, host
from harness.night.spread.courier import COMMAND, DIRECTORY, ENVIRONMENT, FOLDER
from harness.run.probing import Presence
from tests.support.nights import CHECK


@pytest.fixture
def nobody() -> str:
    """An address where nothing answers."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{one.getsockname()[1]}"


@pytest.mark.parametrize("text", ["", "10.0.0.1", "host:", ":6379", "host:0", "host:70000", "host:port"])
def test_what_is_no_address_is_one_line(text: str) -> None:
    with pytest.raises(ContractError, match="no address of a cluster; expected HOST:PORT"):
        cluster.read_address(text)


@pytest.mark.parametrize("ip", ["", "192.0.2.1", "no.such.host.invalid"])
def test_what_is_no_address_of_this_host_is_one_line(ip: str) -> None:
    found = CliRunner().invoke(cli.main, ["host", "--head", "--ip", ip])
    assert found.exit_code == 2
    assert f"--ip '{ip}': no address of this host" in found.output


def test_this_host_by_any_name_is_its_loopback() -> None:
    assert {cluster.read_address(f"{name}:1") for name in ("localhost", "127.0.0.1")} == {("127.0.0.1", 1)}


def test_a_night_on_a_cluster_that_is_not_there_ends_at_once(tmp_path: Path, nobody: str) -> None:
    config = tmp_path / "night.toml"
    config.write_text(CHECK)
    words = ["nightly", str(config), "--out", str(tmp_path / "night"), "--engine", f"ray://{nobody}"]
    found = CliRunner().invoke(cli.main, words)
    assert found.exit_code == 2
    assert f"harness: {nobody}: no cluster answers there (Connection refused). Start it with" in found.output
    assert not (tmp_path / "night" / "verdict.json").exists()


def test_a_host_whose_head_is_not_there_says_so_at_once(
    tmp_path: Path, nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "secret")
    plan = host.HostPlan(head=nobody, folder=tmp_path / "parts", has={})
    with pytest.raises(ContractError, match=r"no cluster answers there \(Connection refused\)\. Start it there with"):
        host.take_part(plan, print)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "Version mismatch: The cluster was started with:\n    Ray: 2.59.0\n    Python: 3.11.7",
            "a: the cluster has another Ray or Python than this host: Version mismatch: The cluster was started with: "
            "Ray: 2.59.0 Python: 3.11.7",
        ),
        (
            "Invalid auth token.",
            "a: the cluster does not know this host's token: Invalid auth token. See docs/hosts.md.",
        ),
        (
            "Failed to connect to Ray cluster at a",
            "a: what answers there does not let this host in: it is no head of a cluster, or has another token than "
            "~/.ray/auth_token, RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH say here. See docs/hosts.md.",
        ),
        ("", "a: cannot take part in this cluster: it did not say why. Join."),
    ],
)
def test_what_ray_says_is_one_line(said: str, told: str) -> None:
    assert cluster._told("a", said, "Join") == told


@pytest.mark.parametrize("words", [[], ["--head", "10.0.0.1:1"], ["--head", "--await", "1"]])
def test_a_host_is_a_head_or_joins_one(words: list[str]) -> None:
    found = CliRunner().invoke(cli.main, ["host", *words])
    assert found.exit_code == 2
    assert found.output.startswith("harness: expected either --head, to begin a cluster, or HOST:PORT")


def test_a_host_announces_what_a_pipeline_can_use(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {("cpu", "phase2"), ("rocm", "phase3")}
    monkeypatch.setattr(
        engine, "presence", lambda name, pipeline: Presence("x" if (name, pipeline) in there else None, "")
    )
    found = CliRunner().invoke(cli.main, ["host", "--resources", "--slots", "3"])
    assert json.loads(found.output) == {"cell-slot": 3, "backend:cpu": 3, "backend:rocm": 3}


def test_a_host_hands_on_its_own_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    found = host._environment(host.HostPlan(None, folder=tmp_path / "parts"))
    assert found["RAY_AUTH_MODE"] == "token" and found["RAY_worker_niceness"] == "0"
    assert (found[FOLDER], found[DIRECTORY]) == (str(tmp_path / "parts"), str(tmp_path))
    assert json.loads(found[ENVIRONMENT])["CUDA_VISIBLE_DEVICES"] == "1"
    assert json.loads(found[COMMAND])[-1] == "harness.night.spread.unit"
    assert (tmp_path / "parts").stat().st_mode & 0o077 == 0


def test_only_a_head_makes_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    asks = {"RAY_AUTH_MODE": "token"}
    with pytest.raises(ContractError, match="no such file; expected the cluster's token"):
        host._require_token(asks, may_make=False, say=print)
    host._require_token(asks, may_make=True, say=print)
    token = tmp_path / ".ray" / "auth_token"
    assert token.stat().st_mode & 0o077 == 0 and len(token.read_text()) == 64
    host._require_token(asks, may_make=False, say=print)
