"""Traces of any training loop: one call a step. Nothing of the loop's framework is imported."""

import math
import operator
import os
import time
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from harness.errors import TraceError
from harness.trace.arrays import Array, as_numpy, batch_digest, inner, norm
from harness.trace.format import TraceFile, one_line
from harness.trace.header import config_of, make_header, told_by
from harness.trace.live import Layout, Live, LiveTensors, Tensors, named
from harness.trace.projection import signs

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
        self._known = None if self._names is None else dict.fromkeys(self._names)
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._observed = _when(channels)
        self._epoch_steps = epoch_steps
        self.observed = False
        unknown = [name for name, given in (("config", config), ("dataset", dataset)) if given is None]
        unknown += ["total_params"] * (self._live is None) + ["epoch"] * (epoch_steps is None)
        line = make_header(
            {
                "phase": pipeline,
                "netspec_name": network,
                "config": {} if config is None else config_of(config),
                "dataset": dataset or "unknown",
                "emitter_version": "0",
                "pipeline": pipeline,
                "params": self._names,
                "epoch_steps": epoch_steps,
                "unknown": unknown or None,
                **told_by({} if self._live is None else self._live.parameters(), dtype),
                **header,
            }
        )
        self._final = Path(path)
        self._path = self._final
        if renamed and self._final.name.endswith(_WHOLE) and not self._final.name.endswith(_PARTIAL):
            self._path = self._final.with_name(self._final.name.removesuffix(_WHOLE) + _PARTIAL)
        if self._final.suffix == ".gz":
            raise TraceError(f"{self._final}: a trace is written uncompressed. Name it .jsonl.")
        self.begin(1)
        self._file = TraceFile(self._path, line)

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
        number = self._next if step is None else _whole(step, "step", 1)
        self.observed = self._observed(number)
        wall = (time.perf_counter() - self._began) * 1e3
        if epoch is None:
            epoch = (number - 1) // self._epoch_steps if self._epoch_steps else 0
        epoch = _whole(epoch, "epoch", 0)
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
            return self._arrays(named(grads, self._names, "grads"), "grads")
        return {} if self._live is None else self._arrays(self._live.gradients(), "grads")

    def _arrays(self, tensors: Mapping[str, Any], what: str) -> dict[str, Array]:
        """Those that there are, as numpy arrays."""
        for name in tensors:
            if self._known is not None and name not in self._known:
                raise TraceError(f"{what}: {name!r} is no parameter of this trace; it has {_some(self._known)}.")
        arrays = {name: _array(tensor, what, name) for name, tensor in tensors.items() if tensor is not None}
        for name, array in arrays.items():
            if (shape := self._shapes.get(name, array.shape)) != array.shape:
                raise TraceError(f"{what}: {name!r} has shape {array.shape}, expected {shape}, that of the parameter.")
        return arrays

    def _copies(self, tensors: Mapping[str, Any]) -> dict[str, Array]:
        """Of all parameters."""
        found = {name: np.array(x) for name, x in self._arrays(tensors, "params").items()}
        if self._known is not None and len(found) < len(self._known):
            raise TraceError(
                f"params: {_some(self._known - found.keys())} not given; give all parameters of this trace."
            )
        self._shapes = {name: x.shape for name, x in found.items()}
        return found

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
                with np.errstate(over="ignore", invalid="ignore"):
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
            given = named(stats, None, "stats").items()
            found["stat_norms"] = {name: norm(_array(x, "stats", name)) for name, x in given}
        if batch is not None:
            found["batch_sha256"] = batch_digest(batch)
        if number == 1 and found.get("grad_norm") and found.get("update_norm") == 0:
            warnings.warn(
                "trace: step 1 has gradients and moved no parameter; call step() after the update, with `params` if "
                "the loop makes new ones.",
                stacklevel=3,
            )
        return found


def _projection(name: str, x: Array) -> float:
    """Source: traces/README.md, Projections."""
    return inner(x, signs(name, x.size, "f8" if x.dtype == np.float64 else "f4"))


def _parameters(
    params: Tensors | Sequence[str] | Live | None, layout: Layout | None
) -> tuple[list[str] | None, Live | None]:
    """The names of the parameters, and the parameters where more than names are given."""
    if params is None:
        return None, None
    if isinstance(params, Live):
        return list(params.parameters()), params
    given = params if isinstance(params, Mapping | str) or not hasattr(params, "__iter__") else list(params)
    if isinstance(given, list) and given and all(isinstance(name, str) for name in given):
        return list(named([(name, None) for name in given], None, "params")), None
    tensors = named(given, None, "params")
    for name, tensor in tensors.items():
        if not (hasattr(tensor, "shape") and hasattr(tensor, "dtype")):
            flat = ". Give nested ones flat, by names such as dense1.w" if isinstance(tensor, Mapping) else ""
            raise TraceError(f"params: {name!r} is of {type(tensor).__name__}, expected an array{flat}.")
    return list(tensors), LiveTensors(tensors, layout)


def _when(channels: str | None) -> Callable[[int], bool]:
    asked = channels or os.environ.get("HARNESS_TRACE_CHANNELS") or "default"
    if asked not in WHEN:
        raise TraceError(f"channels is {asked!r}, expected {', '.join(WHEN)}.")
    return WHEN[asked]


def _number(value: Any, what: str) -> float:
    try:
        if isinstance(value, np.complexfloating):
            raise TypeError
        return float(value.detach() if hasattr(value, "detach") else value)
    except (TypeError, ValueError, OverflowError, RuntimeError):  # the last is PyTorch's, of complex numbers
        shape = getattr(value, "shape", None)
        told = repr(value) if shape is None else f"{type(value).__name__} of shape {tuple(shape)}"
        raise TraceError(f"{what} is {one_line(told)}, expected one number.") from None


def _whole(value: Any, what: str, least: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = -1
    if not least <= number <= 2**53:
        raise TraceError(f"{what} is {one_line(repr(value))}, expected a whole number of at least {least}.")
    return number


def _array(tensor: Any, what: str, name: str) -> Array:
    """A tensor as numpy's, in numbers whose differences are right: those of whole ones wrap around."""
    try:
        array = as_numpy(tensor)
    except TraceError as error:
        raise TraceError(f"{what}: {name!r}: {error}") from None
    return array.astype(np.float64) if array.dtype.kind in "iub" else array


def _some(names: Collection[str]) -> str:
    return one_line(", ".join(names))
