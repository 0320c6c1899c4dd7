"""One pair of a report: compared and judged, or the reason why not."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from harness.trace.recording import Recording
from harness.trace.store import StoredCell
from harness.verdict.compare import Comparison, Judging, compare
from harness.verdict.envelope.envelope import Envelope
from harness.verdict.envelope.find import find_shared_envelope
from harness.verdict.evidence import ALONE, Beside, Lockstep
from harness.verdict.judge import Verdict, judge, worst_exit_code


@dataclass(frozen=True)
class PairRow:
    """One pair of a report: compared and judged, or not compared because a side is absent.

    `note`: why a side is absent ("compiled, not run: no CUDA device"). `kind`: cross-compiler, cross-platform, …
    A row without verdict is only mentioned and does not count for the exit code. `findings`: sentences about why the
    sides differ; `culprit`: what of a training step is off, where that is known. `envelope`: by which it was judged.
    `lockstep`: the same
    pair in lockstep, where it was run so. `cells`: the two, where they are stored.
    """

    a: str
    b: str
    comparison: Comparison | None = None
    verdict: Verdict | None = None
    note: str = ""
    kind: str = ""
    findings: tuple[str, ...] = ()
    culprit: str = ""
    envelope: Envelope | None = None
    lockstep: Lockstep | None = None
    cells: tuple[StoredCell, ...] = ()

    @property
    def name(self) -> str:
        """The pair as a table names it."""
        return f"{self.a} vs {self.b}"


def judge_recordings(a: Recording, b: Recording, judging: Judging, kind: str = "", beside: Beside = ALONE) -> PairRow:
    """The row of two recordings. An envelope of their run, if one is known, says how far they may part and how long."""
    envelope = find_shared_envelope(a.trace.header, b.trace.header)
    if envelope is not None:
        judging = replace(judging, horizon=envelope.horizon)
    return judge_pair(compare(a, b, judging), kind, beside, envelope)


def judge_pair(
    comparison: Comparison, kind: str = "", beside: Beside = ALONE, envelope: Envelope | None = None
) -> PairRow:
    """The row of a comparison, judged, its sides named after their files."""
    a, b = comparison.a, comparison.b
    names = (a.name, b.name) if a.name != b.name else (a.trace.path, b.trace.path)
    verdict = judge(comparison, beside, envelope)
    lockstep = beside.lockstep if isinstance(beside.lockstep, Lockstep) else None
    return PairRow(*names, comparison, verdict, kind=kind, envelope=envelope, lockstep=lockstep)


def exit_code(rows: Iterable[PairRow]) -> int:
    """The worst exit code of the rows that have a verdict; 3 when none has."""
    return worst_exit_code(row.verdict.exit_code for row in rows if row.verdict is not None)


def agreed_steps(rows: Iterable[PairRow]) -> str:
    """The steps on which the rows that pass agree, to be read after `agree`; empty where those are all.

    ` on 8 of 200 steps` where all agree on those, ` (2 on all steps, 3 on 8 of 200 steps)` where some do, and
    ` (3 on a part of their steps only)` where the parts are not of one length.
    """
    passes = [row.verdict for row in rows if row.verdict is not None and row.verdict.status == "PASS"]
    return steps_in_words(Counter(words_of(verdict) for verdict in passes))


def words_of(verdict: Verdict) -> str:
    """The steps of a pass that does not speak of all of them, `8 of 200 steps`; empty of one that does."""
    return verdict.coverage.words if verdict.is_partial and verdict.coverage is not None else ""


def steps_in_words(passes: Mapping[str, int]) -> str:
    """As `agreed_steps`. `passes`: how many there are of each of `words_of`."""
    partial = {words: count for words, count in passes.items() if words}
    whole, several = passes.get("", 0), sum(partial.values())
    if not partial:
        return ""
    if len(partial) > 1:
        return f" ({several} on a part of their steps only)"
    (words,) = partial
    return f" ({whole} on all steps, {several} on {words})" if whole else f" on {words}"
