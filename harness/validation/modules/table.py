"""What `check` says of faulty executors, of right modules and of the package's networks, as tables."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from harness.module.executors import EXECUTORS
from harness.module.words import DOUBT, FAULT
from harness.system.text import Document
from harness.validation.document import TableSection, as_json, lay_out
from harness.validation.modules.campaign import CHECK, EFFECT, NETWORK, RIGHT, finding_of
from harness.validation.modules.examination import CheckFinding, EffectFinding, Judged, NetworkFinding
from harness.validation.modules.faults import FAULTS, OpFault
from harness.validation.power.journal import Row
from harness.verdict.judge import EXIT_CODES, INCONCLUSIVE

MODULES_VERSION = 1
FOUND = 95.0  # percent of the faults that can be seen
_OBSERVABLE = 1.0  # ratio of what a fault moves to what rounding moves
_RAN = ("rounding", "tie", "empty", "no number", "doubt", "reference in doubt", "race", "fault")


@dataclass(frozen=True)
class CheckedFault:
    """A fault on an executor. `effect`: its ratio in exact arithmetic, None where that is not known."""

    fault: OpFault
    on: str
    effect: float | None
    judged: Judged | None
    trouble: str

    @property
    def counts(self) -> bool:
        """Whether there was something to be found: an executor that ran, and an effect above rounding."""
        ran = self.judged is None or self.judged.word in _RAN
        return ran and (self.effect is None or self.effect >= _OBSERVABLE)

    @property
    def found(self) -> bool:
        """Whether it is called a fault."""
        return self.judged is not None and self.judged.word in ("fault", "race")


def checked_faults(rows: Iterable[Row]) -> list[CheckedFault]:
    """The rows of faults, by executor."""
    kept = list(rows)
    faults = {fault.name: fault for fault in FAULTS}
    effects = {row.name: found.ratio for row in kept if isinstance(found := _finding(row), EffectFinding)}
    made = []
    for row in kept:
        if row.kind == CHECK:
            name, _, on = row.name.rpartition(" | ")
            found = finding_of(row)
            judged = found.judged[f"faulty-{on}"] if isinstance(found, CheckFinding) else None
            made.append(CheckedFault(faults[name], on, effects.get(name), judged, row.trouble))
    return made


def _finding(row: Row) -> object:
    return finding_of(row) if row.kind == EFFECT else None


def modules_exit_code(rows: Sequence[Row]) -> int:
    """0 when enough faults are found and no right executor is called wrong, else 1; 3 for nothing."""
    counted = [one for one in checked_faults(rows) if one.counts]
    right = [found for row in rows if row.kind == RIGHT for found in [finding_of(row)]]
    if not counted and not right and not any(row.kind == NETWORK for row in rows):
        return INCONCLUSIVE
    few = counted and 100 * sum(one.found for one in counted) < FOUND * len(counted)
    return EXIT_CODES["FAIL" if few or any(_alarms(row) for row in rows) else "PASS"]


def _alarms(row: Row) -> list[str]:
    """Right executors of a row that are called wrong or doubtful, and checks that did not finish."""
    if row.kind == EFFECT:
        return []
    found = finding_of(row)
    if found is None:
        return [f"did not finish: {row.trouble}"] if row.kind != CHECK else []
    assert isinstance(found, CheckFinding | NetworkFinding)
    right = {on: judged for on, judged in found.judged.items() if on in EXECUTORS}
    harmless = ("rounding", "tie", "refused", "timed out", "not started", "absent")
    return [
        f"{on} is called {one.word} (ratio {one.ratio:.3g}; {', '.join(one.worst)})"
        for on, one in right.items()
        if one.word not in harmless
    ]


def render_modules(rows: Sequence[Row], form: str) -> Document | str:
    """Every table, the faults that were missed or could not be seen, and right executors that were called wrong."""
    if form == "json":
        return as_json(
            {
                "modules_version": MODULES_VERSION,
                "rows": [vars(row) for row in rows],
                "exit_code": modules_exit_code(rows),
            }
        )
    faults = checked_faults(rows)
    sections = [_fault_section(faults), _right_section(rows), _network_section(rows)]
    lists = [list(_fault_sentences(faults)), [f"{row.name}: {told}." for row in rows for told in _alarms(row)]]
    return lay_out([section for section in sections if section.cells], lists, form)


def _fault_section(faults: Sequence[CheckedFault]) -> TableSection:
    """By group of faults and executor: `11 of 12`, called a fault of those that can be seen."""
    keys: tuple[Callable[[CheckedFault], str], ...] = (
        lambda one: f"{one.fault.network} {one.fault.source}",
        lambda one: one.fault.change,
        _strength,
    )
    groups: dict[str, list[CheckedFault]] = {"all": list(faults)} if faults else {}
    for key in keys:
        for one in faults:
            groups.setdefault(key(one), []).append(one)
    executors = [on for on in EXECUTORS if any(one.on == on for one in faults)]
    cells = [
        [name, str(len({one.fault.name for one in of if one.counts})), *(_found(of, on) for on in executors)]
        for name, of in groups.items()
    ]
    title = "Faults of an executor: called a fault, of those that can be seen"
    return TableSection(("", "faults", *executors), cells, title)


def _strength(one: CheckedFault) -> str:
    if one.effect is None:
        return "effect unknown"
    if one.effect < _OBSERVABLE:
        return "effect below rounding"
    if one.effect < DOUBT:
        return f"effect {_OBSERVABLE:g} to {DOUBT:g}"
    return f"effect {DOUBT:g} to {FAULT:g}" if one.effect < FAULT else f"effect {FAULT:g} and more"


def _found(of: Sequence[CheckedFault], on: str) -> str:
    counted = [one for one in of if one.on == on and one.counts]
    return f"{sum(one.found for one in counted)} of {len(counted)}" if counted else ""


def _right_section(rows: Sequence[Row]) -> TableSection:
    """By module and executor: the largest ratio over all seeds, or the word that is not `rounding`."""
    by_module: dict[str, list[CheckFinding]] = {}
    for row in rows:
        found = finding_of(row) if row.kind == RIGHT else None
        if isinstance(found, CheckFinding):
            by_module.setdefault(row.name.rpartition(" | ")[0], []).append(found)
    cells = [[name, str(len(of)), *(_largest(of, on) for on in EXECUTORS)] for name, of in by_module.items()]
    return TableSection(("", "seeds", *EXECUTORS), cells, "Right modules: largest ratio")


def _largest(of: Sequence[CheckFinding], on: str) -> str:
    judged = [found.judged[on] for found in of if on in found.judged]
    ran = [one for one in judged if one.word in _RAN]
    words = sorted({one.word for one in judged} - {"rounding"})
    return ", ".join([*([f"{max(one.ratio for one in ran):.2f}"] if ran else []), *words])


def _network_section(rows: Sequence[Row]) -> TableSection:
    cells = []
    executors: list[str] = []
    for row in rows:
        found = finding_of(row) if row.kind == NETWORK else None
        if row.kind == NETWORK and found is None:
            cells.append([row.name, "", "did not finish", f"{row.seconds:.0f}", ""])
        if isinstance(found, NetworkFinding):
            executors = executors or list(found.judged)
            cells.append(
                [
                    row.name,
                    str(found.operations),
                    _seconds(found.reference),
                    f"{found.seconds:.0f}",
                    *(_network_cell(found.judged[on]) for on in found.judged),
                ]
            )
    width = 4 + len(executors)
    padded = [[*row, *[""] * (width - len(row))][:width] for row in cells]
    title = "Train steps of the package's networks: word, largest ratio, seconds to compile and to run"
    return TableSection(("", "operations", "reference", "seconds", *executors), padded, title)


def _network_cell(one: Judged) -> str:
    return f"{one.word} {one.ratio:.2f}, {_seconds(one)}" if one.word in _RAN else f"{one.word}: {one.message[:60]}"


def _seconds(one: Judged) -> str:
    return f"{one.compile_s:.1f} + {one.run_s:.2f}" if one.compile_s or one.run_s else one.word


def _fault_sentences(faults: Sequence[CheckedFault]) -> Iterable[str]:
    told: set[str] = set()
    for one in faults:
        name = f"{one.fault.name} | {one.on}"
        if one.judged is None:
            yield f"{name}: did not finish: {one.trouble}."
        elif one.effect is not None and one.effect < _OBSERVABLE:
            if one.fault.name not in told:
                told.add(one.fault.name)
                yield f"{one.fault.name}: cannot be seen at this input: {one.effect:.2g} of what rounding does."
            if one.found:
                yield f"{name}: called a fault all the same, of ratio {one.judged.ratio:.3g}."
        elif one.judged.word not in _RAN:
            yield f"{name}: {one.judged.word}: {one.judged.message}"
        elif not one.found:
            effect = "" if one.effect is None else f", {one.effect:.3g} in exact arithmetic"
            yield f"{name}: {one.judged.word}, of ratio {one.judged.ratio:.3g}{effect}."
