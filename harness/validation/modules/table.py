"""What `check` says of faulty executors, of right modules and of the package's networks, as tables."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from harness.module.executors import EXECUTORS
from harness.module.words import DOUBT, FAULT, MILDEST_FIRST, WRONG
from harness.system.text import Document
from harness.validation.document import TableSection, as_json, lay_out
from harness.validation.modules.campaign import CHECK, EFFECT, ISOLATE, NETWORK, RIGHT, finding_of
from harness.validation.modules.examination import MEASURED, CheckFinding, EffectFinding, Judged, NetworkFinding
from harness.validation.modules.faults import FAULTS, OpFault
from harness.validation.modules.faulty import FAULTY
from harness.validation.modules.isolation import IsolationFinding
from harness.validation.power.journal import Row
from harness.verdict.judge import EXIT_CODES, INCONCLUSIVE

MODULES_VERSION = 1
FOUND = 95.0  # percent of the faults that can be seen
_OBSERVABLE = 1.0  # ratio of what a fault moves to what rounding moves


@dataclass(frozen=True)
class FaultRow:
    """A fault on an executor. `effect`: its ratio in exact arithmetic, None where that is not known."""

    kind: str
    fault: OpFault
    on: str
    effect: float | None
    found: Judged | IsolationFinding | None
    trouble: str

    @property
    def counts(self) -> bool:
        """Whether there was something to be found: an executor that ran, and an effect above rounding."""
        ran = not isinstance(self.found, Judged) or self.found.word in MILDEST_FIRST
        return ran and (self.effect is None or self.effect >= _OBSERVABLE)

    @property
    def hit(self) -> bool:
        """Whether it is called a fault; or whether its operation is named, and nothing else."""
        if isinstance(self.found, IsolationFinding):
            return self.found.named == "operation" and not self.found.others
        return self.found is not None and self.found.word in WRONG

    @property
    def strength(self) -> str:
        """Its effect in classes of the words."""
        if self.effect is None:
            return "effect unknown"
        if self.effect < _OBSERVABLE:
            return "effect below rounding"
        if self.effect < DOUBT:
            return f"effect {_OBSERVABLE:g} to {DOUBT:g}"
        return f"effect {DOUBT:g} to {FAULT:g}" if self.effect < FAULT else f"effect {FAULT:g} and more"


def fault_rows(rows: Iterable[Row], kind: str) -> list[FaultRow]:
    """The rows of checks or isolations of faults, by executor."""
    kept = list(rows)
    faults = {fault.name: fault for fault in FAULTS}
    effects = {
        row.name: found.ratio
        for row in kept
        if row.kind == EFFECT and isinstance(found := finding_of(row), EffectFinding)
    }
    made = []
    for row in kept:
        if row.kind == kind:
            name, told = _by_executor(row)
            made += [FaultRow(kind, faults[name], on, effects.get(name), one, row.trouble) for on, one in told.items()]
    return made


def _by_executor(row: Row) -> tuple[str, dict[str, Judged | IsolationFinding | None]]:
    """The fault of a row, and what was found of it on each executor that has it; None where nothing came of it."""
    found = finding_of(row)
    if row.kind == ISOLATE:
        assert found is None or isinstance(found, IsolationFinding)
        name, _, on = row.name.rpartition(" | ")
        return name, {on: found}
    if found is None:
        return row.name, dict.fromkeys(MEASURED)
    assert isinstance(found, CheckFinding)
    return row.name, {on: one for on in MEASURED if (one := found.judged.get(f"{FAULTY}{on}")) is not None}


def modules_exit_code(rows: Sequence[Row]) -> int:
    """0 when enough faults are found and named and no right executor is called wrong, else 1; 3 for nothing."""
    counted = [[one for one in fault_rows(rows, kind) if one.counts] for kind in (CHECK, ISOLATE)]
    if not any(counted) and not any(row.kind in (RIGHT, NETWORK) for row in rows):
        return INCONCLUSIVE
    few = any(100 * sum(one.hit for one in of) < FOUND * len(of) for of in counted)
    return EXIT_CODES["FAIL" if few or any(_alarms(row) for row in rows) else "PASS"]


def _alarms(row: Row) -> list[str]:
    """Right executors of a row that are called wrong or doubtful, and checks that did not finish."""
    if row.kind in (EFFECT, ISOLATE):
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
    checked, isolated = fault_rows(rows, CHECK), fault_rows(rows, ISOLATE)
    sections = [
        _fault_section(checked, "Faults of an executor: called a fault by check, of those that can be seen"),
        _fault_section(isolated, "Faults of an executor: the operation named by isolate, of those that can be seen"),
        _right_section(rows),
        _network_section(rows),
    ]
    alarms = [f"{row.name}: {told}." for row in rows for told in _alarms(row)]
    lists = [list(_check_sentences(checked)), list(_isolation_sentences(isolated)), alarms]
    return lay_out([section for section in sections if section.cells], lists, form)


def _fault_section(faults: Sequence[FaultRow], title: str) -> TableSection:
    """By group of faults and executor: `11 of 12`, hits of those that count."""
    keys: tuple[Callable[[FaultRow], str], ...] = (
        lambda one: f"{one.fault.network} {one.fault.source}",
        lambda one: one.fault.change,
        lambda one: one.strength,
    )
    counted = [one for one in faults if one.counts]
    groups: dict[str, list[FaultRow]] = {"all": counted} if counted else {}
    for key in keys:
        for one in counted:
            groups.setdefault(key(one), []).append(one)
    executors = [on for on in MEASURED if any(one.on == on for one in faults)]
    cells = [
        [name, str(len({one.fault.name for one in of})), *(_hits(of, on) for on in executors)]
        for name, of in groups.items()
    ]
    return TableSection(("", "faults", *executors), cells, title)


def _hits(of: Sequence[FaultRow], on: str) -> str:
    there = [one for one in of if one.on == on]
    return f"{sum(one.hit for one in there)} of {len(there)}" if there else ""


def _right_section(rows: Sequence[Row]) -> TableSection:
    """By module and executor: the largest ratio over all seeds, or the word that is not `rounding`."""
    by_module: dict[str, list[CheckFinding]] = {}
    for row in rows:
        found = finding_of(row) if row.kind == RIGHT else None
        if isinstance(found, CheckFinding):
            by_module.setdefault(row.name.rpartition(" | ")[0], []).append(found)
    cells = [[name, str(len(of)), *(_largest(of, on) for on in MEASURED)] for name, of in by_module.items()]
    return TableSection(("", "seeds", *MEASURED), cells, "Right modules: largest ratio")


def _largest(of: Sequence[CheckFinding], on: str) -> str:
    judged = [found.judged[on] for found in of if on in found.judged]
    ran = [one for one in judged if one.word in MILDEST_FIRST]
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
                    _seconds(found.reference) if found.reference.word == "ran" else found.reference.word,
                    f"{found.seconds:.0f}",
                    *(_network_cell(found.judged[on]) for on in found.judged),
                ]
            )
    width = 4 + len(executors)
    padded = [[*row, *[""] * (width - len(row))][:width] for row in cells]
    title = "Train steps of the package's networks: word, largest ratio, seconds to compile and to run"
    return TableSection(("", "operations", "reference", "seconds", *executors), padded, title)


def _network_cell(one: Judged) -> str:
    return (
        f"{one.word} {one.ratio:.2f}, {_seconds(one)}"
        if one.word in MILDEST_FIRST
        else f"{one.word}: {one.message[:60]}"
    )


def _seconds(one: Judged) -> str:
    return f"{one.compile_s:.1f} + {one.run_s:.2f}"


def _check_sentences(faults: Sequence[FaultRow]) -> Iterable[str]:
    told: set[str] = set()
    for one in faults:
        name, effect = f"{one.fault.name} | {one.on}", "" if one.effect is None else f"{one.effect:.3g}"
        if not isinstance(one.found, Judged):
            yield f"{name}: did not finish: {one.trouble}."
        elif one.found.word not in MILDEST_FIRST:
            yield f"{name}: {one.found.word}: {one.found.message}"
        elif one.counts and not one.hit:
            exact = f"; in exact arithmetic {effect}" if effect else ""
            yield f"{name}: {one.found.word}, of ratio {one.found.ratio:.3g}{exact}."
        elif not one.counts and one.fault.name not in told:
            told.add(one.fault.name)
            yield f"{one.fault.name}: cannot be seen at this input: {effect} of what rounding does."
        if not one.counts and one.hit and isinstance(one.found, Judged):
            yield f"{name}: called {one.found.word} all the same, of ratio {one.found.ratio:.3g}."
        if one.counts and isinstance(one.found, Judged) and one.hit and one.found.word != "fault":
            yield f"{name}: called {one.found.word}, of ratio {one.found.ratio:.3g}."


def _isolation_sentences(faults: Sequence[FaultRow]) -> Iterable[str]:
    for one in faults:
        name = f"{one.fault.name} | {one.on}"
        if not isinstance(one.found, IsolationFinding):
            yield f"{name}: isolate did not finish: {one.trouble}."
            continue
        sets = "; ".join(f"{what} ({word})" for what, word in zip(one.found.sets, one.found.words, strict=True))
        unseen = "" if one.counts else " (cannot be seen in the results)"
        if one.found.named != "operation" and one.counts:
            yield f"{name}: isolate names {one.found.named}: {sets or '-'}."
        elif one.found.others:
            yield f"{name}{unseen}: isolate names other operations too: {sets}."
        elif one.found.sets and unseen:
            yield f"{name}{unseen}: isolate names it: {sets}."
