"""What an engine runs on a host: it starts a part as a process of that host, and takes back what the part leaves.

Stands alone: it is sent to hosts whose Python has no harness, or another one, beside the engine's own package. What
runs the part is the host's own environment, named in its variables.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

COMMAND = "HARNESS_HOST_COMMAND"  # the words of the program that runs a part, as a JSON list
FOLDER = "HARNESS_HOST_FOLDER"  # where parts are run
DIRECTORY = "HARNESS_HOST_DIRECTORY"  # the working folder of their commands
ENVIRONMENT = "HARNESS_HOST_ENVIRONMENT"  # their variables, as a JSON object: Ray sets some that change a run
REQUEST, BUNDLE, OUTCOME = "request.json", "bundle.tar.gz", "outcome.json"
NO_ROOM = 75  # exit code of a part's program on a host that can run no other either
_GRACE_S = 10.0
_FROZEN_S = 10.0  # a host that stood still for longer was given up, and another has its parts
_FROZEN = 76  # exit code for that


def carry(key: str, request: bytes, guard: str) -> dict[str, Any]:
    """Run a part in the folder of its key, or take what an earlier run of it left there.

    `guard`: the text of a program that ends what it starts with this process.

    The answer's `state` is `sealed` with the bytes of a bundle, or `trouble` with the reason why this host cannot run
    the part, and `unfit` where that holds for every part; or `lost`, and it may be asked again.
    """
    try:
        folder = _parts() / key
        if (kept := _sealed(folder)) is not None and kept["final"]:
            return kept
        folder.mkdir(parents=True, exist_ok=True)
        (folder / REQUEST).write_bytes(request)
        code, said = _run([*_command(), str(folder)], guard)
        if code == 0 and (made := _sealed(folder)) is not None:
            return made
        if code < 0 or code == _FROZEN:
            return {"state": "lost", "why": f"its program was killed by signal {-code}" if code < 0 else said}
        return {"state": "trouble", "why": said or f"exit code {code}", "unfit": code == NO_ROOM}
    except OSError as error:
        return {"state": "trouble", "why": f"{error.filename or 'host'}: {error.strerror}", "unfit": True}


def survey(keys: Iterable[str]) -> dict[str, str]:
    """Which of the parts this host has, by key: `sealed` where nothing of one is left to run, else `begun`."""
    folders = {key: _parts() / key for key in keys}
    return {key: "sealed" if _is_over(folder) else "begun" for key, folder in folders.items() if folder.is_dir()}


def forget(keys: Iterable[str]) -> None:
    """Remove parts whose results have arrived."""
    for key in keys:
        shutil.rmtree(_parts() / key, ignore_errors=True)


def _is_over(folder: Path) -> bool:
    try:
        return bool(json.loads((folder / OUTCOME).read_bytes())["final"]) and (folder / BUNDLE).is_file()
    except (FileNotFoundError, ValueError):
        return False


def _sealed(folder: Path) -> dict[str, Any] | None:
    """The answer of a part that has come to its end. Its outcome is written last."""
    try:
        outcome = json.loads((folder / OUTCOME).read_bytes())
        return {"state": "sealed", "bundle": (folder / BUNDLE).read_bytes(), **outcome}
    except (FileNotFoundError, ValueError):
        return None


def _run(command: list[str], guard: str) -> tuple[int, str]:
    """Exit code and last line of a program. Whatever ends this process, or interrupts it, ends the program."""
    guarded = [sys.executable, "-I", "-S", "-c", guard, str(os.getpid()), *command]
    with subprocess.Popen(
        guarded,
        cwd=os.environ.get(DIRECTORY) or None,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as child:
        looked = time.monotonic()
        try:
            while True:
                try:
                    said = child.communicate(timeout=0.1)[1]
                    break
                except subprocess.TimeoutExpired:
                    stood, looked = time.monotonic() - looked, time.monotonic()
                if stood > _FROZEN_S:
                    _stop(child)
                    return _FROZEN, f"its host stood still for {stood:.0f} s"
        except BaseException:  # an interruption as well: the program must not outlive this process
            _stop(child)
            raise
    lines = said.decode(errors="replace").strip().splitlines()
    return child.returncode, lines[-1][:300] if lines else ""


def _stop(child: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _GRACE_S
    os.killpg(child.pid, signal.SIGTERM)
    while child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _parts() -> Path:
    return Path(os.environ.get(FOLDER) or Path.home() / ".cache" / "training-trace-harness" / "parts")


def _environment() -> dict[str, str]:
    """The host's own variables without those of Ray, which hold the cluster's token."""
    given = os.environ.get(ENVIRONMENT)
    variables = dict(os.environ) if given is None else json.loads(given)
    return {name: value for name, value in variables.items() if not name.startswith(("RAY_", ENVIRONMENT))}


def _command() -> list[str]:
    given = os.environ.get(COMMAND)
    if given:
        return list(map(str, json.loads(given)))
    return [sys.executable, "-P", "-m", "harness.night.spread.unit"]
