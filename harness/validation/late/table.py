"""What `verify`, lockstep and traces alone find of late faults, and what they say of whole right runs, as tables."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from harness.system.text import Document
from harness.validation.document import TableSection, as_json, lay_out
from harness.validation.late.campaign import LATE, finding_of
from harness.validation.late.evidence import IN_LOCKSTEP, LATE_DETECTORS
from harness.validation.late.examination import WHOLE_PAIRS, LateFinding
from harness.validation.late.faults import LATE_CASES, TEST, LateCase
from harness.validation.power.journal import Row
from harness.validation.power.pairs import LOSSES_ONLY, VERIFY, WITH_NORMS
from harness.validation.power.tally import Rate, rate
from harness.verdict.judge import EXIT_CODES, INCONCLUSIVE

LATE_VERSION = 2
NOT_PASSED = 60.0  # percent of the faults that traces alone may not pass


@dataclass(frozen=True)
class LateResult:
    """A row of a late fault or of a whole pair; `finding` is None where its process did not finish.

    `network`, `group`: what it is counted by; the group is a kind of fault or a variation. `required`: the detectors
    that have to find it.
    """

    name: str
    network: str
    group: str
    side: str
    finding: LateFinding | None
    trouble: str
    required: tuple[str, ...] = ()

    @property
    def counts(self) -> bool:
        """False where the fault changed nothing, so that there was nothing to find."""
        return self.finding is None or not self.finding.silent

    def status(self, detector: str) -> str:
        """The verdict of a detector; empty where there is none."""
        return "" if self.finding is None else self.finding.detections[detector].status


def results(rows: Iterable[Row]) -> tuple[list[LateResult], list[LateResult]]:
    """Those of faults, and those of whole right pairs."""
    cases, pairs = {c.name: c for c in LATE_CASES}, {p.name: p for p in WHOLE_PAIRS}
    faults, right = [], []
    for row in rows:
        if row.kind == LATE:
            case = cases[row.name]
            facts = case.network, case.fault.kind, case.side
            faults.append(LateResult(row.name, *facts, finding_of(row), row.trouble, _required(case)))
        else:
            pair = pairs[row.name]
            right.append(LateResult(row.name, pair.network, pair.variation, "", finding_of(row), row.trouble))
    return faults, right


def _required(case: LateCase) -> tuple[str, ...]:
    """`verify`, unless counts alone can tell; lockstep, which has no test and is in f32, where that can show it."""
    in_verify = not case.fault.only_counted
    in_lockstep = case.fault.kind != TEST and case.network not in case.fault.faint_in
    return (VERIFY,) * in_verify + (IN_LOCKSTEP,) * in_lockstep


def late_exit_code(rows: Sequence[Row]) -> int:
    """0 when all faults that can be are found, enough are not passed from traces, and no right run fails, else 1.

    3 for nothing.
    """
    faults, right = results(rows)
    counted = [one for one in faults if one.counts]
    if not counted and not right:
        return INCONCLUSIVE
    missed = any(one.status(detector) != "FAIL" for one in counted for detector in one.required)
    silent = any(not_passed(counted, detector).percent < NOT_PASSED for detector in (WITH_NORMS, LOSSES_ONLY))
    failed = any(one.status(detector) in ("FAIL", "") for one in right for detector in LATE_DETECTORS)
    return EXIT_CODES["FAIL" if missed or silent or failed else "PASS"]


def not_passed(found: Sequence[LateResult], detector: str) -> Rate:
    """The share that a detector does not pass."""
    return rate(found, lambda one: one.status(detector) != "PASS")


def render_late(rows: Sequence[Row], form: str) -> Document | str:
    """Every table, what `verify` or lockstep alone missed, and right runs that did not pass."""
    faults, right = results(rows)
    counted = [one for one in faults if one.counts]
    if form == "json":
        document = {
            "late_version": LATE_VERSION,
            "rows": [vars(row) for row in rows],
            "exit_code": late_exit_code(rows),
        }
        return as_json(document)
    sections = [
        _section("Late faults: failed, of those not passed", "faults", counted, _by_kind),
        _section("Whole right runs: failed, of those not passed", "pairs", right, _by_kind),
    ]
    return lay_out([section for section in sections if section.cells], [list(_sentences(faults, right))], form)


def _by_kind(one: LateResult) -> str:
    return one.group


def _section(title: str, what: str, found: Sequence[LateResult], kind: Callable[[LateResult], str]) -> TableSection:
    groups = {"all": list(found)} if found else {}
    for key in (lambda one: one.network, lambda one: one.side, kind):
        for one in found:
            if key(one):
                groups.setdefault(key(one), []).append(one)
    cells = [
        [name, str(len(of)), *(_counts(of, detector) for detector in LATE_DETECTORS)] for name, of in groups.items()
    ]
    return TableSection(("", what, *LATE_DETECTORS), cells, title)


def _counts(found: Sequence[LateResult], detector: str) -> str:
    """`12 of 20 (71 %)`: so many failed of those not passed, which are that share of all."""
    failed = sum(one.status(detector) == "FAIL" for one in found)
    open_ = not_passed(found, detector)
    return f"{failed} of {open_.hits} ({open_.percent:.0f} %)"


def _sentences(faults: Sequence[LateResult], right: Sequence[LateResult]) -> Iterable[str]:
    for one in faults:
        if one.finding is None:
            yield f"{one.name}: did not finish: {one.trouble}."
        elif one.finding.silent:
            yield f"{one.name}: changes nothing."
        else:
            for detector in (VERIFY, IN_LOCKSTEP):
                if (found := one.finding.detections[detector]).status != "FAIL":
                    yield f"{one.name}: {found.status} of {detector}: {found.reason}"
    for one in right:
        for detector in LATE_DETECTORS:
            if one.status(detector) != "PASS":
                why = one.trouble if one.finding is None else one.finding.detections[detector].reason
                yield f"{one.name}: {one.status(detector) or 'no verdict'} of {detector}: {why}"
