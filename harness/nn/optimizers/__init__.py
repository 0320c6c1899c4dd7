"""One file an optimizer: its facts and its rules of both sides. Weight decay is the training step's business."""

from harness.nn.optimizers.adam import Adam
from harness.nn.optimizers.sgd import Sgd

__all__ = ["Adam", "Sgd"]
