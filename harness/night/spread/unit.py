"""`python -m harness.night.spread.unit FOLDER`: runs a part of a night on this host, and seals what it leaves.

The folder holds the request. It is kept until the results have arrived where they were asked for: what is interrupted
goes on there, and what has ended does not run again.
"""

import contextlib
import datetime
import errno
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from harness.errors import ContractError, HarnessError
from harness.night.bundle.gather import gather
from harness.night.bundle.write import write_bundle
from harness.night.folder import Night, NightFolder, begin
from harness.night.run import Budget, Say, run_night
from harness.night.spread.courier import BUNDLE, NO_ROOM, OUTCOME, REQUEST
from harness.night.spread.parts import Request
from harness.run.provenance import host_name
from harness.system.files import write_json
from harness.system.lock import exclusive
from harness.system.process import interruptible
from harness.system.text import escape_control
from harness.trace.store import read_store

ROOM = 64 << 20  # bytes that have to be free before a part begins
_ENDS_WITHIN_S = 30.0  # a program whose courier was lost
_FULL = (errno.ENOSPC, errno.EDQUOT)


class PartOutcome(msgspec.Struct, kw_only=True, frozen=True):
    """How a part ended. `final`: nothing of it would run if it went on; `complete` of so many `cells`."""

    host: str
    final: bool
    cells: int
    complete: int


RunNight = Callable[[NightFolder, Night, Budget, Say, Path], None]


def run_part(folder: Path, run: RunNight = run_night) -> PartOutcome:
    """Run what the request in the folder asks for, and seal it. `run`: what runs the night that it is.

    Raises: HarnessError, OSError.
    """
    request = msgspec.json.decode((folder / REQUEST).read_bytes(), type=Request)
    if (free := shutil.disk_usage(folder).free) < ROOM:
        raise OSError(errno.ENOSPC, f"no room for a part: {free >> 20} MiB free, {ROOM >> 20} needed", str(folder))
    for name, text in request.files.items():
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    night_folder = NightFolder(folder / "night")
    night_folder.path.mkdir(exist_ok=True)
    budget = Budget(request.minutes)
    with contextlib.ExitStack() as stack:
        _hold(folder, stack)
        (folder / OUTCOME).unlink(missing_ok=True)
        night = begin(night_folder, request.config, datetime.datetime.now(datetime.UTC).replace(microsecond=0))
        run(night_folder, night, budget, _say, folder)
        cells = read_store([night_folder.traces]).cells if night_folder.traces.is_dir() else ()
        if any(_is_for_want_of_room(cell.manifest.reason or "") for cell in cells):
            shutil.rmtree(night_folder.path)  # or its cells would pass for ones that have ended
            raise OSError(errno.ENOSPC, "no room left while the part ran", str(folder))
        write_bundle(folder / BUNDLE, gather([night_folder.path]))
        final = budget.refusal() is None and not night_folder.read_problems()
        counted = [cell for cell in cells if cell.counts]
        complete = sum(cell.complete for cell in counted)
        outcome = PartOutcome(host=host_name(), final=final, cells=len(counted), complete=complete)
        write_json(folder / OUTCOME, outcome)
    return outcome


def _hold(folder: Path, stack: contextlib.ExitStack) -> None:
    """Have the folder alone; whoever had it before is being ended with its courier, which was lost.

    Raises: ContractError, OSError.
    """
    deadline = time.monotonic() + _ENDS_WITHIN_S
    while True:
        try:
            stack.enter_context(exclusive(folder, f"{folder}: this part is running."))
            return
        except ContractError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.2)


def main(folder: Path, run: RunNight = run_night) -> int:
    """Exit code 0: sealed; `NO_ROOM`: this host has no room for any part; 2: it cannot run this one."""
    interruptible()
    try:
        run_part(folder, run)
    except HarnessError as error:
        _say(str(error))
        return 2
    except OSError as error:
        full = error.errno in _FULL
        _say(str(error.strerror) if full else f"{error.filename or folder}: {error.strerror or error}")
        return NO_ROOM if full else 2
    return 0


def _is_for_want_of_room(reason: str) -> bool:
    return any(os.strerror(number) in reason for number in _FULL)


def _say(line: str) -> None:
    print(escape_control(line), file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
