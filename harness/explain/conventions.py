"""The search for conventions: with which known switches does phase 2 reproduce a run that it does not reproduce?"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.errors import EmitError
from harness.explain.found import FAR_NEARER, Candidate, Found
from harness.explain.readings import ROUNDING, Allowance, Place, Reading, Readings, noise, order, spread_of
from harness.explain.switches import DEFAULT, Switch, Switches, applied, compatible, phrase, switches_of
from harness.explain.trials import Fed, Trials, nudged
from harness.run.inprocess import Phase3
from harness.spec.netspec import DType, TrainConfig
from harness.spec.shapes import Graph
from harness.trace.format import Trace
from harness.verdict.envelope.find import find_envelope

# Steps in which a set has to hold; what holds is followed further, as far as one was asked to.
WINDOW = 8
TWINS = 3
LARGEST_SET = 3
BEAM = 3
REPLAYED = 4
# Where rounding may move a loss by this part of it, single steps say nothing any more.
HORIZON = 0.05
# What rounding has done in all steps before it does not multiply by this in one.
SUDDEN = 1e3
LAST_PLACE: dict[DType, float] = {"f64": ROUNDING["f64"], "f32": float(np.finfo(np.float32).eps)}
_EARLIEST: dict[str, Place] = {"forward": (1, "loss"), "backward": (1, "grad"), "update": (1, "update")}


def search(
    graph: Graph, config: TrainConfig, b: Trace, fed: Fed, *, dtype: DType, steps: int, replay: bool = False
) -> Found:
    """The smallest sets of switches under which phase 2 reproduces the first steps of B.

    In f64 differences beyond 1e-9 are of the mathematics. In f32 an envelope says what rounding does; where there is
    none, the default first runs beside twins whose parameters are one unit in the last place off. A set that is tried
    costs a compilation of what no other had, and the steps until it fails. `replay`: where rounding leaves several sets
    and B is of phase 3 on a CPU, phase 3 runs them too.
    """
    return _Search(graph, config, b, fed, dtype, min(steps, b.steps)).found(replay)


class _Search:
    def __init__(self, graph: Graph, config: TrainConfig, b: Trace, fed: Fed, dtype: DType, steps: int) -> None:
        self.trace, self.fed, self.dtype, self.steps = b, fed, dtype, steps
        self.trials = Trials(graph, config, dtype, fed)
        self.switches = switches_of(graph, config)
        self.b = Readings.of(b, self.trials.names, steps)
        self.window = min(WINDOW, steps)
        self.tried: dict[Switches, Candidate] = {}
        self.running: dict[Switches, Iterator[Reading]] = {}
        # Of each switch alone, the place where it was seen to change what the default gives.
        self.changes: dict[Switch, Place] = {}
        self.default: dict[Place, Reading] = {}
        self.allowance = Allowance(ROUNDING[dtype], self.b.resolution)
        if dtype == "f32" and (envelope := find_envelope(b.header)) is not None:
            self.window = min(self.window, envelope.judged)
            self.allowance = Allowance.by_envelope(envelope, self.trials.names, ROUNDING[dtype], self.b.resolution)
        elif dtype == "f32":
            self._measure_rounding()

    def found(self, replay: bool) -> Found:
        """Search, then follow what reproduces B."""
        default = self.examine(DEFAULT)
        closing = [default] if default.failed is None else self._smallest()
        closing = [self._followed(c) for c in [*closing, *self._untold(closing)]]
        singles = [self.tried.get(frozenset([switch])) for switch in self.switches]
        found = Found(
            tuple(closing),
            nearest=min(self.tried.values(), key=lambda c: c.rank),
            tried=tuple(self.tried.values()),
            told=any(single is not None and single.failed is not None for single in singles),
            resolution=self.b.resolution,
            last_place=LAST_PLACE[self.dtype] * abs(float(self.trace.loss[0])),
        )
        header = self.trace.header
        if replay and len(closing) > 1 and (header.phase, header.backend, self.dtype) == ("phase3", "cpu", "f32"):
            nearest = sorted(found.closing, key=lambda c: c.gap)[:REPLAYED]
            found = replace(found, closing=tuple(self._replayed(c) if c in nearest else c for c in found.closing))
        return found.ordered()

    def _measure_rounding(self) -> None:
        """Run the default beside twins. The window ends where rounding alone moves the loss too far."""
        starts = [None, *(nudged(self.fed.initial, seed) for seed in range(1, TWINS + 1))]
        steps = min(self.window + 1, self.steps)
        runs = [self.trials.run(DEFAULT, steps, self._normed, initial) for initial in starts]
        read: list[list[Reading]] = [[] for _ in runs]
        for together in zip(*runs, strict=True):
            for readings, reading in zip(read, together, strict=True):
                readings.append(reading)
        spread = spread_of(read[0], read[1:])
        self.allowance = Allowance(ROUNDING[self.dtype], self.b.resolution, spread)
        for reading in read[0]:
            if reading.kind == "loss" and not (spread[reading.place] <= HORIZON * np.abs(reading.values)).all():
                self.window = min(self.window, max(1, reading.t - 1))

    def _smallest(self) -> list[Candidate]:
        """Sets of one switch, of two, of three, until some close the gap; each grown from the best of those before."""
        parents = [self.tried[DEFAULT]]
        for _ in range(LARGEST_SET):
            sets = {p.switches | {switch} for p in parents for switch in self._useful(p)}
            level = [self.examine(switches) for switches in sorted(sets - self.tried.keys(), key=phrase)]
            if closing := [candidate for candidate in level if candidate.failed is None]:
                return closing
            parents = sorted([*parents, *level], key=lambda c: c.rank)[:BEAM]
        return []

    def _useful(self, parent: Candidate) -> list[Switch]:
        """Switches that can mend the place where a set fails and spoil none before it."""
        assert parent.failed is not None
        at = order(parent.failed)
        return [
            switch
            for switch in self.switches
            if compatible([*parent.switches, switch])
            and order(_EARLIEST[switch.stage]) <= at <= order(self.changes.get(switch, parent.failed))
        ]

    def _untold(self, closing: list[Candidate]) -> list[Candidate]:
        """Sets of one switch more than the nearest that hold as well, and so on from one that is nearer by far."""
        found: list[Candidate] = []
        for _ in range(LARGEST_SET if closing else 0):
            base = min([*closing, *found], key=lambda c: c.gap)
            more = [s for s in self.switches if s not in self.changes and compatible([*base.switches, s])]
            sets = [base.switches | {switch} for switch in more]
            level = [self.examine(switches) for switches in sets if switches not in self.tried]
            found += [candidate for candidate in level if candidate.failed is None]
            if min((c.gap for c in found), default=np.inf) * FAR_NEARER > base.gap:
                break
        return found

    def examine(self, switches: Switches) -> Candidate:
        """Run a set beside B through the window, or until it fails."""
        deltas: dict[int, float] = {}
        failed, excess = None, 0.0
        last: Place = (self.window, "update" if self._normed(self.window) else "loss")
        run = self.trials.run(switches, self.steps, self._normed)
        for reading in run:
            place, dead = reading.place, None
            if switches == DEFAULT:
                self.default[place] = reading
            if reading.kind == "loss":
                deltas[reading.t] = self._delta(reading)
            if place in self.b.values:
                if reading.kind == "update" and (reading.t, "grad") in self.b.values:
                    dead = noise(self.b.values[reading.t, "grad"])
                excess = self.allowance.excess(reading, self.b.values[place], dead)
                if not excess <= 1:
                    failed = place
                    self._note_change(switches, reading)
                    break
            if place == last:
                break
        self.running[switches] = run
        self.tried[switches] = Candidate(switches, failed, excess, np.array(list(deltas.values())))
        return self.tried[switches]

    def _note_change(self, switches: Switches, reading: Reading) -> None:
        """Whether a switch alone fails otherwise than the default does."""
        default = self.default.get(reading.place)
        if len(switches) == 1 and default is not None and self.allowance.excess(reading, default.values) > 1:
            self.changes[next(iter(switches))] = reading.place

    def _followed(self, candidate: Candidate) -> Candidate:
        """The candidate beyond the window, until what rounding has become is no longer small beside the loss.

        Rounding grows to there step by step; what gets there at once is something else.
        """
        deltas, parted = list(candidate.deltas), None
        for reading in self.running[candidate.switches]:
            delta = self._delta(reading)
            loss = float(np.abs(reading.values[0]))
            if not delta <= HORIZON * loss:
                so_far = max([*deltas, self.b.resolution, float(np.finfo(np.float32).eps) * loss])
                parted = reading.t if delta > SUDDEN * so_far else None
                break
            deltas.append(delta)
        return replace(candidate, deltas=np.array(deltas), parted=parted)

    def _replayed(self, candidate: Candidate) -> Candidate:
        """Whether phase 3 with these switches gives B's losses bit for bit; unknown where it has not all of them."""
        config, conventions = applied(candidate.switches, self.trials.config)
        try:
            side = Phase3(self.trials.graph, config, self.dtype, conventions)
        except EmitError:
            return candidate
        batches = [self.fed.batch(t) for t in range(1, self.window + 1)]
        steps = side.train(batches, side.rates(self.window, self.fed.steps_per_epoch), self.fed.initial)
        return replace(candidate, replayed=[s.loss for s in steps] == self.trace.loss[: self.window].tolist())

    def _delta(self, reading: Reading) -> float:
        return float(np.abs(reading.values - self.b.values[reading.place])[0])

    def _normed(self, t: int) -> bool:
        return t <= self.window and self.b.normed(t)
