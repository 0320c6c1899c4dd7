"""A program in a process group of its own: its output read within bounds, its end certain."""

import contextlib
import errno
import os
import selectors
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Self

from harness.system.survivors import held_bytes, kill_survivors, mark

GRACE_S = 5.0  # between asking a program to stop and killing it
LINE_BYTES = 4096  # of a line of output, at most so much is looked at
_CHUNK = 1 << 16
_WITH_PARENT = (sys.executable, "-I", "-S", str(Path(__file__).with_name("with_parent.py")))
_DRAIN_S = 1.0  # for what is still in the pipes of a program that has ended


class Output:
    """Output of a program on one pipe: the newest `keep` bytes, and the last line that starts with `marker`."""

    def __init__(self, pipe: IO[bytes], keep: int, marker: bytes = b"") -> None:
        self.pipe = pipe
        self.marked: bytes | None = None
        self._keep = keep
        self._marker = marker
        self._tail = b""
        self._line = b""
        os.set_blocking(pipe.fileno(), False)

    @property
    def tail(self) -> str:
        """The end of the output as text."""
        return self._tail.decode(errors="replace").replace("\0", "")

    def read(self) -> bool:
        """Take what there is; False when the pipe has ended."""
        try:
            new = self.pipe.read(_CHUNK)
        except OSError:
            return False
        if new is None:  # nothing there yet
            return True
        self._tail = (self._tail + new)[-self._keep :]
        if self._marker:
            *lines, rest = (self._line + new).split(b"\n")
            self.marked = next((line for line in reversed(lines) if line.startswith(self._marker)), self.marked)
            self._line = rest[:LINE_BYTES]
        return bool(new)


class Child:
    """A running program, leader of a session of its own. It does not outlive this process, however that ends.

    Whatever it has started ends with it.

    Raises: OSError when it cannot be started, ValueError when its arguments cannot be passed.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], keep: int = 1 << 13, marker: bytes = b""
    ) -> None:
        _check_program(command, environment)
        marked, self._mark = mark(environment)
        self._process = subprocess.Popen(
            with_parent(command),
            env=marked,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self.out = Output(self._process.stdout, keep, marker)
        self.err = Output(self._process.stderr, keep)
        self._selector = selectors.DefaultSelector()
        for output in (self.out, self.err):
            self._selector.register(output.pipe, selectors.EVENT_READ, output)

    @property
    def returncode(self) -> int:
        """Exit code, or minus the signal; only after its end."""
        return self._process.returncode

    def held_bytes(self) -> int:
        """What it and all that it has started hold in memory."""
        return held_bytes(self._process.pid, self._mark)

    def wait(self, seconds: float) -> bool:
        """Read output for at most so long; True when the program has ended, and then nothing of it is left."""
        if not self._selector.get_map():  # it closed its pipes and goes on
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
        for key, _ in self._selector.select(seconds) if self._selector.get_map() else ():
            self._read(key)
        if self._process.poll() is None:
            return False
        self._finish()
        return True

    def stop(self, patience: float = GRACE_S, hurry: Callable[[], bool] = lambda: False) -> None:
        """Ask the whole group to end; kill it after so many seconds, or as soon as `hurry` is true."""
        self._signal_group(signal.SIGTERM)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and not hurry():
            if self.wait(0.05):
                return
        self._signal_group(signal.SIGKILL)
        self._process.wait()
        self._finish()

    def _finish(self) -> None:
        """Kill what the program left running and read what is left in its pipes."""
        self._signal_group(signal.SIGKILL)
        kill_survivors(self._process.pid, self._mark)
        deadline = time.monotonic() + _DRAIN_S
        while time.monotonic() < deadline and (ready := self._selector.select(0)):
            for key, _ in ready:
                self._read(key)
        self._selector.close()
        for output in (self.out, self.err):
            output.pipe.close()

    def _read(self, key: selectors.SelectorKey) -> None:
        if not key.data.read():
            self._selector.unregister(key.fileobj)

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


def with_parent(command: Sequence[str]) -> list[str]:
    """The words that run a command which the system kills when this process ends, however that is."""
    return [*_WITH_PARENT, str(os.getpid()), *command]


def run_module(name: str, python: str = sys.executable) -> tuple[str, ...]:
    """The words that run a module, of the installed package whatever lies in the working folder.

    Python would put that folder first among the places where modules are looked for, and a file `numpy.py` there would
    run in the place of numpy.
    """
    return (python, "-P", "-m", name)


@dataclass(frozen=True)
class Captured:
    """Exit code of a program, and the ends of its outputs."""

    code: int
    out: str
    err: str


def capture(command: Sequence[str], environment: Mapping[str, str], timeout_s: float) -> Captured | None:
    """Run a program to its end; None when it did not come to it in time and was stopped.

    An interruption stops it and takes effect. Raises: as `Child`.
    """
    child = Child(command, environment, keep=1 << 22)
    deadline = time.monotonic() + timeout_s
    with Interruptions() as interruptions:
        while not child.wait(0.1):
            if interruptions.received or time.monotonic() > deadline:
                child.stop(hurry=lambda: len(interruptions.received) > 1)
                return None
    return Captured(child.returncode, child.out.tail, child.err.tail)


def _check_program(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Raise the system's own error for a command, which is lost once another program starts it."""
    if not command:
        raise ValueError("expected a program")
    if any("\0" in word for word in command):
        raise ValueError("embedded null byte")
    if shutil.which(command[0], path=environment.get("PATH")) is None:
        number = errno.EACCES if os.path.lexists(command[0]) else errno.ENOENT
        raise OSError(number, os.strerror(number), command[0])


class Interruptions:
    """Inside it, SIGINT, SIGTERM and SIGHUP are noted in `received` and take effect on leaving.

    So nothing cuts short the stopping of a program and the writing of its files. A context manager; outside the main
    thread, where no signal arrives, it does nothing.
    """

    def __init__(self) -> None:
        self.received: list[int] = []
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                before = signal.getsignal(number)
                if before not in (signal.SIG_IGN, None):  # ignored: whoever started us wants that
                    self._before[number] = before
                    signal.signal(number, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)  # type: ignore[arg-type]  # what getsignal gave, typed as object
        if self.received:
            signal.raise_signal(self.received[0])

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received.append(number)


def interruptible() -> None:
    """Let SIGTERM and SIGHUP raise KeyboardInterrupt, as SIGINT does."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # ignored under nohup, and has to stay so
            signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def signal_name(number: int) -> str:
    """Name of a signal, or its number where it has none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
