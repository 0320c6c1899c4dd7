"""What a process holds in memory, and what is said when there is no more."""

import os
import sys
import time

import pytest

from harness.system.memory import machine_bytes, resident_bytes, tells_of_memory
from harness.system.process import Child


def test_a_process_holds_what_it_has_written_to() -> None:
    before = resident_bytes(os.getpid())
    held = bytearray(b"x" * (64 << 20))
    assert 60 << 20 < resident_bytes(os.getpid()) - before < 200 << 20
    assert len(held) < machine_bytes()


def test_what_a_program_has_started_counts_too() -> None:
    hold = "import time; held = b'x' * (80 << 20); print('held', flush=True); time.sleep(60)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}], start_new_session=True)"
    child = Child([sys.executable, "-c", code], os.environ, marker=b"held")
    deadline = time.monotonic() + 30
    while child.out.marked is None and time.monotonic() < deadline:
        child.wait(0.1)
    held = child.held_bytes()
    child.stop(patience=0)
    assert held > 80 << 20


def test_of_a_process_that_has_ended_nothing_is_held() -> None:
    child = Child([sys.executable, "-c", ""], os.environ)
    while not child.wait(0.1):
        pass
    assert child.held_bytes() == 0


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("RESOURCE_EXHAUSTED: Out of memory allocating 40960 bytes.", True),
        ("VK_ERROR_OUT_OF_DEVICE_MEMORY; while invoking", True),
        ("CUDA_ERROR_OUT_OF_MEMORY", True),
        ("terminate called after throwing an instance of 'std::bad_alloc'", True),
        ("numpy._core._exceptions._ArrayMemoryError: Unable to allocate 8.00 EiB", True),
        ("RESOURCE_EXHAUSTED; shared memory size exceeded", False),
        ("failed to legalize operation", False),
    ],
)
def test_the_last_words_of_who_gets_no_memory_are_known(said: str, told: bool) -> None:
    assert tells_of_memory(said) == told
