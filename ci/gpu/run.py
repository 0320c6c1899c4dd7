#!/usr/bin/env python3
"""Runs a GPU check on a machine without a network, from what `gpu_check.sh prepare` packed.

The results are two files: OUT/cells.tar.gz, for `harness import`, and OUT/summary.txt. Both are there from the first
finished run on, and are renewed whenever another one has ended, so that whatever ends this early takes little with it.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from contents import MIB, PackageError, Parser, read_manifest
from machine import LIBRARIES, chip_line, library_folder, make_environment, unpack, unpack_cache
from plan import night_text

HERE = Path(__file__).resolve().parent
RESERVE_S = 40.0  # for packing and the summary
PATIENCE_S = 15.0  # for runs to write what they have
PACK_EVERY_S = 10.0


class Check:
    """A check as it goes on. `package`: what the package says of itself; `lines`: the summary so far."""

    def __init__(self, out: Path, work: Path, minutes: float) -> None:
        self.started = time.monotonic()
        self.out, self.work, self.minutes = out, work, minutes
        self.night = work / "night"
        self.bundle = out / "cells.tar.gz"
        self.lines: list[str] = []
        self.stopped_by: str | None = None
        self.environment: dict[str, str] = {}
        self.python = Path(sys.executable)
        self._packed: frozenset[tuple[str, int]] = frozenset()
        self._packed_at = 0.0

    def say(self, line: str) -> None:
        """A line for who waits, and for the summary, which is renewed."""
        for one in line.splitlines():
            self.lines.append(f"[{self.elapsed / 60:5.1f} min] {one}")
            print(self.lines[-1], flush=True)
        self.write_summary("")

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.started

    @property
    def left(self) -> float:
        """Seconds that runs may still take."""
        return 60 * self.minutes - RESERVE_S - self.elapsed

    def write_summary(self, verdict: str) -> None:
        """Write the lines so far, and the verdict behind them."""
        part = self.out / ".summary.part"
        part.write_text("\n".join([*self.lines, "", verdict]).rstrip() + "\n")
        part.replace(self.out / "summary.txt")

    def call(self, *words: object, timeout: float) -> subprocess.CompletedProcess[str] | None:
        """A command of the environment to its end; None when that is too far away."""
        command = [str(self.python), "-P", *map(str, words)]
        try:
            return subprocess.run(
                command,
                env=self.environment,
                cwd=self.work,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None

    def pack(self, *, now: bool = False) -> None:
        """Pack the runs that have ended, if others have than when it was packed."""
        manifests = self.night.glob("traces/**/*.manifest.json")
        ended = frozenset((str(path), path.stat().st_mtime_ns) for path in manifests)
        if not ended or ended == self._packed or not (now or time.monotonic() - self._packed_at > PACK_EVERY_S):
            return
        done = self.call("-m", "harness", "export", self.night, "-o", self.bundle, timeout=60)
        self._packed_at = time.monotonic()
        if done is not None and done.returncode == 0:
            self._packed = ended
        elif now:
            self.say(f"packing failed: {last_line(done)}")

    def stop(self, number: int, frame: object) -> None:
        """Note a signal; what runs is stopped and packed by whoever waits for it."""
        self.stopped_by = signal.Signals(number).name


def last_line(done: subprocess.CompletedProcess[str] | None) -> str:
    """The last thing that a command said."""
    if done is None:
        return "no end in time"
    said = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return said[-1] if said else f"exit code {done.returncode}"


def main() -> int:
    """Command line."""
    given = _parser().parse_args()
    if given.work is not None:
        return _run(given, given.work.absolute())
    with tempfile.TemporaryDirectory(prefix="gpu-check-", ignore_cleanup_errors=True) as work:
        return _run(given, Path(work))


def _run(given: argparse.Namespace, work: Path) -> int:
    """The check, in a folder of its own; its exit code."""
    try:
        given.out.mkdir(parents=True, exist_ok=True)
        work.mkdir(parents=True, exist_ok=True)
        check = Check(given.out.absolute(), work, given.minutes)
        if check.bundle.exists() and not check.night.exists():
            raise PackageError(f"{check.bundle}: of another check. Take it away, or choose another -o.")
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, check.stop)
        package = unpack(given.package.absolute(), work)
        told = read_manifest(package)
        _install(check, package, told)
    except PackageError as error:
        print(f"gpu_check.sh run: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"gpu_check.sh run: {error.filename or given.out}: {error.strerror or error}", file=sys.stderr)
        return 2
    _probe(check, told)
    _train(check, night_text(told["backend"], given.minutes, given.mlp_steps, given.cnn_steps))
    return _conclude(check)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="gpu_check.sh run", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("package", type=Path, help="the file or folder of `prepare`")
    parser.add_argument("-o", "--out", type=Path, required=True, help="the folder of the results")
    parser.add_argument("--minutes", type=_minutes, default=8.0, help="all that this may take; 8 unless given")
    parser.add_argument("--mlp-steps", type=_steps, default="full", help="of mnist_mlp; a number, or full (default)")
    parser.add_argument("--cnn-steps", type=_steps, default="200", help="of mnist_cnn; 200 unless given")
    parser.add_argument("--work", type=Path, help="a folder; with it, the same command goes on where it was stopped")
    return parser


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if not 1 <= minutes <= 10_000:
        raise argparse.ArgumentTypeError(f"expected 1 to 10000 minutes, found {text!r}")
    return minutes


def _steps(text: str) -> str:
    if text != "full" and not (text.isascii() and text.isdecimal() and 0 < int(text) <= 10**9):
        raise argparse.ArgumentTypeError(f"expected a number of steps or full, found {text!r}")
    return text


def _install(check: Check, package: Path, told: dict[str, str]) -> None:
    """Everything below one folder. Raises: PackageError, OSError."""
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if here != told["python"]:
        raise PackageError(
            f"the package is for Python {told['python']}, and {sys.executable} is {here}. Name another one in PYTHON, "
            f"or prepare with --python {here}."
        )
    check.python = make_environment(package, check.work / "env")
    cache = check.work / "cache"
    unpack_cache(package, cache)
    cache.chmod(0o700)
    check.environment = {
        **os.environ,
        "HARNESS_CACHE": str(cache),
        told["chip_variable"]: told["chip"],
        "NO_COLOR": "1",
    }
    if told["backend"] in LIBRARIES:
        folder = library_folder(*LIBRARIES[told["backend"]], check.work / "lib")
        if folder is not None:
            before = os.environ.get("LD_LIBRARY_PATH")
            check.environment["LD_LIBRARY_PATH"] = os.pathsep.join(filter(None, [str(folder), before]))
    check.say(
        f"Python {platform.python_version()}; harness {told['harness_version']} and modules for {told['chip']} by "
        f"{told['compiler']}, packed {told['made']}"
    )


def _probe(check: Check, told: dict[str, str]) -> None:
    """Say what is there. Nothing that is absent ends the check: its runs say so, each by itself."""
    done = check.call(HERE / "probe.py", told["backend"], timeout=180)
    if done is None or done.returncode != 0:
        check.say(f"the probe failed: {last_line(done)}")
        return
    chip, *found = map(json.loads, done.stdout.splitlines())
    for one in found:
        state = f"{one['device']}" if one["device"] else f"absent: {one['reason']}"
        versions = ", ".join(f"{name} {version}" for name, version in (one.get("versions") or {}).items())
        driver = f"; driver {one['driver']}" if one.get("driver") else ""
        check.say(f"{one['pipeline']} by {one['compiler']}: {state}{driver}{f'; {versions}' if versions else ''}")
    if told["backend"] != "cuda":
        return
    check.say(chip_line(chip["chip"], told["chip"]))


def _train(check: Check, config: str) -> None:
    """The runs, in a process of its own, packed as they end."""
    text = check.work / "night.toml"
    text.write_text(config)
    minutes = max(0.0, check.left) / 60
    helper = check.python.parent.parent.glob("lib/python*/site-packages/harness/system/with_parent.py")
    guard = [str(check.python), "-I", "-S", str(next(helper)), str(os.getpid())]  # it ends with this process
    command = [*guard, str(check.python), "-P", str(HERE / "train.py"), str(text), str(check.night), f"{minutes:.3f}"]
    path = check.work / "train.log"
    with path.open("w") as log:
        child = subprocess.Popen(
            command, env=check.environment, cwd=check.work, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        seen, stopped = 0, False
        while child.poll() is None:
            time.sleep(0.3)
            seen = _told(check, path, seen)
            check.pack()
            if check.stopped_by or check.left <= 0:
                why = check.stopped_by or f"{check.minutes:g} minutes are nearly over"
                check.say(f"{why}: what runs is stopped")
                stopped = True
                _end(child)
        _told(check, path, seen)
    if child.returncode and not stopped:
        check.say(f"the runs ended with code {child.returncode}")


def _told(check: Check, path: Path, seen: int) -> int:
    """Pass on what the runs have said since; how much that is in all."""
    with path.open("rb") as file:
        file.seek(seen)
        new = file.read()
    whole = new[: new.rfind(b"\n") + 1]
    if whole:
        check.say(whole.decode(errors="replace"))
    return seen + len(whole)


def _end(child: "subprocess.Popen[bytes]") -> None:
    child.terminate()
    try:
        child.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _conclude(check: Check) -> int:
    """Pack what there is, and judge it; the exit code of the report, 3 when there is none."""
    check.pack(now=True)
    if not check.bundle.is_file():
        check.say("no run has ended: there is nothing to bring back")
        return 3
    check.say(f"{check.bundle.name}: {check.bundle.stat().st_size / MIB:.1f} MiB, {_cells(check)}")
    done = check.call("-m", "harness", "report", check.night, "-o", check.work / "report", timeout=60)
    if done is None or not done.stdout.strip():
        check.say(f"no verdict here: {last_line(done)}. `harness report` makes it of the bundle.")
        return 3
    verdict = done.stdout.rpartition("\nReports: ")[0]  # where they lie is of no use elsewhere
    check.write_summary(verdict)
    print(verdict)
    return done.returncode


def _cells(check: Check) -> str:
    """How the runs have ended."""
    counts: dict[str, int] = {}
    for path in check.night.glob("traces/**/*.manifest.json"):
        status = str(json.loads(path.read_text()).get("status"))
        counts[status] = counts.get(status, 0) + 1
    return ", ".join(f"{number} runs {status}" for status, number in sorted(counts.items()))


if __name__ == "__main__":
    sys.exit(main())
