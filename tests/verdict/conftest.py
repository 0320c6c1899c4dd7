"""An envelope, built once in a process."""

import pytest

from harness.trace.format import Trace
from harness.verdict.envelope.build import build_envelope
from harness.verdict.envelope.envelope import Envelope
from harness.verdict.envelope.members import Members
from harness.verdict.envelope.plan import EnsembleMember, make_plan
from tests.support.networks import config
from tests.support.small_envelope import GRAPH, STEPS, initial, members


@pytest.fixture(scope="session")
def plain() -> Members:
    return members(GRAPH, config(), make_plan().reference.steps)


@pytest.fixture(scope="session")
def envelope(plain: Members) -> Envelope:
    return build_envelope(plain, make_plan())


@pytest.fixture(scope="session")
def reference(plain: Members) -> Trace:
    return plain.run(EnsembleMember("plain", 0, 0, STEPS), initial(GRAPH))
