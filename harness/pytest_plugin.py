"""A pytest plugin: traces that have to agree, for people who verify their own code generator in their own tests."""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from harness.verdict.judge import Verdict
    from harness.verdict.pair import PairRow

# Every run of pytest loads this where the package is installed, so what judges is imported by whoever calls it.
_Path = str | os.PathLike[str]


_REFRESH = "--refresh-references"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option that refreshes references."""
    parser.getgroup("harness", "training traces").addoption(
        _REFRESH,
        metavar="WHY",
        help="make the traces that tests hand to `trace_reference` the references, and record why",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to refresh for no reason, and for what was meant to be a test: the option takes the word behind it."""
    why = config.getoption(_REFRESH)
    if why is None:
        return
    if not why.strip():
        raise pytest.UsageError(f"{_REFRESH} is empty; expected words that say why the references change.")
    if os.path.exists(why.partition("::")[0]):  # noqa: PTH110 - a reason may be too long for a path
        raise pytest.UsageError(f"{_REFRESH} {why}: that is a path; expected words that say why the references change.")


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


class TraceReference(Protocol):
    """The type of the fixture `trace_reference`."""

    def __call__(
        self,
        trace: _Path,
        name: str,
        mode: str = "cross-comp",
        *,
        window: int | None = None,
        steps: int | None = None,
        all_steps: bool = False,
    ) -> "Verdict":
        """Judge a trace against the reference of that name, `references/MODULE/NAME.jsonl.gz` beside the test's module.

        With `--refresh-references WHY` it becomes the reference first. The options and what is returned and raised are
        those of `assert_traces_agree`; ReferenceTraceError when there is no reference, or a damaged one.
        """


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
    from harness.api import diff
    from harness.errors import HarnessError

    try:
        found = diff(a, b, mode, window=window, steps=steps, all_steps=all_steps)
    except HarnessError as error:
        raise error.with_traceback(None) from None  # whoever reads it looks at the test, not at who found it
    return _agreed(found.row)


def _agreed(row: "PairRow") -> "Verdict":
    """The verdict of a pair that agrees. Raises: AssertionError with everything about one that does not."""
    __tracebackhide__ = True
    from harness.report.text import gates, render_summary
    from harness.system.text import Document
    from harness.verdict.judge import INCONCLUSIVE

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


@pytest.fixture(name="trace_reference")
def _trace_reference(request: pytest.FixtureRequest) -> TraceReference:
    """A function that holds a trace to the reference beside the test: `harness.pytest_plugin.TraceReference`."""
    module, why = request.path, request.config.getoption(_REFRESH)

    def trace_reference(
        trace: _Path,
        name: str,
        mode: str = "cross-comp",
        *,
        window: int | None = None,
        steps: int | None = None,
        all_steps: bool = False,
    ) -> "Verdict":
        __tracebackhide__ = True
        from harness.errors import HarnessError
        from harness.night.references.beside_tests import ReferenceBeside
        from harness.trace.recording import read_recording
        from harness.verdict.compare import judging_by
        from harness.verdict.pair import judge_recordings

        try:
            judging = judging_by(mode, window, steps, all_steps)
            reference = ReferenceBeside(module, name)
            if why is not None:
                reference.refresh(Path(trace), why)
            row = judge_recordings(reference.read(), read_recording(Path(trace), allow_foreign=True), judging)
        except (HarnessError, OSError) as error:
            raise error.with_traceback(None) from None
        return _agreed(replace(row, a=f"reference {name}"))

    return trace_reference
