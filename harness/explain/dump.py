"""Everything of one step of both sides and of the definition, in files with the same names inside."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from harness.explain.definition import DefinedStep
from harness.explain.party import Party
from harness.explain.whole import run_plain, run_tapped
from harness.run.inprocess import Step, Tapped, Tensors
from harness.spec.netspec import DType


def write_dumps(folder: Path, parties: Sequence[Party], dtype: DType, truth: DefinedStep) -> tuple[str, ...]:
    """Write `phase2.f32.safetensors` and so on, and say of each side whether being looked into changed its loss.

    Raises: OSError when a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    step = Step(truth.loss, truth.grads, truth.moved)
    inside = {name: x for name, x in truth.values.items() if name != "x"}
    behind = {name: truth.cotangents[name] for name in inside}
    _save(folder / "definition.f64.safetensors", named(Tapped(step, inside, behind), truth.params))
    said = []
    for party in parties:
        steps = run_plain(party, party.sides[dtype], dtype, truth.t)
        tapped = run_tapped(party, dtype, truth.t)
        before = steps[-2].params if len(steps) > 1 else truth.params  # the initial ones are f32 values
        path = folder / f"{party.pipeline}.{dtype}.safetensors"
        _save(path, named(tapped, before))
        same = np.float64(tapped.step.loss).tobytes() == np.float64(steps[-1].loss).tobytes()
        how = "bit for bit that" if same else f"not that ({tapped.step.loss!r}, not {steps[-1].loss!r})"
        said.append(f"taps: {party.pipeline} in {dtype}: the loss is {how} of the step without taps; {path}.")
    return tuple(said)


def named(tapped: Tapped, before: Tensors) -> Tensors:
    """Everything of a step under the names that both sides and the definition share.

    `loss`, `activation/NODE`, `cotangent/NODE`, `gradient/PARAM`, `parameter/PARAM` (before the step), `update/PARAM`.
    """
    tensors = {"loss": np.array(tapped.step.loss)}
    tensors |= {f"activation/{name}": x for name, x in tapped.values.items()}
    tensors |= {f"cotangent/{name}": x for name, x in tapped.cotangents.items()}
    tensors |= {f"gradient/{name}": x for name, x in tapped.step.grads.items()}
    tensors |= {f"parameter/{name}": x.astype(tapped.step.params[name].dtype) for name, x in before.items()}
    tensors |= {f"update/{name}": x - before[name].astype(x.dtype) for name, x in tapped.step.params.items()}
    return tensors


def _save(path: Path, tensors: Tensors) -> None:
    save_file({name: np.array(x, order="C") for name, x in tensors.items()}, path)
