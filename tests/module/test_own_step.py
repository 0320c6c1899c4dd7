"""A step of this project whose pieces are right and whose whole is not: the compiler, or what was emitted?"""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harness.explain.locate.side_under_test import SideUnderTest
from harness.module.executors import EXECUTORS
from harness.module.isolate import confirm, own_step
from harness.module.isolate.own_step import search_step
from tests.support.paths import ROOT
from tests.support.wrong_sides import experiment, fused_pool

pytestmark = pytest.mark.usefixtures("workers_here")

WORKER = ROOT / "tests" / "support" / "faulty_worker.py"


def test_a_module_that_is_wrong_itself_is_not_the_compilers_fault(tmp_path: Path) -> None:
    found = search_step(fused_pool(), 1, tmp_path)
    assert found.sentence.startswith("operations in f64: phase3, on IREE, llvm-cpu for this processor: all ")
    assert found.sentence.endswith("compute what the module says: not one operation is the compiler's fault.")


def test_an_operation_that_the_compiler_gets_wrong_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = replace(EXECUTORS["xla"], command=(sys.executable, str(WORKER), "fused"))
    monkeypatch.setattr(own_step, "EXECUTORS", {"xla": wrong})
    monkeypatch.setattr(confirm, "RUNS", 1)
    found = search_step(SideUnderTest("phase2", experiment("small")), 2, tmp_path)
    assert found.sentence.startswith("operations in f32: phase2, on XLA, CPU: dot_general %")
    assert " + add %" in found.sentence
    assert found.sentence.endswith("is computed wrongly: the compiler, or its device.")
    assert len(found.reproducers) >= 1
