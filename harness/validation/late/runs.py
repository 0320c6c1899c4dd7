"""Runs of a side, whole or in parts, free and in lockstep, recorded as their cells would have recorded them."""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from harness.run.inprocess import Array, Batch, Phase2, Phase3, RunRecorder, Side, Step, Tensors
from harness.run.lockstep import SegmentRecorder, segment_starts
from harness.run.parts_run import ulp_away
from harness.spec.netspec import DType
from harness.spec.run_config import DEFAULT_INIT_SEED, SEGMENT_STEPS, WIDE_STEPS
from harness.trace.logits import MOST_IMAGES
from harness.trace.manifest import Manifest
from harness.trace.parts import Part
from harness.trace.recording import Recording
from harness.trace.segments import Segments
from harness.validation.late.fault import LateFault, Moment, Transition
from harness.validation.late.networks import NETWORKS, STEPS, STEPS_PER_EPOCH, TESTED, LateFeed, make_feed
from harness.validation.near import NearRun
from harness.validation.rounding.long_runs import observed

RIGHT = LateFault("right", "none", ())
Logits = tuple[Array, Array]  # of test images, and their labels: (n, classes), (n,)


class LateRun:
    """A run of one side on a feed, which starts from `initial`; its trace states what it should have done.

    `planned`, `channels_at`, `parts`: as for `RunRecorder`.
    """

    def __init__(
        self,
        side: Side,
        feed: LateFeed,
        fault: LateFault,
        initial: Array,
        planned: int = STEPS,
        channels_at: Callable[[int], bool] | None = None,
        parts: Sequence[Part] | None = None,
    ) -> None:
        self._side, self._feed, self._fault = side, feed, fault
        self.training = side.begin(initial)
        self._recorder = RunRecorder(side, side.initial(), planned, STEPS_PER_EPOCH, channels_at, parts)
        self._at, self._ends = Moment(0, float("inf")), list[Step]()

    def begin_part(self, part: Part, state: Tensors) -> None:
        """Go on with the first step of a part from a state of f32; the loss before it is the last one seen here."""
        widened = {name: x.astype(self._side.kind) for name, x in state.items()}
        self.training.set_state(widened)
        self._recorder.begin_part(part, {name: widened[name] for name in self._side.names})
        self._at = Moment(part.first - 1, self._at.loss)

    def advance(self, steps: int = 1) -> None:
        """The next steps."""
        for _ in range(steps):
            self._step()

    def _step(self) -> None:
        step, stated, rate = self._take(self._at.t + 1)
        self._recorder.add(step, stated, rate)
        if self._at.t % STEPS_PER_EPOCH == 0:
            self._ends.append(step)

    def take(self, t: int) -> float:
        """Step t by itself, off the record, from the state that somebody has set; its loss."""
        return self._take(t)[0].loss

    def _take(self, t: int) -> tuple[Step, Batch, np.float32]:
        """Step t, and the batch and the rate that are stated of it."""
        side, fault = self._side, self._fault
        at = Moment(t, self._at.loss)
        batch, rate, count = self._feed.batch(at.t), side.learning_rate(at.t, STEPS_PER_EPOCH), at.t
        stated, stated_rate = self._feed.stated(at.t) if self._feed.backwards else batch, rate
        acts = fault.when(at)
        if acts and fault.batch is not None:
            batch = fault.batch(self._feed, at.t)
        if acts and fault.rate is not None:
            rate = fault.rate(side, at.t)
        if acts and fault.count is not None:
            count = fault.count(at)
        before = self.training.get_state() if acts and fault.state is not None else {}
        step = self.training.step(count, batch, rate)
        if acts and fault.state is not None:
            after = self.training.get_state()
            changed = fault.state(Transition(before, after, side.names, float(rate), side.config.weight_decay))
            self.training.set_state(changed)
            params, stats = ({name: changed[name] for name in of} for of in (step.params, step.stats))
            step = replace(step, params=params, stats=stats)
        self._at = Moment(t, step.loss)
        return step, stated, rate if fault.states_rate else stated_rate

    @property
    def recording(self) -> Recording:
        """The steps so far."""
        return self._recorder.recording

    def tested(self) -> Recording:
        """The whole run with its test, when it is over."""
        logits, labels = self._classify(self._fault.tested(self._ends), TESTED)
        correct = int(np.count_nonzero(np.argmax(logits, axis=-1) == labels))
        manifest = Manifest(status="complete", steps_written=STEPS, test_correct=correct, test_total=len(labels))
        return replace(self.recording, manifest=manifest)

    def logits(self) -> Logits:
        """Those of the first test images by the state that it is in, as a program leaves them of one that it takes."""
        state = self.training.get_state()
        params = {name: state[name] for name in self._side.names}
        stats = {node.name: state[node.name] for node in self._side.graph.states}
        return self._classify(Step(float("nan"), {}, params, stats), MOST_IMAGES)

    def _classify(self, state: Step, number: int) -> Logits:
        test = self._feed.test(number)
        logits = self._side.logits(self._fault.evaluated(state), test.x)
        return logits, self._fault.test_labels(test.labels)

    def state_sha256(self) -> str:
        """The digest of the state that it is in."""
        return hashlib.sha256(b"".join(x.tobytes() for x in self.training.get_state().values())).hexdigest()


