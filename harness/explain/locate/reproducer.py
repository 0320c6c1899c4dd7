"""A folder that shows a culprit without this project: the smallest piece that is wrong, its inputs, correct results.

It is run before it is reported: a folder that does not show the error says so.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from harness.explain.locate import reproduce
from harness.explain.locate.definition import DefinedStep, Definition
from harness.explain.locate.findings import Finding, isolated_test_of
from harness.explain.locate.pieces import LIMIT_F64, Expectation, IsolatedTest
from harness.explain.locate.shrink import shrink
from harness.explain.locate.side_under_test import SideUnderTest
from harness.explain.locate.whole_step import gradient_scales
from harness.run.backends import BACKENDS
from harness.run.inprocess import Phase2, Phase3, Tensors
from harness.system.process import with_parent
from harness.system.scratch import scratch

TIMEOUT_S = 600.0


@dataclass(frozen=True)
class Reproducer:
    """The folder, whether its run showed just that side wrong, and the output of that run."""

    folder: Path
    shows: bool
    output: str


def write_reproducer(
    folder: Path,
    culprits: Sequence[Finding],
    sides: Sequence[SideUnderTest],
    definition: Definition,
    truth: DefinedStep,
) -> Reproducer:
    """Write the folder of the first culprit, and run it.

    Raises: OSError when the folder cannot be written.
    """
    first = culprits[0]
    alike = [f for f in culprits if (f.layer, f.direction, f.t) == (first.layer, first.direction, first.t)]
    worst = max(alike, key=lambda f: f.error)
    test = _smallest(isolated_test_of(first, definition, truth), worst.tensor, definition)
    expectation = Expectation(test, definition, first.dtype)
    programs = {
        side.pipeline: side.isolated[first.dtype].program(test.kind, test.isolated, test.params) for side in sides
    }
    expected = dict(zip(_result_names(test), expectation.expected, strict=True))
    _write(folder, programs, expectation.inputs, expected, _facts_of_piece(test, expectation))
    where = first.layer if first.layer == first.direction else f"{first.layer}, {first.direction}"
    return _run_and_describe(folder, where, {f.side for f in alike}, "One piece of a training step", first.dtype)


def write_whole_reproducer(folder: Path, where: str, sides: Sequence[SideUnderTest], wrong: str) -> Reproducer:
    """The same of a wrong whole step: the first step in f64 of the smallest network that shows it.

    Raises: OSError when the folder cannot be written.
    """
    smallest, truth = shrink(next(side for side in sides if side.pipeline == wrong))
    (other,) = (side for side in sides if side.pipeline != wrong)
    correct = SideUnderTest(other.pipeline, smallest.experiment, conventions=other.conventions, rules=other.rules)
    by_pipeline = {side.pipeline: side.programs["f64"] for side in (smallest, correct)}
    phase2, phase3 = by_pipeline["phase2"], by_pipeline["phase3"]
    assert isinstance(phase2, Phase2)
    assert isinstance(phase3, Phase3)
    batch = {"x": truth.batch.x.astype(np.float64), "labels": truth.batch.labels}
    scalars = {"lr": np.array(truth.rate), "t": np.array(1.0)}
    gradients = {f"gradient of {name}": truth.grads[name] for name in truth.params}
    _write(
        folder,
        {"phase2": phase2.source, "phase3": phase3.text},
        truth.params | truth.slots | batch | scalars,
        {"loss": np.array(truth.loss)} | gradients,
        _facts_of_step(smallest, truth),
    )
    return _run_and_describe(folder, where, {wrong}, "The first step of the smallest network that shows it", "f64")


def _write(
    folder: Path, programs: Mapping[str, str], inputs: Tensors, expected: Tensors, facts: Mapping[str, object]
) -> None:
    """All files of a reproducer but its README."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "phase2.py").write_text(programs["phase2"])
    (folder / "phase3.mlir").write_text(programs["phase3"])
    _save(folder / "inputs.safetensors", inputs)
    _save(folder / "expected.safetensors", expected)
    (folder / "facts.json").write_text(json.dumps(facts, indent=2) + "\n")
    shutil.copyfile(reproduce.__file__, folder / "run.py")


