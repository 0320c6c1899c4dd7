"""Pairs and verdicts as rows and sentences, which every format shows alike."""

from collections.abc import Callable, Sequence

from harness.trace.format import Trace
from harness.trace.recording import Recording
from harness.verdict.compare import Comparison, Numbers
from harness.verdict.judge import Verdict
from harness.verdict.pair import PairRow

PAIR_COLUMNS = ("loss", "|A - B|", "step", "A", "B")
SUMMARY_COLUMNS = ("pair", "step 1", "step 2", "median", "max", "verdict")
GATE_COLUMNS = ("gate", "outcome", "evidence")
NAMED = 3  # of the pairs, cells or gates that a line is about; the others are counted
_OUTCOMES = {"unreached": "not reached"}
_UNDECIDED = ("pass", "note", "unreached")


def describe_side(side: Recording, resolution: float | None) -> str:
    """One line about a side: file, pipeline, steps, print resolution when coarser than float32."""
    header = side.trace.header
    what = [header.pipeline or header.phase, *filter(None, (header.backend, header.dtype)), _length(side.trace)]
    what += side.trace.notes
    if resolution is not None:
        what.append(f"print resolution {show_resolution(resolution)}")
    told = f"; not told: {', '.join(header.unknown)}" if header.unknown else ""
    return f"{side.trace.path} ({', '.join(what)}{told})"


def _length(trace: Trace) -> str:
    epochs = trace.header.epoch_losses
    return f"{trace.steps} steps" if epochs is None else f"{len(epochs)} epochs"


def describe_sides(comparison: Comparison) -> tuple[str, str]:
    """A line about each side."""
    left = describe_side(comparison.a, comparison.resolution_a)
    return left, describe_side(comparison.b, comparison.resolution_b)


def describe_mode(comparison: Comparison) -> str:
    """The tolerance and the steps under it."""
    mode, numbers = comparison.judging.mode, comparison.numbers
    line = f"{mode.name}: atol {mode.atol:g}, rtol {mode.rtol:g}"
    if numbers is None or numbers.compared == 0:
        return line
    if numbers.judged == 0:
        return f"{line}; none of {numbers.compared} compared steps is judged step by step"
    return f"{line}; step by step for the first {numbers.judged} of {numbers.compared} compared steps"


def describe_tolerance(comparison: Comparison) -> list[str]:
    """The smallest tolerances that would pass the judged steps, and the element that needs them."""
    numbers, mode = comparison.numbers, comparison.judging.mode
    if numbers is None or numbers.smallest is None:
        return []
    smallest, worst = numbers.smallest, numbers.smallest.worst
    lines = []
    coarsest = max(comparison.resolution_a or 0.0, comparison.resolution_b or 0.0)
    if coarsest > 0:
        lines.append(f"a difference of 0 means equal at the print resolution of {show_resolution(coarsest)}")
    line = f"smallest tolerance that passes: atol {show(smallest.atol)} with rtol 0"
    if mode.atol > 0:
        line += f", or {smallest.multiple:.3g} x {mode.name}"
    lines.append(f"{line}; strictest mode that passes: {smallest.mode or 'none'}")
    lines.append(
        f"worst judged element: step {worst.step}, {worst.a:.9g} and {worst.b:.9g}, "
        f"{show(worst.delta)} apart, allowed {show(worst.allowed)}"
    )
    return lines


def pair_table(numbers: Numbers) -> list[list[str]]:
    """The rows of a pair under PAIR_COLUMNS."""
    rows = []
    for step in (1, 2, 3) if numbers.unbroken == numbers.compared else numbers.steps[:3].tolist():
        rows.append([f"step {step}", *_at(numbers, step)])
    rows.append(["median", show(numbers.median), "", "", ""])
    rows.append(["max", *_at(numbers, numbers.max_step)])
    first = _at(numbers, numbers.first_beyond)
    rows.append(["first beyond tolerance", *(first if numbers.first_beyond else ["none", "", "", ""])])
    last = numbers.epochs[-1] if numbers.epochs else None
    if last is None:
        rows.append(["mean of last epoch", "-", "", "", ""])
    else:
        name = f"mean of last epoch ({last.epoch}{'' if last.complete else ', incomplete'})"
        rows.append([name, show(abs(last.a - last.b)), f"{last.first}-{last.last}", f"{last.a:.6g}", f"{last.b:.6g}"])
    at = numbers.lr_max_step
    lr = ["-", "", "", ""]
    if at is not None:
        row = numbers.row(at)
        # The step of a maximum of zero says nothing.
        lr = [show(numbers.lr_max), str(at) if numbers.lr_max else ""]
        lr += [f"{numbers.lr_a[row]:.9g}", f"{numbers.lr_b[row]:.9g}"] if numbers.lr_max else ["", ""]
    rows.append(["learning rate, max", *lr])
    return rows


