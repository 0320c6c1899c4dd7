"""Both sides of a network in f32 and in f64, judged as `verify` and `diff` judge, by the evidence that each has."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from harness.run.inprocess import Array, Side, Step, recorded
from harness.spec.netspec import DType
from harness.spec.run_config import F64_STEPS, STRESS_STEPS
from harness.trace.evaluations import Evaluation, evaluate
from harness.trace.format import TraceHeader
from harness.trace.manifest import Manifest
from harness.trace.recording import Recording
from harness.validation.power.networks import STEPS, Feed
from harness.verdict.compare import Judging, compare
from harness.verdict.evidence import Beside, FromStates, Stressed
from harness.verdict.judge import Verdict
from harness.verdict.pair import judge_recordings
from harness.verdict.tolerance import DEFAULT_MODE, MODES, Mode

# By precision, the steps that `verify` runs and looks into.
DTYPES: dict[DType, int] = {"f32": STEPS, "f64": F64_STEPS}
VERIFY, WITH_NORMS, LOSSES_ONLY = "verify", "diff with norms", "diff, losses only"
DETECTORS = (VERIFY, WITH_NORMS, LOSSES_ONLY)
OTHER_MODES = tuple(MODES[name] for name in ("strict", "cross-gpu"))
_KEYS = TraceHeader.__struct_fields__
_OPTIONAL_KEYS = _KEYS[_KEYS.index("emitter_version") + 1 :]


@dataclass(frozen=True)
class Run:
    """The steps of a side, the recording that its cell would have left, and the parameters it started from.

    `stressed`: the recording of its cell from a stressed start. `logits`: of the test images after the last step, None
    in f64, which is not tested. `images`, `labels`: of the test, as the side reads them.

    Shapes: logits (TESTED, classes), images (TESTED, *input_shape), labels (TESTED,).
    """

    side: Side
    steps: Sequence[Step]
    recording: Recording
    stressed: Recording
    initial: Array
    logits: Array | None
    images: Array
    labels: Array

    def evaluated(self, state: Step) -> tuple[Array, Array]:
        """Logits and labels of the test images by a state, which may be another side's, in the side's precision."""
        params, stats = (
            {name: x.astype(self.side.kind) for name, x in tensors.items()} for tensors in (state.params, state.stats)
        )
        state = replace(state, params=params, stats=stats)
        return self.side.logits(state, self.images.astype(self.side.kind)), self.labels


def run(side: Side, feed: Feed, labels: Array, stated: Feed | None = None) -> Run:
    """Train a side on a feed, and in f32 test it. `stated`: the feed whose batches its recording names, if another.

    Shapes: labels, of the test images, (TESTED,).
    """
    initial = side.initial()
    steps, recording = _trained(side, feed, stated, initial, DTYPES[side.dtype])
    _, stressed = _trained(side, feed, stated, side.initial("stressed"), STRESS_STEPS)
    test = feed.test_images, feed.read_test(labels)
    if side.dtype == "f64":
        return Run(side, steps, recording, stressed, initial, None, *test)
    logits = side.logits(steps[-1], feed.test_images)
    correct = int(np.count_nonzero(np.argmax(logits, axis=-1) == test[1]))
    tested = Manifest(status="complete", steps_written=len(steps), test_correct=correct, test_total=len(labels))
    return Run(side, steps, replace(recording, manifest=tested), stressed, initial, logits, *test)


def _trained(
    side: Side, feed: Feed, stated: Feed | None, initial: Array, number: int
) -> tuple[Sequence[Step], Recording]:
    """The first steps on a feed, and their recording."""
    feed = feed.first(number)
    batches, rates = feed.batches(side), feed.rates(side)
    steps = side.train(batches, rates, initial)
    named = batches if stated is None else stated.first(number).batches(side)
    return steps, recorded(side, steps, named, rates, initial=initial, steps_per_epoch=feed.steps_per_epoch)


def verdicts(a: dict[DType, Run], b: dict[DType, Run], mode: Mode = DEFAULT_MODE) -> dict[str, Verdict]:
    """The verdict of each detector on two sides."""
    left, right = a["f32"].recording, b["f32"].recording
    judging = Judging(mode)
    in_f64 = compare(a["f64"].recording, b["f64"].recording)
    stressed = Stressed(*(compare(a[dtype].stressed, b[dtype].stressed) for dtype in DTYPES))
    from_states = FromStates(None, _evaluated(a, b))
    rows = {
        VERIFY: judge_recordings(left, right, judging, beside=Beside(in_f64, stressed, from_states=from_states)),
        WITH_NORMS: judge_recordings(left, right, judging),
        LOSSES_ONLY: judge_recordings(losses_only(left), losses_only(right), judging),
    }
    return {name: row.verdict for name, row in rows.items() if row.verdict is not None}


def _evaluated(a: dict[DType, Run], b: dict[DType, Run]) -> list[Evaluation]:
    """Both sides' logits in f64 by the state that A ends in, as in a run of `verify` that is as short."""
    state = a["f32"].steps[-1]
    found = evaluate(len(a["f32"].steps) + 1, a["f64"].evaluated(state), b["f64"].evaluated(state))
    return [] if found is None else [found]


def losses_only(recording: Recording) -> Recording:
    """A recording as a program with two prints leaves it: the first version's header and steps, and no manifest."""
    trace = recording.trace
    header = msgspec.structs.replace(trace.header, **dict.fromkeys(_OPTIONAL_KEYS))
    return Recording(replace(trace, header=header, lines={}, digests={}))


def in_both(make: Callable[[DType], Side], feed: Feed, labels: Array, stated: Feed | None = None) -> dict[DType, Run]:
    """A side in both precisions, run on one feed. `labels`, `stated`: as for `run`."""
    return {dtype: run(make(dtype), feed, labels, stated) for dtype in DTYPES}


def update_error(run: Run, clean: Run) -> float:
    """|u - u0| / |u0| of the first update of all parameters, u0 being the clean side's. Infinite for no number."""
    moves = [_parameters(of) - of.initial for of in (run, clean)]
    with np.errstate(all="ignore"):
        error = float(np.linalg.norm(moves[0] - moves[1]) / np.linalg.norm(moves[1]))
    return error if np.isfinite(error) else float("inf")


def _parameters(run: Run) -> Array:
    """After the first step, in one vector."""
    return np.concatenate([run.steps[0].params[name].ravel() for name in run.side.names])


def is_same(run: Run, clean: Run) -> bool:
    """True when a recording is, bit for bit, that of the clean side, and the parameters and logits end alike."""
    recordings = [of.recording for of in (run, clean)]
    a, b = ([r.trace.loss.tobytes(), r.trace.lr.tobytes(), r.trace.lines, r.trace.header] for r in recordings)
    counts = [r.manifest for r in recordings]
    ends = [[*of.steps[-1].params.values(), *([] if of.logits is None else [of.logits])] for of in (run, clean)]
    return a == b and counts[0] == counts[1] and all(map(np.array_equal, *ends))
