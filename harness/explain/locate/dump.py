"""Every tensor of one step of both sides and of the definition, in files with the same names inside."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from harness.explain.locate.definition import DefinedStep
from harness.explain.locate.side_under_test import SideUnderTest
from harness.explain.locate.whole_step import run_plain, run_tapped
from harness.run.inprocess import Step, Tapped, Tensors
from harness.spec.netspec import DType


def write_dumps(folder: Path, sides: Sequence[SideUnderTest], dtype: DType, truth: DefinedStep) -> tuple[str, ...]:
    """Write `phase2.f32.safetensors` and so on; a sentence of each side: whether the taps changed its loss.

    Raises: OSError when a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    step = Step(truth.loss, truth.grads, truth.new_params)
    values = {name: x for name, x in truth.values.items() if name != "x"}
    cotangents = {name: truth.cotangents[name] for name in values}
    _save(folder / "definition.f64.safetensors", named(Tapped(step, values, cotangents), truth.params))
    sentences = []
    for side in sides:
        steps = run_plain(side, side.programs[dtype], dtype, truth.t)
        tapped = run_tapped(side, dtype, truth.t)
        before = steps[-2].params if len(steps) > 1 else truth.params  # the initial ones are f32 values
        path = folder / f"{side.pipeline}.{dtype}.safetensors"
        _save(path, named(tapped, before))
        same = np.float64(tapped.step.loss).tobytes() == np.float64(steps[-1].loss).tobytes()
        how = "bit for bit that" if same else f"not that ({tapped.step.loss!r}, not {steps[-1].loss!r})"
        sentences.append(f"taps: {side.pipeline} in {dtype}: the loss is {how} of the step without taps; {path}.")
    return tuple(sentences)


def named(tapped: Tapped, before: Tensors) -> Tensors:
    """The tensors of a step under the names that both sides and the definition share.

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