def _run_and_describe(folder: Path, where: str, wrong: set[str], what: str, dtype: str) -> Reproducer:
    """Run the folder and write its README."""
    shows, output = _run(folder, wrong)
    verified = "It was run and shows the error" if shows else "It was run and does NOT show the error"
    printed = "".join(f"    {line}\n" for line in output.splitlines())
    (folder / "README.md").write_text(
        f"# {where}: wrong on {' and '.join(sorted(wrong))}, in {dtype}\n\n"
        f"{what}, in both programs, with its inputs and the correct results in f64.\n\n"
        "    python run.py\n\n"
        f"needs jax, iree-base-compiler, iree-base-runtime, numpy and safetensors. {verified}:\n\n{printed}"
    )
    return Reproducer(folder, shows, output)


def _smallest(test: IsolatedTest, tensor: str, definition: Definition) -> IsolatedTest:
    """The test; of an update only the parameter that `tensor` is, or belongs to."""
    if test.kind != "update":
        return test
    slots = definition.config.optimizer.slots
    name = next(name for name in test.params if tensor in (name, *(f"{name}.{slot}" for slot in slots)))
    keys = [name, *(f"{name}.{slot}" for slot in slots), f"{name}.grad", "lr", "t"]
    results = tuple(key for key in keys if key in test.results)
    return replace(test, inputs={key: test.inputs[key] for key in keys}, results=results)


def _facts_of_piece(test: IsolatedTest, expectation: Expectation) -> dict[str, object]:
    names, isolated = _result_names(test), test.isolated
    stats = {f"layer.{s.name}": s.shape for s in isolated.layer.states()} if isolated is not None else {}
    xs = list(isolated.node.inputs) if isolated is not None else []
    arguments = {
        "loss": ["logits", "labels"],
        "update": list(test.inputs),
        "forward": [*test.params, *stats, *xs, "t"],
        "backward": [*test.params, *stats, *xs, "t", "dy"],
    }[test.kind]
    return {
        "piece": test.kind,
        "function": "main",
        "layer": test.layer,
        "dtype": expectation.dtype,
        "params": test.params,
        "xs": xs,
        "stats": stats,
        "arguments": arguments,
        "results": names,
        "scales": dict(zip(names, expectation.scales, strict=True)),
        "allowed": expectation.allowed,
        "compile_flags": BACKENDS["cpu"].compile_flags(),
    }


def _facts_of_step(side: SideUnderTest, truth: DefinedStep) -> dict[str, object]:
    graph = side.experiment.graph
    stats = {s.name: s.shape for s in graph.states}
    by_parameter = gradient_scales(truth)
    scales = {"loss": abs(truth.loss)} | {f"gradient of {name}": by_parameter[name] for name in truth.params}
    return {
        "piece": "step",
        "function": "train_step",
        "network": graph.spec.canonical_json(),
        "dtype": "f64",
        "params": list(truth.params),
        "stats": stats,
        "arguments": [*truth.params, *truth.slots, *stats, "x", "labels", "lr", "t"],
        "results": list(scales),
        "scales": scales,
        "allowed": LIMIT_F64,
        "compile_flags": BACKENDS["cpu"].compile_flags(),
    }


def _result_names(test: IsolatedTest) -> list[str]:
    """Names of the results by their meaning, as the files of the folder have them."""
    if test.kind == "backward":
        return [f"gradient of {name}" for name in test.results]
    return ["loss", "gradient of logits"] if test.kind == "loss" else list(test.results)


def _run(folder: Path, wrong: set[str]) -> tuple[bool, str]:
    """True where just those sides are wrong; and the output."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with scratch() as temporary:  # of the program, which is killed when it takes too long
        done = subprocess.run(
            with_parent([sys.executable, "-P", "run.py"]),
            cwd=folder,
            env=environment | {"JAX_PLATFORMS": "cpu", "TMPDIR": str(temporary)},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    shown = {line.split()[0] for line in done.stdout.splitlines() if " WRONG " in line}
    return done.returncode == 1 and shown == wrong, done.stdout + done.stderr


def _save(path: Path, tensors: Tensors) -> None:
    save_file({name: np.array(x, order="C") for name, x in tensors.items()}, path)
