"""The search for conventions: the known switches under which phase 2 reproduces a run."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.emit.header import header_facts
from harness.errors import EmitError
from harness.explain.conventions.judge import Judge, Position, Reading, order
from harness.explain.conventions.result import FAR_NEARER, Candidate, SearchResult
from harness.explain.conventions.switches import DEFAULT, Stage, Switch, Switches, applied, compatible, phrase
from harness.explain.conventions.table import switches_of
from harness.explain.conventions.trials import Trials
from harness.run.inprocess import Phase3
from harness.spec.netspec import Conventions, DType
from harness.trace.format import Trace
from harness.verdict.f64_check import SAME
from harness.verdict.resolution import find_resolution

# Steps in which a set has to match; one that matches is followed further, as far as the caller asks.
WINDOW = 8
LARGEST_SET = 2
BEAM = 3
REPLAYED = 4
# Where rounding may change a loss by this part of it, single steps are no evidence any more.
HORIZON = 0.05
# Rounding does not grow by this factor in one step.
SUDDEN = 1e3
LAST_PLACE: dict[DType, float] = {"f64": SAME, "f32": float(np.finfo(np.float32).eps)}
# The first position that a switch of each stage can change.
EARLIEST: dict[Stage, Position] = {
    "data": (1, "loss"),
    "forward": (1, "loss"),
    "statistics": (1, "running statistics"),
    "backward": (1, "gradient"),
    "optimizer": (1, "update"),
    "schedule": (1, "update"),
}


def search(trials: Trials, b: Trace, *, steps: int, replay: bool = False) -> SearchResult:
    """The smallest sets of switches under which phase 2 reproduces the first steps of B.

    In f64 differences beyond 1e-9 are of the mathematics. In f32 a set reproduces B where its first steps are no
    further apart than those of right runs, by the measure and the bounds of the verdict. A set costs the compilation of
    what no other set has, in this search or an earlier one by the same trials, and the steps until it fails. Switches
    of the part where the default first differs come first. `replay`: where several sets are left and B is of phase 3 on
    a CPU, phase 3 runs them too.
    """
    return _ConventionSearch(trials, b, min(steps, b.steps)).result(replay)


class _ConventionSearch:
    def __init__(self, trials: Trials, b: Trace, steps: int) -> None:
        graph, config, dtype = trials.graph, trials.config, trials.dtype
        self.trials, self.trace, self.dtype, self.steps = trials, b, dtype, steps
        self.switches = [s for s in switches_of(graph, config) if not (s.rounds and dtype == "f64")]
        self.header = header_facts(graph, config, dtype, Conventions(), "phase2") | {"backend": "cpu"}
        self.judge = Judge(b, self.header, dtype, min(WINDOW, steps))
        self.resolution = find_resolution(b.loss[:steps]) or 0.0
        self.tried: dict[Switches, Candidate] = {}
        self.running: dict[Switches, Iterator[Reading]] = {}
        # Of each single switch, the position where it changed what the default gives.
        self.changes: dict[Switch, Position] = {}
        self.default: list[Reading] = []

    def result(self, replay: bool) -> SearchResult:
        """Search, then follow the sets that reproduce B."""
        default = self.examine(DEFAULT)
        matching = [default] if default.failed_at is None else self._smallest()
        matching = [self._followed(c) for c in [*matching, *self._indistinguishable(matching)]]
        singles = [self.tried.get(frozenset([switch])) for switch in self.switches]
        result = SearchResult(
            tuple(matching),
            nearest=min(self.tried.values(), key=lambda c: c.rank),
            tried=tuple(self.tried.values()),
            any_switch_matters=any(single is not None and single.failed_at is not None for single in singles),
            resolution=self.resolution,
            last_place=LAST_PLACE[self.dtype] * abs(float(self.trace.loss[0])),
        )
        header = self.trace.header
        if replay and len(matching) > 1 and (header.phase, header.backend, self.dtype) == ("phase3", "cpu", "f32"):
            nearest = sorted(result.matching, key=lambda c: c.gap)[:REPLAYED]
            replayed = tuple(self._replayed(c) if c in nearest else c for c in result.matching)
            result = replace(result, matching=replayed)
        return result.ordered()

    def _smallest(self) -> list[Candidate]:
        """Sets of one switch, then of two, until some match; each grown from the best of the smaller ones."""
        parents = [self.tried[DEFAULT]]
        for _ in range(LARGEST_SET):
            level: list[Candidate] = []
            for first in (True, False):
                sets = {p.switches | {s} for p in parents for s in self._useful(p) if self._obvious(p, s) == first}
                level += [self.examine(switches) for switches in sorted(sets - self.tried.keys(), key=phrase)]
                if matching := [candidate for candidate in level if candidate.failed_at is None]:
                    return [c for c in matching if not any(other.far_nearer(c) for other in matching)]
            parents = sorted([*parents, *level], key=lambda c: c.rank)[:BEAM]
        return []

    def _obvious(self, parent: Candidate, switch: Switch) -> bool:
        """True for a switch that is in the part where a set fails."""
        return parent.failed_at == EARLIEST[switch.stage]

    def _useful(self, parent: Candidate) -> list[Switch]:
        """Switches that can correct the position where a set fails and change none before it."""
        assert parent.failed_at is not None
        at = order(parent.failed_at)
        return [
            switch
            for switch in self.switches
            if compatible([*parent.switches, switch])
            and order(EARLIEST[switch.stage]) <= at <= order(self.changes.get(switch, parent.failed_at))
        ]

    def _indistinguishable(self, matching: list[Candidate]) -> list[Candidate]:
        """Sets of one switch more than the nearest that match too; again from one of them that is far nearer."""
        more_sets: list[Candidate] = []
        for _ in range(LARGEST_SET if matching else 0):
            base = min([*matching, *more_sets], key=lambda c: c.gap)
            sets = [base.switches | {s} for s in self._silent(base) if compatible([*base.switches, s])]
            level = [self.examine(switches) for switches in sets if switches not in self.tried]
            more_sets += [c for c in level if c.failed_at is None and not c.same_as(base) and not base.far_nearer(c)]
            nearest = min((c.gap for c in more_sets), default=np.inf)
            if base.switches == DEFAULT or nearest * FAR_NEARER > base.gap:
                break
        return more_sets

    def _silent(self, base: Candidate) -> list[Switch]:
        """Switches that are not known to change anything; beside others only those that were tried alone."""
        silent = [switch for switch in self.switches if switch not in self.changes]
        return [s for s in silent if base.switches == DEFAULT or frozenset([s]) in self.tried]

    def examine(self, switches: Switches) -> Candidate:
        """Run a set and compare it with B through the window, or until it fails."""
        readings: list[Reading] = []
        run = self.trials.run(switches, self.steps, self.judge.keys)
        for reading in run:
            readings = [*readings[: reading.t - 1], reading]
            judgement = self.judge.judged(readings, switched=switches != DEFAULT)
            if judgement.worst is not None or (reading.t == self.judge.steps and not reading.provisional):
                break
        if switches == DEFAULT:
            self.default = readings
        elif len(switches) == 1:
            self._note_change(next(iter(switches)), readings)
        deltas = np.array([self._delta(reading) for reading in readings])
        self.running[switches] = run
        self.tried[switches] = Candidate(switches, judgement, deltas)
        return self.tried[switches]

    def _note_change(self, switch: Switch, readings: list[Reading]) -> None:
        """Note the position where a single switch gives another reading than the default."""
        default = self.judge.trace(self.default)
        changed = Judge(default, self.header, self.dtype, WINDOW).judged(readings[: len(self.default)])
        if changed.failed_at is not None:
            self.changes[switch] = changed.failed_at

    def _followed(self, candidate: Candidate) -> Candidate:
        """The candidate beyond the window, until the difference is no longer small compared with the loss.

        Rounding grows to that size step by step; a difference that reaches it in one step is something else.
        """
        deltas, diverged_at = list(candidate.deltas), None
        for reading in self.running[candidate.switches]:
            delta = self._delta(reading)
            loss = abs(reading.loss)
            if not delta <= HORIZON * loss:
                so_far = max([*deltas, self.resolution, float(np.finfo(np.float32).eps) * loss])
                diverged_at = reading.t if delta > SUDDEN * so_far else None
                break
            deltas.append(delta)
        return replace(candidate, deltas=np.array(deltas), diverged_at=diverged_at)

    def _replayed(self, candidate: Candidate) -> Candidate:
        """The candidate, with whether phase 3 gives B's losses bit for bit; unchanged where it cannot be emitted."""
        practice = applied(candidate.switches, self.trials.config)
        if not practice.common:
            return candidate
        try:
            side = Phase3(self.trials.graph, practice.config, self.dtype, practice.conventions)
        except EmitError:
            return candidate
        feed = self.trials.feed
        batches = [feed.batch(t) for t in range(1, self.judge.steps + 1)]
        steps = side.train(batches, side.rates(self.judge.steps, feed.steps_per_epoch), feed.initial)
        return replace(candidate, replayed=[s.loss for s in steps] == self.trace.loss[: self.judge.steps].tolist())

    def _delta(self, reading: Reading) -> float:
        return abs(reading.loss - float(self.trace.loss[reading.t - 1]))
