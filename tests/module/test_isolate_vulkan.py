"""The faults of IREE's code for Vulkan, each isolated to its operations from a whole training step."""

from pathlib import Path

import pytest

from harness.module.executors import EXECUTORS
from harness.module.inputs import draw
from harness.module.isolate import confirm
from harness.module.isolate.reproducer import write_reproducers
from harness.module.isolate.search import Isolation, isolate
from harness.module.load import load
from tests.support.paths import ROOT
from tests.support.stablehlo_modules import long_sums

pytestmark = pytest.mark.usefixtures("vulkan")


def search(path: Path, monkeypatch: pytest.MonkeyPatch) -> Isolation:
    monkeypatch.setattr(confirm, "RUNS", 2)
    module = load(path)
    return isolate(module, EXECUTORS["vulkan"], draw(module, 0), seed=0, timeout_s=240)


def shown(isolation: Isolation, folder: Path) -> list[tuple[bool, str]]:
    """What the script of each reproducer showed."""
    return [(done.shows, done.right_on) for done in write_reproducers(isolation, folder, 240)]


def test_the_race_of_a_sum_and_its_broadcast_is_isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    isolation = search(ROOT / "tests" / "support" / "centred_step.mlir", monkeypatch)
    found = sorted([op.name for op in fault.ops] for fault in isolation.faults)
    assert found == [["%dmean", "%dmeans"], ["%mean", "%means"]]
    assert {fault.confirmation.word for fault in isolation.faults} <= {"fault", "race"}
    assert shown(isolation, tmp_path) == [(True, "xla"), (True, "xla")]


def test_the_limit_of_the_drivers_loops_is_isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "long_sums.mlir"
    path.write_text(long_sums())
    isolation = search(path, monkeypatch)
    found = [[op.kind for op in fault.ops] for fault in isolation.faults]
    assert found == [["stablehlo.reduce"], ["stablehlo.reduce"]]
    lines = path.read_text().splitlines()
    for fault in isolation.faults:
        assert "(tensor<128x6x28x28xf32>, tensor<f32>) -> tensor<6xf32>" in lines[(fault.ops[0].line or 0) - 1]
    assert shown(isolation, tmp_path / "repro") == [(True, "xla"), (True, "xla")]
