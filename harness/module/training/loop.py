"""The training loop around a module's step: the network's feed and rates in, a trace and states out."""

import hashlib
import os
from pathlib import Path

import msgspec

from harness.data.dataset import read_data
from harness.data.feed import BatchFeed
from harness.data.initial_parameters import initial_parameters
from harness.emit.plan import PlannedTraining
from harness.module.executors import REFERENCE, ModuleExecutor
from harness.module.training.binding import TrainingStep
from harness.module.training.device import open_device
from harness.module.training.texts import step_texts
from harness.module.training.weights import StepWeights
from harness.run.contract import STATE_OUT, read_contract
from harness.run.iree_runner import learning_rate
from harness.run.request import RunRequest
from harness.spec.netspec import arithmetic_of

_ON_CPU = ("", "local-task", "local-sync")  # devices of executors that compute on the processor


def train(step: TrainingStep, executor: ModuleExecutor, data_folder: Path, name: str, folder: Path) -> None:
    """Take the steps that the environment asks for, and trace them. `folder`: for files as long as it runs.

    Raises: HarnessError; OSError where the disk is full.
    """
    request = RunRequest(dtypes=("f32", "f64"))
    spec, config = step.model.spec, step.model.config
    data = read_data(data_folder, spec.dataset, spec.input_shape)
    feed = BatchFeed(
        data,
        spec.dataset,
        spec.input_shape,
        request.dtype,
        config.batch_size,
        augmented=config.augment,
        shuffle=request.shuffle,
    )
    contract, dtype = read_contract(), arithmetic_of(request.dtype)
    modules = step_texts(step, dtype, gradients=contract.channels != "none" or STATE_OUT in os.environ)
    executor = executor if dtype == "f32" else REFERENCE
    device = open_device(executor, modules.texts, folder)
    weights = StepWeights(step, device, modules.function, dtype, modules.gradient)
    if contract.init_load is None:
        params = step.model.graph.params
        weights.put({param.name: x for param, x in zip(params, initial_parameters(params), strict=True)}, None)
    planned = msgspec.convert(config, PlannedTraining, from_attributes=True)
    with request.start(
        weights,
        steps=config.epochs * feed.steps_per_epoch,
        network=spec.name,
        config=config.header(),
        pipeline=name,
        dataset=data.name,
        epoch_steps=feed.steps_per_epoch,
        data_sha256=data.data_sha256,
        netspec_hash=spec.netspec_hash(),
        units={"loss": "nats"},
        shuffle=request.shuffle,
        backend="cpu" if executor.device in _ON_CPU else None,
        emitted_sha256=hashlib.sha256(step.module.text.encode()).hexdigest(),
    ) as run:
        for number in run.steps():
            rate = float(learning_rate(planned, number, feed.steps_per_epoch))
            x, labels = feed.training(number)
            epoch = (number - 1) // feed.steps_per_epoch
            numbers = {"step": float(number), "rate": rate, "epoch": float(epoch), "batch": float(config.batch_size)}
            loss = weights.take(x, labels, numbers)
            run.step(loss=loss, lr=rate, batch=(x, labels))
