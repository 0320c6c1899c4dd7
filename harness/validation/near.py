"""Sampled segments of a leader's run taken again from states an ulp away, in this process."""

import itertools
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from harness.run.inprocess import Tensors, Training
from harness.run.lockstep import move_apart
from harness.run.parts_run import ulp_away
from harness.trace.format import Trace
from harness.trace.parts import Part, format_parts
from harness.trace.recording import Recording
from harness.trace.segments import Segments
from harness.verdict.evidence import Near


class NearRun:
    """The leader's program beside its own run. `step`: takes the step of a number and gives its loss.

    `parts`: the segments that it takes.
    """

    def __init__(self, training: Training, step: Callable[[int], float], leader: str, parts: Sequence[Part]) -> None:
        self._training, self._step = training, step
        self._parts = {part.first: part for part in parts}
        self._segments = Segments(leader=leader, planned=len(parts), tensors=[], ends=[])
        self._losses: list[float] = []
        self._rng = np.random.default_rng(0)
        self._part: Part | None = None
        self._before: Tensors = {}
        self._near_before: Tensors = {}

    def meet(self, t: int, leader: Tensors) -> None:
        """The leader's state before step t, where a segment begins or ends."""
        if self._part is not None and t == self._part.end:
            if not self._segments.tensors:
                self._segments.tensors.extend(leader)
            theirs = self._near_before, self._training.get_state()
            end = move_apart(self._part.first, t, self._segments.tensors, (self._before, leader), theirs)
            self._segments.ends.append(end)
            self._part = None
        if t in self._parts:
            self._part, self._before = self._parts[t], leader
            self._near_before = {name: ulp_away(x, self._rng) for name, x in leader.items()}
            self._training.set_state(self._near_before)

    def advance(self, t: int) -> None:
        """Step t, if it is one of a segment."""
        if self._part is not None:
            self._losses.append(self._step(t))

    def result(self, leader: Trace) -> Near:
        """What it has taken. `leader`: the trace of the run, whole."""
        parts = list(self._parts.values())
        header = msgspec.structs.replace(leader.header, run_steps=format_parts(parts), planned_steps=len(self._losses))
        rows = leader.rows(list(itertools.chain.from_iterable(part.steps for part in parts)))
        columns = leader.epoch[rows], np.array(self._losses), leader.lr[rows]
        return Near(Recording(Trace(f"{leader.path}.near", header, *columns), None), self._segments)