def gate_table(verdict: Verdict) -> list[list[str]]:
    """The evidence under GATE_COLUMNS."""
    return [[line.gate, _OUTCOMES.get(line.outcome, line.outcome), line.line] for line in verdict.evidence]


def deciding_gates(verdict: Verdict) -> list[list[str]]:
    """The evidence of the gates that failed or could not tell; of the others, a row each outcome with their names."""
    decided = [row for row in gate_table(verdict) if row[1] in ("fail", "inconclusive")]
    others = {outcome: [one.gate for one in verdict.evidence if one.outcome == outcome] for outcome in _UNDECIDED}
    return decided + [
        [_counted(len(gates)), _OUTCOMES.get(outcome, outcome), ", ".join(gates)]
        for outcome, gates in others.items()
        if gates
    ]


def _counted(gates: int) -> str:
    return "1 other" if gates == 1 else f"{gates} others"


def summary_table(rows: Sequence[PairRow]) -> list[list[str]]:
    """One row per pair under SUMMARY_COLUMNS; an absent pair shows why in place of a verdict."""
    table = []
    for row in rows:
        numbers = row.comparison.numbers if row.comparison is not None else None
        cells = ["-"] * 4
        if numbers is not None:
            cells = [show(x) for x in (numbers.delta_at(1), numbers.delta_at(2), numbers.median, numbers.max)]
        table.append([row.name, *cells, show_verdict(row)])
    return table


def show_verdict(row: PairRow) -> str:
    """The verdict of a row in a few words."""
    if row.verdict is None:
        return row.note or "not compared"
    parts: list[str] = [row.verdict.headline]
    if row.verdict.gate is not None:
        parts.append(": ".join(filter(None, (row.verdict.gate, row.verdict.place))))
    elif row.verdict.unreached:
        gates = row.verdict.unreached
        parts.append(f"not reached: {', '.join(gates) if len(gates) <= NAMED else f'{len(gates)} gates'}")
    if row.note:
        parts.append(row.note)
    return parts[0] + (f" ({'; '.join(parts[1:])})" if parts[1:] else "")


def where(row: PairRow) -> str:
    """The failure and its place, in words: `backward of pool1 (phase3)`, or `backward, step 1, gradient of conv2.w`."""
    verdict = row.verdict
    if row.culprit:
        return row.culprit
    if verdict is None:
        return row.note
    if verdict.status == "INCONCLUSIVE":
        return verdict.reason if row.note else str(verdict.gate)
    return ", ".join(filter(None, (verdict.fault, verdict.place)))


def in_each(rows: Sequence[PairRow]) -> str:
    """The one side that several pairs have in common, as `, each with wrong-cpu`; else empty."""
    common = set.intersection(*({row.a, row.b} for row in rows)) if len(rows) > 1 else set()
    return f", each with {common.pop()}" if len(common) == 1 else ""


def first_named(rows: Sequence[PairRow], name: Callable[[PairRow], str]) -> str:
    """The first pairs by name, each with the place of its failure; how many more."""
    said = [", ".join(filter(None, (name(row), where(row)))) for row in rows[:NAMED]]
    return "; ".join([*said, *([f"and {len(rows) - NAMED} more"] if len(rows) > NAMED else [])])


def listed(names: Sequence[str]) -> str:
    """The first names; how many more."""
    return ", ".join([*names[:NAMED], *([f"and {len(names) - NAMED} more"] if len(names) > NAMED else [])])


def show(value: float | None) -> str:
    """A difference or tolerance with three digits; zero as 0, absent as a dash."""
    if value is None:
        return "-"
    if value != value:
        return "NaN"
    return f"{value:.2e}" if value else "0"


def show_resolution(value: float) -> str:
    """A power of ten without a leading zero in its exponent: 1e-6."""
    return f"{value:.0e}".replace("e-0", "e-")


def _at(numbers: Numbers, step: int | None) -> list[str]:
    row = None if step is None else numbers.row(step)
    if row is None:
        return ["-", "", "", ""]
    a, b = (f"{side[row]:.9g}" for side in (numbers.loss_a, numbers.loss_b))
    return [show(float(numbers.delta[row])), str(step), a, b]
