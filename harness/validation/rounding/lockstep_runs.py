"""Right pairs of small networks in lockstep, and their leaders an ulp away; this is what a process of the fit runs.

They leave traces and segments in FOLDER/NETWORK/lockstep/SEED/.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.data.dataset import resolve_data
from harness.data.feed import BatchFeed
from harness.run.inprocess import Batch, RunRecorder, Side, open_feed
from harness.run.lockstep import SegmentRecorder, segment_starts
from harness.run.sampling import sample_parts, whole_segments
from harness.spec.run_config import DEFAULT_STATES, SEGMENT_STEPS
from harness.system.files import write_json
from harness.trace.reader import read_trace
from harness.trace.recording import Recording
from harness.trace.segments import read_segments
from harness.validation.near import NearRun
from harness.validation.rounding.lockstep_fit import RightLockstep
from harness.validation.rounding.long_runs import LONG_NETWORKS, LONG_STEPS, observed
from harness.validation.rounding.runs import find_network, obey, write_trace
from harness.validation.variations import VARIATIONS
from harness.verdict.evidence import Near

LOCKSTEP = "lockstep"  # the folder of a network's pairs
# How many starts of each. Units flip rarely, and most in a network of dense layers at a small batch.
LOCKSTEP_NETWORKS = {**dict.fromkeys(LONG_NETWORKS, 2), "mnist_mlp@32": 12}
USUAL = "other seeds"
_VARIED = "double scalars", "other compiler", "IREE on one thread"  # from the first seed
FIRST_SEED = 142  # of no start that verdicts are validated on
_FILES = "phase2.jsonl", "phase3.jsonl", "near.jsonl"
_SEGMENTS = "segments.json", "near.segments.json"


@dataclass(frozen=True)
class LockstepOrder:
    """What a process is to run: a network in lockstep, from each of its seeds."""

    network: str
    folder: str

    @property
    def seeds(self) -> range:
        """Those of its starts."""
        return range(FIRST_SEED, FIRST_SEED + LOCKSTEP_NETWORKS[self.network])


def read_lockstep_runs(folder: Path) -> Iterator[RightLockstep]:
    """All that were left in a folder. Raises: TraceError."""
    for place in sorted(folder.glob(f"*/{LOCKSTEP}/[0-9]*")):
        leader, follower, near = (read_trace(place / name, allow_parts=True) for name in _FILES)
        segments, of_near = (read_segments(place / name) for name in _SEGMENTS)
        yield RightLockstep(leader, follower, segments, Near(Recording(near, None), of_near))


def run_in_lockstep(order: LockstepOrder) -> int:
    """Run what is missing; the number of pairs that are there afterwards.

    Raises: HarnessError when a program cannot be made, or the data not be had.
    """
    case = find_network(order.network)
    graph, config = case.graph(), case.config
    data = resolve_data(None, case.spec.dataset, case.spec.input_shape).folder
    feed = open_feed(graph, config, data, "f32")
    varied = [name for name in _VARIED if VARIATIONS[name].suits(case)]
    starts = [*((USUAL, seed) for seed in order.seeds), *((name, FIRST_SEED) for name in varied)]
    made: dict[str, tuple[Side, Side]] = {}
    for name, seed in starts:
        folder = Path(order.folder, order.network, LOCKSTEP, f"{seed} {name}")
        if all((folder / file).exists() for file in (*_FILES, *_SEGMENTS)):
            continue
        if name not in made:
            leading, following = VARIATIONS[name].sides
            made = {name: (leading(graph, config, "f32"), following(graph, config, "f32"))}
        for side in made[name]:
            side.init_seed = seed
        _run_pair(made[name], feed, folder)
    return len(starts)


def _run_pair(sides: tuple[Side, Side], feed: BatchFeed, folder: Path) -> None:
    per_epoch = feed.steps_per_epoch
    sampled = sample_parts(LONG_STEPS, LONG_STEPS, per_epoch, SEGMENT_STEPS, DEFAULT_STATES)
    parts = whole_segments(sampled, SEGMENT_STEPS, LONG_STEPS)
    starts = segment_starts(SEGMENT_STEPS, LONG_STEPS)
    leader, follower, again = (side.begin() for side in (*sides, sides[0]))

    def take(t: int) -> float:
        return again.step(t, Batch(*feed.training(t)), sides[0].learning_rate(t, per_epoch)).loss

    near = NearRun(again, take, "phase2", parts)
    recorders = [RunRecorder(side, side.initial(), LONG_STEPS, per_epoch, observed) for side in sides]
    segments = SegmentRecorder("phase2", starts)
    for t in range(1, LONG_STEPS + 2):
        if t in starts:
            state = leader.get_state()
            segments.add(t, state, follower.get_state())
            near.meet(t, state)
            follower.set_state(state)
        if t > LONG_STEPS:
            break
        batch = Batch(*feed.training(t))
        for side, training, recorder in zip(sides, (leader, follower), recorders, strict=True):
            rate = side.learning_rate(t, per_epoch)
            recorder.add(training.step(t, batch, rate), batch, rate)
        near.advance(t)
    traces = [recorder.recording.trace for recorder in recorders]
    found = near.result(traces[0])
    for name, trace in zip(_FILES, (*traces, found.recording.trace), strict=True):
        write_trace(folder / name, trace)
    for name, of in zip(_SEGMENTS, (segments.segments, found.segments), strict=True):
        write_json(folder / name, of)


if __name__ == "__main__":
    obey(LockstepOrder, run_in_lockstep)
