"""A lockstep run: a follower that is set to its leader's state every few steps, while both run.

The leader runs free; it only writes its state down. At the end of each segment the follower's state is compared with
the leader's, tensor by tensor, and then set to it. States are removed once they are compared and taken, so that a few
lie there at a time; a program waits with its next state while there are more. Those that are wanted later are moved
away instead. Where the follower ends early, the leader's states are removed as they come, and it goes on to its end.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np

from harness.errors import TraceError
from harness.run.cell_plan import CellPlan
from harness.run.contract import STATE_IN, STATE_OUT, STATE_ROOM, STATE_STEPS
from harness.run.execute import Progress, run_cell
from harness.run.saved_states import SavedStates
from harness.system.files import write_json
from harness.system.scratch import scratch
from harness.trace.manifest import Manifest, write_manifest
from harness.trace.segments import SegmentEnd, Segments, StateDistance, segments_path
from harness.trace.state import SUFFIX, Array, read_state, state_path

ROOM = 6  # states of each side that may lie there
_POLL_S = 0.005


@dataclass(frozen=True)
class LockstepRun:
    """What both sides left. `segments` None: some were not compared. `no_states`: the leader wrote none at all."""

    leader: Manifest
    follower: Manifest
    segments: Segments | None
    no_states: bool = False


def run_lockstep(
    leader: CellPlan,
    follower: CellPlan,
    segment: int,
    on_leader: Progress | None = None,
    on_follower: Progress | None = None,
    saved: SavedStates | None = None,
) -> LockstepRun:
    """Run both cells at a time and compare their states; the segments are written beside the follower's trace.

    `saved`: the leader's states that are wanted later.

    Raises: TraceError when the folder cannot hold traces or the states.
    """
    assert leader.planned_steps is not None
    states = ComparedStates(leader.pipeline, segment, leader.planned_steps, saved)
    with _folders() as (led, followed), ThreadPoolExecutor(2) as pool:
        steps = {STATE_STEPS: str(segment), STATE_ROOM: str(ROOM)}
        leading = replace(leader, environment={**leader.environment, **steps, STATE_OUT: str(led)})
        following = replace(
            follower, environment={**follower.environment, **steps, STATE_IN: str(led), STATE_OUT: str(followed)}
        )
        done = threading.Event()
        comparing = pool.submit(states.watch, led, followed, done.is_set)
        running = pool.submit(run_cell, following, on_follower, lambda: states.why_not)
        running.add_done_callback(lambda _: states.follower_ended())
        try:
            first = run_cell(leading, on_leader)
            if first.status != "complete":
                states.why_not = f"its leader {leader.name} is {first.status}"
            states.leader_ended()
            second = running.result()
        except BaseException:  # an interruption as well: the follower must not wait for its leader for ever
            states.why_not = "interrupted with its leader"
            raise
        finally:
            done.set()
        comparing.result()
    if second.status == "complete" and states.trouble is not None:
        second = msgspec.structs.replace(second, status="crashed", reason=states.trouble)
        write_manifest(follower.manifest, second)
    if second.status != "complete":
        return LockstepRun(first, second, None, no_states=first.status == "complete" and not states.leader_wrote)
    write_json(segments_path(follower.trace), states.segments)
    return LockstepRun(first, second, states.segments)


@contextmanager
def _folders() -> Iterator[tuple[Path, Path]]:
    try:
        with scratch() as folder:
            both = folder / "leader", folder / "follower"
            for one in both:
                one.mkdir()
            yield both
    except OSError as error:
        raise TraceError(f"{error.filename or 'states'}: {error.strerror or error}; no states can be kept.") from None


class ComparedStates:
    """The states of both sides, compared as they come.

    `why_not`: the reason why the follower is to be stopped. `leader_wrote`: whether its first state has been seen.
    """

    def __init__(self, leader: str, segment: int, steps: int, saved: SavedStates | None = None) -> None:
        self.why_not: str | None = None
        self.trouble: str | None = None
        self.leader_wrote = False
        self._leader_ended, self._follower_ended = threading.Event(), threading.Event()
        self._saved = saved
        self._steps = segment_starts(segment, steps)
        self._recorder = SegmentRecorder(leader, self._steps)

    @property
    def segments(self) -> Segments:
        """Those that were compared."""
        return self._recorder.segments

    def leader_ended(self) -> None:
        """Say that no more states come from the leader."""
        self._leader_ended.set()

    def follower_ended(self) -> None:
        """Say that no more states come from the follower."""
        self._follower_ended.set()

    def watch(self, led: Path, followed: Path, done: Callable[[], bool]) -> None:
        """Compare and remove states until both runs are over."""
        waiting = list(self._steps)
        compared = 0
        while waiting and not self.trouble:
            step = waiting[0]
            # Asked before the files are: what a side wrote before its end is there then.
            over, last, ended = done(), self._leader_ended.is_set(), self._follower_ended.is_set()
            ours, theirs = state_path(led, step), state_path(followed, step)
            self.leader_wrote |= ours.exists()
            if ours.exists() and theirs.exists():
                self._compare(step, ours, theirs)
                theirs.unlink()
                if compared:  # the follower has taken it: its next state is there
                    self._put_away(state_path(led, compared))
                compared = step
                waiting.pop(0)
            elif over or (ended and not theirs.exists()):  # a fast follower is through before its leader
                break
            elif last and self.why_not is None and not ours.exists():
                self.trouble = f"its leader did not write the state before step {step}"
            else:
                threading.Event().wait(_POLL_S)
        if not waiting and not self.trouble:
            self._put_away(state_path(led, compared))
        if self.trouble is not None:
            self.why_not = self.trouble
        elif waiting:
            self.trouble = f"{len(waiting)} of {len(self._steps)} states were not compared"
        over = False
        while not over:
            over = done()  # asked first: what was written before the end is seen once more after it
            if self._follower_ended.is_set() or self.trouble:
                for path in led.glob(f"*{SUFFIX}"):
                    self._put_away(path)  # the leader's states serve other runs all the same
                for path in followed.glob(f"*{SUFFIX}"):
                    path.unlink()
            if not over:
                threading.Event().wait(_POLL_S)

    def _put_away(self, path: Path) -> None:
        """Remove a state that nobody needs here any more, or move it to those that are wanted later."""
        if self._saved is None or not self._saved.take(path):
            path.unlink()

    def _compare(self, step: int, ours: Path, theirs: Path) -> None:
        try:
            self._recorder.add(step, read_state(ours), read_state(theirs))
        except TraceError as error:
            self.trouble = str(error)


class SegmentRecorder:
    """The segments of a lockstep run, from pairs of states as they come. `steps`: before which they are compared."""

    def __init__(self, leader: str, steps: Sequence[int]) -> None:
        self.segments = Segments(leader=leader, planned=len(steps) - 1, tensors=[], ends=[])
        self._before: Mapping[str, Array] = {}
        self._first: int | None = None

    def add(self, step: int, ours: Mapping[str, Array], theirs: Mapping[str, Array]) -> None:
        """The leader's state before a step, and the follower's. Raises: TraceError when they have other tensors."""
        if [(n, x.shape) for n, x in sorted(ours.items())] != [(n, x.shape) for n, x in sorted(theirs.items())]:
            raise TraceError(f"the states before step {step} have other tensors in the leader than in the follower")
        if self._first is None:
            self.segments.tensors.extend(ours)
        else:
            end = segment_end(self._first, step, self.segments.tensors, ours, theirs, self._before)
            self.segments.ends.append(end)
        self._before, self._first = ours, step


def segment_starts(segment: int, steps: int) -> list[int]:
    """The steps before which a run of so many steps is compared, and after its last one."""
    return [*range(1, steps + 1, segment), steps + 1]


def segment_end(
    first: int,
    step: int,
    tensors: Sequence[str],
    ours: Mapping[str, Array],
    theirs: Mapping[str, Array],
    before: Mapping[str, Array],
) -> SegmentEnd:
    """The end of a segment from `first` on, before `step`. `before`: the leader's state at its beginning."""
    return move_apart(first, step, tensors, (before, ours), (before, theirs))


def move_apart(
    first: int,
    step: int,
    tensors: Sequence[str],
    ours: tuple[Mapping[str, Array], Mapping[str, Array]],
    theirs: tuple[Mapping[str, Array], Mapping[str, Array]],
) -> SegmentEnd:
    """How far apart the moves of two sides are in a segment. Each side: its states at the beginning and at the end."""

    def distance(name: str) -> StateDistance:
        (before, after), (other_before, other_after) = ((state[name] for state in side) for side in (ours, theirs))
        with np.errstate(all="ignore"):
            apart = (other_after - after) - (other_before - before)
            return StateDistance(*(_number(_norm(x)) for x in (apart, after - before, after)))

    return SegmentEnd(first, step, [distance(name) for name in tensors])


def _norm(x: Array) -> float:
    return float(np.linalg.norm(x.astype(np.float64).ravel()))


def _number(x: float) -> float:
    return float(f"{x:.4g}") if np.isfinite(x) else -1.0
