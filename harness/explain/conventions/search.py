"""The search for conventions: the known switches under which phase 2 reproduces a run."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.errors import EmitError
from harness.explain.conventions.readings import (
    ROUNDING,
    Allowance,
    Position,
    Reading,
    Readings,
    noise,
    order,
    spread_of,
)
from harness.explain.conventions.result import FAR_NEARER, Candidate, SearchResult
from harness.explain.conventions.switches import DEFAULT, Switch, Switches, applied, compatible, phrase, switches_of
from harness.explain.conventions.trials import TrialFeed, Trials, perturbed_by_one_ulp
from harness.run.inprocess import Phase3
from harness.spec.netspec import DType, TrainConfig
from harness.spec.shapes import Graph
from harness.trace.format import Trace
from harness.verdict.envelope.find import find_envelope

# Steps in which a set has to match; one that matches is followed further, as far as the caller asks.
WINDOW = 8
COPIES = 3
LARGEST_SET = 3
BEAM = 3
REPLAYED = 4
# Where rounding may change a loss by this part of it, single steps are no evidence any more.
HORIZON = 0.05
# Rounding does not grow by this factor in one step.
SUDDEN = 1e3
LAST_PLACE: dict[DType, float] = {"f64": ROUNDING["f64"], "f32": float(np.finfo(np.float32).eps)}
_EARLIEST: dict[str, Position] = {"forward": (1, "loss"), "backward": (1, "grad"), "update": (1, "update")}


def search(
    graph: Graph, config: TrainConfig, b: Trace, feed: TrialFeed, *, dtype: DType, steps: int, replay: bool = False
) -> SearchResult:
    """The smallest sets of switches under which phase 2 reproduces the first steps of B.

    In f64 differences beyond 1e-9 are of the mathematics. In f32 the bound is an envelope; where there is none, the
    spread of copies of the default whose initial parameters are perturbed by 1 ulp. A set costs the compilation of what
    no other set has, and the steps until it fails. `replay`: where several sets are left and B is of phase 3 on a CPU,
    phase 3 runs them too.
    """
    return _ConventionSearch(graph, config, b, feed, dtype, min(steps, b.steps)).result(replay)


class _ConventionSearch:
    def __init__(self, graph: Graph, config: TrainConfig, b: Trace, feed: TrialFeed, dtype: DType, steps: int) -> None:
        self.trace, self.feed, self.dtype, self.steps = b, feed, dtype, steps
        self.trials = Trials(graph, config, dtype, feed)
        self.switches = switches_of(graph, config)
        self.b = Readings.of(b, self.trials.names, steps)
        self.window = min(WINDOW, steps)
        self.tried: dict[Switches, Candidate] = {}
        self.running: dict[Switches, Iterator[Reading]] = {}
        # Of each single switch, the position where it changed what the default gives.
        self.changes: dict[Switch, Position] = {}
        self.default: dict[Position, Reading] = {}
        self.allowance = Allowance(ROUNDING[dtype], self.b.resolution)
        if dtype == "f32" and (envelope := find_envelope(b.header)) is not None:
            self.window = min(self.window, envelope.judged)
            self.allowance = Allowance.by_envelope(envelope, self.trials.names, ROUNDING[dtype], self.b.resolution)
        elif dtype == "f32":
            self._measure_rounding()

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
            resolution=self.b.resolution,
            last_place=LAST_PLACE[self.dtype] * abs(float(self.trace.loss[0])),
        )
        header = self.trace.header
        if replay and len(matching) > 1 and (header.phase, header.backend, self.dtype) == ("phase3", "cpu", "f32"):
            nearest = sorted(result.matching, key=lambda c: c.gap)[:REPLAYED]
            replayed = tuple(self._replayed(c) if c in nearest else c for c in result.matching)
            result = replace(result, matching=replayed)
        return result.ordered()

    def _measure_rounding(self) -> None:
        """Run the default and its perturbed copies. The window ends where rounding alone changes the loss too much."""
        starts = [None, *(perturbed_by_one_ulp(self.feed.initial, seed) for seed in range(1, COPIES + 1))]
        steps = min(self.window + 1, self.steps)
        runs = [self.trials.run(DEFAULT, steps, self._normed, initial) for initial in starts]
        read: list[list[Reading]] = [[] for _ in runs]
        for together in zip(*runs, strict=True):
            for readings, reading in zip(read, together, strict=True):
                readings.append(reading)
        spread = spread_of(read[0], read[1:])
        self.allowance = Allowance(ROUNDING[self.dtype], self.b.resolution, spread)
        for reading in read[0]:
            if reading.kind == "loss" and not (spread[reading.position] <= HORIZON * np.abs(reading.values)).all():
                self.window = min(self.window, max(1, reading.t - 1))

    def _smallest(self) -> list[Candidate]:
        """Sets of one switch, of two, of three, until some match; each grown from the best of the smaller ones."""
        parents = [self.tried[DEFAULT]]
        for _ in range(LARGEST_SET):
            sets = {p.switches | {switch} for p in parents for switch in self._useful(p)}
            level = [self.examine(switches) for switches in sorted(sets - self.tried.keys(), key=phrase)]
            if matching := [candidate for candidate in level if candidate.failed_at is None]:
                return matching
            parents = sorted([*parents, *level], key=lambda c: c.rank)[:BEAM]
        return []

    def _useful(self, parent: Candidate) -> list[Switch]:
        """Switches that can correct the position where a set fails and change none before it."""
        assert parent.failed_at is not None
        at = order(parent.failed_at)
        return [
            switch
            for switch in self.switches
            if compatible([*parent.switches, switch])
            and order(_EARLIEST[switch.stage]) <= at <= order(self.changes.get(switch, parent.failed_at))
        ]

    def _indistinguishable(self, matching: list[Candidate]) -> list[Candidate]:
        """Sets of one switch more than the nearest that match too; again from one of them that is far nearer."""
        more_sets: list[Candidate] = []
        for _ in range(LARGEST_SET if matching else 0):
            base = min([*matching, *more_sets], key=lambda c: c.gap)
            more = [s for s in self.switches if s not in self.changes and compatible([*base.switches, s])]
            sets = [base.switches | {switch} for switch in more]
            level = [self.examine(switches) for switches in sets if switches not in self.tried]
            more_sets += [candidate for candidate in level if candidate.failed_at is None]
            if min((c.gap for c in more_sets), default=np.inf) * FAR_NEARER > base.gap:
                break
        return more_sets

    def examine(self, switches: Switches) -> Candidate:
        """Run a set and compare it with B through the window, or until it fails."""
        deltas: dict[int, float] = {}
        failed_at, excess = None, 0.0
        last: Position = (self.window, "update" if self._normed(self.window) else "loss")
        run = self.trials.run(switches, self.steps, self._normed)
        for reading in run:
            position, dead = reading.position, None
            if switches == DEFAULT:
                self.default[position] = reading
            if reading.kind == "loss":
                deltas[reading.t] = self._delta(reading)
            if position in self.b.values:
                if reading.kind == "update" and (reading.t, "grad") in self.b.values:
                    dead = noise(self.b.values[reading.t, "grad"])
                excess = self.allowance.excess(reading, self.b.values[position], dead)
                if not excess <= 1:
                    failed_at = position
                    self._note_change(switches, reading)
                    break
            if position == last:
                break
        self.running[switches] = run
        self.tried[switches] = Candidate(switches, failed_at, excess, np.array(list(deltas.values())))
        return self.tried[switches]

    def _note_change(self, switches: Switches, reading: Reading) -> None:
        """Note the position where a single switch gives another reading than the default."""
        default = self.default.get(reading.position)
        if len(switches) == 1 and default is not None and self.allowance.excess(reading, default.values) > 1:
            self.changes[next(iter(switches))] = reading.position

    def _followed(self, candidate: Candidate) -> Candidate:
        """The candidate beyond the window, until the difference is no longer small compared with the loss.

        Rounding grows to that size step by step; a difference that reaches it in one step is something else.
        """
        deltas, diverged_at = list(candidate.deltas), None
        for reading in self.running[candidate.switches]:
            delta = self._delta(reading)
            loss = float(np.abs(reading.values[0]))
            if not delta <= HORIZON * loss:
                so_far = max([*deltas, self.b.resolution, float(np.finfo(np.float32).eps) * loss])
                diverged_at = reading.t if delta > SUDDEN * so_far else None
                break
            deltas.append(delta)
        return replace(candidate, deltas=np.array(deltas), diverged_at=diverged_at)

    def _replayed(self, candidate: Candidate) -> Candidate:
        """The candidate, with whether phase 3 gives B's losses bit for bit; unchanged where it cannot be emitted."""
        config, conventions = applied(candidate.switches, self.trials.config)
        try:
            side = Phase3(self.trials.graph, config, self.dtype, conventions)
        except EmitError:
            return candidate
        batches = [self.feed.batch(t) for t in range(1, self.window + 1)]
        steps = side.train(batches, side.rates(self.window, self.feed.steps_per_epoch), self.feed.initial)
        return replace(candidate, replayed=[s.loss for s in steps] == self.trace.loss[: self.window].tolist())

    def _delta(self, reading: Reading) -> float:
        return float(np.abs(reading.values - self.b.values[reading.position])[0])

    def _normed(self, t: int) -> bool:
        return t <= self.window and self.b.normed(t)
