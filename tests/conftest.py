"""Switches of the test run, and JAX in double precision for every test."""

import os
from pathlib import Path

# Before anything imports jax: the laws are checked in double precision on the CPU.
os.environ["JAX_ENABLE_X64"] = "1"
os.environ["JAX_PLATFORMS"] = "cpu"
# Sums of numpy's are short here, and the threads of several processes would only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import hypothesis
import pytest

from harness.data.fetch import fetch
from harness.errors import DataError

# Examples are drawn alike on every run, so that a failure is everyone's failure; `make fuzz` draws from its seed.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.register_profile("fuzz", deadline=None, print_blob=True)
hypothesis.settings.load_profile("fuzz" if "HARNESS_FUZZ_EXAMPLES" in os.environ else "repeatable")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files of emitted code")


@pytest.fixture(scope="session")
def mnist() -> Path:
    """The real files; without a source the tests are skipped with its reason, but never in CI."""
    try:
        return fetch("mnist", progress=False)
    except DataError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
