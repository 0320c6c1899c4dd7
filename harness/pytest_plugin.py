"""A pytest plugin: traces that have to agree, for people who verify their own code generator in their own tests."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from harness.verdict.judge import Verdict

# Every run of pytest loads this where the package is installed, so what judges is imported by whoever calls it.
_Path = str | os.PathLike[str]


class AssertTracesAgree(Protocol):
    """The type of the fixture `assert_traces_agree`."""

    def __call__(
        self,
        a: _Path,
        b: _Path,
        mode: str = "cross-comp",
        *,
        window: int | None = None,
        steps: int | None = None,
        all_steps: bool = False,
    ) -> "Verdict":
        """As the function of that name."""


def assert_traces_agree(
    a: _Path,
    b: _Path,
    mode: str = "cross-comp",
    *,
    window: int | None = None,
    steps: int | None = None,
    all_steps: bool = False,
) -> "Verdict":
    """Judge two traces as `harness diff` does, whose options these are, and return the verdict when it is PASS.

    Raises: AssertionError with the verdict, the differences and the evidence when it is FAIL or INCONCLUSIVE;
    HarnessError when a file cannot be read or an option makes no sense.
    """
    __tracebackhide__ = True
    from harness.report.text import gates, render_summary
    from harness.system.text import Document
    from harness.trace.recording import read_foreign
    from harness.verdict.compare import judging_by
    from harness.verdict.judge import INCONCLUSIVE
    from harness.verdict.pair import judge_recordings

    judging = judging_by(mode, window, steps, all_steps)
    row = judge_recordings(read_foreign(Path(a)), read_foreign(Path(b)), judging)
    verdict = row.verdict
    assert verdict is not None, "a pair of recordings is always judged"
    if verdict.status == "PASS":
        return verdict
    first = [f"{row.name}: {verdict.sentence}"]
    if verdict.exit_code == INCONCLUSIVE:
        first.append("INCONCLUSIVE is no agreement: something that has to be compared is missing.")
    raise AssertionError(str(Document([*first, "", *render_summary([row]).blocks, "", gates(row)])))


@pytest.fixture(name="assert_traces_agree", scope="session")
def _assert_traces_agree() -> AssertTracesAgree:
    """`harness.pytest_plugin.assert_traces_agree`."""
    return assert_traces_agree
