"""The engine on a Ray cluster. Ray is in a process of its own: when the head of its cluster is lost, Ray ends whoever
is connected to it. The next such process goes on, since all that is known lies in files and in the hosts' folders.
"""

import contextlib
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Sequence
from importlib.util import find_spec

import msgspec

from harness.errors import ContractError, PackageError
from harness.night.run import Budget
from harness.night.spread.engine import PartEvent, PartOrder, guard_text
from harness.night.spread.parts import Request
from harness.system.process import GRACE_S, Interruptions, run_module, with_parent

PATIENCE_S = 120.0  # for a head that is lost to be there again, and for the last host that has what a part needs
LOCAL = "127.0.0.1:6379"
REFUSED, BROKEN = 2, 3  # exit codes of a dispatcher: the cluster cannot be used, or this host; it says why
_MODULE = "harness.night.spread.dispatch"
_TAIL = 1 << 14  # bytes of what it says


class DispatchOrder(msgspec.Struct, kw_only=True, frozen=True):
    """A part for the dispatcher. `request`: of its host; `bundle`: the path of the file where its bundle goes."""

    name: str
    key: str
    need: str
    request: Request
    bundle: str


class Dispatch(msgspec.Struct, kw_only=True, frozen=True):
    """What the dispatcher is asked. `known`: needs that some host of this night has announced. Units: seconds."""

    address: str
    orders: list[DispatchOrder]
    guard: str
    patience_s: float
    begin_within_s: float | None
    known: list[str]


class RayEngine:
    """On the hosts of a cluster by the address of its head, HOST:PORT; without one RAY_ADDRESS, else that of this host.

    `patience_s`: for what is lost to come back.

    Raises: PackageError where Ray is not installed.
    """

    def __init__(self, address: str | None = None, patience_s: float = PATIENCE_S) -> None:
        if find_spec("ray") is None:
            raise PackageError("the package ray is not installed. Run `pip install 'training-trace-harness[ray]'`.")
        self._address = address or os.environ.get("RAY_ADDRESS") or LOCAL
        self._patience_s = patience_s

    def run(
        self,
        orders: Sequence[PartOrder],
        budget: Budget,
        on_event: Callable[[PartEvent], None],
        known: Collection[str] = (),
    ) -> None:
        """Start dispatchers until every part has an event that ends it."""
        left = {order.part.name: order for order in orders}
        known = set(known)
        lost_at: float | None = None
        while left:
            asked = Dispatch(
                address=self._address,
                orders=[_order(order) for order in left.values()],
                guard=guard_text(),
                patience_s=self._patience_s,
                begin_within_s=None if budget.minutes is None else 60 * (budget.left_minutes() or 0.0),
                known=sorted(known),
            )
            before = len(left)
            code, said = _dispatch(asked, left, known, on_event)
            if not left:
                return
            now = time.monotonic()
            if code == BROKEN or (code == REFUSED and not known):
                raise ContractError(said)
            if lost_at is None or len(left) < before:
                lost_at = now
                on_event(
                    PartEvent(kind="note", why=f"the head of the cluster at {self._address} was lost; waiting for it")
                )
            if now - lost_at > self._patience_s:
                raise ContractError(
                    f"the head of the cluster at {self._address} was lost. What ran is kept: start the head, and go "
                    "on with the same command."
                )
            time.sleep(1.0)


def _order(order: PartOrder) -> DispatchOrder:
    part = order.part
    bundle = str(order.bundle)
    return DispatchOrder(name=part.name, key=part.key, need=part.need, request=part.request(None), bundle=bundle)


def _dispatch(
    asked: Dispatch, left: dict[str, PartOrder], known: set[str], on_event: Callable[[PartEvent], None]
) -> tuple[int, str]:
    """Run a dispatcher to its end: exit code and last line. An interruption stops it and takes effect."""
    lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    with Interruptions() as interruptions, tempfile.TemporaryFile() as said:
        child = subprocess.Popen(
            with_parent(run_module(_MODULE)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            start_new_session=True,
        )
        reader = threading.Thread(target=_converse, args=(child, msgspec.json.encode(asked), lines), daemon=True)
        reader.start()
        try:
            while not interruptions.received:
                try:
                    line = lines.get(timeout=0.2)
                except queue.Empty:
                    continue
                if line is None:
                    break
                event = msgspec.json.decode(line, type=PartEvent)
                if event.kind == "known":
                    known.add(event.why)
                on_event(event)
                if event.kind not in ("began", "note", "known"):
                    del left[event.part]
        finally:
            _end(child, 0.0 if interruptions.received else GRACE_S)
            reader.join()
        said.seek(max(0, said.tell() - _TAIL))
        told = said.read().decode(errors="replace").strip().splitlines()
    return child.returncode, told[-1].removeprefix("harness: ") if told else "the engine did not say why"


def _converse(child: "subprocess.Popen[bytes]", asked: bytes, lines: "queue.SimpleQueue[bytes | None]") -> None:
    assert child.stdin is not None and child.stdout is not None
    with contextlib.suppress(BrokenPipeError), child.stdin:
        child.stdin.write(asked)
    with child.stdout:
        for line in child.stdout:
            if line.startswith(b"{"):
                lines.put(line)
    lines.put(None)


def _end(child: "subprocess.Popen[bytes]", patience_s: float) -> None:
    """Let it end by itself within that time, or by being asked; its whole group goes with it."""
    try:
        child.wait(timeout=patience_s)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=GRACE_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
