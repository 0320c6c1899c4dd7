"""Which sides of a pair that differs are searched for conventions, and from which traces."""

from pathlib import Path

import pytest

from harness.explain import subprocess
from harness.explain.subprocess import Trained, explain_pairs
from harness.verdict.evidence import Evidence
from harness.verdict.judge import Verdict
from harness.verdict.pair import PairRow
from tests.support.stored_cells import store


@pytest.mark.parametrize(
    ("gate", "pipeline", "said"),
    [
        ("rounding", "port", ("with B = port-cpu in f32: named.",)),
        ("forward", "port", ("with B = port-cpu in f32: named.",)),
        ("accuracy", "port", ()),
        ("rounding", "phase3", ()),
        ("ladder", "port", ()),
    ],
)
def test_a_program_of_somebody_else_is_searched_in_f32(
    gate: str, pipeline: str, said: tuple[str, ...], tmp_path: Path, monkeypatch
) -> None:
    """Only where the first steps differ; a cross-check that failed asks for its own traces."""
    monkeypatch.setattr(subprocess, "search_conventions", lambda model, traces, options: ["named."] * len(traces))
    cells = store(tmp_path, "phase2"), store(tmp_path, pipeline)
    verdict = Verdict("FAIL", gate, "apart.", None, (Evidence(gate, "fail", "apart."),))
    (row,) = explain_pairs([PairRow("a", "b", verdict=verdict, cells=cells)], [], Trained("mnist_mlp", tmp_path))
    assert row.findings == said
