"""Steps of a side as a recording in memory, as its cell would have written it, to be judged like a file."""

import hashlib
from collections.abc import Sequence

import msgspec
import numpy as np

from harness.data.batches import batch_sha256
from harness.emit.header import header_facts
from harness.run.inprocess.side import Array, Batch, Side, Step, Tensors
from harness.trace.format import Number, StepLine, Trace, TraceHeader, to_number
from harness.trace.projection import project
from harness.trace.recording import Recording
from harness.trace.words import words_digest


def recorded(
    side: Side,
    steps: Sequence[Step],
    batches: Sequence[Batch],
    rates: Sequence[np.float32],
    *,
    initial: Array | None = None,
    steps_per_epoch: int,
) -> Recording:
    """A recording of training steps, every step with norms, projections and the digest of its batch.

    `batches`, `rates`, `initial`: the inputs that the side was given.
    """
    header = header_facts(side.graph, side.config, side.dtype, side.conventions, side.pipeline)
    flat = side.initial() if initial is None else initial
    header |= {"init_sha256": hashlib.sha256(flat.astype("<f4").tobytes()).hexdigest()}
    header |= {"backend": "cpu", "planned_steps": len(steps), "epoch_steps": steps_per_epoch}
    before = dict(zip(side.names, side.split(flat), strict=True))
    lines = {}
    for number, (step, batch, rate) in enumerate(zip(steps, batches, rates, strict=True), 1):
        moves = {name: step.params[name] - before[name].astype(side.kind) for name in side.names}
        grads, params, updates = _norms(step.grads), _norms(before), _norms(moves)
        lines[number] = StepLine(
            kind="step",
            step=number,
            epoch=(number - 1) // steps_per_epoch,
            loss=to_number(step.loss),
            lr=to_number(float(rate)),
            grad_norms=grads,
            param_norms=params,
            update_norms=updates,
            grad_projections=_projections(step.grads),
            update_projections=_projections(moves),
            stat_norms=_norms(step.stats) if step.stats else None,
            batch_sha256=batch_sha256(batch.x, batch.labels),
        )
        before = step.params
    trace = Trace(
        path=f"{side.graph.spec.name}.{side.pipeline}.{side.dtype}",
        header=msgspec.convert(header, TraceHeader),
        epoch=np.array([line.epoch for line in lines.values()]),
        loss=np.array([step.loss for step in steps]),
        lr=np.array(rates, np.float64),
        digests={number: line.batch_sha256 or "" for number, line in lines.items()},
        lines=lines,
        words={number: _words(step.params) for number, step in enumerate(steps, 1)} if side.dtype == "wide" else {},
    )
    return Recording(trace, None)


def _norms(tensors: Tensors) -> dict[str, Number]:
    return {name: to_number(float(np.linalg.norm(x.astype(np.float64).ravel()))) for name, x in tensors.items()}


def _words(tensors: Tensors) -> dict[str, str]:
    return {name: words_digest(name, x) for name, x in tensors.items()}


def _projections(tensors: Tensors) -> dict[str, Number]:
    return {name: to_number(project(name, x)) for name, x in tensors.items()}
