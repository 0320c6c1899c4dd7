"""Runs in the formats of other tools, or as traces: one module a format, and a table of them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.trace.recording import Recording


@dataclass(frozen=True)
class Format:
    """A format. `place`: the file of a trace in the folder, by the trace's name. `write`: a recording into a file."""

    place: Callable[[Path, str], Path]
    write: Callable[[Recording, Path], None]


def _write_tensorboard(recording: Recording, path: Path) -> None:
    from harness.trace.convert.as_tensorboard import write_events

    write_events(recording, path)


def _write_mllog(recording: Recording, path: Path) -> None:
    from harness.trace.convert.as_mllog import write_mllog

    write_mllog(recording, path)


def _write_trace(recording: Recording, path: Path) -> None:
    from harness.trace.convert.as_trace import write_trace

    write_trace(recording, path)


# TensorBoard takes a folder for a run, and any file with `tfevents` in its name for events.
FORMATS = {
    "tensorboard": Format(lambda folder, name: folder / name / "events.out.tfevents.trace", _write_tensorboard),
    "trace": Format(lambda folder, name: folder / f"{name}.jsonl", _write_trace),
    "mllog": Format(lambda folder, name: folder / f"{name}.log", _write_mllog),
}
