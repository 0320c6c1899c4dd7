"""The child process: bounded output, a certain end, held-back signals."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from harness.system.process import Captured, Child, Interruptions, capture, signal_name
from tests.support.processes import dies, is_alive, start, usual_signals


def child(code: str, **options: object) -> Child:
    return Child([sys.executable, "-c", code], dict(os.environ), **options)  # type: ignore[arg-type]


def finish(process: Child, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not process.wait(0.05):
        assert time.monotonic() < deadline, "the program does not end"


def await_line(process: Child) -> None:
    """Until the program has printed a line: then it is ready for what the test does to it."""
    while not process.out.tail.endswith("\n"):
        process.wait(0.05)


def test_the_return_code_is_the_exit_code_or_minus_the_signal() -> None:
    for code, expected in (("raise SystemExit(0)", 0), ("raise SystemExit(7)", 7)):
        process = child(code)
        finish(process)
        assert process.returncode == expected
    process = child("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    finish(process)
    assert process.returncode == -signal.SIGSEGV


def test_only_the_end_of_the_output_is_kept_and_both_pipes_are_read() -> None:
    flood = "import sys\nfor i in range(60000): print('o' * 99); print('e' * 99, file=sys.stderr)\nprint('last')"
    process = child(flood, keep=300)
    finish(process)
    assert process.out.tail.endswith("o\nlast\n")
    assert len(process.out.tail) == 300
    assert process.err.tail == ("e" * 99 + "\n") * 3


def test_the_last_marked_line_is_kept_however_much_follows() -> None:
    code = "print('mark 1'); print('mark 2'); print('no mark 3'); print('x' * 500000)\nfor i in range(9999): print(i)"
    process = child(code, keep=10, marker=b"mark ")
    finish(process)
    assert process.out.marked == b"mark 2"


def test_a_line_without_end_costs_no_memory() -> None:
    process = child("import sys\nfor i in range(3000): sys.stdout.write('x' * 10000)", keep=10, marker=b"xx")
    finish(process)
    assert len(process.out._line) <= 4096
    assert process.out.marked is None, "a line counts when it has ended"


def test_output_that_is_no_text_and_nul_bytes() -> None:
    process = child("import os; os.write(1, b'a\\xff\\0b')")
    finish(process)
    assert process.out.tail == "a\ufffdb"


def test_a_program_that_closes_its_pipes_is_waited_for() -> None:
    process = child("import os, time; os.close(1); os.close(2); time.sleep(0.4); os._exit(3)")
    started, before = time.monotonic(), time.process_time()
    finish(process)
    assert process.returncode == 3
    assert time.monotonic() - started > 0.3
    assert time.process_time() - before < 0.2, "waiting must not burn the processor"


def test_stopping_asks_first() -> None:
    polite = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('bye'), sys.exit(9)))\nprint('up', flush=True)\ntime.sleep(60)"
    )
    process = child(polite)
    await_line(process)
    process.stop()
    assert process.returncode == 9
    assert process.out.tail == "up\nbye\n"


STUBBORN = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(60)"


def test_stopping_ends_who_does_not_listen() -> None:
    process = child(STUBBORN)
    await_line(process)
    started = time.monotonic()
    process.stop(patience=0.3)
    assert process.returncode == -signal.SIGKILL
    assert 0.3 <= time.monotonic() - started < 3


def test_stopping_in_a_hurry_does_not_wait() -> None:
    process = child(STUBBORN)
    await_line(process)
    started = time.monotonic()
    process.stop(patience=30, hurry=lambda: time.monotonic() - started > 0.2)
    assert process.returncode == -signal.SIGKILL
    assert time.monotonic() - started < 3


GRANDCHILD = f"""
import subprocess, sys, time
grandchild = subprocess.Popen([sys.executable, "-c", {STUBBORN!r}], stdout=subprocess.PIPE)
grandchild.stdout.readline()
print(grandchild.pid, flush=True)
"""


@pytest.mark.parametrize("ending", ["time.sleep(120)", "raise SystemExit(0)"])
def test_grandchildren_die_as_well_when_stopped_and_when_their_parent_ends(ending: str) -> None:
    process = child(GRANDCHILD + ending)
    ended = False
    while not process.out.tail.endswith("\n"):
        ended = process.wait(0.05)
    pid = int(process.out.tail)
    if "sleep" in ending:
        assert is_alive(pid)
        process.stop(patience=0.2)
    elif not ended:
        finish(process)
    assert dies(pid)


ESCAPES = {
    "a group of its own": "process_group=0",
    "a session of its own": "start_new_session=True",
    "a session of its own, by way of a shell": "start_new_session=True, shell=True",
}


@pytest.mark.parametrize("ending", ["", "time.sleep(120)", "os.abort()"])
@pytest.mark.parametrize("escape", ESCAPES.values(), ids=ESCAPES)
def test_grandchildren_that_left_the_group_end_with_the_program(escape: str, ending: str) -> None:
    command = "'sleep 120 & echo $!; wait'" if "shell" in escape else "['sh', '-c', 'echo $$; exec sleep 120']"
    process = child(
        "import os, subprocess, time\n"
        f"grandchild = subprocess.Popen({command}, stdout=subprocess.PIPE, {escape})\n"
        f"print(int(grandchild.stdout.readline()), flush=True)\n{ending}"
    )
    ended = False
    while not process.out.tail.endswith("\n"):
        ended = process.wait(0.05)
    if "sleep" in ending:
        process.stop(patience=0.2)
    elif not ended:
        finish(process)
    assert dies(int(process.out.tail), within_s=2)


def test_only_what_the_program_started_ends_with_it() -> None:
    with subprocess.Popen(["sleep", "120"], start_new_session=True) as other, subprocess.Popen(["sleep", "120"]) as own:
        finish(child("print('done')"))
        assert is_alive(other.pid)
        assert is_alive(own.pid)
        other.kill()
        own.kill()


def test_a_grandchild_that_holds_the_pipes_delays_nothing() -> None:
    started = time.monotonic()
    process = child("import subprocess\nsubprocess.Popen(['sleep', '60'])\nprint('done')")
    finish(process)
    assert time.monotonic() - started < 10
    assert process.out.tail == "done\n"


def test_what_cannot_be_started_raises() -> None:
    with pytest.raises(OSError, match="No such file"):
        Child(["./no-such-program"], {})
    with pytest.raises(ValueError, match="null"):
        Child(["a\0b"], {})


def test_a_signal_takes_effect_on_leaving_and_not_before() -> None:
    reached = []
    with usual_signals():
        with pytest.raises(KeyboardInterrupt), Interruptions() as held:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)
            reached.append(list(held.received))
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert reached == [[signal.SIGINT]]


def test_terminate_goes_to_the_handler_that_was_there() -> None:
    seen = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    try:
        with Interruptions():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)
            assert seen == []
        assert seen == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_that_was_ignored_at_the_start_stays_ignored(number: signal.Signals) -> None:
    """As under nohup, and for SIGINT in the background of a shell without job control."""
    code = (
        "import sys; from harness.system.process import Interruptions, interruptible\n"
        "interruptible()\n"
        "with Interruptions() as held:\n    print('up', flush=True)\n    sys.stdin.readline()\n"
        "print(held.received)"
    )
    ends = {}
    for ignoring in ([number], []):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
        with start([sys.executable, "-c", code], ignoring, **pipes) as process:
            assert process.stdout.readline() == "up\n"
            process.send_signal(number)
            said, _ = process.communicate("\n", timeout=30)
        ends[bool(ignoring)] = (process.returncode, said)
    assert ends[True] == (0, "[]\n")
    assert ends[False][0] != 0


def test_outside_the_main_thread_it_does_nothing() -> None:
    errors: list[BaseException] = []

    def use() -> None:
        try:
            with Interruptions():
                pass
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert errors == []


def test_signals_have_names_where_they_have_them() -> None:
    assert signal_name(11) == "SIGSEGV"
    assert signal_name(40) == "signal 40"


def test_a_program_does_not_outlive_who_started_it(tmp_path: Path) -> None:
    """Even when that is killed, so that nothing of a night goes on beside the one that resumes it."""
    pid = tmp_path / "pid"
    sleeper = f"import os, pathlib, time; pathlib.Path({str(pid)!r}).write_text(str(os.getpid())); time.sleep(300)"
    starter = (
        "import os, sys; from harness.system.process import Child\n"
        f"child = Child([sys.executable, '-c', {sleeper!r}], dict(os.environ))\n"
        "while True: child.wait(1.0)"
    )
    with subprocess.Popen([sys.executable, "-c", starter]) as process:
        deadline = time.monotonic() + 30
        while not (pid.is_file() and pid.read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.kill()
    assert dies(int(pid.read_text()))


def test_a_program_is_captured_with_its_code_and_what_it_said() -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    assert capture([sys.executable, "-c", code], dict(os.environ), 30) == Captured(3, "out\n", "err\n")


def test_one_that_takes_too_long_is_stopped_and_gives_nothing(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    code = f"import os, pathlib, time; pathlib.Path({str(pid)!r}).write_text(str(os.getpid())); time.sleep(300)"
    assert capture([sys.executable, "-c", code], dict(os.environ), 2) is None
    assert dies(int(pid.read_text()))
