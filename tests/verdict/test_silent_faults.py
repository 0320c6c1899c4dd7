"""What a pair that differs may be due to: known faults of a compiler or a driver that give wrong numbers silently."""

from pathlib import Path

from harness.trace.known_trouble import KNOWN_TROUBLE
from harness.verdict.compare import Judging
from harness.verdict.pair import PairRow
from harness.verdict.pairs import judge_cells
from tests.support.stored_cells import store

IREE = {"versions": {"iree-base-compiler": "3.13.0"}}


def pair(root: Path, losses: tuple[float, ...], driver: str) -> PairRow:
    """Phase 3 on the CPU and on Vulkan."""
    cpu = store(root, "phase3", provenance=IREE)
    other = store(root, "phase3", losses, backend="vulkan", provenance=IREE | {"driver": driver})
    (row,) = judge_cells([cpu, other], Judging())
    return row


def test_a_pair_that_differs_names_what_its_driver_is_known_for(tmp_path: Path) -> None:
    row = pair(tmp_path, (2.0, 1.5, 9.0), "llvmpipe Mesa 22.3.6 (LLVM 15.0.6)")
    assert row.verdict is not None and row.verdict.status == "FAIL"
    race, loop = row.findings
    assert "iree-vulkan-reduce-broadcast" in race
    assert "mesa-llvmpipe-long-loops" in loop
    assert "`harness module isolate` names the operation." in loop


def test_a_driver_has_no_part_in_what_another_is_known_for(tmp_path: Path) -> None:
    (race,) = pair(tmp_path, (2.0, 1.5, 9.0), "NVIDIA 550.54").findings
    assert "iree-vulkan-reduce-broadcast" in race


def test_a_pair_that_agrees_names_nothing(tmp_path: Path) -> None:
    assert pair(tmp_path, (2.0, 1.5, 1.25), "llvmpipe").findings == ()


def test_what_is_silent_cannot_be_recognised_by_how_a_program_ends() -> None:
    silent = [trouble for trouble in KNOWN_TROUBLE if trouble.silent]
    assert len(silent) == 2
    assert not any(trouble.signals or trouble.stderr or trouble.hangs for trouble in silent)
