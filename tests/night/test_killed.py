"""A night that is killed again and again comes to the same end as one that nobody disturbs."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.night.folder import NightFolder
from harness.trace.evaluations import evaluations_path
from harness.trace.segments import segments_path
from harness.trace.store import read_store

_FROM_STATES = ".f64.states-of-"
KILLS = 5
LONG = 60
CONFIG = f"""
backends = ["cpu"]

[[verify]]
models = ["mnist_mlp"]
steps = {LONG}
data = "synthetic"

[[verify]]
models = ["mnist_mlp"]
steps = 3
dtypes = ["f64"]
seed = 43
data = "synthetic"

[[check]]
name = "first"
command = ["python", "-c", "import time; time.sleep(1); open('{{folder}}/first', 'a').write('x'); print('agrees')"]

[[check]]
name = "second"
command = ["python", "-c", "open('{{folder}}/second', 'a').write('x'); print('second differs'); raise SystemExit(1)"]
"""


def start(folder: Path, config: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "harness", "nightly", str(config), "--out", str(folder)]
    command += ["--history", str(folder.parent / f"{folder.name}.parquet")]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def without_times(value: Any) -> Any:
    """The document without what is in seconds. The digest of a trace is also one of how long its steps took."""
    if isinstance(value, dict):
        return {name: without_times(item) for name, item in value.items() if name not in ("seconds", "trace_sha256")}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def verdict(folder: Path) -> Any:
    text = (folder / "verdict.json").read_text().replace(str(folder), "FOLDER")
    return without_times(json.loads(text))


def finished(folder: Path) -> Iterator[tuple[Path, int]]:
    """Cells that have run to their end and owe nothing, with the file that a second run would replace.

    A leader, and with it its follower, runs again while cells that need its states have not run: they go with it. One
    that is held to the leader's states has come to its end when that is written, and the two that run from its states
    in f64 when what they are apart is.
    """
    night = NightFolder(folder)
    cells = read_store([night.traces]).cells if night.is_night and night.traces.is_dir() else ()
    owing = {cell.facts.follows for cell in cells} - {None}
    for cell in cells:
        facts = cell.facts
        leads = facts.pipeline in owing and facts.steps == LONG and not facts.evidence
        is_held = facts.ulp_seed is None or segments_path(cell.trace).exists()
        from_states = list(cell.trace.parent.glob(f"*{_FROM_STATES}*.jsonl")) if _FROM_STATES in cell.trace.name else []
        is_compared = not from_states or any(evaluations_path(trace).exists() for trace in from_states)
        if cell.complete and is_held and is_compared and not leads and facts.follows is None:
            yield cell.trace, cell.trace.stat().st_ino


def test_kills_lose_no_cell_and_run_none_twice(tmp_path: Path) -> None:
    config = tmp_path / "night.toml"
    config.write_text(CONFIG)
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    began = time.monotonic()
    assert start(undisturbed, config).wait(timeout=300) == 1  # the second check differs
    whole = time.monotonic() - began
    moments = random.Random(20260401)
    traces: dict[Path, int] = {}
    runs = 0  # of the second check, whose command a kill may find before its result is kept
    for _ in range(KILLS):
        night = start(killed, config)
        time.sleep(moments.uniform(0.3, 0.6 * whole))
        os.killpg(night.pid, signal.SIGKILL)
        night.wait()
        now = dict(finished(killed))
        assert traces.items() <= now.items()
        traces = now
        once = killed / "build" / "second"
        if not runs and (killed / "checks" / "second.json").exists():
            runs = len(once.read_text())
    assert start(killed, config).wait(timeout=300) == 1
    assert traces.items() <= dict(finished(killed)).items()
    assert len(dict(finished(killed))) == 12
    assert verdict(killed) == verdict(undisturbed)
    assert not runs or len(once.read_text()) == runs
