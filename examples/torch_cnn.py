"""MNIST-CNN in PyTorch with its own AdamW, as a program that the harness can run beside its own.

harness verify mnist_cnn --steps 20 --pipeline-cmd 'torch=python examples/torch_cnn.py'
"""

import sys
from pathlib import Path

import torch
from mnist import BATCH, learning_rate, load
from torch.nn import Conv2d, Flatten, Linear, MaxPool2d, Module, Parameter, ReLU, Sequential
from torch.nn.functional import batch_norm, cross_entropy, relu

import harness

EPOCHS = 15
CONFIG = {"lr": 0.001, "batch_size": BATCH, "epochs": EPOCHS, "use_adam": True, "weight_decay": 1e-4, "cosine": True}


class ConvBn(Module):
    """A 3x3 convolution, batch norm, ReLU. Running statistics are the first batch's at first, and biased ones."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv = Conv2d(channels, out, 3, padding="same", bias=False)
        self.gamma, self.beta = Parameter(torch.ones(out)), Parameter(torch.zeros(out))
        self.mean, self.var = torch.zeros(out), torch.zeros(out)
        self.share = 1.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        if not self.training:
            return relu(batch_norm(x, self.mean, self.var, self.gamma, self.beta, eps=1e-5))
        with torch.no_grad():
            self.mean.lerp_(x.mean((0, 2, 3)), self.share)
            self.var.lerp_(x.var((0, 2, 3), correction=0), self.share)
        return relu(batch_norm(x, None, None, self.gamma, self.beta, training=True, eps=1e-5))


def main() -> None:
    """Train on the data of the folder that is the last argument, then test."""
    request = harness.RunRequest(dtypes=("f32", "f64"))
    torch.set_default_dtype(getattr(torch, request.float_name))
    images, labels = map(torch.from_numpy, load(Path(sys.argv[-1]), "train", request.float_name))
    batches = len(images) // BATCH
    convs = [ConvBn(1, 32), ConvBn(32, 32), ConvBn(32, 64), ConvBn(64, 64)]
    denses = [Linear(64 * 7 * 7, 512), Linear(512, 10)]
    pool = MaxPool2d(2)
    model = Sequential(*convs[:2], pool, *convs[2:], pool, Flatten(), denses[0], ReLU(), denses[1])
    params, stats = {}, {}
    for k, conv in enumerate(convs, 1):
        params |= {f"conv{k}.w": conv.conv.weight, f"conv{k}.gamma": conv.gamma, f"conv{k}.beta": conv.beta}
        stats |= {f"conv{k}.mean": conv.mean, f"conv{k}.var": conv.var}
    for k, dense in enumerate(denses, 1):
        params |= {f"dense{k}.w": dense.weight, f"dense{k}.b": dense.bias}
    decayed = [tensor for name, tensor in params.items() if name.endswith(".w")]
    others = [tensor for name, tensor in params.items() if not name.endswith(".w")]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 1e-4}, {"params": others, "weight_decay": 0.0}], lr=0.001
    )

    # PyTorch keeps a dense weight as (out, in), the file of initial parameters as (in, out).
    weights = harness.TorchWeights(
        params, optimizer, {"m": "exp_avg", "v": "exp_avg_sq"}, stats, layout=lambda _, x: x.mT if x.ndim == 2 else x
    )
    with request.start(
        weights, network="MNIST-CNN", config=CONFIG, dataset="mnist", steps=EPOCHS * batches, epoch_steps=batches
    ) as run:
        for step in run.steps():
            epoch, batch = divmod(step - 1, batches)
            x, y = (tensor[batch * BATCH : (batch + 1) * BATCH] for tensor in (images, labels))
            for conv in convs:
                conv.share = 1.0 if step == 1 else 0.1
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(epoch, EPOCHS)
            loss = cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.step(loss=loss, lr=learning_rate(epoch, EPOCHS), batch=(x, y))
            last = step

    model.eval()
    tested = 10000 if last == EPOCHS * batches else min(10000, last * BATCH)
    images, labels = (torch.from_numpy(part[:tested]) for part in load(Path(sys.argv[-1]), "t10k", request.float_name))
    with torch.no_grad():
        correct = sum(
            int((model(x).argmax(1) == y).sum()) for x, y in zip(images.split(500), labels.split(500), strict=True)
        )
    print(f"test accuracy: {correct / tested:.4f} ({correct}/{tested})")


if __name__ == "__main__":
    main()
