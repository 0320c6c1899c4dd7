"""What the examples on MNIST share: the data as everybody has to divide it, and the rates of the published training."""

import math
from pathlib import Path

import numpy as np

BATCH = 128


def load(folder: Path, which: str, dtype: str = "float32") -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 1, 28, 28) between 0 and 1, divided in float32, and labels (N,). `which`: `train` or `t10k`."""
    pixels = np.fromfile(folder / f"{which}-images-idx3-ubyte", np.uint8)[16:].astype(np.float32) / np.float32(255)
    labels = np.fromfile(folder / f"{which}-labels-idx1-ubyte", np.uint8)[8:].astype(np.int64)
    return pixels.reshape(-1, 1, 28, 28).astype(dtype), labels


def learning_rate(epoch: int, epochs: int) -> float:
    """One epoch of warm-up, then half a cosine. A float32, as every program of a pair has to have it."""
    if epoch == 0:
        return float(np.float32(0.001))
    return float(np.float32(0.001 * 0.5 * (1 + math.cos(math.pi * (epoch - 1) / (epochs - 1)))))
