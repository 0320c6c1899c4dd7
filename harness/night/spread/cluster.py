"""Ways into a Ray cluster, and what is said when one is closed. Ray is imported where it is used."""

import logging
import os
import socket
import time
from typing import Any

from harness.errors import ContractError

LOOPBACK = "127.0.0.1"
_LOCAL_NAMES = (LOOPBACK, "localhost", "::1")
_CONNECT_S = 5.0
_AWAIT_S = 300.0
NEED = "backend:"  # what a host announces, and a part asks for, begins with it


def read_address(text: str) -> tuple[str, int]:
    """Host and port of HOST:PORT. Raises: ContractError."""
    host, colon, port = text.rpartition(":")
    if not (colon and host and port.isdigit() and 0 < int(port) < 1 << 16):
        raise ContractError(f"{text!r}: no address of a cluster; expected HOST:PORT, such as 10.0.0.1:6379.")
    return (LOOPBACK if host in _LOCAL_NAMES else host), int(port)


def require_answer(address: str, advice: str) -> tuple[str, int]:
    """Host and port of a cluster's head that something answers at; Ray itself would try for minutes.

    Raises: ContractError with the advice.
    """
    host, port = read_address(address)
    try:
        socket.create_connection((host, port), _CONNECT_S).close()
    except OSError as error:
        raise ContractError(f"{address}: no cluster answers there ({error.strerror or error}). {advice}.") from None
    return host, port


def stay_on_loopback() -> None:
    """Make Ray take 127.0.0.1 for the address of this host.

    It would put the address of a network card in its place, and its servers would listen on every one of them.
    """
    from ray._private import services

    services.get_node_ip_address = lambda address=None: LOOPBACK


def quiet_environment() -> dict[str, str]:
    """Variables for every process of Ray's: a token is asked for, and nobody is told of its use.

    What the user has set stays.
    """
    wanted = {
        "RAY_AUTH_MODE": "token",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_worker_niceness": "0",  # a part runs as it would without Ray
        "RAY_gcs_rpc_server_reconnect_timeout_s": "15",  # without a head, a host and whoever is connected end
    }
    return {name: os.environ.get(name, value) for name, value in wanted.items()}


def connect(address: str) -> Any:
    """The module `ray`, connected to the cluster whose head has that address.

    Raises: ContractError for a cluster that does not answer, has another Ray or Python, does not know the token, or
    that this host has not joined.
    """
    join = f"Start it with `harness host --head`, or join it with `harness host {address}`"
    host, port = require_answer(address, join)
    os.environ.update(quiet_environment())
    import ray

    if host == LOOPBACK:
        stay_on_loopback()
    try:
        ray.init(address=f"{host}:{port}", log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
    except Exception as error:  # of many kinds, some without a class of their own
        raise ContractError(_told(address, str(error), join)) from None
    return ray


def await_hosts(address: str, number: int) -> list[str]:
    """A line for each host that can run parts, once there are so many. Raises: ContractError when they do not come."""
    ray = connect(address)
    deadline = time.monotonic() + _AWAIT_S
    try:
        while True:
            there = [node for node in ray.nodes() if node["Alive"] and any(map(is_need, node["Resources"]))]
            if len(there) >= number:
                break
            if time.monotonic() > deadline:
                raise ContractError(f"{address}: {len(there)} of {number} hosts take part after {_AWAIT_S:.0f} s.")
            time.sleep(0.5)
    finally:
        ray.shutdown()
    return sorted(
        f"{node['NodeName'] or node['NodeManagerAddress']}: {', '.join(sorted(filter(is_need, node['Resources'])))}"
        for node in there
    )


def is_need(resource: str) -> bool:
    """Whether a resource is one that parts of a night ask for."""
    return resource.startswith(NEED)


def _told(address: str, said: str, join: str) -> str:
    """One line about an error of Ray's."""
    lines = [line.strip() for line in said.splitlines() if line.strip()] or ["it did not say why"]
    if "ersion mismatch" in said:
        return f"{address}: the cluster has another Ray or Python than this host: {' '.join(lines)[:400]}"
    if "token" in said.lower() or "nauthenticated" in said:
        return f"{address}: the cluster does not know this host's token: {lines[0][:200]} See docs/hosts.md."
    if "Failed to connect to Ray cluster" in said:  # something did answer
        return (
            f"{address}: what answers there does not let this host in: it is no head of a cluster, or has another "
            "token than ~/.ray/auth_token, RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH say here. See docs/hosts.md."
        )
    return f"{address}: cannot take part in this cluster: {lines[0][:200]}. {join}."
