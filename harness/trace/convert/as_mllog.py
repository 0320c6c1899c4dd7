"""A trace as the log of an MLPerf training run."""

import io
import logging
import math
import re
from pathlib import Path
from typing import Any

import msgspec

import harness
from harness.system.extras import extra
from harness.system.files import replace_file
from harness.trace.columns import step_lines
from harness.trace.recording import Recording

with extra():
    from mlperf_logging.mllog import constants
    from mlperf_logging.mllog.mllog import MLLogger

_ROOT = Path(harness.__file__).parents[1]
# Keys of the header's config that mllog has names for.
_CONFIG = {
    "seed": constants.SEED,
    "batch_size": constants.GLOBAL_BATCH_SIZE,
    "lr": constants.OPT_BASE_LR,
    "weight_decay": constants.OPT_WEIGHT_DECAY,
    "warmup_epochs": constants.OPT_LR_WARMUP_EPOCHS,
}
TRAIN_LOSS = "train_loss"


def write_mllog(recording: Recording, path: Path) -> None:
    """The header and its hyperparameters, the epochs as intervals, and an event `train_loss` a step.

    Whatever else a step's line holds is the event's metadata, under the names and in the form of the trace. A trace has
    no clock: times are milliseconds since the run began, as far as it says how long its steps took.

    Raises: OSError, PackageError.
    """
    with replace_file(path) as file:
        file.write(_log(recording).encode())


def _log(recording: Recording) -> str:
    trace, manifest = recording.trace, recording.manifest
    written = io.StringIO()
    target = logging.Logger("trace")
    target.addHandler(logging.StreamHandler(written))
    # It names the line of code that logs; that line's path is of no machine.
    log = MLLogger(target, root_dir=re.escape(str(_ROOT)))
    header: dict[str, Any] = msgspec.to_builtins(trace.header)
    log.event(constants.SUBMISSION_BENCHMARK, trace.header.netspec_name, time_ms=0)
    for key, name in _CONFIG.items():
        if trace.header.config.get(key) is not None:
            log.event(name, trace.header.config[key], time_ms=0)
    if (adam := trace.header.config.get("use_adam")) is not None:
        log.event(constants.OPT_NAME, constants.ADAM if adam else constants.SGD, time_ms=0)
    log.start(constants.RUN_START, metadata={"header": header}, time_ms=0)
    clock, epoch = 0.0, None
    for line_of_step in step_lines(trace):
        line = msgspec.to_builtins(line_of_step)
        if line["epoch"] != epoch:
            if epoch is not None:
                log.end(constants.EPOCH_STOP, metadata={constants.EPOCH_NUM: epoch}, time_ms=int(clock))
            epoch = line["epoch"]
            log.start(constants.EPOCH_START, metadata={constants.EPOCH_NUM: epoch}, time_ms=int(clock))
        wall_ms = float(line.get("wall_ms", 0.0))
        clock += wall_ms if 0.0 <= wall_ms < math.inf else 0.0
        rest = {name: value for name, value in line.items() if name not in ("kind", "step", "epoch", "loss")}
        metadata = {constants.STEP_NUM: line["step"], constants.EPOCH_NUM: epoch, **rest}
        log.event(TRAIN_LOSS, line["loss"], metadata=metadata, time_ms=int(clock))
    if epoch is not None:
        log.end(constants.EPOCH_STOP, metadata={constants.EPOCH_NUM: epoch}, time_ms=int(clock))
    status = None
    if manifest is not None:
        if manifest.test_accuracy is not None:
            metadata = {constants.EPOCH_NUM: epoch}
            log.event(constants.EVAL_ACCURACY, manifest.test_accuracy, metadata=metadata, time_ms=int(clock))
        status = {constants.STATUS: constants.SUCCESS if manifest.status == "complete" else constants.ABORTED}
    log.end(constants.RUN_STOP, metadata=status, time_ms=int(clock))
    return written.getvalue()
