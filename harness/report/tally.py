"""All pairs of many traces: judged in several processes, and told in what fits on some screens.

Half a million rows with their evidence would take gigabytes, so no more of a pair is kept than will be told of it.
"""

import heapq
import math
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from harness.errors import HarnessError
from harness.report.tables import SUMMARY_COLUMNS, summary_table
from harness.report.text import FIRST, render_difference
from harness.system.text import Document, Table
from harness.trace.recording import Recording
from harness.verdict.compare import Judging
from harness.verdict.judge import worst_exit_code
from harness.verdict.pair import PairRow, judge_recordings, steps_in_words, words_of

MANY = 2_000  # pairs, of which not each is told
SENTENCES = 40  # of the pairs that differ, and of those that are inconclusive
FURTHEST = 10  # of all pairs, in a table
_BLOCK = 500  # pairs that a process judges at a time

Places = tuple[int, int]


def is_many(traces: int) -> bool:
    """Whether so many traces have more pairs than are told one by one."""
    return traces * (traces - 1) // 2 > MANY


@dataclass
class Tally:
    """What is told of some pairs. `codes`: of how many pairs which exit code. `passes`: see `steps_in_words`.

    `differ`, `unclear`: the places of the first ones, with their sentences. `blamed`: in how many pairs that differ the
    trace of a place is. `furthest`: the largest differences, with the table's row of each.
    """

    codes: Counter[int] = field(default_factory=Counter)
    passes: Counter[str] = field(default_factory=Counter)
    differ: list[tuple[Places, str]] = field(default_factory=list)
    unclear: list[tuple[Places, str]] = field(default_factory=list)
    blamed: Counter[int] = field(default_factory=Counter)
    furthest: list[tuple[float, Places, list[str]]] = field(default_factory=list)

    def add(self, places: Places, row: PairRow) -> None:
        """Count a pair in."""
        verdict, numbers = row.verdict, None if row.comparison is None else row.comparison.numbers
        assert verdict is not None, "a pair of recordings is always judged"
        self.codes[verdict.exit_code] += 1
        told = {"FAIL": self.differ, "INCONCLUSIVE": self.unclear}.get(verdict.status)
        if told is None:
            self.passes[words_of(verdict)] += 1
        elif len(told) < SENTENCES:
            told.append((places, f"{row.name}: {verdict.sentence}"))
        if verdict.status == "FAIL":
            self.blamed.update(places)
        most = None if numbers is None else numbers.max
        if most is not None:
            size = math.inf if math.isnan(most) else most
            if len(self.furthest) < FURTHEST or size > self.furthest[-1][0]:
                (shown,) = summary_table([row])
                self._keep_furthest([(size, places, shown)])

    def join(self, other: "Tally") -> None:
        """Count in what comes after these pairs."""
        self.codes += other.codes
        self.passes += other.passes
        self.blamed += other.blamed
        self.differ = [*self.differ, *other.differ][:SENTENCES]
        self.unclear = [*self.unclear, *other.unclear][:SENTENCES]
        self._keep_furthest(other.furthest)

    def _keep_furthest(self, more: Sequence[tuple[float, Places, list[str]]]) -> None:
        self.furthest = heapq.nsmallest(FURTHEST, [*self.furthest, *more], key=lambda one: (-one[0], one[1]))

    @property
    def exit_code(self) -> int:
        """As of the rows."""
        return worst_exit_code(self.codes)


def tally(recordings: Sequence[Recording], judging: Judging) -> Tally:
    """Judge all pairs of the recordings. The result does not depend on how many processes there are.

    Raises: EnvelopeError; HarnessError when a process is killed.
    """
    found = Tally()
    for one in _in_processes(recordings, judging):
        found.join(one)
    return found


def _in_processes(recordings: Sequence[Recording], judging: Judging) -> Iterator[Tally]:
    blocks = list(_blocks(len(recordings)))
    workers = min(usable_processors(), len(blocks))
    # A process of JAX has threads that a copy of it would wait for, for ever; and only a copy has the recordings.
    if workers < 2 or "jax" in sys.modules:
        yield from (_judge(recordings, judging, block) for block in blocks)
        return
    import multiprocessing  # here, because comparisons of few traces do without
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    # Not multiprocessing's own pool, which waits for ever for a process that was killed.
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("fork"), _begin, (recordings, judging))
    try:
        yield from pool.map(_judge_block, blocks)
    except BrokenProcessPool:
        raise HarnessError(
            f"{len(recordings)} traces: a process that compares them was killed, perhaps for memory. Name fewer."
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def usable_processors() -> int:
    """How many processors this process may use; 1 on systems that do not tell."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def _blocks(count: int) -> Iterator[list[Places]]:
    """All pairs in their order, some at a time."""
    block: list[Places] = []
    for first in range(count):
        for second in range(first + 1, count):
            block.append((first, second))
            if len(block) == _BLOCK:
                yield block
                block = []
    if block:
        yield block


_shared: tuple[Sequence[Recording], Judging] | None = None  # of a process of the pool, for as long as it lasts


def _begin(recordings: Sequence[Recording], judging: Judging) -> None:
    global _shared  # the way in which a pool hands its processes what is too large to be sent each time
    _shared = recordings, judging


def _judge_block(block: list[Places]) -> Tally:
    assert _shared is not None, "a process of the pool"
    return _judge(*_shared, block)


def _judge(recordings: Sequence[Recording], judging: Judging, block: Sequence[Places]) -> Tally:
    found = Tally()
    for first, second in block:
        found.add((first, second), judge_recordings(recordings[first], recordings[second], judging))
    return found


def render(found: Tally, recordings: Sequence[Recording], judging: Judging) -> Document:
    """The first pairs that differ with their evidence, sentences about some more, counts, and those furthest apart."""
    blocks: list[str | Table] = []
    for (first, second), _ in found.differ[:FIRST]:
        row = judge_recordings(recordings[first], recordings[second], judging)
        blocks += [*render_difference(row).blocks, ""]
    for told, code, verb in ((found.differ[FIRST:], 1, "differ"), (found.unclear, 3, "are inconclusive")):
        blocks += [sentence for _, sentence in told]
        more = found.codes[code] - len(told) - (len(found.differ[:FIRST]) if code == 1 else 0)
        blocks += [f"and {more} more {verb}"] if more else []
        blocks += [""] if told or more else []
    blocks += [f"furthest apart of {found.codes.total()} pairs:", ""]
    blocks += [Table(SUMMARY_COLUMNS, [row for _, _, row in found.furthest]), ""]
    if found.blamed:
        place, count = found.blamed.most_common(1)[0]
        blocks.append(f"{recordings[place].trace.path} is in {count} of the {found.codes[1]} pairs that differ")
    parts = [f"{found.codes[1]} of {found.codes.total()} pairs differ", f"{found.codes[3]} are inconclusive"]
    parts.append(f"{found.codes[0]} agree{steps_in_words(found.passes)}")
    return Document([*blocks, f"{'; '.join(parts)}."])
