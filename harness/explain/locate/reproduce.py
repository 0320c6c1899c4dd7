"""Runs a training step, or one piece of it, on both compilers and compares it with the definition's results.

    python run.py

It needs jax, iree-base-compiler, iree-base-runtime, numpy and safetensors, and the files of its folder: the piece as a
JAX program (`phase2.py`) and as StableHLO (`phase3.mlir`), `inputs.safetensors`, `expected.safetensors` in f64 and
`facts.json`. It prints the error of every result, relative to the scale in `facts.json`, and ends with 1 when one
exceeds the allowed error, with 0 when all are correct.
"""

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

HERE = Path(__file__).resolve().parent


def run_phase2(facts: dict[str, Any], inputs: dict[str, Any]) -> list[Any]:
    """The results of the JAX program, in the order of `facts["results"]`."""
    import jax

    space: dict[str, Any] = {"__name__": "phase2", "__file__": str(HERE / "phase2.py")}
    exec(compile((HERE / "phase2.py").read_text(), "phase2.py", "exec"), space)

    def given(kind: str) -> list[Any]:
        return [inputs[name] for name in facts[kind]]

    def named(kind: str) -> dict[str, Any]:
        return {name: inputs[name] for name in facts[kind]}

    if facts["piece"] == "loss":
        value, dlogits = jax.jit(jax.value_and_grad(space["loss"]))(inputs["logits"], inputs["labels"])
        return [value, dlogits]
    if facts["piece"] == "update":
        slots = {slot: {name: inputs[f"{name}.{slot}"] for name in facts["params"]} for slot in space["SLOTS"]}
        grads = {name: inputs[f"{name}.grad"] for name in facts["params"]}
        params, new_slots = jax.jit(space["update"])(named("params"), slots, grads, inputs["lr"], inputs["t"])
        return [*params.values(), *(new_slots[slot][name] for slot in space["SLOTS"] for name in facts["params"])]
    if facts["piece"] == "step":
        slots = {slot: {name: inputs[f"{name}.{slot}"] for name in facts["params"]} for slot in space["SLOTS"]}
        arguments = [
            named("params"),
            slots,
            statistics(facts, inputs),
            *(inputs[name] for name in ("x", "labels", "lr", "t")),
        ]
        loss, *_, grads = space["train_step"](*arguments)
        return [loss, *(grads[name] for name in facts["params"])]

    def layer(params: Any, *xs: Any) -> Any:
        return space["layer"](params, statistics(facts, inputs), *xs, inputs["t"])

    if facts["piece"] == "forward":
        return [jax.jit(layer)(named("params"), *given("xs"))]
    dparams, *dxs = jax.jit(lambda p, xs, dy: jax.vjp(layer, p, *xs)[1](dy))(named("params"), given("xs"), inputs["dy"])
    return [*dxs, *(dparams[name] for name in facts["params"])]


def statistics(facts: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    """Running statistics before the first step."""
    return {name: np.zeros(shape, inputs["t"].dtype) for name, shape in facts["stats"].items()}


def run_phase3(facts: dict[str, Any], inputs: dict[str, Any]) -> list[Any]:
    """The results of the StableHLO module by IREE's CPU, in the order of `facts["results"]`."""
    import iree.runtime as rt
    from iree.compiler.tools.binaries import find_tool

    with tempfile.TemporaryDirectory() as scratch:
        compiled = Path(scratch, "phase3.vmfb")
        command = [find_tool("iree-compile"), str(HERE / "phase3.mlir"), *facts["compile_flags"], "-o", str(compiled)]
        subprocess.run(command, check=True)
        context = rt.SystemContext(config=rt.Config("local-task"))
        module = rt.VmModule.copy_buffer(context.instance, compiled.read_bytes())
        context.add_vm_module(module)
        given = inputs | statistics(facts, inputs)
        results = context.modules[module.name][facts["function"]](*(given[name] for name in facts["arguments"]))
    arrays = [np.asarray(x) for x in (results if isinstance(results, list | tuple) else [results])]
    return arrays[:1] + arrays[len(arrays) - len(facts["results"]) + 1 :]  # a step gives its new state in between


def errors(facts: dict[str, Any], results: list[Any], expected: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Name and error of every result, in units of its scale."""
    for name, result in zip(facts["results"], results, strict=True):
        right, scale = expected[name], facts["scales"][name]
        error = float(np.linalg.norm((np.asarray(result, np.float64) - right).ravel()))
        relative = 0.0 if error == 0 else error / scale if scale > 0 and math.isfinite(error) else math.inf
        yield name, relative


def main() -> int:
    """Run both programs and print a line for every result."""
    facts = json.loads((HERE / "facts.json").read_text())
    inputs, expected = load_file(HERE / "inputs.safetensors"), load_file(HERE / "expected.safetensors")
    failures = 0
    for side, run in (("phase2", run_phase2), ("phase3", run_phase3)):
        for name, error in errors(facts, run(facts, inputs), expected):
            wrong = not error <= facts["allowed"]
            failures += wrong
            print(f"{side}  {'WRONG' if wrong else 'right'}  {error:.2e}  (allowed {facts['allowed']:.0e})  {name}")
    return 1 if failures else 0


if __name__ == "__main__":
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    sys.exit(main())
