"""Emitted JAX script -> StableHLO modules with the interface of `harness.emit.train_step`, for other compilers.

`python -m harness.emit.export SCRIPT.py` prints them as a JSON object. It is a process of its own because a script sets
switches of JAX for good, and because what is exported must depend on the script alone.
"""

import importlib.util
import json
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import jax
import numpy as np

_PLATFORM = "cpu"  # one text for every backend; nothing in it is the CPU's own


def export_script(script: ModuleType) -> dict[str, str]:
    """The texts of modules with the functions `train_step` and `logits`, traced from the script's own.

    Shapes: as in `harness.emit.train_step`, images (B, C, H, W).
    """
    s: Any = script
    names, stats, slots = list(s.PARAMS), list(s.STATS), list(s.SLOTS)
    tensor: Any = jax.ShapeDtypeStruct
    wide = s.HEADER["dtype"] == "wide"
    slot_tensors = [tensor(shape, s.DTYPE) for shape, _ in s.PARAMS.values()] * len(slots)
    params = [tensor(shape, np.float32 if wide else s.DTYPE) for shape, _ in s.PARAMS.values()]
    states = [tensor(shape, s.DTYPE) for shape in s.STATS.values()]
    x, labels = tensor((s.BATCH_SIZE, *s.INPUT_SHAPE), s.DTYPE), tensor((s.BATCH_SIZE,), np.int32)
    scalar = tensor((), s.DTYPE)

    def train_step(*arguments: Any) -> list[Any]:
        given = iter(arguments)
        p = _named(names, given)
        moments = {slot: _named(names, given) for slot in slots}
        running = _named(stats, given)
        # The function inside its jit: one level less, and no buffers given away.
        loss, p, moments, running, grads = s.train_step.__wrapped__(p, moments, running, *given)
        results = [p, *(moments[slot] for slot in slots)]
        return [loss, *_listed(names, *results), *_listed(stats, running), *_listed(names, grads)]

    def logits(*arguments: Any) -> list[Any]:
        given = iter(arguments)
        p = _named(names, given)
        return [s.forward_eval(s.widened(p) if wide else p, _named(stats, given), *given)]

    return {
        "train_step": _lower(train_step, [*params, *slot_tensors, *states, x, labels, scalar, scalar]),
        "logits": _lower(logits, [*params, *states, x]),
    }


def _named(names: Sequence[str], values: Any) -> dict[str, Any]:
    """The next values by name."""
    return {name: next(values) for name in names}


def _listed(names: Sequence[str], *tensors: dict[str, Any]) -> list[Any]:
    return [named[name] for named in tensors for name in names]


def _lower(function: Callable[..., list[Any]], shapes: Sequence[Any]) -> str:
    """The function as a module's public function of its own name, also with arguments that it does not use."""
    traced = jax.jit(function, keep_unused=True).trace(*shapes)
    text: str = traced.lower(lowering_platforms=(_PLATFORM,)).as_text()
    return text.replace("func.func public @main(", f"func.func public @{function.__name__}(")


def main() -> None:
    """Command line."""
    spec = importlib.util.spec_from_file_location("script", sys.argv[1])
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    print(json.dumps(export_script(script)))


if __name__ == "__main__":
    main()
