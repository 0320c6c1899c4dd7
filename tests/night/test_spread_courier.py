"""A courier on a host: what it starts, what it brings back, and what of the host the part sees."""

import json
import os
import sys
import time
from pathlib import Path

import msgspec
import pytest

from harness.night.spread import courier, unit
from harness.night.spread.engine import guard_text
from harness.night.spread.parts import Request
from harness.system.process import Child

KEY = "0" * 64
SEALS = """
import json, os, pathlib, sys
folder = pathlib.Path(sys.argv[1])
with open(folder / "runs", "a") as runs:
    runs.write("x")
(folder / "bundle.tar.gz").write_bytes(json.dumps(dict(os.environ)).encode())
(folder / "outcome.json").write_text(json.dumps({"host": "h", "final": os.environ.get("FINAL") != "no"}))
"""


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(courier.FOLDER, str(tmp_path / "parts"))
    monkeypatch.setenv(courier.DIRECTORY, str(tmp_path))
    return tmp_path / "parts" / KEY


def runs(monkeypatch: pytest.MonkeyPatch, program: str, **variables: str) -> None:
    monkeypatch.setenv(courier.COMMAND, json.dumps([sys.executable, "-I", "-S", "-c", program]))
    monkeypatch.setenv(courier.ENVIRONMENT, json.dumps({"PATH": os.environ["PATH"], **variables}))


def test_a_part_that_has_ended_is_not_run_again(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs(monkeypatch, SEALS)
    answers = [courier.carry(KEY, b"{}", guard_text()) for _ in range(2)]
    assert answers[0] == answers[1] and answers[0]["state"] == "sealed"
    assert (host / "runs").read_text() == "x"
    assert courier.survey([KEY, "1" * 64]) == {KEY: "sealed"}
    courier.forget([KEY])
    assert courier.survey([KEY]) == {}


def test_a_part_that_was_cut_short_goes_on(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs(monkeypatch, SEALS, FINAL="no")
    for _ in range(2):
        assert courier.carry(KEY, b"{}", guard_text())["final"] is False
    assert (host / "runs").read_text() == "xx"
    assert courier.survey([KEY]) == {KEY: "begun"}  # going on with it takes a slot


def test_a_part_sees_the_variables_of_its_host_and_no_token(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs(monkeypatch, SEALS, CUDA_VISIBLE_DEVICES="0", RAY_AUTH_TOKEN="secret")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # as Ray leaves it for what asks for no GPU of its own
    seen = json.loads(courier.carry(KEY, b"{}", guard_text())["bundle"])
    assert seen["CUDA_VISIBLE_DEVICES"] == "0"
    assert not [name for name in seen if name.startswith("RAY_") or "secret" in seen[name]]


@pytest.mark.parametrize(
    ("program", "state", "unfit", "why"),
    [
        ("import sys; sys.exit('no such network')", "trouble", False, "no such network"),
        ("import sys; print('no room', file=sys.stderr); sys.exit(75)", "trouble", True, "no room"),
        ("import os; os.kill(os.getpid(), 9)", "lost", None, "its program was killed by signal 9"),
        ("", "trouble", False, "exit code 0"),
    ],
)
def test_what_a_program_ends_with(
    host: Path, monkeypatch: pytest.MonkeyPatch, program: str, state: str, unfit: bool | None, why: str
) -> None:
    runs(monkeypatch, program)
    found = courier.carry(KEY, b"{}", guard_text())
    assert (found["state"], found.get("unfit"), found["why"]) == (state, unfit, why)


def test_a_host_that_cannot_be_written_to_takes_no_part(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs(monkeypatch, SEALS)
    host.parent.write_text("in the way")
    found = courier.carry(KEY, b"{}", guard_text())
    assert found["state"] == "trouble" and found["unfit"] and "Not a directory" in found["why"]


def test_a_part_ends_when_its_host_had_stood_still(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs(monkeypatch, "import time; time.sleep(60)")
    clock = iter([0.0, 0.1, 0.2, 60.0, *(60.0 + k / 10 for k in range(1000))])
    monkeypatch.setattr(courier.time, "monotonic", lambda: next(clock))
    found = courier.carry(KEY, b"{}", guard_text())
    assert found["state"] == "lost" and "stood still for 60 s" in found["why"]


def test_a_part_ends_with_its_courier(host: Path, tmp_path: Path) -> None:
    program = tmp_path / "courier.py"
    program.write_text(
        f"from harness.night.spread import courier\nfrom harness.night.spread.engine import guard_text\n"
        f"courier.carry({KEY!r}, b'{{}}', guard_text())\n"
    )
    beats = tmp_path / "beats"
    beating = f"import time\nwhile True:\n    open({str(beats)!r}, 'a').write('x'); time.sleep(0.02)"
    command = json.dumps([sys.executable, "-I", "-S", "-c", beating])
    child = Child([sys.executable, "-P", str(program)], {**os.environ, courier.COMMAND: command})
    while not beats.exists():
        assert not child.wait(0.05), child.err.tail
    os.kill(child._process.pid, 9)
    while not child.wait(0.05):
        pass
    time.sleep(0.3)
    size = beats.stat().st_size
    time.sleep(0.2)
    assert beats.stat().st_size == size


def test_a_host_without_room_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: object) -> None:
    (tmp_path / courier.REQUEST).write_bytes(msgspec.json.encode(Request(part="p", config="", files={})))
    monkeypatch.setattr(unit, "ROOM", 1 << 62)
    monkeypatch.setattr(unit, "interruptible", lambda: None)
    assert unit.main(tmp_path) == courier.NO_ROOM
    assert "no room for a part" in capsys.readouterr().err  # type: ignore[attr-defined]


def test_a_couriers_code_needs_nothing_of_this_package() -> None:
    text = Path(courier.__file__).read_text()
    assert "import harness" not in text and "from harness" not in text
