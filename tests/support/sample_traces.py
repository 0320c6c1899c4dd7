"""Small traces for the tests of whatever reads, compares or judges them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.trace.format import StepLine, Trace, TraceFile, TraceHeader
from harness.trace.manifest import Manifest
from harness.trace.recording import Recording

CONFIG: dict[str, Any] = {
    "lr": 0.001,
    "batch_size": 128,
    "epochs": 12,
    "use_adam": True,
    "weight_decay": 0.0001,
    "cosine": True,
    "warmup_epochs": 1,
    "augment": False,
    "label_smoothing": 0.0,
    "seed": 314159,
}
# As the published traces have it.
HEADER: dict[str, Any] = {
    "kind": "header",
    "phase": "phase3",
    "netspec_name": "SOME-MLP",
    "config": CONFIG,
    "total_params": 669706,
    "dataset": "mnist",
    "emitter_version": "1",
}


def header(**changes: Any) -> TraceHeader:
    """A header; `config_lr=1` changes a key of the config."""
    config = CONFIG | {name[7:]: value for name, value in changes.items() if name.startswith("config_")}
    keys = {name: value for name, value in changes.items() if not name.startswith("config_")}
    return TraceHeader(**(HEADER | {"config": config} | keys))


def trace(
    losses: Sequence[float] | np.ndarray,
    *,
    lr: float | Sequence[float] = 0.001,
    per_epoch: int = 468,
    epoch: Sequence[int] | None = None,
    digests: Mapping[int, str] | None = None,
    norms: Mapping[str, Mapping[str, Sequence[float]]] | None = None,
    path: str = "traces/sample.jsonl",
    **header_keys: Any,
) -> Trace:
    """A trace in memory. `norms`: by kind (`grad_norms`, …) and parameter, for every step."""
    loss = np.array(losses, np.float64)
    epochs = np.arange(len(loss)) // per_epoch if epoch is None else np.array(epoch)
    rates = np.broadcast_to(np.array(lr, np.float64), loss.shape)
    steps = {
        k + 1: StepLine(
            kind="step",
            step=k + 1,
            epoch=int(epochs[k]),
            loss=float(loss[k]),
            lr=float(rates[k]),
            **{kind: {name: float(column[k]) for name, column in of.items()} for kind, of in (norms or {}).items()},
        )
        for k in range(len(loss))
        if norms
    }
    return Trace(path, header(**header_keys), epochs.astype(np.int64), loss, rates, digests or {}, steps)


def recording(losses: Sequence[float] | np.ndarray, *, manifest: Manifest | None = None, **keys: Any) -> Recording:
    """A recording in memory."""
    return Recording(trace(losses, **keys), manifest)


def write(path: Path, losses: Sequence[float], *, per_epoch: int = 468, lr: float = 0.001, **keys: Any) -> Path:
    """Write a trace file with the writer."""
    with TraceFile(path, header(**keys)) as writer:
        for k, loss in enumerate(losses):
            writer.write_step(k + 1, k // per_epoch, loss, lr)
    return path


def lines(count: int, first: Mapping[str, Any] = HEADER) -> list[bytes]:
    """The lines of a trace without their ends, `count` steps; made with another encoder than the writer's."""
    steps = [
        {"kind": "step", "step": k + 1, "epoch": k // 468, "loss": 2.0 / (k + 1), "lr": 0.001} for k in range(count)
    ]
    return [json.dumps(line, separators=(",", ":")).encode() for line in (first, *steps)]


def text(parts: Sequence[bytes]) -> bytes:
    """Lines as the bytes of a file."""
    return b"".join(line + b"\n" for line in parts)
