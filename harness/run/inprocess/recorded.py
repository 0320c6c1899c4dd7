"""Steps of a side as a recording in memory, as its cell would have written it, to be judged like a file."""

import hashlib
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from harness.data.batches import batch_sha256
from harness.emit.header import header_facts
from harness.run.inprocess.side import Array, Batch, Side, Step, Tensors
from harness.trace.format import Number, StepLine, Trace, TraceHeader, to_number
from harness.trace.parts import Part, format_parts
from harness.trace.projection import project
from harness.trace.recording import Recording
from harness.trace.words import words_digest


class RunRecorder:
    """The recording of a run as it goes. `initial`: the parameters it starts from. `planned`: its steps.

    `channels_at`: whether a step has norms, projections and the digest of its batch; None: every one has.
    `parts`: those of the run that are taken, each of which is begun by `begin_part`; None: all of it.
    """

    def __init__(
        self,
        side: Side,
        initial: Array,
        planned: int,
        steps_per_epoch: int,
        channels_at: Callable[[int], bool] | None = None,
        parts: Sequence[Part] | None = None,
    ) -> None:
        header = header_facts(side.graph, side.config, side.dtype, side.conventions, side.pipeline)
        header |= {"init_sha256": hashlib.sha256(initial.astype("<f4").tobytes()).hexdigest()}
        header |= {"backend": "cpu", "planned_steps": planned, "epoch_steps": steps_per_epoch}
        if parts is not None:
            header |= {"run_steps": format_parts(parts)}
        self._path = f"{side.graph.spec.name}.{side.pipeline}.{side.dtype}"
        self._header = msgspec.convert(header, TraceHeader)
        self._next = 1
        self._kind, self._steps_per_epoch = side.kind, steps_per_epoch
        self._channels_at = channels_at or (lambda t: True)
        self._before = dict(zip(side.names, side.split(initial), strict=True))
        self._lines: dict[int, StepLine] = {}
        self._columns: list[tuple[int, float, float]] = []
        self._words: dict[int, dict[str, str]] = {}

    def begin_part(self, part: Part, params: Tensors) -> None:
        """Go on with the first step of a part, from these parameters."""
        self._next, self._before = part.first, params

    def add(self, step: Step, batch: Batch, rate: np.float32) -> None:
        """The next step. `batch`, `rate`: as its side was given, or says that it was."""
        t, self._next = self._next, self._next + 1
        epoch = (t - 1) // self._steps_per_epoch
        self._columns.append((epoch, step.loss, float(rate)))
        if self._header.dtype == "wide":
            self._words[t] = {name: words_digest(name, x) for name, x in step.params.items()}
        if self._channels_at(t):
            moves = {name: x - self._before[name].astype(self._kind) for name, x in step.params.items()}
            self._lines[t] = StepLine(
                kind="step",
                step=t,
                epoch=epoch,
                loss=to_number(step.loss),
                lr=to_number(float(rate)),
                grad_norms=_norms(step.grads),
                param_norms=_norms(self._before),
                update_norms=_norms(moves),
                grad_projections=_projections(step.grads),
                update_projections=_projections(moves),
                stat_norms=_norms(step.stats) if step.stats else None,
                batch_sha256=batch_sha256(batch.x, batch.labels),
            )
        self._before = step.params

    @property
    def recording(self) -> Recording:
        """The steps so far, without a manifest."""
        epochs, losses, rates = zip(*self._columns, strict=True)
        digests = {t: line.batch_sha256 or "" for t, line in self._lines.items()}
        columns = np.array(epochs), np.array(losses), np.array(rates, np.float64)
        trace = Trace(self._path, self._header, *columns, digests, dict(self._lines), words=dict(self._words))
        return Recording(trace, None)


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
    recorder = RunRecorder(side, side.initial() if initial is None else initial, len(steps), steps_per_epoch)
    for step, batch, rate in zip(steps, batches, rates, strict=True):
        recorder.add(step, batch, rate)
    return recorder.recording


def _norms(tensors: Tensors) -> dict[str, Number]:
    return {name: to_number(float(np.linalg.norm(x.astype(np.float64).ravel()))) for name, x in tensors.items()}


def _projections(tensors: Tensors) -> dict[str, Number]:
    return {name: to_number(project(name, x)) for name, x in tensors.items()}
