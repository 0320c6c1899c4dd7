"""A folder that shows a culprit without this project: the smallest piece that is off, its inputs, and what is right.

It is run before it is reported: a folder that does not show the error says so.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from harness.explain import reproduce
from harness.explain.definition import DefinedStep, Definition
from harness.explain.local_test import Finding, piece_of
from harness.explain.party import Party
from harness.explain.piece import LIMIT_F64, Measured, Piece
from harness.explain.smaller import shrink
from harness.explain.whole import scales
from harness.run.backends import BACKENDS
from harness.run.inprocess import Phase2, Phase3, Tensors

TIMEOUT_S = 600.0


@dataclass(frozen=True)
class Reproducer:
    """Where the folder is, and whether running it showed just that side off. `output`: what it printed."""

    folder: Path
    shows: bool
    output: str


def write_reproducer(
    folder: Path, culprits: Sequence[Finding], parties: Sequence[Party], definition: Definition, truth: DefinedStep
) -> Reproducer:
    """Write the folder of the first culprit, and run it.

    Raises: OSError when the folder cannot be written.
    """
    first = culprits[0]
    alike = [f for f in culprits if (f.layer, f.direction, f.t) == (first.layer, first.direction, first.t)]
    piece = _smallest(piece_of(first, definition, truth), max(alike, key=lambda f: f.error).tensor, definition)
    measured = Measured(piece, definition, first.dtype)
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        party.pipeline: party.alone[first.dtype].program(piece.kind, piece.part, piece.params) for party in parties
    }
    (folder / "phase2.py").write_text(texts["phase2"])
    (folder / "phase3.mlir").write_text(texts["phase3"])
    _save(folder / "inputs.safetensors", measured.fed)
    _save(folder / "expected.safetensors", dict(zip(_results(piece), measured.right, strict=True)))
    (folder / "facts.json").write_text(json.dumps(_facts(piece, measured), indent=2) + "\n")
    shutil.copyfile(reproduce.__file__, folder / "run.py")
    where = first.layer if first.layer == first.direction else f"{first.layer}, {first.direction}"
    return _finished(folder, where, {f.side for f in alike}, "One piece of a training step", first.dtype)


def write_whole_reproducer(folder: Path, where: str, parties: Sequence[Party], side: str) -> Reproducer:
    """The same of a step that is off as a whole: the first step in f64 of the smallest network that shows it.

    Raises: OSError when the folder cannot be written.
    """
    smallest, truth = shrink(next(party for party in parties if party.pipeline == side))
    (other,) = (party for party in parties if party.pipeline != side)
    beside = Party(other.pipeline, smallest.meant, conventions=other.conventions, rules=other.rules)
    sides = {party.pipeline: party.sides["f64"] for party in (smallest, beside)}
    phase2, phase3, names = sides["phase2"], sides["phase3"], list(truth.params)
    assert isinstance(phase2, Phase2)
    assert isinstance(phase3, Phase3)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "phase2.py").write_text(phase2.source)
    (folder / "phase3.mlir").write_text(phase3.text)
    batch = {"x": truth.batch.x.astype(np.float64), "labels": truth.batch.labels}
    scalars = {"lr": np.array(truth.rate), "t": np.array(1.0)}
    _save(folder / "inputs.safetensors", truth.params | truth.slots | batch | scalars)
    right = {"loss": np.array(truth.loss)} | {f"gradient of {name}": truth.grads[name] for name in names}
    _save(folder / "expected.safetensors", right)
    stats = {s.name: s.shape for s in smallest.meant.graph.states}
    facts = {
        "piece": "step",
        "function": "train_step",
        "network": smallest.meant.graph.spec.canonical_json(),
        "dtype": "f64",
        "params": names,
        "stats": stats,
        "arguments": [*names, *truth.slots, *stats, "x", "labels", "lr", "t"],
        "results": list(right),
        "scales": dict(zip(right, scales(truth), strict=True)),
        "allowed": LIMIT_F64,
        "compile_flags": BACKENDS["cpu"].compile_flags(),
    }
    (folder / "facts.json").write_text(json.dumps(facts, indent=2) + "\n")
    shutil.copyfile(reproduce.__file__, folder / "run.py")
    return _finished(folder, where, {side}, "The first step of the smallest network that shows it", "f64")


def _finished(folder: Path, where: str, sides: set[str], what: str, dtype: str) -> Reproducer:
    """Run the folder and write its README."""
    shows, output = _run(folder, sides)
    verified = "It was run and shows the error" if shows else "It was run and does NOT show the error"
    printed = "".join(f"    {line}\n" for line in output.splitlines())
    (folder / "README.md").write_text(
        f"# {where}: off on {' and '.join(sorted(sides))}, in {dtype}\n\n"
        f"{what}, in both programs, with its inputs and the right results in f64.\n\n"
        "    python run.py\n\n"
        f"needs jax, iree-base-compiler, iree-base-runtime, numpy and safetensors. {verified}:\n\n{printed}"
    )
    return Reproducer(folder, shows, output)


def _smallest(piece: Piece, tensor: str, definition: Definition) -> Piece:
    """Of an update only the parameter that is off most."""
    if piece.kind != "update":
        return piece
    slots = definition.config.optimizer.slots
    name = next(name for name in piece.params if tensor in (name, *(f"{name}.{slot}" for slot in slots)))
    keys = [name, *(f"{name}.{slot}" for slot in slots), f"{name}.grad", "lr", "t"]
    results = tuple(key for key in keys if key in piece.results)
    return replace(piece, inputs={key: piece.inputs[key] for key in keys}, results=results)


def _facts(piece: Piece, measured: Measured) -> dict[str, object]:
    names = _results(piece)
    part = piece.part
    stats = [f"layer.{s.name}" for s in part.layer.states()] if part is not None else []
    shapes = {f"layer.{s.name}": s.shape for s in part.layer.states()} if part is not None else {}
    xs = list(part.node.inputs) if part is not None else []
    arguments = {
        "loss": ["logits", "labels"],
        "update": list(piece.inputs),
        "forward": [*piece.params, *stats, *xs, "t"],
        "backward": [*piece.params, *stats, *xs, "t", "dy"],
    }[piece.kind]
    return {
        "piece": piece.kind,
        "function": "main",
        "layer": piece.layer,
        "dtype": measured.dtype,
        "params": piece.params,
        "xs": xs,
        "stats": shapes,
        "arguments": arguments,
        "results": names,
        "scales": dict(zip(names, measured.scales, strict=True)),
        "allowed": measured.allowed,
        "compile_flags": BACKENDS["cpu"].compile_flags(),
    }


def _results(piece: Piece) -> list[str]:
    """Names of the results that say what they are."""
    if piece.kind == "backward":
        return [f"gradient of {name}" for name in piece.results]
    return ["loss", "gradient of logits"] if piece.kind == "loss" else list(piece.results)


def _run(folder: Path, sides: set[str]) -> tuple[bool, str]:
    """Whether the sides that ought to be off are, and no other; and what was printed."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "run.py"],
        cwd=folder,
        env=environment | {"JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    off = {line.split()[0] for line in done.stdout.splitlines() if " OFF " in line}
    return done.returncode == 1 and off == sides, done.stdout + done.stderr


def _save(path: Path, tensors: Tensors) -> None:
    save_file({name: np.array(x, order="C") for name, x in tensors.items()}, path)
