"""Both sides of a network in f32 and in f64, judged as the product judges a pair with its f64 check, and by less."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from harness.run.inprocess import Array, Batch, FirstBatches, Side, Step, recorded
from harness.spec.netspec import DType
from harness.trace.recording import Recording
from harness.validation.power.networks import NETWORKS, Feed, draw_feed
from harness.verdict.compare import compare
from harness.verdict.envelope.build import build_envelope
from harness.verdict.envelope.envelope import Envelope
from harness.verdict.envelope.members import Members
from harness.verdict.envelope.plan import make_plan
from harness.verdict.judge import Verdict, judge

DTYPES: tuple[DType, ...] = ("f32", "f64")
# Detectors by their names in JSON: every gate, f32 with its norms and digests, and nothing but the losses of f32.
F64_CHECK, F32, F32_LOSS = "ladder", "f32", "f32 loss"
DETECTORS = {F64_CHECK: "f64 check", F32: "f32", F32_LOSS: "f32 loss"}  # as tables print them
_PLAN = make_plan()


@dataclass(frozen=True)
class Run:
    """The first steps of a side, the recording that its cell would have left, and the parameters it started from."""

    side: Side
    steps: Sequence[Step]
    recording: Recording
    initial: Array


def run(side: Side, feed: Feed, stated: Feed | None = None) -> Run:
    """Train a side on a feed. `stated`: the feed whose batches its recording names, if those are others."""
    batches, rates, initial = feed.batches(side), feed.rates(side), side.initial()
    steps = side.train(batches, rates, initial)
    named = batches if stated is None else stated.batches(side)
    recording = recorded(side, steps, named, rates, initial=initial, steps_per_epoch=feed.steps_per_epoch)
    return Run(side, steps, recording, initial)


def verdicts(a: dict[DType, Run], b: dict[DType, Run], envelope: Envelope) -> dict[str, Verdict]:
    """The verdict of each detector on two sides. `envelope`: of the clean run."""
    f32 = compare(a["f32"].recording, b["f32"].recording)
    f64 = compare(a["f64"].recording, b["f64"].recording)
    losses = compare(_losses_only(a["f32"].recording), _losses_only(b["f32"].recording))
    return {
        F64_CHECK: judge(f32, in_f64=f64, envelope=envelope),
        F32: judge(f32, envelope=envelope),
        F32_LOSS: judge(losses, envelope=envelope),
    }


@cache
def envelope_of(network: str, seed: int = 0) -> Envelope:
    """The envelope of a network trained on the data of `seed`, from the init seed 42 + `seed`."""
    members = _members(network)
    members.feed = _first_batches(network, seed)
    return build_envelope(members, _PLAN, init_seed=42 + seed)


@cache
def _members(network: str) -> Members:
    """Its programs are compiled once: initial parameters and images are no part of them."""
    one = NETWORKS[network]
    return Members(one.graph(), one.config, _first_batches(network, 0))


def _first_batches(network: str, seed: int) -> FirstBatches:
    steps = max(member.steps for member in (_PLAN.reference, *_PLAN.members, *_PLAN.perturbed_far))
    feed = draw_feed(network, seed, steps)
    pairs = zip(feed.image_rows, feed.label_rows, strict=True)
    batches = tuple(Batch(feed.images[rows], feed.labels[named]) for rows, named in pairs)
    return FirstBatches(batches, feed.steps_per_epoch, "drawn", "")


def _losses_only(recording: Recording) -> Recording:
    """A recording as the first version of the trace has it, without norms and digests."""
    return replace(recording, trace=replace(recording.trace, lines={}, digests={}))


def in_both(make: Callable[[DType], Side], feed: Feed, stated: Feed | None = None) -> dict[DType, Run]:
    """A side in both precisions, run on one feed."""
    return {dtype: run(make(dtype), feed, stated) for dtype in DTYPES}


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
    """True when a recording is, bit for bit, that of the clean side, and the parameters end alike."""
    recordings = [of.recording.trace for of in (run, clean)]
    a, b = ([t.loss.tobytes(), t.lr.tobytes(), t.lines, t.header] for t in recordings)
    ends = zip(run.steps[-1].params.values(), clean.steps[-1].params.values(), strict=True)
    return a == b and all(np.array_equal(x, y) for x, y in ends)
