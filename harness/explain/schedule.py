"""The learning rate as specs/README.md defines it, for a judge of both sides' own formulas."""

import math

import numpy as np

from harness.spec.netspec import TrainConfig


def defined_rate(config: TrainConfig, t: int, steps_per_epoch: int) -> np.float32:
    """The rate of step t, from 1. Source: specs/README.md, Learning rate."""
    steps = 1 if config.schedule == "epoch" else steps_per_epoch
    now = (t - 1) // steps_per_epoch if config.schedule == "epoch" else t - 1
    warmup, end = config.warmup_epochs * steps, config.epochs * steps
    if now < warmup:
        return np.float32(config.lr * (now + 1) / warmup)
    if not config.cosine:
        return np.float32(config.lr)
    return np.float32(config.lr * (1 + math.cos(math.pi * (now - warmup) / (end - warmup))) / 2)
