"""Switches of the test run, and JAX in double precision for every test."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

# Before anything imports jax: the laws are checked in double precision on the CPU.
os.environ["JAX_ENABLE_X64"] = "1"
os.environ["JAX_PLATFORMS"] = "cpu"
# Sums of numpy's are short here, and the threads of several processes would only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# What XLA has compiled for one test the next one has, in this process and in the emitted scripts that it starts; the
# command `harness` and its programs take nothing from there. One folder a worker: JAX writes into it without a lock.
os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="jax-of-tests-")
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"

import hypothesis
import pytest

from harness.data.fetch import fetch
from harness.errors import DataError
from harness.spec import network_file

atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)

# Examples are drawn alike on every run, so that a failure is everyone's failure; `make fuzz` draws from its seed.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.register_profile("fuzz", deadline=None, print_blob=True)
hypothesis.settings.load_profile("fuzz" if "HARNESS_FUZZ_EXAMPLES" in os.environ else "repeatable")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files of emitted code")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """What is made once for several tests is made in one worker, where they all run."""
    for item in items:
        made = [one for several in item._fixtureinfo.name2fixturedefs.values() for one in several]
        if item.get_closest_marker("xdist_group"):
            continue
        if "workers_here" in item.fixturenames:
            item.add_marker(pytest.mark.xdist_group("modules"))  # they share what they compile
        elif any(one.scope == "module" for one in made):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


def pytest_runtest_setup() -> None:
    # The command `harness` switches JAX's cache off for its process, which in a test may be this one.
    os.environ.pop("JAX_ENABLE_COMPILATION_CACHE", None)


@pytest.fixture(scope="session")
def mnist() -> Path:
    """The real files; without a source the tests are skipped with its reason, but never in CI."""
    try:
        return fetch("mnist", progress=False)
    except DataError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.fixture
def no_network_file_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a process that has run no network's file."""
    monkeypatch.setattr(network_file, "_FILES", {})


@pytest.fixture
def workers_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Executors of modules compile and run in this process: see tests/support/module_workers.py."""
    from tests.support.module_workers import stay_here

    stay_here(monkeypatch)