@dataclass(frozen=True)
class LateSide:
    """One side of a pair, from which its runs begin. `seed`: of the images and, from 42 on, of the initial parameters.

    `backwards`: it is fed the rows of every batch in reverse order. `ulp`: in f32 it starts one unit in the last place
    away, in the place of what its arithmetic might round otherwise.
    """

    make: type[Phase2] | type[Phase3]
    network: str
    seed: int = 0
    fault: LateFault = RIGHT
    backwards: bool = False
    ulp: bool = False

    def begin(self, dtype: DType = "f32", planned: int = STEPS, parts: Sequence[Part] | None = None) -> LateRun:
        """A run at its beginning. What is no run in f32 is observed at every step."""
        side = _program(self.make, self.network, dtype)
        side.init_seed = DEFAULT_INIT_SEED + self.seed
        initial = side.initial()
        if self.ulp and dtype == "f32":
            initial = ulp_away(initial, np.random.default_rng(self.seed))
        feed = make_feed(self.network, self.seed, self.backwards, dtype)
        return LateRun(side, feed, self.fault, initial, planned, observed if dtype == "f32" else None, parts)

    def run_free(self) -> LateRun:
        """A whole run by itself."""
        run = self.begin()
        run.advance(STEPS)
        return run

    def run_wide(self) -> Recording:
        """The first steps in wide arithmetic."""
        run = self.begin("wide", WIDE_STEPS)
        run.advance(WIDE_STEPS)
        return run.recording

    def run_parts(self, parts: Sequence[Part], states: Mapping[int, Tensors]) -> tuple[Recording, dict[int, Logits]]:
        """Parts of the run in f64, each from a state of f32, and the logits by those states, by step."""
        run, logits = self.begin("f64", sum(part.count for part in parts), parts), dict[int, Logits]()
        for part in parts:
            run.begin_part(part, states[part.first])
            logits[part.first] = run.logits()
            run.advance(part.count)
        return run.recording, logits


@cache
def _program(make: type[Phase2] | type[Phase3], network: str, dtype: DType) -> Side:
    one = NETWORKS[network]
    return make(one.graph(), one.config, dtype)


def follow(
    leader: LateRun, follower: LateRun, near: NearRun, kept: Collection[int]
) -> tuple[Segments, dict[int, Tensors]]:
    """Both runs, step by step, the follower set to the leader's state as `verify` sets it. `near`: the leader again.

    The segments, and the leader's states before the `kept` steps, at which segments begin or the run has ended.
    """
    starts = segment_starts(SEGMENT_STEPS, STEPS)
    recorder, states = SegmentRecorder("phase2", starts), dict[int, Tensors]()
    for t in range(1, STEPS + 2):
        if t in starts:
            state = leader.training.get_state()
            recorder.add(t, state, follower.training.get_state())
            near.meet(t, state)
            follower.training.set_state(state)
            if t in kept:
                states[t] = state
        if t <= STEPS:
            leader.advance()
            follower.advance()
            near.advance(t)
    return recorder.segments, states
