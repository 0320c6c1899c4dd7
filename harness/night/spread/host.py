"""A host's side of a cluster: what it announces, and how it takes part until it is stopped."""

import json
import os
import random
import re
import secrets
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ContractError
from harness.night.spread.cluster import LOOPBACK, is_need, quiet_environment, require_answer
from harness.night.spread.courier import COMMAND, DIRECTORY, ENVIRONMENT, FOLDER
from harness.night.spread.engine import SLOT, announced
from harness.run.provenance import host_name
from harness.system.cache import cache_root
from harness.system.private import make_private
from harness.system.process import Child, Interruptions, run_module

DEFAULT_PORT = 6379
_STORE_BYTES = 512 << 20  # of memory for bundles on their way
_STARTED = "Ray runtime started"  # what the program `ray` prints then
TAKES_PART = "takes part in the cluster of"
_TRIES = 3  # to start, for a host that has not taken part yet
_AGAIN_S = 1.5


@dataclass(frozen=True)
class HostPlan:
    """How this host takes part. `head`: the address of the cluster's head; None: it is the head, on `port`.

    `ip`: its own address for the others; `slots`: the parts that it runs at a time; `folder`: where. `has`: what it
    announces, None to ask the backends.
    """

    head: str | None
    ip: str = LOOPBACK
    port: int = DEFAULT_PORT
    slots: int = 1
    folder: Path | None = None
    has: Mapping[str, int] | None = None

    @property
    def address(self) -> str:
        """Of the cluster's head."""
        return self.head or f"{self.ip}:{self.port}"


def resources(slots: int) -> dict[str, int]:
    """What this host announces, after asking each backend: those it has, and its slots."""
    return {SLOT: slots, **dict.fromkeys(announced(), slots)}


def take_part(plan: HostPlan, say: Callable[[str], None]) -> None:
    """Take part until an interruption; a host whose Ray ends, or whose head is lost, comes back.

    Raises: ContractError when it cannot.
    """
    _require_own(plan.ip)
    has = resources(plan.slots) if plan.has is None else plan.has
    environment = _environment(plan)
    _require_token(environment, may_make=plan.head is None, say=say)
    words = [*run_module("harness.night.spread.ray_start"), "start", "--block", f"--node-ip-address={plan.ip}"]
    words += [f"--resources={json.dumps(has)}", "--num-cpus=0", f"--object-store-memory={_STORE_BYTES}"]
    words += [f"--node-name={host_name()}"]
    if plan.head is None:
        words += ["--head", f"--port={plan.port}", "--include-dashboard=false"]
    else:
        host, port = require_answer(plan.head, "Start it there with `harness host --head`, before other hosts")
        words += [f"--address={host}:{port}"]
    with Interruptions() as interruptions:
        steady, failures = False, 0
        while not interruptions.received:
            child = Child(words, environment)
            there = False
            while not child.wait(0.2) and not interruptions.received:
                if not there and _STARTED in child.out.tail:
                    there = steady = True
                    needs = ", ".join(filter(is_need, has)) or "nothing to run parts on"
                    say(f"{TAKES_PART} {plan.address} with {needs}")
            if interruptions.received:
                child.stop(hurry=lambda: len(interruptions.received) > 1)
                return
            said = _reason(child.err.tail.strip() or child.out.tail.strip())
            failures += 1
            if not steady and failures == _TRIES:
                raise ContractError(f"{plan.address}: Ray cannot start here: {said[:300]}")
            say(f"Ray has ended ({said[:200]}); coming back")
            time.sleep(_AGAIN_S * (1 + random.random()))  # hosts that were lost together do not come back together


def _reason(said: str) -> str:
    """Of what Ray said last, the line of its error, which others may follow; else the last."""
    lines = said.splitlines() or ["no reason"]
    errors = [line for line in lines if re.match(r"[\w.]+(Error|Exception): ", line)]
    return (errors or lines)[-1]


def _environment(plan: HostPlan) -> dict[str, str]:
    """Variables of Ray and of the couriers that it starts: parts run with this Python, from this folder."""
    folder = plan.folder or cache_root() / "parts"
    make_private(folder)
    own = {
        COMMAND: json.dumps(run_module("harness.night.spread.unit")),
        FOLDER: str(folder.absolute()),
        DIRECTORY: str(Path.cwd()),
        ENVIRONMENT: json.dumps(dict(os.environ)),
    }
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**os.environ, **quiet_environment(), **{k: os.environ.get(k, v) for k, v in own.items()}, "PATH": path}


def _require_own(ip: str) -> None:
    """Raises: ContractError for what is no address of this host, of which Ray says something else."""
    try:
        with socket.socket() as probe:
            probe.bind((ip or "none", 0))  # an empty one would mean all of them
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise ContractError(f"--ip {ip!r}: no address of this host ({why}). `ip -brief address` lists them.") from None


def _require_token(environment: dict[str, str], *, may_make: bool, say: Callable[[str], None]) -> None:
    """Find the token of the cluster, or make one. Raises: ContractError."""
    given = environment.get("RAY_AUTH_TOKEN") or environment.get("RAY_AUTH_TOKEN_PATH")
    place = Path.home() / ".ray" / "auth_token"  # where Ray looks
    if environment["RAY_AUTH_MODE"] != "token" or given or place.exists():
        return
    if not may_make:
        raise ContractError(f"{place}: no such file; expected the cluster's token. Copy it from the head's {place}.")
    make_private(place.parent)
    place.touch(mode=0o600)
    place.write_text(secrets.token_hex(32))
    say(f"made the token of the cluster: {place}. Every host needs a copy of it.")
