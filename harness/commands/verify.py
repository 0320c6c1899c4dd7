"""The story of `harness verify`: run the cells, judge their pairs, look for causes, split, report."""

from harness.explain.subprocess import explain_pairs
from harness.report.verification import Outcome
from harness.run.progress import CellProgress
from harness.run.runner import Policy, prepared
from harness.run.verification import Verification
from harness.verdict.compare import Judging
from harness.verdict.pairs import judge_pairs, split_factorials


def verify(verification: Verification, judging: Judging) -> Outcome:
    """Run all cells one after another and judge every pair that differs in one factor.

    Raises: HarnessError for unusable input; a cell that fails is a result and not an error.
    """
    with prepared(verification) as runner, CellProgress() as progress:
        for report in verification.reports:
            report.unlink(missing_ok=True)  # nothing of an earlier run may pass for this one
        ran = runner.run_all(Policy(), progress)
        rows = list(judge_pairs(ran.cells, judging, ran.evidence))
        with progress.preparing("why pairs differ"):
            rows = list(explain_pairs(rows, ran.evidence, runner.data.folder))
    factorials = tuple(split_factorials(ran.cells, judging)) if verification.factorial else ()
    return Outcome(
        verification=verification,
        judging=judging,
        data=runner.data,
        init_sha256=runner.init_sha256,
        cells=ran.cells,
        evidence=ran.evidence,
        rows=tuple(rows),
        factorials=factorials,
    )
