"""One file per loss: its facts and its rules of both sides."""

from harness.nn.losses.softmax_cross_entropy import SoftmaxCrossEntropy

__all__ = ["SoftmaxCrossEntropy"]
