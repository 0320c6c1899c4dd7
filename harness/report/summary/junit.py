"""A summary as JUnit XML, which every CI system shows: one test case per pair, cell and check."""

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite
from junitparser.junitparser import FinalResult

from harness.night.checks import NightCheck
from harness.report.summary import Summary, model_of
from harness.report.tables import gate_table
from harness.system.text import escape_control
from harness.trace.store import StoredCell
from harness.verdict.pair import PairRow


def render(summary: Summary) -> bytes:
    """The document. FAIL is a failure, INCONCLUSIVE an error, and what was not run is skipped, with the reason."""
    suites = {"pairs": [_pair(row) for row in summary.rows], "checks": [_check(check) for check in summary.checks]}
    suites["cells"] = [_cell(cell) for cell in summary.cells]
    document = JUnitXml(escape_control(f"{summary.title} {summary.night}"))
    for name, cases in suites.items():
        suite = TestSuite(name)
        for case in cases:
            # Not `add_testcase`, which counts all of them again each time.
            suite.append(case)  # type: ignore[no-untyped-call]  # junitparser leaves it untyped
        document.add_testsuite(suite)
    document.update_statistics()  # type: ignore[no-untyped-call]  # junitparser leaves it untyped
    text: bytes = document.tostring()  # type: ignore[no-untyped-call]  # likewise
    return text


def _pair(row: PairRow) -> TestCase:
    case = TestCase(escape_control(row.name), escape_control(f"pairs.{model_of(row)}"))
    if row.verdict is None:
        case.result = [Skipped(escape_control(row.note))]
        return case
    lines = [f"{gate}: {outcome}: {line}" for gate, outcome, line in gate_table(row.verdict)]
    text = escape_control("\n".join([row.verdict.sentence, *row.findings, *lines]))
    kinds = {"FAIL": Failure, "INCONCLUSIVE": Error}
    if row.verdict.status in kinds:
        case.result = [_told(kinds[row.verdict.status], row.verdict.sentence, text)]
    else:
        case.system_out = text
    return case


def _check(check: NightCheck) -> TestCase:
    case = TestCase(escape_control(check.name), "checks", check.seconds)
    kinds = {"FAIL": Failure, "INCONCLUSIVE": Error, "NOT RUN": Skipped}
    if check.status in kinds:
        case.result = [_told(kinds[check.status], check.line, check.output)]
    return case


def _cell(cell: StoredCell) -> TestCase:
    case = TestCase(escape_control(cell.name), escape_control(f"cells.{cell.facts.model}"), cell.manifest.wall_s)
    if cell.facts.absent or cell.manifest.status == "refused":
        case.result = [_told(Skipped, cell.note, "")]
    elif not cell.complete:
        case.result = [_told(Error, cell.note, cell.manifest.stderr_tail)]
    return case


def _told(kind: type[FinalResult], message: str, text: str) -> FinalResult:
    result: FinalResult = kind(escape_control(message))
    result.text = escape_control(text)
    return result
