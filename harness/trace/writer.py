"""Traces of any training loop: one call a step. Nothing of the loop's framework is imported."""

import hashlib
import math
import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import numpy as np

from harness.errors import TraceError
from harness.trace.arrays import Array, as_numpy, inner, norm
from harness.trace.format import TraceFile, TraceHeader, one_line
from harness.trace.live import Layout, Live, LiveTensors, Tensors, named
from harness.trace.projection import signs
from harness.trace.spelling import usual_dtype

WHEN: dict[str, Callable[[int], bool]] = {
    "default": lambda step: step <= 8 or step % 64 == 0,
    "all": lambda step: True,
    "none": lambda step: False,
}
_PARTIAL, _WHOLE = ".partial.jsonl", ".jsonl"


class TraceWriter:
    """Writes the trace of a training loop, a line a step, so that a killed run leaves every finished step.

        with harness.TraceWriter("mine.jsonl", network="MNIST-MLP", config={"lr": 0.001}, params=parameters) as trace:
            for x, y in batches:
                ...  # forward, backward, update
                trace.step(loss=loss, lr=0.001, batch=(x, y))

    `params`: the parameters by name, in the order of the initial parameters' file: a mapping, or pairs as
    `model.named_parameters()`. Where the loop changes them in place (PyTorch), that is all; where it makes new ones
    (JAX), `step` is given them. Names alone will do, and there are no norms of the first step's update then.
    `layout`: called with a name and a tensor, gives the view of it that has the shape of the initial parameters' file.
    `channels`: at which steps norms, projections and batch digests are written: `default` (1 to 8, then every 64th),
    `all`, `none`; otherwise what HARNESS_TRACE_CHANNELS says.
    `epoch_steps`: of an epoch; the epoch of a step follows from it. `header`: other keys of the header, by their names
    in traces/README.md (`init_sha256`, `data_sha256`, `backend`, `planned_steps`, `conventions`, …).

    `observed`: whether the last step was. `NAME.jsonl` is called `NAME.partial.jsonl` until the `with` block has ended
    without an exception, unless `renamed` is false.

    Raises: TraceError for arguments that make no trace; OSError for a path that cannot be written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        network: str,
        config: Mapping[str, Any] | None = None,
        params: Tensors | Sequence[str] | Live | None = None,
        dataset: str | None = None,
        pipeline: str = "external",
        dtype: str | None = None,
        epoch_steps: int | None = None,
        layout: Layout | None = None,
        channels: str | None = None,
        renamed: bool = True,
        **header: Any,
    ) -> None:
        self._names, self._live = _parameters(params, layout)
        self._observed = _when(channels)
        self._epoch_steps = epoch_steps
        self.observed = False
        unknown = [name for name, given in (("config", config), ("dataset", dataset)) if given is None]
        unknown += ["total_params"] * (self._live is None) + ["epoch"] * (epoch_steps is None)
        line = _header(
            {
                "phase": pipeline,
                "netspec_name": network,
                "config": dict(config or {}),
                "dataset": dataset or "unknown",
                "emitter_version": "0",
                "pipeline": pipeline,
                "params": self._names,
                "epoch_steps": epoch_steps,
                "unknown": unknown or None,
                **_told_by({} if self._live is None else self._live.parameters(), dtype),
                **header,
            }
        )
        self._final = Path(path)
        self._path = self._final
        if renamed and self._final.name.endswith(_WHOLE) and not self._final.name.endswith(_PARTIAL):
            self._path = self._final.with_name(self._final.name.removesuffix(_WHOLE) + _PARTIAL)
        self._file = TraceFile(self._path, line)
        self.begin(1)

    def begin(self, step: int) -> None:
        """Say that the parameters were set by something else than the last step, and which step is next."""
        self._next = step
        live = self._live if self._observed(step) else None
        self._before = None if live is None else self._copies(live.parameters())
        self._began = time.perf_counter()

    def step(
        self,
        *,
        loss: Any,
        lr: Any,
        grads: Tensors | None = None,
        params: Tensors | None = None,
        stats: Mapping[str, Any] | None = None,
        batch: Sequence[Any] | None = None,
        step: int | None = None,
        epoch: int | None = None,
    ) -> None:
        """Write a step once it has been taken: after the update, and before gradients are zeroed.

        `loss`: mean of the batch, before the update. `lr`: rate of the update. `grads`: by name, or in the order of the
        parameters; where they are not given, the `grad` of each parameter. `params`: the parameters after the update,
        where the loop makes new ones. `stats`: running statistics after the step, by name. `batch`: the arrays that the
        step was fed, inputs first; their digest is written. `step`: its number, if it is not the next; `epoch`: from 0,
        where `epoch_steps` was not given.

        Units: loss in nats. Raises: TraceError for what is no number or array, or does not fit the parameters.
        """
        number = self._next if step is None else step
        self.observed = self._observed(number)
        wall = (time.perf_counter() - self._began) * 1e3
        if epoch is None:
            epoch = (number - 1) // self._epoch_steps if self._epoch_steps else 0
        observed: dict[str, Any] = {}
        after = None
        if self.observed:
            after = self._now(params)
            observed = self._channels(number, self._gradients(grads), after, stats, batch)
        self._file.write_step(
            number, epoch, _number(loss, "loss"), _number(lr, "lr"), wall_ms=round(wall, 3), **observed
        )
        self._next = number + 1
        self._before = None
        if self._observed(self._next):
            self._before = self._now(params) if after is None else after
        self._began = time.perf_counter()

    def close(self) -> None:
        """Flush to the disk and give the trace its final name."""
        self._file.close()
        if self._path != self._final and self._path.exists():
            self._path.replace(self._final)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is None:
            self.close()
        else:
            self._file.close()

    def _now(self, params: Tensors | None) -> dict[str, Array] | None:
        """Copies of the parameters as they are, None where nobody gives them."""
        if params is not None:
            return self._copies(named(params, self._names, "params"))
        return None if self._live is None else self._copies(self._live.parameters())

    def _gradients(self, grads: Tensors | None) -> dict[str, Array]:
        if grads is not None:
            return self._arrays(named(grads, self._names, "grads"))
        return {} if self._live is None else self._arrays(self._live.gradients())

    def _arrays(self, tensors: Mapping[str, Any]) -> dict[str, Array]:
        """Those that there are, as numpy arrays."""
        for name in tensors:
            if self._names is not None and name not in self._names:
                raise TraceError(f"{name!r} is no parameter of this trace; it has {', '.join(self._names)}.")
        return {name: as_numpy(tensor) for name, tensor in tensors.items() if tensor is not None}

    def _copies(self, tensors: Mapping[str, Any]) -> dict[str, Array]:
        return {name: np.array(x) for name, x in self._arrays(tensors).items()}

    def _channels(
        self,
        number: int,
        grads: Mapping[str, Array],
        after: Mapping[str, Array] | None,
        stats: Mapping[str, Any] | None,
        batch: Sequence[Any] | None,
    ) -> dict[str, Any]:
        """The optional channels of a step, those that what is given suffices for."""
        kinds: dict[str, Mapping[str, Array]] = {"grad": grads} if grads else {}
        if self._before is not None:
            kinds["param"] = self._before
            if after is not None and after.keys() == self._before.keys():
                kinds["update"] = {name: after[name] - before for name, before in self._before.items()}
        found: dict[str, Any] = {}
        for kind, tensors in kinds.items():
            norms = {name: norm(x) for name, x in tensors.items()}
            found[f"{kind}_norms"] = norms
            found[f"{kind}_norm"] = math.hypot(*norms.values())
            if kind != "param":
                found[f"{kind}_projections"] = {name: _projection(name, x) for name, x in tensors.items()}
        if stats is None and self._live is not None:
            stats = self._live.statistics()
        if stats:
            found["stat_norms"] = {name: norm(as_numpy(x)) for name, x in stats.items()}
        if batch is not None:
            found["batch_sha256"] = batch_digest(batch)
        if number == 1 and found.get("grad_norm") and found.get("update_norm") == 0:
            warnings.warn(
                "trace: step 1 has gradients and moved no parameter; call step() after the update.", stacklevel=3
            )
        return found


def _projection(name: str, x: Array) -> float:
    """Source: traces/README.md, Projections."""
    return inner(x, signs(name, x.size, "f8" if x.dtype == np.float64 else "f4"))


def batch_digest(arrays: Sequence[Any]) -> str:
    """The SHA-256 of what a step was fed, one array after another. Source: traces/README.md, Batch digests."""
    digest = hashlib.sha256()
    for k, array in enumerate(map(as_numpy, arrays)):
        labels = k == len(arrays) - 1 and k > 0
        small = np.dtype(np.int32) if array.dtype.kind in "iu" and (labels or array.dtype.itemsize > 4) else array.dtype
        digest.update(np.ascontiguousarray(array, small.newbyteorder("<")).tobytes())
    return digest.hexdigest()


def _parameters(
    params: Tensors | Sequence[str] | Live | None, layout: Layout | None
) -> tuple[list[str] | None, Live | None]:
    """The names of the parameters, and the parameters where more than names are given."""
    if params is None:
        return None, None
    if isinstance(params, Live):
        return list(params.parameters()), params
    given = params if isinstance(params, Mapping) else list(params)
    if not isinstance(given, Mapping) and all(isinstance(name, str) for name in given):
        return [str(name) for name in given], None
    tensors = named(given, None, "params")
    return list(tensors), LiveTensors(tensors, layout)


def _told_by(tensors: Mapping[str, Any], dtype: str | None) -> dict[str, Any]:
    """What the parameters tell the header."""
    kinds = {str(tensor.dtype).removeprefix("torch.") for tensor in tensors.values()}
    if dtype is None and len(kinds) == 1:
        dtype = usual_dtype(kinds.pop())
    return {"total_params": sum(math.prod(tensor.shape) for tensor in tensors.values()), "dtype": dtype}


def _header(facts: Mapping[str, Any]) -> TraceHeader:
    known = {field.name for field in msgspec.structs.fields(TraceHeader)}
    if wrong := sorted(set(facts) - known):
        raise TraceError(f"the header of a trace has no {', '.join(wrong)}; traces/README.md lists its keys.")
    try:
        return msgspec.convert({"kind": "header"} | dict(facts), TraceHeader)
    except msgspec.ValidationError as error:
        raise TraceError(f"header of the trace: {error}.") from None


def _when(channels: str | None) -> Callable[[int], bool]:
    asked = channels or os.environ.get("HARNESS_TRACE_CHANNELS") or "default"
    if asked not in WHEN:
        raise TraceError(f"channels is {asked!r}, expected {', '.join(WHEN)}.")
    return WHEN[asked]


def _number(value: Any, what: str) -> float:
    try:
        return float(value.detach() if hasattr(value, "detach") else value)
    except (TypeError, ValueError):
        shape = getattr(value, "shape", None)
        told = repr(value) if shape is None else f"{type(value).__name__} of shape {tuple(shape)}"
        raise TraceError(f"{what} is {one_line(told)}, expected one number.") from None
