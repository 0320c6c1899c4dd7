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

from harness.backends import BACKENDS
from harness.explain import reproduce
from harness.explain.definition import DefinedStep, Definition
from harness.explain.local_test import Finding, piece_of
from harness.explain.party import Party
from harness.explain.piece import Measured, Piece
from harness.sides import Tensors

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
    shows, output = _run(folder, {f.side for f in alike})
    (folder / "README.md").write_text(_readme(first, sorted({f.side for f in alike}), shows, output))
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


def _readme(first: Finding, sides: Sequence[str], shows: bool, output: str) -> str:
    where = first.layer if first.layer == first.direction else f"{first.layer}, {first.direction}"
    verified = "It was run and shows the error" if shows else "It was run and does NOT show the error"
    printed = "".join(f"    {line}\n" for line in output.splitlines())
    return (
        f"# {where}: off on {' and '.join(sides)}, in {first.dtype}\n\n"
        "One piece of a training step, in both programs, with its inputs and the right results in f64.\n\n"
        "    python run.py\n\n"
        f"needs jax, iree-base-compiler, iree-base-runtime, numpy and safetensors. {verified}:\n\n{printed}"
    )


def _save(path: Path, tensors: Tensors) -> None:
    save_file({name: np.array(x, order="C") for name, x in tensors.items()}, path)
