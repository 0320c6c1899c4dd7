"""MNIST-MLP in PyTorch with its own AdamW, as a program that the harness can run beside its own.

    harness verify mnist_mlp --steps 200 --pipeline-cmd 'torch=python examples/torch_mlp.py'

What is there for the harness's sake are the six lines that name `program`, `weights` or `run`.
"""

import math
import sys
from pathlib import Path

import numpy as np
import torch
from torch.nn import Linear, ReLU, Sequential
from torch.nn.functional import cross_entropy

import harness

CONFIG = {"lr": 0.001, "batch_size": 128, "epochs": 12, "use_adam": True, "weight_decay": 1e-4, "warmup_epochs": 1}
NAMES = [f"dense{k}.{kind}" for k in (1, 2, 3) for kind in "wb"]


def images_and_labels(folder: Path, which: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (N, 784) between 0 and 1, divided in float32, and labels (N,)."""
    pixels = np.fromfile(folder / f"{which}-images-idx3-ubyte", np.uint8)[16:].astype(np.float32) / np.float32(255)
    labels = np.fromfile(folder / f"{which}-labels-idx1-ubyte", np.uint8)[8:].astype(np.int64)
    return torch.from_numpy(pixels.reshape(-1, 784)).to(torch.get_default_dtype()), torch.from_numpy(labels)


def learning_rate(epoch: int) -> float:
    """One epoch of warm-up, then half a cosine; a float32, as every program of a pair has to have it."""
    done = (epoch - 1) / 11
    return float(np.float32(0.001 if epoch == 0 else 0.001 * 0.5 * (1 + math.cos(math.pi * done))))


def main() -> None:
    """Train on the data of the folder that is the last argument, then test."""
    program = harness.Program(dtypes=("f32", "f64"))
    torch.set_default_dtype(getattr(torch, program.float_name))
    images, labels = images_and_labels(Path(sys.argv[-1]), "train")
    batches = len(images) // 128
    model = Sequential(Linear(784, 512), ReLU(), Linear(512, 512), ReLU(), Linear(512, 10))
    params = dict(zip(NAMES, model.parameters(), strict=True))
    groups = [{"params": [p for n, p in params.items() if n.endswith(kind)], "weight_decay": decay}
              for kind, decay in ((".w", 1e-4), (".b", 0.0))]  # fmt: skip
    optimizer = torch.optim.AdamW(groups, lr=0.001)

    # nn.Linear keeps its weight as (out, in), the file of initial parameters as (in, out).
    weights = harness.TorchWeights(params, optimizer, {"m": "exp_avg", "v": "exp_avg_sq"}, layout=lambda _, x: x.T)
    with program.run(
        weights, network="MNIST-MLP", config=CONFIG, dataset="mnist", steps=12 * batches, epoch_steps=batches
    ) as run:
        for step in run.steps():
            epoch, batch = divmod(step - 1, batches)
            rows = slice(batch * 128, batch * 128 + 128)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(epoch)
            loss = cross_entropy(model(images[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.step(loss=loss, lr=learning_rate(epoch), batch=(images[rows], labels[rows]))

    with torch.no_grad():
        images, labels = images_and_labels(Path(sys.argv[-1]), "t10k")
        correct = int((model(images).argmax(1) == labels).sum())
    print(f"test accuracy: {correct / len(labels):.4f} ({correct}/{len(labels)})")


if __name__ == "__main__":
    main()
