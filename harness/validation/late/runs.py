"""Whole runs of a side, free and in lockstep, recorded as their cells would have recorded them."""

import hashlib
from dataclasses import replace

import numpy as np

from harness.run.inprocess import Array, RunRecorder, Side, Step
from harness.run.lockstep import SegmentRecorder, segment_starts
from harness.spec.run_config import SEGMENT_STEPS
from harness.trace.manifest import Manifest
from harness.trace.recording import Recording
from harness.trace.segments import Segments
from harness.validation.late.fault import LateFault, Moment, Transition
from harness.validation.late.networks import STEPS, STEPS_PER_EPOCH, LateFeed
from harness.validation.rounding.long_runs import observed

RIGHT = LateFault("right", "none", ())


class WholeRun:
    """A run of one side on a feed, which starts from `initial`; its trace states what it should have done."""

    def __init__(self, side: Side, feed: LateFeed, fault: LateFault, initial: Array) -> None:
        self._side, self._feed, self._fault = side, feed, fault
        self.training = side.begin(initial)
        self._recorder = RunRecorder(side, side.initial(), STEPS, STEPS_PER_EPOCH, observed)
        self._at, self._ends = Moment(0, float("inf")), list[Step]()

    def advance(self) -> None:
        """The next step."""
        side, fault = self._side, self._fault
        at = self._at = Moment(self._at.t + 1, self._at.loss)
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
        self._recorder.add(step, stated, rate if fault.states_rate else stated_rate)
        self._at = Moment(at.t, step.loss)
        if at.t % STEPS_PER_EPOCH == 0:
            self._ends.append(step)

    def recording(self) -> Recording:
        """The run with its test, when it is over."""
        recording, feed = self._recorder.recording, self._feed
        logits = self._side.logits(self._fault.tested(self._ends), feed.test_images)
        labels = self._fault.test_labels(feed.test_labels)
        correct = int(np.count_nonzero(np.argmax(logits, axis=-1) == labels))
        manifest = Manifest(status="complete", steps_written=STEPS, test_correct=correct, test_total=len(labels))
        return replace(recording, manifest=manifest)

    def state_sha256(self) -> str:
        """The digest of the state that it is in."""
        return hashlib.sha256(b"".join(x.tobytes() for x in self.training.get_state().values())).hexdigest()


def run_free(run: WholeRun) -> WholeRun:
    """A run by itself, to its end."""
    for _ in range(STEPS):
        run.advance()
    return run


def follow(leader: WholeRun, follower: WholeRun) -> Segments:
    """Both runs, step by step, the follower set to the leader's state as `verify` sets it; the segments."""
    starts = segment_starts(SEGMENT_STEPS, STEPS)
    recorder = SegmentRecorder("phase2", starts)
    for t in range(1, STEPS + 1):
        if t in starts:
            _meet(recorder, t, leader, follower)
            follower.training.set_state(leader.training.get_state())
        leader.advance()
        follower.advance()
    _meet(recorder, STEPS + 1, leader, follower)
    return recorder.segments


def _meet(recorder: SegmentRecorder, t: int, leader: WholeRun, follower: WholeRun) -> None:
    recorder.add(t, leader.training.get_state(), follower.training.get_state())
