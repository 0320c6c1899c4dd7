"""Workers of modules in this process: what they compute and say is theirs, and nothing is started or imported again.

That a worker is a process, which may end by any means, is tested in `tests/module/test_execute.py`.
"""

import json
import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from harness.errors import BackendError, HarnessError
from harness.module import execute, session, worker
from harness.module.executors import WORKER
from harness.module.task import ABSENT, REFUSED, ModuleTask, task_path
from harness.system.jobs import MARKER
from harness.system.process import Child
from tests.support.faulty_worker import spoiler
from tests.support.paths import ROOT

FAULTY_WORKER = (sys.executable, str(ROOT / "tests" / "support" / "faulty_worker.py"))
_KEPT = 64  # compiled modules
_compiled: OrderedDict[tuple[Any, ...], Any] = OrderedDict()


class WorkerHere:
    """In the place of `Child`: a worker that does a task in this process when it is waited for."""

    def __init__(self, given: Path, prepare: Callable[[ModuleTask], ModuleTask]) -> None:
        self._given = given
        self._prepare = prepare
        self._numbers = count()
        self._next = next(self._numbers)
        self.out = SimpleNamespace(marked=None, tail="")
        self.err = SimpleNamespace(tail="")
        self.returncode = 0

    def wait(self, seconds: float) -> bool:
        """Do the task of a file and end; or the next one of a folder, and go on."""
        if self._given.is_dir():
            path = task_path(self._given, self._next)
            if path.exists():
                self._do(path, {"task": self._next})
                self._next = next(self._numbers)
            return False
        self.returncode = self._do(self._given, {})
        return True

    def stop(self, patience: float = 0.0) -> None:
        """There is nothing to stop."""

    def _do(self, path: Path, number: dict[str, int]) -> int:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(worker, "answer", self._answer)
            patch.setattr(worker, "_load", _load)
            try:
                worker.perform(self._prepare(msgspec.json.decode(path.read_bytes(), type=ModuleTask)))
            except HarnessError as error:
                absent = isinstance(error, BackendError)
                self.err.tail = " ".join(str(error).split())
                if number:
                    self._answer(number | {"absent" if absent else "refused": self.err.tail})
                return ABSENT if absent else REFUSED
        return 0

    def _answer(self, value: Any) -> None:
        self.out.marked = (MARKER + json.dumps(value)).encode()


def _load(task: ModuleTask) -> Any:
    """A compiled module, which is that of an earlier task, also of another test, with the same text."""
    key = Path(task.module).read_text(), task.function, task.driver, task.flags, task.device, task.chip
    if key not in _compiled:
        _compiled[key] = worker._LOADERS[task.driver](task)
        if len(_compiled) > _KEPT:
            _compiled.popitem(last=False)
    return _compiled[key]


def start_worker(command: Sequence[str], environment: Mapping[str, str], **options: Any) -> Any:
    """As `Child`; a worker, also a faulty one, is one of this process."""
    *words, given = command
    if tuple(words) == WORKER:
        return WorkerHere(Path(given), lambda task: task)
    if tuple(words[:2]) == FAULTY_WORKER:
        return WorkerHere(Path(given), spoiler(*words[2:]))
    return Child(command, environment, **options)


def stay_here(patch: pytest.MonkeyPatch) -> None:
    """Let modules be compiled and run in this process, as long as `patch` holds."""
    for module in (execute, session):
        patch.setattr(module, "Child", start_worker)
